"""The sensor: time-outs, replaced secrets, settling, paused flows and errors, without Airflow's processes."""

import asyncio
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


def test_silent_fail_is_refused():
    with pytest.raises(ValueError, match="doesn't support silent_fail"):
        A360FlowQueueSensor(task_id="wait", flow_id=1, silent_fail=True)


@pytest.fixture
def sandbox(monkeypatch):
    """Return a sandbox whose flow has contacts in its queue, with the connection defined."""
    with Sandbox(
        options=SandboxOptions(requests_per_second=0), clock=lambda: datetime(2026, 11, 20, 10, tzinfo=UTC)
    ) as server:
        flow = {"autoresponder": {"id": example.MAIN_FLOW, "status": 1}, "flows": [], "in_queue": 5}
        server.answer_next(f"/a360/autoresponders/{example.MAIN_FLOW}", body=flow, times=99)
        monkeypatch.setenv("AIRFLOW_CONN_A360_DEFAULT", server.connection_uri)
        yield server


@pytest.mark.parametrize("timeout", [30, 3600])
def test_airflows_timeout_is_after_the_triggers_last_poll(sandbox, timeout):
    """Otherwise the task would fail with Airflow's time-out, whose message doesn't name the flow."""
    sensor = A360FlowQueueSensor(task_id="wait", flow_id=example.MAIN_FLOW, timeout=timeout, deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute({})
    given_up_at = time.time() + deferred.value.timeout.total_seconds()
    assert given_up_at >= deferred.value.trigger.deadline + POLL_DEADLINE


@pytest.fixture
def key(sandbox, monkeypatch):
    """Return a function that replaces the client secret at the service, and with `saved` in the connection too."""
    # Prepared answers don't check the token, so use the flow itself, which also has contacts in its queue.
    sandbox._prepared.clear()

    def replace(*, saved):
        monkeypatch.setattr(tokens, "CLIENT_SECRET", "second")
        sandbox.revoke_tokens()
        if saved:
            fields = json.loads(sandbox.connection_uri)
            monkeypatch.setenv("AIRFLOW_CONN_A360_DEFAULT", json.dumps(fields | {"password": "second"}))

    return replace


class EnoughError(Exception):
    """Ends a sensor after enough pokes."""


def poking(**options):
    """Return a sensor with a short poke interval."""
    return A360FlowQueueSensor(task_id="wait", flow_id=example.MAIN_FLOW, poke_interval=0.05, timeout=60, **options)


def replace_between_pokes(sensor, key, monkeypatch, *, saved):
    """Replace the secret after the first poke, stop after the third; return the list of the pokes' results."""
    pokes, poke = [], sensor.poke

    def counting_poke(context):
        if len(pokes) == 1:
            key(saved=saved)
        pokes.append(poke(context))
        if len(pokes) == 3:
            raise EnoughError
        return pokes[-1]

    monkeypatch.setattr(sensor, "poke", counting_poke)
    return pokes


def test_a_poking_sensor_continues_with_the_saved_secret(sandbox, key, monkeypatch):
    sensor = poking()
    pokes = replace_between_pokes(sensor, key, monkeypatch, saved=True)
    with pytest.raises(EnoughError):
        sensor.execute({})
    assert [poke.is_done for poke in pokes] == [False] * 3


def test_a_poking_sensor_whose_secret_was_replaced_is_retried_once(sandbox, key, monkeypatch):
    sensor = poking()
    replace_between_pokes(sensor, key, monkeypatch, saved=False)
    with pytest.raises(A360RevokedError, match="save the new ones"):
        sensor.execute({})
    with pytest.raises(AirflowFailException, match="401"):
        poking().execute({})


class Store(dict):
    """A task state store with the interface of Airflow's."""

    set = dict.__setitem__


def run_of(first=None, earlier=0):
    """Return a context without a task state store, as before Airflow 3.3, of a task rescheduled so many times."""
    ti = SimpleNamespace(try_number=1, get_first_reschedule_date=lambda context: first)
    return {"ti": ti, "task_reschedule_count": earlier}


@pytest.mark.parametrize("state", [{}, {"task_state_store": Store()}], ids=["before 3.3", "3.3"])
def test_a_rescheduled_sensor_whose_secret_was_replaced_is_retried(sandbox, key, state):
    """Each poke runs in a new process; the context has the number of earlier pokes of this try."""

    def poke(earlier):
        return poking(mode="reschedule").poke({**run_of(earlier=earlier), **state})

    assert not poke(0).is_done
    key(saved=False)
    with pytest.raises(A360RevokedError, match="save the new ones"):
        poke(1)
    with pytest.raises(A360AuthError):
        poke(0)


REVOKED = {"event": {"outcome": "revoked", "message": "401. Save the new ones."}}


@pytest.mark.parametrize("soft_fail", [False, True])
def test_a_deferred_sensor_whose_secret_was_replaced_is_retried(soft_fail):
    sensor = poking(deferrable=True, soft_fail=soft_fail)
    with pytest.raises(A360RevokedError, match="Save the new ones"):
        sensor.resume_execution("execute_complete", REVOKED, {})


def test_a_replaced_secret_skips_the_task_with_never_fail():
    sensor = poking(deferrable=True, never_fail=True)
    with pytest.raises(AirflowSkipException, match="Save the new ones"):
        sensor.resume_execution("execute_complete", REVOKED, {})


PATH = f"/a360/autoresponders/{example.MAIN_FLOW}"


@pytest.fixture
def answer_polls(monkeypatch):
    """Return a function that sets the `in_queue` of each poll, repeats the last one, and returns a poll counter."""
    with Sandbox(
        options=SandboxOptions(requests_per_second=0), clock=lambda: datetime(2026, 11, 20, 10, tzinfo=UTC)
    ) as server:
        monkeypatch.setenv("AIRFLOW_CONN_A360_DEFAULT", server.connection_uri)

        def answer(*queue, status=1):
            for number, contacts in enumerate(queue, 1):
                flow = {"autoresponder": {"id": example.MAIN_FLOW, "status": status}, "flows": []}
                times = 99 if number == len(queue) else 1
                server.answer_next(PATH, body={**flow, "in_queue": contacts}, times=times)
            return lambda: sum(seen.path == PATH for seen in server.requests)

        answer.sandbox = server
        yield answer


def rescheduled(context, **given):
    """Run one poke of a rescheduled sensor with a new operator, as each poke runs in a new process."""
    given = {"settle_polls": 2, "poke_interval": 0.05, "timeout": 60, **given}
    return A360FlowQueueSensor(task_id="wait", flow_id=example.MAIN_FLOW, mode="reschedule", **given).execute(context)


def test_without_a_task_state_store_a_rescheduled_sensor_settles_within_a_poke(answer_polls):
    polls = answer_polls(3, 0, 5, 0, 0)
    for after in (1, 3):
        with pytest.raises(AirflowRescheduleException):
            rescheduled(run_of())
        assert polls() == after
    assert rescheduled(run_of())["in_queue"] == 0
    assert polls() == 5


def test_settling_within_a_poke_respects_the_timeout(answer_polls):
    polls = answer_polls(0)
    started = datetime.now(UTC) - timedelta(seconds=59)
    with pytest.raises(AirflowRescheduleException):
        rescheduled(run_of(started), settle_polls=99, poke_interval=0.4)
    assert 2 <= polls() <= 3


def test_with_a_task_state_store_each_poke_polls_once(answer_polls):
    polls, context = answer_polls(0), {**run_of(), "task_state_store": Store()}
    with pytest.raises(AirflowRescheduleException):
        rescheduled(context)
    assert polls() == 1
    assert rescheduled(context)["in_queue"] == 0


def test_a_deferred_wait_counts_the_tasks_own_poll(answer_polls):
    polls = answer_polls(0)
    sensor = A360FlowQueueSensor(
        task_id="wait", flow_id=example.MAIN_FLOW, settle_polls=2, poke_interval=0.01, deferrable=True
    )
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute({})
    event = asyncio.run(anext(deferred.value.trigger.run()))
    assert event.payload["outcome"] == "drained"
    assert polls() == 2


@pytest.mark.parametrize("nothing", [None, "", "None"])
def test_an_optional_parameter_that_renders_to_nothing_is_not_given(answer_polls, nothing):
    answer_polls(0)
    sensor = A360FlowQueueSensor(task_id="wait", flow_id=example.MAIN_FLOW)
    for name in ("settle_polls", "fail_if_paused", "a360_conn_id"):
        setattr(sensor, name, nothing)
    assert sensor.execute({})["in_queue"] == 0


def test_a_paused_flow_is_logged_once_then_at_every_tenth_poll(answer_polls, caplog):
    polls = answer_polls(*[5] * 23, 0, status=3)
    A360FlowQueueSensor(task_id="wait", flow_id=example.MAIN_FLOW, poke_interval=0.01).execute({})
    assert polls() == 24
    assert caplog.text.count("is paused with 5 contacts") == 3


@pytest.mark.parametrize("state", [{}, {"task_state_store": Store()}], ids=["before 3.3", "3.3"])
def test_a_rescheduled_sensor_logs_a_paused_flow_no_more_often(answer_polls, caplog, state):
    answer_polls(5, status=3)
    for earlier in range(11):
        with pytest.raises(AirflowRescheduleException):
            rescheduled({**run_of(earlier=earlier), **state})
    assert caplog.text.count("is paused with 5 contacts") == 2


@pytest.mark.parametrize("status", [401, 403])
def test_the_last_line_of_the_error_names_the_refused_connection(answer_polls, status):
    answer_polls.sandbox.answer_next(PATH, status=status, body={"message": "No", "error_code": status}, times=9)
    with pytest.raises(AirflowFailException, match=f"^Connection a360_default: GET .*{status} No") as caught:
        A360FlowQueueSensor(task_id="wait", flow_id=example.MAIN_FLOW).execute({})
    assert sum("Traceback" in line for line in traceback.format_exception(caught.value)) == 1
