"""Fixtures: a sandbox with a fixed clock, and an exporter that writes into a temporary folder."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow.parquet
import pytest

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.settings import Settings
from airflow_provider_a360.export.job import Job, Manifest
from airflow_provider_a360.export.publish import Destination
from airflow_provider_a360.sandbox.account import Account
from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.server import Sandbox

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)


class Exporter:
    """Export from a sandbox into a folder, with a new client each time, as each DAG run does."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox, self.folder, self.account = sandbox, folder, sandbox.account

    def client(self, **settings: Any) -> A360Client:
        known = {"client_id": self.sandbox.client_id, "secret": self.sandbox.client_secret}
        return A360Client(Settings(**known, base_url=self.sandbox.url, **{"requests_per_second": 1000, **settings}))

    def __call__(
        self,
        dataset: Any,
        first: date,
        last: date | None = None,
        *,
        flows: Any = "all",
        file_format: str = "jsonl",
        to: str = "lake",
        transform: Callable[[Any], Any] = lambda row: row,
        **settings: Any,
    ) -> Manifest:
        destination = Destination(to if "://" in to else str(self.folder / to))
        job = Job(dataset, flows, Days(first, last or first), destination, file_format, transform)
        return job.run(self.client(**settings))

    def read(self, file: Any) -> list[dict[str, Any]]:
        """Return the rows of a path or of a file in a manifest. All values of a CSV file are text."""
        path = self.path(file)
        if path.suffix == ".parquet":
            return pyarrow.parquet.read_table(path, partitioning=None).to_pylist()
        text = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
        if ".csv" in path.suffixes:
            return list(csv.DictReader(io.StringIO(text, newline="")))
        return [json.loads(line) for line in text.split("\n")[:-1]]

    def path(self, file: Any) -> Path:
        return file if isinstance(file, Path) else Path(unquote(urlsplit(file["uri"]).path))

    def rows(self, manifest: Manifest) -> list[dict[str, Any]]:
        return [row for file in manifest["files"] for row in self.read(file)]

    def tree(self, to: str = "lake") -> dict[str, bytes]:
        """Return the content of every file below a folder, by relative path."""
        top = self.folder / to
        return {str(path.relative_to(top)): path.read_bytes() for path in sorted(top.rglob("*")) if path.is_file()}


@pytest.fixture(scope="session", autouse=True)
def _airflow(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Use Airflow once before the tests: it configures logging at first use, which removes caplog's handler."""
    Destination(str(tmp_path_factory.mktemp("first")))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Exporter]]:
    """Return a function that starts a sandbox without a rate limit: `serve(filter_by=…)`, `serve(account=…)`."""
    with ExitStack() as stack:

        def start(account: Account | None = None, **knobs: Any) -> Exporter:
            settings = SandboxOptions(**{"requests_per_second": 0, **knobs})
            return Exporter(stack.enter_context(Sandbox(account, options=settings, clock=lambda: NOW)), tmp_path)

        yield start


@pytest.fixture(scope="session")
def _quiet() -> Iterator[Sandbox]:
    with Sandbox(options=SandboxOptions(requests_per_second=0), clock=lambda: NOW) as sandbox:
        yield sandbox


@pytest.fixture
def export(_quiet: Sandbox, tmp_path: Path) -> Exporter:
    """Export from a sandbox that all tests share. Tests must not change it."""
    return Exporter(_quiet, tmp_path)
