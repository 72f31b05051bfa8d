"""Fixtures for tests with a real Airflow and sandboxes; see airflow_harness."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from airflow_harness import AirflowHome, Sandboxes, Worker
from airflow_scheduled import Scheduled, run_all

from airflow_provider_a360.sandbox.server import Sandbox


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the tests that search the logs of all others to the end."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "last: runs after all other tests")


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the session's AIRFLOW_HOMEs, with their logs and output."""
    return tmp_path_factory.mktemp("airflow")


@pytest.fixture(scope="session")
def home(homes: Path) -> AirflowHome:
    """Return the AIRFLOW_HOME that most tests share."""
    return AirflowHome(homes / "tested")


@pytest.fixture(scope="session")
def airflow(home: AirflowHome) -> Iterator[Worker]:
    """Return the process that runs DAGs with `dag.test()`."""
    worker = Worker(home)
    yield worker
    worker.close()


@pytest.fixture(scope="session")
def sandboxes() -> Iterator[Sandboxes]:
    """Return the session's sandboxes, which all stop at its end."""
    sandboxes = Sandboxes()
    with sandboxes.stack:
        yield sandboxes


@pytest.fixture(scope="session")
def scheduled(homes: Path, home: AirflowHome, sandboxes: Sandboxes) -> Iterator[Scheduled]:
    """Run every case of the sensor and a week's backfills on a scheduler and a triggerer; return the results."""
    with run_all(
        AirflowHome(homes / "scheduled", home.fresh_database), homes.with_name(f"{homes.name}-lake"), sandboxes
    ) as scheduled:
        yield scheduled


@pytest.fixture(scope="session")
def sandbox(sandboxes: Sandboxes) -> Sandbox:
    """Return a shared sandbox without a rate limit and with a fixed clock. Tests must not change it."""
    return sandboxes.start()


@pytest.fixture
def serve(sandboxes: Sandboxes) -> Iterator[Callable[..., Sandbox]]:
    """Return a function that starts a sandbox for one test: `serve(share_5xx=0.1)`."""
    with ExitStack() as stack:
        yield lambda *args, **knobs: sandboxes.start(*args, stack=stack, **knobs)
