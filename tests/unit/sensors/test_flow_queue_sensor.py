"""What the sensor refuses before a DAG runs, and how long Airflow waits for its trigger."""

import time
from datetime import UTC, datetime

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_a360.api.queue import POLL_DEADLINE
from airflow_provider_a360.sandbox import example
from airflow_provider_a360.sandbox.knobs import Knobs
from airflow_provider_a360.sandbox.server import Sandbox
from airflow_provider_a360.sensors.flow_queue import A360FlowQueueSensor


def test_silent_fail_is_refused_as_the_modes_would_differ():
    with pytest.raises(ValueError, match="silent_fail is not for this sensor"):
        A360FlowQueueSensor(task_id="wait", flow_id=1, silent_fail=True)


@pytest.fixture
def sandbox(monkeypatch):
    """One whose flow has contacts in its queue."""
    with Sandbox(knobs=Knobs(requests_per_second=0), clock=lambda: datetime(2026, 11, 20, 10, tzinfo=UTC)) as server:
        flow = {"autoresponder": {"id": example.MAIN_FLOW, "status": 1}, "flows": [], "in_queue": 5}
        server.answer_next(f"/a360/autoresponders/{example.MAIN_FLOW}", body=flow, times=99)
        monkeypatch.setenv("AIRFLOW_CONN_A360_DEFAULT", server.connection_uri)
        yield server


@pytest.mark.parametrize("timeout", [30, 3600])
def test_airflow_waits_for_the_trigger_until_its_last_poll_has_ended(sandbox, timeout):
    """Otherwise the task would fail by Airflow's time-out, which says nothing of the flow."""
    sensor = A360FlowQueueSensor(task_id="wait", flow_id=example.MAIN_FLOW, timeout=timeout, deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute({})
    given_up_at = time.time() + deferred.value.timeout.total_seconds()
    assert given_up_at >= deferred.value.trigger.deadline + POLL_DEADLINE
