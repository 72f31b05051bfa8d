"""What the client's tests share: clients of a sandbox, a clock that a test moves, the statuses of received requests."""

import time
from datetime import UTC, datetime
from typing import Any

from airflow_provider_a360.api import transport
from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.settings import Settings
from airflow_provider_a360.sandbox.server import Sandbox

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
BACKOFF = transport._BACKOFF
TOKEN_PATH = "/oauth/access_token"


class Clock:
    """A clock that only sleeping, or `passed`, moves; `naps` are the sleeps."""

    def __init__(self) -> None:
        self.now = time.monotonic()
        self.naps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, timeout: float) -> None:
        self.naps.append(timeout)
        self.now += timeout

    def passed(self, seconds: float) -> None:
        self.now += seconds


def asked(sandbox: Sandbox, prefix: str = "/a360") -> list[int]:
    """The statuses of the requests that came for a path."""
    return [seen.status for seen in sandbox.requests if seen.path.startswith(prefix)]


def logins(sandbox: Sandbox) -> int:
    return len(asked(sandbox, TOKEN_PATH))


def connect(sandbox: Sandbox, *, deadline: float = 30.0, **settings: Any) -> A360Client:
    """A client of a sandbox's account."""
    given = {
        "client_id": sandbox.client_id,
        "secret": sandbox.client_secret,
        "base_url": sandbox.url,
        "requests_per_second": 1000,
        **settings,
    }
    return A360Client(Settings(**given), deadline=deadline)


def connect_by_key(url: str, **more: Any) -> A360Client:
    """A client with a static key, so that the first request is the one under test."""
    deadline = more.pop("deadline", 30.0)
    given = {"secret": Sandbox.api_key, "base_url": url, "requests_per_second": 1000, **more}
    return A360Client(Settings(**given), deadline=deadline)
