"""Run the examples in the docstrings of the hook, the operators and the sensor as printed."""

import inspect
import re
import textwrap
from datetime import UTC, datetime

import pytest

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.hooks.a360 import A360Hook
from airflow_provider_a360.operators.export import A360ExportConversionsOperator, A360ExportElementStatsOperator
from airflow_provider_a360.sandbox.server import Sandbox
from airflow_provider_a360.sensors.flow_queue import A360FlowQueueSensor

OPERATORS = [A360ExportConversionsOperator, A360ExportElementStatsOperator, A360FlowQueueSensor]
METHODS = [name for name, _ in inspect.getmembers(A360Client, callable) if not name.startswith("_")]


@pytest.fixture
def sandbox(monkeypatch):
    """Return a sandbox that the default connection points at."""
    with Sandbox(clock=lambda: datetime(2026, 11, 20, 10, tzinfo=UTC)) as server:
        monkeypatch.setenv("AIRFLOW_CONN_A360_DEFAULT", server.connection_uri)
        yield server


def example(documented):
    """Return the code of a docstring's example."""
    (code,) = re.findall(r"^Example::\n\n((?:    .*\n|\n)+)", inspect.getdoc(documented), re.MULTILINE)
    return textwrap.dedent(code)


@pytest.mark.parametrize("name", METHODS)
def test_the_example_of_each_hook_method_calls_the_service(name, sandbox):
    code = example(getattr(A360Hook, name))
    assert f".{name}(" in code
    exec(code, {"A360Hook": A360Hook})
    assert sandbox.requests[-1].status == 200


def test_the_hooks_own_example_runs(sandbox, capsys):
    exec(example(A360Hook), {"A360Hook": A360Hook})
    assert all(str(flow.id) in capsys.readouterr().out for flow in sandbox.account.flows[:1])


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_examples_of_operators_and_sensor_create_a_task(operator):
    names = {operator.__name__: operator}
    task = eval(example(operator), names)
    assert isinstance(task, operator)
    assert set(re.findall(r"(\w+)=", example(operator))) - {"task_id", "poke_interval", "timeout", "deferrable"} <= set(
        task.template_fields
    )
