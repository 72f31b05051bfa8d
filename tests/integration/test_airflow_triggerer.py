"""Deferred sensors when the triggerer is replaced, when their run is marked failed, and when an event is malformed."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow_harness import FLOW_PATH, NOW, AirflowHome, Standalone, connection
from airflow_rest import Rest
from airflow_triggerers import another_triggerer, stop_triggerer

from airflow_provider_a360.sandbox.account import Account
from airflow_provider_a360.sandbox.example import MAIN_FLOW
from airflow_provider_a360.sensors.flow_queue import A360FlowQueueSensor

POLL = 2
WAITS = ("kept", "marked_failed")


@dataclass
class Observations:
    """What the test observed of the two sensors."""

    airflow: Standalone
    triggerers: list[int]
    """The ids of the triggerers that ran the trigger of `kept`, before and after the replacement."""
    kwargs: list[str]
    """The arguments of that trigger, before and after the replacement."""
    polls_marked_failed: list[int]
    """Number of polls of `marked_failed`: when its trigger had ended, and three polls of `kept` later."""
    rest: Rest
    printed: str
    """The output of the second triggerer."""
    logs: list[str]
    """The sensors' task logs before the test stopped Airflow. A worker that is stopped can log a broken pipe."""


def polls(sandbox):
    return sum(seen.path == FLOW_PATH for seen in sandbox.requests)


@pytest.fixture(scope="module")
def observed(homes, home, sandboxes):
    """Run two deferred sensors under two triggerers, one after the other, and return the observations."""
    now = [NOW]
    servers = {name: sandboxes.start(Account.generate(now=NOW), clock=lambda: now[0]) for name in WAITS}
    home = AirflowHome(homes / "triggerer", home.fresh_database)
    for name in WAITS:
        home.dag(
            name,
            f"A360FlowQueueSensor(task_id='wait', flow_id={MAIN_FLOW}, a360_conn_id={name!r}, deferrable=True,"
            f" poke_interval={POLL}, timeout=900)",
            schedule='"@once"',
        )
    home.run("airflow", "dags", "reserialize")
    airflow = Standalone(home, {f"AIRFLOW_CONN_{name.upper()}": connection(servers[name]) for name in WAITS})

    def trigger(name):
        return airflow.query(
            "SELECT triggerer_id, kwargs FROM trigger JOIN task_instance ON trigger.id = trigger_id WHERE dag_id = ?",
            name,
        )

    def wait_for_polls(*names, times=3):
        before = {name: polls(servers[name]) for name in names}
        airflow.until(lambda: all(polls(servers[name]) >= before[name] + times for name in names))

    def ends():
        """Return how often the trigger of `marked_failed` has ended."""
        return airflow.log("marked_failed", "wait").count("trigger completed")

    with airflow:
        airflow.until(lambda: all(trigger(name) for name in WAITS))
        wait_for_polls(*WAITS)
        rest = Rest(airflow)
        for name in WAITS:
            rest.read_runs(name, logs=False)
        seen = trigger("kept")
        stop_triggerer(airflow)
        with another_triggerer(home) as output:
            wait_for_polls(*WAITS)
            seen += trigger("kept")
            (run,) = rest.request("/dags/marked_failed/dagRuns")["dag_runs"]
            run_id = run["dag_run_id"].replace("+", "%2B")
            before = ends()
            rest.request(f"/dags/marked_failed/dagRuns/{run_id}", "PATCH", {"state": "failed"})
            airflow.until(lambda: ends() > before)
            polls_marked_failed = [polls(servers["marked_failed"])]
            wait_for_polls("kept")
            polls_marked_failed.append(polls(servers["marked_failed"]))
            now[0] += timedelta(minutes=5)
            airflow.until(lambda: airflow.ended("kept", 1))
            logs = [airflow.log(name, "wait") for name in WAITS]
        printed = output.read_text()
    triggerers, kwargs = zip(*seen, strict=True)
    return Observations(airflow, list(triggerers), list(kwargs), polls_marked_failed, rest, printed, logs)


def test_another_triggerer_continues_a_deferred_sensor_with_the_same_deadline(observed):
    first, second = observed.triggerers
    assert first != second
    assert observed.kwargs[0] == observed.kwargs[1]
    assert '"deadline"' in observed.kwargs[0]
    task = observed.airflow.task("kept", "wait")
    assert (task.state, task.tries, task.returned["in_queue"]) == ("success", 1, 0)


def test_a_deferred_sensor_stops_polling_when_its_run_is_marked_failed(observed):
    assert observed.polls_marked_failed[0] == observed.polls_marked_failed[1] > 3
    assert observed.airflow.task("marked_failed", "wait").returned is None


def test_the_end_of_a_triggerer_or_a_trigger_is_not_logged_as_an_error(observed):
    lines = (observed.airflow.home.folder / "output" / "standalone.log").read_text().splitlines()
    printed = [line for line in lines if line.startswith("triggerer")] + observed.printed.splitlines()
    assert any("Exiting gracefully" in line for line in printed)
    assert all("trigger completed" in log for log in observed.logs)
    logged = "\n".join([*printed, *observed.logs])
    for sign in ("Traceback", "[error", '"level":"error"', "[critical"):
        assert sign not in logged


def test_the_rest_api_shows_no_secret_of_a_deferred_sensor(observed, sandboxes):
    assert any("A360FlowQueueTrigger" in response for response in observed.rest.responses)
    assert not [secret for secret in sandboxes.secrets for response in observed.rest.responses if secret in response]


@pytest.mark.parametrize("soft_fail", [False, True])
@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        "drained",
        {"status": "success"},
        {"outcome": "success"},
        {"outcome": "drained"},
        {"outcome": "drained", "counts": {"in_queue": "none"}},
        {"outcome": "drained", "counts": {"in_queue": 0}, "more": 1},
        {"outcome": None},
    ],
    ids=str,
)
def test_a_malformed_event_fails_the_task_without_a_retry(event, soft_fail):
    wait = A360FlowQueueSensor(task_id="wait", flow_id=MAIN_FLOW, deferrable=True, soft_fail=soft_fail)
    with pytest.raises(AirflowFailException):
        wait.resume_execution("execute_complete", {"event": event}, {})


def test_a_resume_without_an_event_fails_the_task():
    wait = A360FlowQueueSensor(task_id="wait", flow_id=MAIN_FLOW, deferrable=True)
    with pytest.raises(AirflowFailException):
        wait.resume_execution("execute_complete", {}, {})
