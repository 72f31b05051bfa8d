"""Real Airflow in processes of its own, and made-up accounts for it to talk to: see airflow_harness."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from airflow_harness import Home, Sandboxes, Worker
from airflow_scheduled import Scheduled, all_run

from airflow_provider_a360.sandbox.server import Sandbox


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What looks at the logs of all the others comes last."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "last: runs after all other tests")


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all that Airflow leaves behind: homes, logs, what was printed."""
    return tmp_path_factory.mktemp("airflow")


@pytest.fixture(scope="session")
def home(homes: Path) -> Home:
    return Home(homes / "tested")


@pytest.fixture(scope="session")
def airflow(home: Home) -> Iterator[Worker]:
    worker = Worker(home)
    yield worker
    worker.close()


@pytest.fixture(scope="session")
def sandboxes() -> Iterator[Sandboxes]:
    sandboxes = Sandboxes()
    with sandboxes.stack:
        yield sandboxes


@pytest.fixture(scope="session")
def scheduled(homes: Path, home: Home, sandboxes: Sandboxes) -> Iterator[Scheduled]:
    """A scheduler and a triggerer that have run every wait of the sensor, and a week's backfill."""
    with all_run(Home(homes / "scheduled", home.as_new), homes.with_name(f"{homes.name}-lake"), sandboxes) as scheduled:
        yield scheduled


@pytest.fixture(scope="session")
def sandbox(sandboxes: Sandboxes) -> Sandbox:
    """An account without a limit whose clock stands still; not to be changed."""
    return sandboxes.start()


@pytest.fixture
def serve(sandboxes: Sandboxes) -> Iterator[Callable[..., Sandbox]]:
    """Starts a sandbox of the test's own: `serve(share_5xx=0.1)`."""
    with ExitStack() as stack:
        yield lambda *args, **knobs: sandboxes.start(*args, stack=stack, **knobs)
