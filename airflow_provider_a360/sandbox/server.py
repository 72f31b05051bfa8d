"""The HTTP server of a sandbox. It runs in a thread of this process and listens on 127.0.0.1."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Thread
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from airflow_provider_a360.sandbox.account import Account
from airflow_provider_a360.sandbox.endpoints import Endpoints, json_response
from airflow_provider_a360.sandbox.faults import Faults
from airflow_provider_a360.sandbox.list_changes import ListChanges
from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.queries import StatusError, parse_form
from airflow_provider_a360.sandbox.tokens import API_KEY, CLIENT_ID, CLIENT_SECRET, Tokens

TOKEN_PATH = "/oauth/access_token"  # noqa: S105  (a path, not a secret)
_QUERY = ("filter", "limit", "offset", "sortField", "sortDirection", "flow_type", "deleted")
_MAX_KEPT_REQUESTS = 200_000


@dataclass(slots=True)
class ReceivedRequest:
    """A request that the sandbox received.

    It contains no secrets and no addresses: `query` has only the documented parameters of GET requests.

    :param method: the HTTP method
    :param path: the path, such as "/a360/autoresponders/list"
    :param query: the documented query parameters
    :param status: the HTTP status of the response; 0 until there is one
    :param at: the time of arrival, from `time.monotonic()`
    :param had_bearer: whether the request had a bearer token
    """

    method: str
    path: str
    query: dict[str, str]
    status: int
    at: float
    had_bearer: bool


class Sandbox:
    """Serve a made-up A360 account on 127.0.0.1. A context manager: the server runs within the `with` block.

    .. code-block:: python

        with Sandbox(seed=2, options=SandboxOptions(latency=0.1)) as sandbox:
            os.environ["AIRFLOW_CONN_A360_DEFAULT"] = sandbox.connection_uri

    `url` is the base URL, in place of https://api.sendpulse.com. `requests` lists the requests received so far.
    `account` and `options` can be changed while the server runs.

    :param account: the account to serve; by default one generated from the seed
    :param seed: decides what the generated account contains, and which requests are affected by faults
    :param options: the rate limit, the faults and other behaviour; by default a service without faults
    :param port: the port to listen on; 0 for any free port
    :param clock: returns the account's current time (aware, UTC). By default the real time; for an account generated
        for another time, a clock that starts at that time
    :raises OSError: the port can't be used
    """

    client_id = CLIENT_ID
    client_secret = CLIENT_SECRET
    api_key = API_KEY

    def __init__(
        self,
        account: Account | None = None,
        *,
        seed: int = 1,
        options: SandboxOptions | None = None,
        port: int = 0,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.options = options or SandboxOptions()
        self.account = account or Account.generate(seed=seed, now=clock() if clock else None)
        self.requests: list[ReceivedRequest] = []
        self._clock = clock or _clock_from(self.account.generated_at)
        self._tokens = Tokens(self.options)
        self._faults = Faults(self.options, seed)
        self._app = Endpoints(self.account, self.options, ListChanges(seed)).app()
        self._count = 0
        self._prepared: list[tuple[str, Response]] = []
        self._socket = socket.create_server(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        # Keep connections open while a test pauses between two requests.
        config = uvicorn.Config(
            self._serve,
            interface="asgi3",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=90,
        )
        self._server = _Server(config)
        self._thread = Thread(target=self._server.run, args=([self._socket],), name="a360-sandbox", daemon=True)

    @property
    def connection_uri(self) -> str:
        """Return the Airflow connection to the sandbox as JSON, for the variable AIRFLOW_CONN_A360_DEFAULT."""
        return json.dumps(
            {"conn_type": "a360", "login": self.client_id, "password": self.client_secret, "host": self.url}
        )

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            sleep(0.001)
        if not self._thread.is_alive():
            raise RuntimeError(f"The sandbox's server could not start on {self.url}.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()
        self._thread.join()
        self._socket.close()

    def serve_forever(self) -> None:
        """Serve until interrupted with Ctrl-C. Start the server first unless it runs already."""
        try:
            if not self._thread.is_alive():
                self.__enter__()
            self._thread.join()
        except KeyboardInterrupt:
            self.__exit__(None, None, None)

    def answer_next(
        self,
        path_prefix: str,
        *,
        status: int = 200,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        times: int = 1,
    ) -> None:
        """Set the response of the next requests of a path. The rate limit and authentication don't apply to them.

        :param path_prefix: how the path of a request begins, such as "/a360/stats/"
        :param status: the HTTP status
        :param body: the body; text and bytes are sent as they are, anything else as JSON; None for an empty body
        :param headers: headers of the response
        :param times: the number of requests
        """
        if body is None or isinstance(body, str | bytes):
            response = Response(body, status, headers)
        else:
            response = json_response(body, status)
            response.headers.update(headers or {})
        self._prepared.extend([(path_prefix, response)] * times)

    def revoke_tokens(self) -> None:
        """Revoke every access token issued so far."""
        self._tokens.revoke()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        received = self._record(request)
        self._count += 1
        number = self._count
        response = self._take_prepared(request.url.path)
        fault = None
        if response is None:
            response = self._faults.early_response(number, request.method, request.url.path)
            if response is None:
                response = await self._respond(request)
                fault = self._faults.body_fault(number) if request.method == "GET" else None
        if self.options.latency:
            await asyncio.sleep(self.options.latency)
        received.status = 200 if fault == "html" else response.status_code
        await self._faults.send(response, fault, receive, send)

    def _record(self, request: Request) -> ReceivedRequest:
        if len(self.requests) >= _MAX_KEPT_REQUESTS:
            del self.requests[: _MAX_KEPT_REQUESTS // 2]
        query = {name: request.query_params[name] for name in _QUERY if name in request.query_params}
        received = ReceivedRequest(
            request.method,
            request.url.path,
            query,
            0,
            monotonic(),
            request.headers.get("authorization", "").startswith("Bearer "),
        )
        self.requests.append(received)
        return received

    def _take_prepared(self, path: str) -> Response | None:
        for index, (prefix, response) in enumerate(self._prepared):
            if path.startswith(prefix):
                del self._prepared[index]
                return response
        return None

    async def _respond(self, request: Request) -> Response:
        try:
            if request.url.path == TOKEN_PATH and request.method == "POST":
                return json_response(self._tokens.issue(await parse_form(request)))
        except StatusError as error:
            return json_response(error.body, error.status)
        if not self._tokens.admit(request.headers.get("authorization", "")):
            return json_response({"message": "Unauthorized!", "error_code": 401}, 401)
        self.account.advance(self._clock())
        return await _run_app(self._app, request)


def _clock_from(generated_at: datetime | None) -> Callable[[], datetime]:
    offset = (generated_at - datetime.now(UTC)) if generated_at else timedelta()
    return lambda: datetime.now(UTC) + offset


async def _run_app(app: Callable[[Scope, Receive, Send], Any], request: Request) -> Response:
    """Run an ASGI application and return its whole response, so that it can be delayed or broken."""
    start: Message = {}
    body = bytearray()

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        body.extend(message.get("body", b""))

    await app(request.scope, request.receive, keep)
    response = Response(bytes(body), start["status"])
    response.raw_headers = list(start["headers"])
    return response


class _Server(uvicorn.Server):
    """Stop without delay.

    uvicorn checks every 0.1 seconds whether it should stop, and then waits 0.1 seconds for its connections. That adds
    up in tests that start a sandbox each.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Stop the server. Can be called from any thread, and more than once."""
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stopped.set)

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        if not self.should_exit:
            await self._stopped.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
