"""Deferred waits when the triggerer ends and another begins, when their run is given up, and on events of any form."""

import os
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow_harness import FLOW_PATH, NOW, Home, Standalone, connection
from airflow_rest import Rest

from airflow_provider_a360.sandbox.account import Account
from airflow_provider_a360.sandbox.example import MAIN_FLOW
from airflow_provider_a360.sensors.flow_queue import A360FlowQueueSensor

POLL = 2
WAITS = ("goes_on", "given_up")


@dataclass
class Ran:
    """What was seen of two waits."""

    airflow: Standalone
    triggerers: list[int]
    """Which triggerer had the wait that goes on, before and after."""
    kwargs: list[str]
    """Its trigger's arguments, before and after."""
    polls_given_up: list[int]
    """Polls of the wait that was given up: when its trigger was gone, and three polls of the other one later."""
    rest: Rest
    printed: str
    """What the second triggerer printed."""
    logs: list[str]
    """The waits' logs, before the tests ended Airflow: a worker that is ended writes errors there."""


def polls(sandbox):
    return sum(seen.path == FLOW_PATH for seen in sandbox.requests)


def end_triggerer(airflow):
    """SIGTERM to the triggerer that `airflow standalone` has started."""

    def is_it(pid):
        stat, command = (Path(f"/proc/{pid}/{name}").read_text() for name in ("stat", "cmdline"))
        return int(stat.rpartition(")")[2].split()[1]) == airflow._process.pid and "triggerer" in command

    (triggerer,) = filter(is_it, airflow._session())
    os.kill(triggerer, signal.SIGTERM)
    airflow.until(lambda: triggerer not in airflow._session(), 90)


@contextmanager
def another_triggerer(home):
    process = home.start("triggerer", output="triggerer.log")
    try:
        yield home.folder / "output" / "triggerer.log"
    finally:
        process.terminate()
        process.wait(timeout=90)


@pytest.fixture(scope="module")
def ran(homes, home, sandboxes):
    """Two waits, polled by one triggerer, then by another; one's run is marked failed then, the other's flow drains."""
    now = [NOW]
    asked = {name: sandboxes.start(Account.generate(now=NOW), clock=lambda: now[0]) for name in WAITS}
    home = Home(homes / "triggerer", home.as_new)
    for name in WAITS:
        home.dag(
            name,
            f"A360FlowQueueSensor(task_id='wait', flow_id={MAIN_FLOW}, a360_conn_id={name!r}, deferrable=True,"
            f" poke_interval={POLL}, timeout=900)",
            schedule='"@once"',
        )
    home.run("airflow", "dags", "reserialize")
    airflow = Standalone(home, {f"AIRFLOW_CONN_{name.upper()}": connection(asked[name]) for name in WAITS})

    def trigger(name):
        return airflow.query(
            "SELECT triggerer_id, kwargs FROM trigger JOIN task_instance ON trigger.id = trigger_id WHERE dag_id = ?",
            name,
        )

    def polled_on(*names, times=3):
        before = {name: polls(asked[name]) for name in names}
        airflow.until(lambda: all(polls(asked[name]) >= before[name] + times for name in names))

    def ends():
        """How often the trigger of the wait that is given up has ended."""
        return airflow.log("given_up", "wait").count("trigger completed")

    with airflow:
        airflow.until(lambda: all(trigger(name) for name in WAITS))
        polled_on(*WAITS)
        rest = Rest(airflow)
        for name in WAITS:
            rest.read_runs(name, logs=False)
        seen = trigger("goes_on")
        end_triggerer(airflow)
        with another_triggerer(home) as output:
            polled_on(*WAITS)
            seen += trigger("goes_on")
            (run,) = rest.ask("/dags/given_up/dagRuns")["dag_runs"]
            run_id = run["dag_run_id"].replace("+", "%2B")
            before = ends()
            rest.ask(f"/dags/given_up/dagRuns/{run_id}", "PATCH", {"state": "failed"})
            airflow.until(lambda: ends() > before)
            polls_given_up = [polls(asked["given_up"])]
            polled_on("goes_on")
            polls_given_up.append(polls(asked["given_up"]))
            now[0] += timedelta(minutes=5)
            airflow.until(lambda: airflow.ended("goes_on", 1))
            logs = [airflow.log(name, "wait") for name in WAITS]
        printed = output.read_text()
    triggerers, kwargs = zip(*seen, strict=True)
    return Ran(airflow, list(triggerers), list(kwargs), polls_given_up, rest, printed, logs)


def test_another_triggerer_goes_on_with_a_wait_to_the_same_deadline(ran):
    first, second = ran.triggerers
    assert first != second
    assert ran.kwargs[0] == ran.kwargs[1]
    assert '"deadline"' in ran.kwargs[0]
    task = ran.airflow.task("goes_on", "wait")
    assert (task.state, task.tries, task.returned["in_queue"]) == ("success", 1, 0)


def test_a_wait_whose_run_is_marked_failed_polls_no_longer(ran):
    assert ran.polls_given_up[0] == ran.polls_given_up[1] > 3
    assert ran.airflow.task("given_up", "wait").returned is None


def test_neither_an_end_of_the_triggerer_nor_of_a_wait_is_logged_as_an_error(ran):
    lines = (ran.airflow.home.folder / "output" / "standalone.log").read_text().splitlines()
    printed = [line for line in lines if line.startswith("triggerer")] + ran.printed.splitlines()
    assert any("Exiting gracefully" in line for line in printed)
    assert all("trigger completed" in log for log in ran.logs)
    logged = "\n".join([*printed, *ran.logs])
    for sign in ("Traceback", "[error", '"level":"error"', "[critical"):
        assert sign not in logged


def test_the_rest_api_tells_no_secret_of_a_wait(ran, sandboxes):
    assert any("A360FlowQueueTrigger" in answer for answer in ran.rest.said)
    assert not [secret for secret in sandboxes.secrets for answer in ran.rest.said if secret in answer]


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
def test_an_event_of_unknown_form_fails_the_task_without_a_retry(event, soft_fail):
    wait = A360FlowQueueSensor(task_id="wait", flow_id=MAIN_FLOW, deferrable=True, soft_fail=soft_fail)
    with pytest.raises(AirflowFailException):
        wait.resume_execution("execute_complete", {"event": event}, {})


def test_a_resume_without_an_event_fails_the_task():
    wait = A360FlowQueueSensor(task_id="wait", flow_id=MAIN_FLOW, deferrable=True)
    with pytest.raises(AirflowFailException):
        wait.resume_execution("execute_complete", {}, {})
