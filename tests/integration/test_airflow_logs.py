"""Runs last: whatever this session's Airflows logged, printed or stored holds nobody's address and no secret."""

import re

import pytest
from airflow_harness import Home, Standalone, connection

ADDRESS = re.compile(rb"[\w.+-]{2,}@[\w-]+\.[\w.-]+")
BEARER = re.compile(rb"(?i)bearer\s+[\w.~+/-]{8,}")


# What no task should do, and what a library's debugging might.
SHOUTS = """
@task
def shout():
    import logging

    from airflow_provider_a360.hooks.a360 import A360Hook

    hook = A360Hook()
    list(hook.flows())
    token = hook.get_conn()._transport._credentials._token
    logging.getLogger("careless").warning("Logged: %s.", token)
    print(f"Printed: {token}.")
    print(f"Keyed: {hook.personal_data_secret}.")

shout()
"""


def test_a_token_is_masked_in_the_log_of_a_task_that_shouts_it(tmp_path, home, sandbox):
    # A home apart: Airflow masks a task's log, but not what the scheduler prints of it.
    home = Home(tmp_path / "shouting", home.as_new)
    home.dag("shouts", SHOUTS, schedule='"@once"')
    home.run("airflow", "dags", "reserialize")
    ours = connection(sandbox, extra={"personal_data_secret": "a-key-made-up"})
    with Standalone(home, {"AIRFLOW_CONN_A360_DEFAULT": ours}) as airflow:
        airflow.until(lambda: airflow.ended("shouts", 1))
    log = airflow.log("shouts", "shout")
    assert "Logged: ***." in log
    assert "Printed: ***." in log
    assert "Keyed: ***." in log


@pytest.mark.last
def test_nothing_left_behind_holds_an_address_a_number_or_a_secret(homes, sandboxes, airflow, scheduled, sandbox):
    kept = [path for path in homes.rglob("*") if path.is_file()]
    logs = [path for path in kept if path.suffix == ".log"]
    assert {"worker.log", "commands.log", "standalone.log"} <= {path.name for path in logs}
    assert any(path.name.startswith("attempt=") for path in logs)
    assert len(sandboxes.secrets) > 500
    found = {}
    for path in kept:
        content = path.read_bytes()
        hits = [text for text in sandboxes.secrets if text.encode() in content]
        if path in logs:
            hits += [text.decode() for pattern in (ADDRESS, BEARER) for text in pattern.findall(content)]
        if hits:
            found[str(path.relative_to(homes))] = sorted(hits)[:5]
    assert found == {}
