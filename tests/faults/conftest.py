"""Fixtures for the tests of faults: a worker that forks exports, and the number of random cases."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

sys.path.append(str(Path(__file__).parents[1] / "integration"))

from faults_airflow import LongExports
from faults_harness import Export, Worker

from airflow_provider_a360.sandbox.account import Account
from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.server import Sandbox

CASES_IN_CI = 250


def pytest_configure(config: pytest.Config) -> None:
    cases = config.getoption("--cases")
    settings.register_profile(
        "faults",
        max_examples=cases or CASES_IN_CI,
        # CI runs the same cases each time. With --cases, the cases are new each time.
        derandomize=not cases,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="session")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Return the process that forks one process for each export."""
    worker = Worker(tmp_path_factory.mktemp("worker"))
    yield worker
    worker.close()


@pytest.fixture(scope="session")
def long_exports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LongExports]:
    """Return a running Airflow with a long export DAG for each test that kills or stops one."""
    names = ["killed", "marked", "terminated"]
    with LongExports(tmp_path_factory.mktemp("long"), names) as running:
        yield running


@pytest.fixture
def export(worker: Worker, tmp_path: Path) -> Iterator[Callable[..., Export]]:
    """Return a function that prepares an export from a new sandbox: `export(account, days=3, knobs={…})`."""
    with ExitStack() as stack:

        def start(account: Account, knobs: dict[str, Any] | None = None, seed: int = 1, **kwargs: Any) -> Export:
            settings = SandboxOptions(**{"requests_per_second": 0, **(knobs or {})})
            sandbox = stack.enter_context(Sandbox(account, seed=seed, options=settings))
            return Export(worker, sandbox, tmp_path, **kwargs)

        yield start
