"""Fixtures for tests of Airflow's pages: one API server and one browser for all tests."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "integration"))

from airflow_harness import AirflowHome, Worker
from browser_harness import Pages, Server, browsing

from airflow_provider_a360.sandbox.server import Sandbox


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a running API server that may test connections."""
    home = AirflowHome(tmp_path_factory.mktemp("browser") / "airflow")
    with Server(home, {"AIRFLOW__CORE__TEST_CONNECTION": "Enabled"}) as server:
        yield server


@pytest.fixture(scope="session")
def pages(server: Server) -> Iterator[Pages]:
    """Return Airflow's pages in a browser."""
    with browsing() as browser:
        yield Pages(browser, server.url)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """Return a sandbox with the example account."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def read(server: Server) -> Iterator[Callable[[str], dict]]:
    """Return a function that reads a connection with the hook in a task and returns the resulting settings."""
    worker = Worker(server.home)
    yield (
        lambda conn_id: (
            worker.test(f"""
        @task
        def read():
            import dataclasses
            from airflow_provider_a360.hooks.a360 import A360Hook
            hook = A360Hook({conn_id!r})
            settings = dataclasses.asdict(hook.get_conn().settings)
            return settings | {{"personal_data_secret": hook.personal_data_secret}}
        read()
    """).only_task.returned
        )
    )
    worker.close()
