"""A key that is replaced, at the service and in Airflow's connection, while sensors wait in each of their modes."""

from datetime import timedelta

from airflow_harness import NOW, Home, Standalone
from airflow_rest import Rest

from airflow_provider_a360.sandbox import tokens
from airflow_provider_a360.sandbox.account import Account
from airflow_provider_a360.sandbox.example import MAIN_FLOW

MODES = {"poked": "mode='poke'", "rescheduled": "mode='reschedule'", "deferred": "deferrable=True"}
SECOND = "the-second-secret-of-ours"


class Either(str):
    """The old secret, or the new one."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other):
        return str(other) in (str(self), SECOND)


def test_waits_go_on_with_the_key_that_was_saved(tmp_path, home, sandboxes, monkeypatch):
    now = [NOW]
    sandbox = sandboxes.start(Account.generate(now=NOW), clock=lambda: now[0])
    # A home apart: Airflow's database holds the connection.
    home = Home(tmp_path / "replaced", home.as_new)
    common = f"flow_id={MAIN_FLOW}, a360_conn_id='ours', poke_interval=2, timeout=900"
    tasks = "\n".join(f"A360FlowQueueSensor(task_id={name!r}, {mode}, {common})" for name, mode in MODES.items())
    home.dag("waits", tasks, schedule='"@once"')
    home.run("airflow", "dags", "reserialize")
    fields = {"connection_id": "ours", "conn_type": "a360", "login": sandbox.client_id, "host": sandbox.url}
    home.run(
        *("airflow", "connections", "add", "ours", "--conn-type", "a360", "--conn-host", sandbox.url),
        *("--conn-login", sandbox.client_id, "--conn-password", sandbox.client_secret),
    )
    with Standalone(home, {}) as airflow:

        def all_polled(times):
            """Each wait, so many times more; the deferred one's first poll is the worker's."""
            before = {name: airflow.log("waits", name).count("in_queue is") for name in MODES}
            airflow.until(
                lambda: all(airflow.log("waits", name).count("in_queue is") >= before[name] + times for name in MODES)
            )

        all_polled(3)
        # A poke that is rescheduled logs in each time, so for a moment both must do.
        monkeypatch.setattr(tokens, "CLIENT_SECRET", Either(sandbox.client_secret))
        Rest(airflow).ask("/connections/ours", "PATCH", {**fields, "password": SECOND})
        monkeypatch.setattr(tokens, "CLIENT_SECRET", SECOND)
        sandbox.revoke_tokens()
        all_polled(2)
        now[0] += timedelta(minutes=5)
        airflow.until(lambda: airflow.ended("waits", 1))
        tasks = {name: airflow.task("waits", name) for name in MODES}
        logs = {name: airflow.log("waits", name) for name in MODES}
    assert {name: task.state for name, task in tasks.items()} == dict.fromkeys(MODES, "success")
    # On a busy machine, Airflow itself may try a rescheduled task again ("finished with state success").
    assert (tasks["poked"].tries, tasks["deferred"].tries) == (1, 1)
    assert "accepted before" not in logs["rescheduled"]
    for name in ("poked", "deferred"):
        assert "The connection has new ones" in logs[name]
    assert not [name for name, log in logs.items() if SECOND in log or sandbox.client_secret in log]
