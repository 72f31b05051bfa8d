"""A fixture for your own tests of DAGs.

In a conftest.py: `pytest_plugins = ["airflow_provider_a360.sandbox.pytest_plugin"]`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import pytest

from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.server import Sandbox


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "a360_sandbox(**settings): what the fixture is made with: options (latency=0.1, …), account, seed, port, clock",
    )


@pytest.fixture
def a360_sandbox(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """An A360 server with a made-up account, to which Airflow's connection `a360_default` points.

    `@pytest.mark.a360_sandbox(latency=0.1, seed=2)` sets options and what `Sandbox` takes; the closest mark wins.
    """
    settings = {
        name: value
        for mark in reversed(list(request.node.iter_markers("a360_sandbox")))
        for name, value in mark.kwargs.items()
    }
    options = SandboxOptions(
        **{field.name: settings.pop(field.name) for field in fields(SandboxOptions) if field.name in settings}
    )
    with Sandbox(options=options, **settings) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_A360_DEFAULT", sandbox.connection_uri)
        yield sandbox
