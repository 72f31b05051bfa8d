"""The sensor's modes: poke with `dag.test()`, reschedule and deferrable on a real scheduler and triggerer."""

import pytest
from airflow_harness import FLOW_PATH, connection
from airflow_scheduled import MODES, WAITS, sensor


def polls_of(sandbox):
    return len([seen for seen in sandbox.requests if seen.path == FLOW_PATH])


def check(name, task, log, sandbox):
    """Check that the sensor ended as its case of WAITS expects."""
    wait = WAITS[name]
    assert (task.state, task.tries) == (wait.state, wait.tries), log
    for words in wait.logged:
        assert words in log
    assert not wait.logged_once or log.count(wait.logged_once) == 1, log
    if wait.polls is not None:
        assert polls_of(sandbox) == wait.polls
    if wait.state == "success":
        assert task.returned.keys() == {"starts", "in_queue", "end_count"}
        assert (task.returned["in_queue"], task.returned["starts"] > 0) == (0, True)
    else:
        assert task.returned is None


@pytest.mark.parametrize("name", WAITS)
def test_a_poking_sensor_ends_as_expected(airflow, sandboxes, name):
    sandbox = sandboxes.start_with_queue(*WAITS[name].answers, status=WAITS[name].status)
    short = {"timeout": 1} if WAITS[name].options.get("timeout") else {}
    result = airflow.test(sensor(name, task_id="wait", poke_interval=0.2, **short), a360=connection(sandbox))
    check(name, result.only_task, result.log, sandbox)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", WAITS)
def test_a_rescheduled_or_deferred_sensor_ends_like_a_poking_one(scheduled, name, mode):
    task_id = f"{name}_{mode}"
    task = scheduled.airflow.task("waits", task_id)
    check(name, task, scheduled.airflow.log("waits", task_id), scheduled.sandboxes[task_id])


def test_a_triggers_row_holds_ids_and_numbers_and_no_secret(scheduled, sandboxes):
    rows = scheduled.airflow.triggers.values()
    assert rows
    for classpath, kwargs in rows:
        assert classpath == "airflow_provider_a360.triggers.flow_queue.A360FlowQueueTrigger"
        names = {"a360_conn_id", "flow_id", "poll_interval", "deadline", "settle_polls", "fail_if_paused", "paused"}
        assert all(name in kwargs for name in names)
        assert not [secret for secret in sandboxes.secrets if secret in kwargs]
