"""A sandbox, and a server that sends whatever bytes a test writes."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import fields
from typing import Any

import pytest
from api_support import NOW
from tenacity import wait_fixed

from airflow_provider_a360.api import account, transport
from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.server import Sandbox


@pytest.fixture(autouse=True)
def _own_accounts_and_short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "_shared_objects", {})
    monkeypatch.setattr(transport, "_BACKOFF", wait_fixed(0.01))


@pytest.fixture(scope="session")
def _running() -> Iterator[Sandbox]:
    with Sandbox(clock=lambda: NOW) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_running: Sandbox) -> Iterator[Sandbox]:
    """A sandbox without a rate limit or earlier requests, whose clock stands still. Don't change its account."""
    for knob in fields(SandboxOptions):
        setattr(_running.options, knob.name, knob.default)
    _running.options.requests_per_second = 0
    _running.requests.clear()
    _running._prepared.clear()
    _running._faults._limit._passed.clear()
    yield _running
    # Requests of a list that was left before its end must not arrive within the next test.
    for thread in threading.enumerate():
        if thread.name.startswith("a360_"):
            thread.join(10)


@pytest.fixture
def serve() -> Iterator[Callable[..., Sandbox]]:
    """Start a sandbox for one test, which may change its account; the arguments are its options."""
    with ExitStack() as stack:

        def start(**knobs: Any) -> Sandbox:
            settings = SandboxOptions(**{"requests_per_second": 0, **knobs})
            return stack.enter_context(Sandbox(options=settings, clock=lambda: NOW))

        yield start


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


@pytest.fixture
def raw_server() -> Iterator[Callable[..., tuple[str, list[int]]]]:
    """Start a server that calls `handle(number, connection)` for each connection, once the request has come.

    It returns the server's URL and the numbers of the connections so far.
    """
    with ExitStack() as stack:

        def start(handle: Callable[[int, Any], None]) -> tuple[str, list[int]]:
            numbers: list[int] = []

            class Handler(socketserver.BaseRequestHandler):
                def handle(self) -> None:
                    while b"\r\n\r\n" not in self.request.recv(65536):
                        pass
                    numbers.append(len(numbers) + 1)
                    try:
                        handle(numbers[-1], self.request)
                    except OSError:
                        return

            server = stack.enter_context(_Server(("127.0.0.1", 0), Handler))
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_address[1]}", numbers

        yield start
