"""A key that is replaced, at the service and in Airflow's connection, while sensors wait in each of their modes: once
under a triggerer, once while that has been killed and none runs.
"""

import signal
from dataclasses import dataclass
from datetime import timedelta

import pytest
from airflow_harness import NOW, Home, Standalone, Task
from airflow_leaks import Canaries, rows_of
from airflow_rest import Rest
from airflow_triggerers import another_triggerer, end_triggerer
from cryptography.fernet import Fernet

from airflow_provider_a360.sandbox import tokens
from airflow_provider_a360.sandbox.account import Account
from airflow_provider_a360.sandbox.example import MAIN_FLOW

MODES = {
    "poked": "mode='poke', poke_interval=2",
    # Airflow takes a task that is due again before its scheduler has heard of its end for one that was killed, and
    # tries it again ("finished with state success"): the more often, the busier the machine.
    "rescheduled": "mode='reschedule', poke_interval=4, retries=20",
    "deferred": "deferrable=True, poke_interval=2",
}
SECOND, THIRD = "the-second-secret-of-ours", "the-third-secret-of-ours"


class Either(str):
    """The old secret, or the new one."""

    __slots__ = ("new",)
    __hash__ = str.__hash__

    def __new__(cls, old, new):
        either = super().__new__(cls, old)
        either.new = new
        return either

    def __eq__(self, other):
        return str(other) in (str(self), self.new)


@dataclass
class Ran:
    """What was seen of the waits."""

    tasks: dict[str, Task]
    logs: dict[str, str]
    triggers: list[tuple[int, str]]
    """Which triggerer had the deferred wait, and its trigger's arguments: before and after."""
    waiting: dict[str, list[bytes]]
    """Rows of Airflow's database while they waited, what is encrypted there decrypted."""
    as_stored: dict[str, list[bytes]]
    """The same, as they are."""
    ended: dict[str, list[bytes]]
    """As `waiting`, when the waits had ended."""


@pytest.fixture(scope="module")
def ran(homes, home, sandboxes):
    now = [NOW]
    sandbox = sandboxes.start(Account.generate(now=NOW), clock=lambda: now[0])
    sandboxes.secrets |= {SECOND, THIRD}
    # A home apart: Airflow's database holds the connection.
    home = Home(homes / "replaced", home.as_new)
    fernet_key = home.env["AIRFLOW__CORE__FERNET_KEY"] = Fernet.generate_key().decode()
    common = f"flow_id={MAIN_FLOW}, a360_conn_id='ours', timeout=900"
    tasks = "\n".join(f"A360FlowQueueSensor(task_id={name!r}, {mode}, {common})" for name, mode in MODES.items())
    home.dag("waits", tasks, schedule='"@once"')
    home.run("airflow", "dags", "reserialize")
    fields = {"connection_id": "ours", "conn_type": "a360", "login": sandbox.client_id, "host": sandbox.url}
    home.run(
        *("airflow", "connections", "add", "ours", "--conn-type", "a360", "--conn-host", sandbox.url),
        *("--conn-login", sandbox.client_id, "--conn-password", sandbox.client_secret),
    )
    # Seconds without a heartbeat after which another triggerer takes over what a killed one had.
    airflow = Standalone(home, {"AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "6"})

    def logs():
        return {name: airflow.log("waits", name) for name in MODES}

    def all_polled(times):
        """Each wait, so many times more; the deferred one's first poll is the worker's."""
        before = {name: log.count("in_queue is") for name, log in logs().items()}
        airflow.until(lambda: all(log.count("in_queue is") >= before[name] + times for name, log in logs().items()))

    def replace_key(secret):
        # A poke that is rescheduled logs in each time, so for a moment both must do.
        patched.setattr(tokens, "CLIENT_SECRET", Either(tokens.CLIENT_SECRET, secret))
        Rest(airflow).ask("/connections/ours", "PATCH", {**fields, "password": secret})
        patched.setattr(tokens, "CLIENT_SECRET", secret)
        sandbox.revoke_tokens()

    def rows(key=""):
        return rows_of(home.folder / "airflow.db", key)

    with pytest.MonkeyPatch.context() as patched, airflow:
        all_polled(2)
        replace_key(SECOND)
        all_polled(2)
        triggers = airflow.query("SELECT triggerer_id, kwargs FROM trigger")
        waiting, as_stored = rows(fernet_key), rows()
        end_triggerer(airflow, signal.SIGKILL)
        replace_key(THIRD)
        with another_triggerer(home):
            all_polled(2)
            triggers += airflow.query("SELECT triggerer_id, kwargs FROM trigger")
            now[0] += timedelta(minutes=5)
            airflow.until(lambda: airflow.ended("waits", 1))
        return Ran(
            {name: airflow.task("waits", name) for name in MODES},
            logs(),
            triggers,
            waiting,
            as_stored,
            rows(fernet_key),
        )


def test_waits_go_on_with_the_key_that_was_saved(ran):
    assert {name: task.state for name, task in ran.tasks.items()} == dict.fromkeys(MODES, "success")
    assert (ran.tasks["poked"].tries, ran.tasks["deferred"].tries) == (1, 1)
    assert "accepted before" not in ran.logs["rescheduled"]
    replaced = {name: ran.logs[name].count("The connection has new ones") for name in ("poked", "deferred")}
    # The second triggerer began with the third key, so it had none to replace.
    assert replaced == {"poked": 2, "deferred": 1}


def test_another_triggerer_goes_on_with_the_wait_of_one_that_was_killed(ran):
    (first, before), (second, after) = ran.triggers
    assert first != second
    assert before == after
    assert '"deadline"' in before


def test_nothing_that_airflow_keeps_of_the_waits_holds_a_secret_but_the_encrypted_connection(ran, sandboxes):
    canaries = Canaries(sandboxes.secrets)
    assert ran.waiting.keys() >= {"trigger", "connection", "log", "rendered_task_instance_fields"}
    # It is seen where it is, so it would be seen elsewhere.
    assert canaries.within_tables(ran.waiting) == {"connection": {SECOND}}
    assert canaries.within_tables(ran.ended) == {"connection": {THIRD}}
    assert canaries.within_tables(ran.as_stored) == {}
    assert not [name for name, log in ran.logs.items() if canaries.within(log.encode())]
