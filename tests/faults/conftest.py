"""What tests of faults have in common: a worker that forks exports, and how many random cases there are."""

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

IN_CI = 250


def pytest_configure(config: pytest.Config) -> None:
    cases = config.getoption("--cases")
    settings.register_profile(
        "faults",
        max_examples=cases or IN_CI,
        # The same cases each time in CI, others each time where more are asked for.
        derandomize=not cases,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="session")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    worker = Worker(tmp_path_factory.mktemp("worker"))
    yield worker
    worker.close()


@pytest.fixture(scope="session")
def long_exports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LongExports]:
    names = ["killed", "marked", "terminated"]
    with LongExports(tmp_path_factory.mktemp("long"), names) as running:
        yield running


@pytest.fixture
def export(worker: Worker, tmp_path: Path) -> Iterator[Callable[..., Export]]:
    """An export from a sandbox of its own: `export(account, days=3, knobs={…})`."""
    with ExitStack() as stack:

        def start(account: Account, knobs: dict[str, Any] | None = None, seed: int = 1, **how: Any) -> Export:
            settings = SandboxOptions(**{"requests_per_second": 0, **(knobs or {})})
            sandbox = stack.enter_context(Sandbox(account, seed=seed, options=settings))
            return Export(worker, sandbox, tmp_path, **how)

        yield start
