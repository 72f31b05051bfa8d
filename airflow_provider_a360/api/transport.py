"""One request: paced, sent, tried again, replayed after a 401, decoded."""

from __future__ import annotations

import functools
import logging
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_before_delay,
    stop_when_event_set,
    wait_exponential,
    wait_random,
)
from tenacity.stop import stop_base

from airflow_provider_a360.api import answers
from airflow_provider_a360.api.auth import TOKEN_PATH, ClientCredentials, Credentials, StaticKey
from airflow_provider_a360.api.errors import (
    A360AuthError,
    A360ConfigError,
    A360NoDataError,
    A360RequestError,
    A360TransientError,
    A360UndecodableError,
)
from airflow_provider_a360.api.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import urllib3

    from airflow_provider_a360.api.settings import Settings

log = logging.getLogger(__name__)

_LONGEST_WAIT = 60.0
_BACKOFF = wait_exponential(multiplier=0.25, max=_LONGEST_WAIT / 2) + wait_random(0, 0.25)
_REPLAYS = 5
_UNDECODABLE_TRIES = 3
_CHUNK = 1 << 16


class Request(NamedTuple):
    """What is sent: a path below the base URL, with a query, or with a body that goes as JSON."""

    method: str
    path: str
    params: Mapping[str, str | int] | None = None
    body: Mapping[str, str | int] | None = None


class Transport:
    """Sends one account's requests; safe to share among threads.

    Token and pace belong to the account: all transports of one account in this process share them.

    Raises: A360ConfigError, as `Wire` does.
    """

    def __init__(self, settings: Settings) -> None:
        from airflow_provider_a360.api.wire import Wire  # noqa: PLC0415  # parsing a DAG must not pay for requests

        self.requests = 0
        """Requests sent so far, tries and token requests included."""
        self._settings = settings
        self._wire = Wire(settings)
        self._credentials, self._pace = _account(
            settings.base_url, settings.client_id, settings.secret, settings.requests_per_second
        )
        self._in_flight = threading.BoundedSemaphore(settings.max_in_flight)
        self._counting = threading.Lock()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: Mapping[str, str | int] | None = None,
        deadline: float,
        unwanted: threading.Event,
    ) -> Any:
        """The decoded JSON of the answer to a request.

        Tried again, with growing waits and jitter, after a 429, a 5xx, a time-out or a broken connection for at most
        `deadline` seconds; after a body that is not JSON, three times at most. A 401 draws a new token and a replay;
        others only where that token has been accepted meanwhile: it was revoked or grew old while this request waited
        for its turn. Once `unwanted` is set, nothing is waited for and nothing tried again.

        Raises: what `answers.read` raises; A360ConfigError where the server's certificate can't be trusted.
        """
        request = Request(method, path, params, body)
        until = time.monotonic() + deadline
        nap = functools.partial(_nap, request, unwanted)

        def ask(token_body: dict[str, str]) -> Any:
            try:
                return self._send(Request("POST", TOKEN_PATH, body=token_body), None, until, nap)
            except (A360RequestError, A360NoDataError) as refused:
                # The token endpoint says 400 or 404 for what is a matter of credentials or of the base URL.
                raise A360AuthError("POST", TOKEN_PATH, refused.status, refused.reason) from None

        def once() -> Any:
            replays = _REPLAYS
            with self._in_flight:
                while True:
                    bearer = self._credentials.bearer(ask)
                    try:
                        answer = self._send(request, bearer, until, nap)
                    except A360AuthError:
                        replays -= 1
                        if not self._credentials.renew(bearer) or replays < 0:
                            raise
                    except (A360NoDataError, A360RequestError):
                        self._credentials.accepted()
                        raise
                    else:
                        self._credentials.accepted()
                        return answer

        return Retrying(
            retry=retry_if_exception_type(A360TransientError),
            wait=self._wait,
            stop=stop_before_delay(deadline) | stop_when_event_set(unwanted) | _StopUndecodable(),
            sleep=nap,
            before_sleep=_say_retry,
            reraise=True,
        )(once)

    def _wait(self, state: RetryCallState) -> float:
        """Seconds until the next try: what the service asked for, else twice as long each time."""
        failure = state.outcome.exception() if state.outcome else None
        wait = _BACKOFF(state)
        if isinstance(failure, A360TransientError):
            wait = max(wait, min(failure.retry_after or 0.0, _LONGEST_WAIT))
            if failure.limited:
                self._pace.refused(wait)
        return wait

    def _send(self, request: Request, bearer: str | None, until: float, nap: Callable[[float], None]) -> Any:
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        self._pace.wait(nap)
        with self._counting:
            self.requests += 1
        try:
            with self._wire.ask(request, bearer) as response:
                # Time spent waiting for the pace is not the answer's fault.
                content = _body(response, max(until, time.monotonic() + self._settings.read_timeout))
        except (HTTPError, OSError) as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise A360ConfigError(
                    f"The certificate of {self._settings.base_url} can't be trusted. Where a proxy of your own "
                    "stands between, name its certificate in the environment variable REQUESTS_CA_BUNDLE."
                ) from None
            raise self._no_answer(request, error) from None
        return answers.read(request.method, request.path, response.status, response.headers, content)

    def _no_answer(self, request: Request, error: Exception) -> A360TransientError:
        """Why none came, in words of ours: the error's own may hold a proxy's password."""
        text = repr(error)
        why = next((words for sign, words in _WHY.items() if sign in text), type(error).__name__)
        reason = f"no answer from {self._settings.base_url} ({why}); check the connection's host and the network"
        return A360TransientError(request.method, request.path, None, reason)


_WHY = {
    "Connection refused": "connection refused",
    "NameResolutionError": "its name is not known",
    "Network is unreachable": "the network is unreachable",
    "ConnectTimeout": "no connection in time",
    "Read timed out": "silence for too long",
    "timed out": "no connection in time",
    "reset by peer": "the connection was reset",
    "SSL": "the TLS connection broke",
}


class _StopUndecodable(stop_base):
    """Give up an answer that can't be decoded after a few tries: it is no overload that passes."""

    def __init__(self) -> None:
        self._seen = 0

    def __call__(self, retry_state: RetryCallState) -> bool:
        outcome = retry_state.outcome
        undecodable = outcome is not None and isinstance(outcome.exception(), A360UndecodableError)
        self._seen += undecodable
        return undecodable and self._seen >= _UNDECODABLE_TRIES


def _nap(request: Request, unwanted: threading.Event, seconds: float) -> None:
    if unwanted.wait(seconds):
        raise A360TransientError(request.method, request.path, None, "its answer was not wanted any more")


def _say_retry(state: RetryCallState) -> None:
    failure = state.outcome.exception() if state.outcome else None
    if isinstance(failure, A360TransientError) and state.next_action:
        reason = str(failure).removesuffix(failure.remedy).rstrip()
        log.warning("%s Trying again in %.1f s.", reason, state.next_action.sleep)


def _body(response: urllib3.BaseHTTPResponse, until: float) -> bytes:
    """The whole body, read as it arrives, so that one that only drips ends with the call's time."""
    chunks = []
    while chunk := response.read1(_CHUNK, decode_content=True):
        chunks.append(chunk)
        if time.monotonic() > until:
            raise TimeoutError
    return b"".join(chunks)


_accounts: dict[tuple[str, str, str], tuple[Credentials, Pace]] = {}
_accounts_lock = threading.Lock()


def _account(base_url: str, client_id: str, secret: str, per_second: float) -> tuple[Credentials, Pace]:
    """The token and the pace of an account, the same for all of this process; a changed pace takes over."""
    with _accounts_lock:
        credentials, pace = _accounts.get((base_url, client_id, secret), (None, None))
        if credentials is None:
            credentials = ClientCredentials(client_id, secret) if client_id else StaticKey(secret)
        if pace is None or pace.per_second != per_second:
            pace = Pace(per_second)
        _accounts[base_url, client_id, secret] = credentials, pace
        return credentials, pace
