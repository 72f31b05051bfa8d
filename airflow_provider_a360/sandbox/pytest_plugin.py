"""A pytest fixture for tests of your own DAGs: an A360 server with a made-up account.

The fixture needs the extra `sandbox` (`pip install "airflow-provider-a360[sandbox]"`) and pytest. A test that runs a
DAG also needs an Airflow with a database (run `airflow db migrate` once) whose `dags_folder` contains the DAG.

Load the fixture in `conftest.py`:

.. code-block:: python

    pytest_plugins = ["airflow_provider_a360.sandbox.pytest_plugin"]

Use it in a test:

.. code-block:: python

    import pendulum
    import pytest
    from dags.my_dag import dag  # your DAG, with a timetable that has data intervals


    @pytest.mark.a360_sandbox(latency=0.1, seed=2)
    def test_my_dag(a360_sandbox):
        run = dag.test(logical_date=pendulum.datetime(2026, 11, 21, 6, tz="UTC"))
        assert run.state == "success"
        assert all(request.status == 200 for request in a360_sandbox.requests)

During the test, Airflow's connection `a360_default` points at the server. For a DAG with another connection id, set
`AIRFLOW_CONN_` and that id in capitals to `a360_sandbox.connection_uri`. Each test gets a server of its own.

`a360_sandbox` is a :class:`~airflow_provider_a360.sandbox.server.Sandbox`: compare the exported
files with its `account`, look at its `requests`, and set the next response with `answer_next`.

The marker `a360_sandbox` is optional. It takes every option of `airflow a360 sandbox --help`, with underscores instead
of hyphens, and the parameters of `Sandbox`: `account`, `seed`, `port` and `clock`. The markers of a class or a module
apply too; the marker closest to the test wins.

The generated account has data of at least the 90 days before now. For tests of fixed days, set the account's time with
`clock`, for example `clock=lambda: datetime(2026, 11, 22, tzinfo=UTC)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import pytest

from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.server import Sandbox


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker `a360_sandbox`.

    :param config: pytest's configuration
    """
    config.addinivalue_line(
        "markers",
        "a360_sandbox(**settings): configure the fixture a360_sandbox: the options of `airflow a360 sandbox` "
        "(latency=0.1, ...), account, seed, port, clock",
    )


@pytest.fixture
def a360_sandbox(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Run an A360 server with a made-up account, and point Airflow's connection `a360_default` at it.

    Configure it with the marker, as in `@pytest.mark.a360_sandbox(latency=0.1, seed=2)`.
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
