"""The sensor in its three modes: poked by `dag.test()`, rescheduled and deferred by a real scheduler and triggerer."""

import pytest
from airflow_harness import FLOW_PATH, connection
from airflow_scheduled import MODES, WAITS, sensor


def polls_of(sandbox):
    return len([seen for seen in sandbox.requests if seen.path == FLOW_PATH])


def check(name, task, log, sandbox):
    wait = WAITS[name]
    assert (task.state, task.tries) == (wait.state, wait.tries), log
    for words in wait.says:
        assert words in log
    assert not wait.says_once or log.count(wait.says_once) == 1, log
    if wait.polls is not None:
        assert polls_of(sandbox) == wait.polls
    if wait.state == "success":
        assert task.returned.keys() == {"starts", "in_queue", "end_count"}
        assert (task.returned["in_queue"], task.returned["starts"] > 0) == (0, True)
    else:
        assert task.returned is None


@pytest.mark.parametrize("name", WAITS)
def test_a_poked_wait_ends_as_it_must(airflow, sandboxes, name):
    sandbox = sandboxes.telling(*WAITS[name].answers, status=WAITS[name].status)
    short = {"timeout": 1} if WAITS[name].given.get("timeout") else {}
    done = airflow.test(sensor(name, task_id="wait", poke_interval=0.2, **short), a360=connection(sandbox))
    check(name, done.only, done.log, sandbox)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", WAITS)
def test_a_scheduled_wait_ends_as_a_poked_one(scheduled, name, mode):
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
