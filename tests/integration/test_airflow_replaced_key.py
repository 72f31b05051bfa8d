"""The client secret is replaced, at the service and in the connection, while sensors of all modes wait.

It is replaced twice: while a triggerer runs, and after that triggerer was killed and before the next one starts.
"""

import signal
from dataclasses import dataclass
from datetime import timedelta

import pytest
from airflow_harness import NOW, AirflowHome, Standalone, Task
from airflow_leaks import Canaries, rows_of
from airflow_rest import Rest
from airflow_triggerers import another_triggerer, stop_triggerer
from cryptography.fernet import Fernet

from airflow_provider_a360.sandbox import tokens
from airflow_provider_a360.sandbox.account import Account
from airflow_provider_a360.sandbox.example import MAIN_FLOW

MODES = {
    "poked": "mode='poke', poke_interval=2",
    # A task can be due again before the scheduler has processed the end of its last poke. Airflow then takes it for
    # killed and retries it ("finished with state success"), more often on a busy machine.
    "rescheduled": "mode='reschedule', poke_interval=4, retries=20",
    "deferred": "deferrable=True, poke_interval=2",
}
SECOND, THIRD = "the-second-secret-of-ours", "the-third-secret-of-ours"


class Either(str):
    """A secret that equals the old one and the new one."""

    __slots__ = ("new",)
    __hash__ = str.__hash__

    def __new__(cls, old, new):
        either = super().__new__(cls, old)
        either.new = new
        return either

    def __eq__(self, other):
        return str(other) in (str(self), self.new)


@dataclass
class Observations:
    """What the test observed of the sensors."""

    tasks: dict[str, Task]
    logs: dict[str, str]
    triggers: list[tuple[int, str]]
    """The deferred sensor's triggerer id and trigger arguments, before and after the first triggerer was killed."""
    waiting: dict[str, list[bytes]]
    """Rows of Airflow's database while the sensors waited, decrypted."""
    as_stored: dict[str, list[bytes]]
    """The same rows, not decrypted."""
    ended: dict[str, list[bytes]]
    """Rows of Airflow's database after the sensors ended, decrypted."""


@pytest.fixture(scope="module")
def observed(homes, home, sandboxes):
    """Run a sensor of each mode, replace the secret twice meanwhile, and return the observations."""
    now = [NOW]
    sandbox = sandboxes.start(Account.generate(now=NOW), clock=lambda: now[0])
    sandboxes.secrets |= {SECOND, THIRD}
    # Use a separate AIRFLOW_HOME, because its database holds the connection.
    home = AirflowHome(homes / "replaced", home.fresh_database)
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
    # After so many seconds without a heartbeat, another triggerer takes over the triggers of a killed one.
    airflow = Standalone(home, {"AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "6"})

    def logs():
        return {name: airflow.log("waits", name) for name in MODES}

    def all_polled(times):
        """Wait until each sensor has polled so many times more. The deferred one's first poll is in the worker."""
        before = {name: log.count("in_queue is") for name, log in logs().items()}
        airflow.until(lambda: all(log.count("in_queue is") >= before[name] + times for name, log in logs().items()))

    def replace_key(secret):
        # Each rescheduled poke requests a token, so the service must accept both secrets until the connection is saved.
        patched.setattr(tokens, "CLIENT_SECRET", Either(tokens.CLIENT_SECRET, secret))
        Rest(airflow).request("/connections/ours", "PATCH", {**fields, "password": secret})
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
        stop_triggerer(airflow, signal.SIGKILL)
        replace_key(THIRD)
        with another_triggerer(home):
            all_polled(2)
            triggers += airflow.query("SELECT triggerer_id, kwargs FROM trigger")
            now[0] += timedelta(minutes=5)
            airflow.until(lambda: airflow.ended("waits", 1))
        return Observations(
            {name: airflow.task("waits", name) for name in MODES},
            logs(),
            triggers,
            waiting,
            as_stored,
            rows(fernet_key),
        )


def test_sensors_continue_with_the_saved_secret(observed):
    assert {name: task.state for name, task in observed.tasks.items()} == dict.fromkeys(MODES, "success")
    assert (observed.tasks["poked"].tries, observed.tasks["deferred"].tries) == (1, 1)
    assert "accepted before" not in observed.logs["rescheduled"]
    replaced = {name: observed.logs[name].count("The connection has new ones") for name in ("poked", "deferred")}
    # The second triggerer started with the third secret, so it logs no replacement.
    assert replaced == {"poked": 2, "deferred": 1}


def test_another_triggerer_takes_over_from_a_killed_one(observed):
    (first, before), (second, after) = observed.triggers
    assert first != second
    assert before == after
    assert '"deadline"' in before


def test_airflow_stores_secrets_only_in_the_encrypted_connection(observed, sandboxes):
    canaries = Canaries(sandboxes.secrets)
    assert observed.waiting.keys() >= {"trigger", "connection", "log", "rendered_task_instance_fields"}
    # The search finds the secret in the connection, so it would find it elsewhere too.
    assert canaries.within_tables(observed.waiting) == {"connection": {SECOND}}
    assert canaries.within_tables(observed.ended) == {"connection": {THIRD}}
    assert canaries.within_tables(observed.as_stored) == {}
    assert not [name for name, log in observed.logs.items() if canaries.within(log.encode())]
