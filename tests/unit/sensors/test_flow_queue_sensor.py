"""What the sensor refuses before a DAG runs, and how long Airflow waits for its trigger."""

import json
import time
import traceback
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, TaskDeferred
from airflow.sdk.bases.sensor import AirflowRescheduleException

from airflow_provider_a360.api.errors import A360AuthError, A360RevokedError
from airflow_provider_a360.api.queue import POLL_DEADLINE
from airflow_provider_a360.sandbox import example, tokens
from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.server import Sandbox
from airflow_provider_a360.sensors.flow_queue import A360FlowQueueSensor


def test_silent_fail_is_refused_as_the_modes_would_differ():
    with pytest.raises(ValueError, match="doesn't support silent_fail"):
        A360FlowQueueSensor(task_id="wait", flow_id=1, silent_fail=True)


@pytest.fixture
def sandbox(monkeypatch):
    """One whose flow has contacts in its queue."""
    with Sandbox(
        options=SandboxOptions(requests_per_second=0), clock=lambda: datetime(2026, 11, 20, 10, tzinfo=UTC)
    ) as server:
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


@pytest.fixture
def key(sandbox, monkeypatch):
    """Replaces the client's secret at the service; with `saved`, in the connection too."""
    # A prepared answer asks for no token; the flow itself has contacts in its queue too.
    sandbox._prepared.clear()

    def replaced(*, saved):
        monkeypatch.setattr(tokens, "CLIENT_SECRET", "second")
        sandbox.revoke_tokens()
        if saved:
            fields = json.loads(sandbox.connection_uri)
            monkeypatch.setenv("AIRFLOW_CONN_A360_DEFAULT", json.dumps(fields | {"password": "second"}))

    return replaced


class EnoughError(Exception):
    pass


def poking(**options):
    return A360FlowQueueSensor(task_id="wait", flow_id=example.MAIN_FLOW, poke_interval=0.05, timeout=60, **options)


def replaced_between_two_pokes(sensor, key, monkeypatch, *, saved):
    pokes, poke = [], sensor.poke

    def noted(context):
        if len(pokes) == 1:
            key(saved=saved)
        pokes.append(poke(context))
        if len(pokes) == 3:
            raise EnoughError
        return pokes[-1]

    monkeypatch.setattr(sensor, "poke", noted)
    return pokes


def test_a_poking_wait_goes_on_with_the_key_that_was_saved(sandbox, key, monkeypatch):
    sensor = poking()
    pokes = replaced_between_two_pokes(sensor, key, monkeypatch, saved=True)
    with pytest.raises(EnoughError):
        sensor.execute({})
    assert [poke.is_done for poke in pokes] == [False] * 3


def test_a_poking_wait_whose_key_was_replaced_is_worth_a_retry(sandbox, key, monkeypatch):
    sensor = poking()
    replaced_between_two_pokes(sensor, key, monkeypatch, saved=False)
    with pytest.raises(A360RevokedError, match="save the new ones"):
        sensor.execute({})
    with pytest.raises(AirflowFailException, match="401"):
        poking().execute({})


class Store(dict):
    """What Airflow's task state store offers."""

    set = dict.__setitem__


def run_of(first=None, earlier=0):
    """The context of a task before Airflow 3.3, which has been rescheduled so many times since then."""
    ti = SimpleNamespace(try_number=1, get_first_reschedule_date=lambda context: first)
    return {"ti": ti, "task_reschedule_count": earlier}


@pytest.mark.parametrize("remembered", [{}, {"task_state_store": Store()}], ids=["before 3.3", "3.3"])
def test_a_rescheduled_wait_whose_key_was_replaced_is_worth_a_retry(sandbox, key, remembered):
    """Each poke is a process of its own; Airflow tells how many of this try there were before."""

    def poke(earlier):
        return poking(mode="reschedule").poke({**run_of(earlier=earlier), **remembered})

    assert not poke(0).is_done
    key(saved=False)
    with pytest.raises(A360RevokedError, match="save the new ones"):
        poke(1)
    with pytest.raises(A360AuthError):
        poke(0)


REVOKED = {"event": {"outcome": "revoked", "message": "401. Save the new ones."}}


@pytest.mark.parametrize("soft_fail", [False, True])
def test_a_deferred_wait_whose_key_was_replaced_is_worth_a_retry(soft_fail):
    sensor = poking(deferrable=True, soft_fail=soft_fail)
    with pytest.raises(A360RevokedError, match="Save the new ones"):
        sensor.resume_execution("execute_complete", REVOKED, {})


def test_with_never_fail_it_is_a_skip():
    sensor = poking(deferrable=True, never_fail=True)
    with pytest.raises(AirflowSkipException, match="Save the new ones"):
        sensor.resume_execution("execute_complete", REVOKED, {})


PATH = f"/a360/autoresponders/{example.MAIN_FLOW}"


@pytest.fixture
def telling(monkeypatch):
    """Lets a sandbox answer with what is in the flow's queue, poll by poll, the last one ever again."""
    with Sandbox(
        options=SandboxOptions(requests_per_second=0), clock=lambda: datetime(2026, 11, 20, 10, tzinfo=UTC)
    ) as server:
        monkeypatch.setenv("AIRFLOW_CONN_A360_DEFAULT", server.connection_uri)

        def tell(*queue, status=1):
            for number, contacts in enumerate(queue, 1):
                flow = {"autoresponder": {"id": example.MAIN_FLOW, "status": status}, "flows": []}
                times = 99 if number == len(queue) else 1
                server.answer_next(PATH, body={**flow, "in_queue": contacts}, times=times)
            return lambda: sum(seen.path == PATH for seen in server.requests)

        tell.sandbox = server
        yield tell


def rescheduled(context, **given):
    """A poke of a rescheduled sensor: each in a process of its own, that remembers nothing."""
    given = {"settle_polls": 2, "poke_interval": 0.05, "timeout": 60, **given}
    return A360FlowQueueSensor(task_id="wait", flow_id=example.MAIN_FLOW, mode="reschedule", **given).execute(context)


def test_without_a_task_state_store_a_rescheduled_wait_settles_within_a_poke(telling):
    polls = telling(3, 0, 5, 0, 0)
    for after in (1, 3):
        with pytest.raises(AirflowRescheduleException):
            rescheduled(run_of())
        assert polls() == after
    assert rescheduled(run_of())["in_queue"] == 0
    assert polls() == 5


def test_settling_within_a_poke_keeps_to_the_time_out(telling):
    polls = telling(0)
    started = datetime.now(UTC) - timedelta(seconds=59)
    with pytest.raises(AirflowRescheduleException):
        rescheduled(run_of(started), settle_polls=99, poke_interval=0.4)
    assert 2 <= polls() <= 3


def test_with_a_task_state_store_each_poke_polls_once(telling):
    polls, context = telling(0), {**run_of(), "task_state_store": Store()}
    with pytest.raises(AirflowRescheduleException):
        rescheduled(context)
    assert polls() == 1
    assert rescheduled(context)["in_queue"] == 0


@pytest.mark.parametrize("nothing", [None, "", "None"])
def test_an_optional_parameter_that_renders_to_nothing_is_not_given(telling, nothing):
    telling(0)
    sensor = A360FlowQueueSensor(task_id="wait", flow_id=example.MAIN_FLOW)
    for name in ("settle_polls", "fail_if_paused", "a360_conn_id"):
        setattr(sensor, name, nothing)
    assert sensor.execute({})["in_queue"] == 0


def test_a_paused_flow_is_said_once_then_at_every_tenth_poll(telling, caplog):
    polls = telling(*[5] * 23, 0, status=3)
    A360FlowQueueSensor(task_id="wait", flow_id=example.MAIN_FLOW, poke_interval=0.01).execute({})
    assert polls() == 24
    assert caplog.text.count("is paused with 5 contacts") == 3


@pytest.mark.parametrize("remembered", [{}, {"task_state_store": Store()}], ids=["before 3.3", "3.3"])
def test_a_rescheduled_wait_says_a_paused_flow_no_more_often(telling, caplog, remembered):
    telling(5, status=3)
    for earlier in range(11):
        with pytest.raises(AirflowRescheduleException):
            rescheduled({**run_of(earlier=earlier), **remembered})
    assert caplog.text.count("is paused with 5 contacts") == 2


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_connection_is_named_in_the_one_last_line(telling, status):
    telling.sandbox.answer_next(PATH, status=status, body={"message": "No", "error_code": status}, times=9)
    with pytest.raises(AirflowFailException, match=f"^Connection a360_default: GET .*{status} No") as caught:
        A360FlowQueueSensor(task_id="wait", flow_id=example.MAIN_FLOW).execute({})
    assert sum("Traceback" in line for line in traceback.format_exception(caught.value)) == 1
