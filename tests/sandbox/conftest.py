"""Fixtures: running sandboxes and a plain HTTP client."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from typing import Any

import pytest
import requests

from airflow_provider_a360.sandbox.account import Account
from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.server import Sandbox

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


class Caller:
    """Sends requests to a sandbox as documented, with the API key."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {sandbox.api_key}"

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.session.get(f"{self.sandbox.url}/a360{path}", params=query, timeout=10)

    def data(self, path: str, **query: Any) -> Any:
        response = self.get(path, **query)
        assert response.status_code == 200, response.text
        return response.json()

    def rows(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Return a whole list, read page by page."""
        rows: list[dict[str, Any]] = []
        while True:
            answer = self.data(path, limit=100, offset=len(rows), **query)
            page = answer["items"] if "items" in answer else answer["data"]
            rows += page
            if not page:
                assert len(rows) == answer["total"]
                return rows

    @staticmethod
    def days(first: date | None, last: date | None) -> str:
        """Return a `filter` parameter in the documented form."""
        fields = {}
        if first:
            fields["send_date_from"] = {"name": "user_stat_date", "expression": "gte", "value": str(first)}
        if last:
            fields["send_date_to"] = {"name": "user_stat_date", "expression": "lte", "value": str(last)}
        return json.dumps({"type": "group", "expression": "and", "fields": fields})


@pytest.fixture(scope="session")
def call() -> Iterator[Caller]:
    """A shared sandbox without rate limit whose clock stands still. Tests must not change it."""
    with Sandbox(options=SandboxOptions(requests_per_second=0), clock=lambda: NOW) as sandbox:
        yield Caller(sandbox)


@pytest.fixture(scope="session")
def account(call: Caller) -> Account:
    return call.sandbox.account


@pytest.fixture
def serve() -> Iterator[Callable[..., Caller]]:
    """Starts a sandbox for one test, as in `serve(latency=0.1)`. It has no rate limit and its clock stands still."""
    with ExitStack() as stack:

        def start(
            account: Account | None = None,
            seed: int = 1,
            clock: Callable[[], datetime] | None = lambda: NOW,
            **options: Any,
        ) -> Caller:
            settings = SandboxOptions(**{"requests_per_second": 0, **options})
            return Caller(stack.enter_context(Sandbox(account, seed=seed, options=settings, clock=clock)))

        yield start
