"""Nothing that Airflow logs, prints or stores holds personal data or secrets. These tests run last."""

import re
import shutil
import sqlite3
from base64 import b64encode
from collections import defaultdict
from contextlib import closing
from itertools import count
from urllib.parse import quote

import pytest
from airflow_harness import AIRFLOW, AirflowHome, Standalone, connection
from airflow_leaks import Canaries, rows_of

ADDRESS = re.compile(rb"[\w.+-]{2,}@[\w-]+\.[\w.-]+")
BEARER = re.compile(rb"(?i)bearer\s+[\w.~+/-]{8,}")
TEXT = re.compile("TEXT|VARCHAR|JSON|BLOB")
FORMS = ("plain", "in a URL", "in Base64")
SEARCHED = {
    *("asset_event", "dag_code", "dag_run", "log", "rendered_task_instance_fields", "serialized_dag"),
    *("task_instance", "trigger", "xcom"),
} | ({"task_state_store"} if AIRFLOW >= (3, 3) else set())
"""Tables that must have rows when they are searched; the search covers all tables."""


# Log and print the access token, as a careless task or a library in debug mode might.
LEAKING_TASK = """
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


def test_a_token_that_a_task_logs_is_masked(tmp_path, home, sandbox):
    # Use a separate AIRFLOW_HOME: Airflow masks a task's log, but not what the scheduler prints of it.
    home = AirflowHome(tmp_path / "shouting", home.fresh_database)
    home.dag("shouts", LEAKING_TASK, schedule='"@once"')
    home.run("airflow", "dags", "reserialize")
    ours = connection(sandbox, extra={"personal_data_secret": "a-key-made-up"})
    with Standalone(home, {"AIRFLOW_CONN_A360_DEFAULT": ours}) as airflow:
        airflow.until(lambda: airflow.ended("shouts", 1))
    log = airflow.log("shouts", "shout")
    assert "Logged: ***." in log
    assert "Printed: ***." in log
    assert "Keyed: ***." in log


@pytest.mark.last
@pytest.mark.parametrize("form", [str, quote, lambda text: b64encode(f"id:{text}\n".encode()).decode()], ids=FORMS)
def test_the_search_finds_a_text_in_every_text_column(tmp_path, scheduled, form):
    """Write a text into each text column of the first row of each table, in a copy of the database."""
    copy = shutil.copy(scheduled.airflow.home.folder / "airflow.db", tmp_path)
    numbers, planted = count(), {}
    with closing(sqlite3.connect(copy)) as database, database:
        for table in rows_of(copy):
            columns = [
                name for _, name, kind, *_ in database.execute(f"PRAGMA table_info({table})") if TEXT.match(kind)
            ]
            if columns:
                texts = [f"planted+{next(numbers):04}@example.com" for _ in columns]
                changes = ", ".join(f'"{name}" = ?' for name in columns)
                database.execute(
                    f"UPDATE {table} SET {changes} WHERE rowid = (SELECT min(rowid) FROM {table})", [*map(form, texts)]
                )
                planted[table] = set(texts)
    assert planted.keys() >= SEARCHED - {"trigger"}
    assert Canaries(text for texts in planted.values() for text in texts).within_tables(rows_of(copy)) == planted


@pytest.mark.last
def test_no_file_of_the_session_holds_personal_data_or_a_secret(homes, sandboxes, airflow, scheduled, sandbox):
    canaries = Canaries(sandboxes.secrets)
    assert len(sandboxes.secrets) > 500
    kept = [path for path in homes.rglob("*") if path.is_file() and path.name != "new.db"]
    logs = [path for path in kept if path.suffix == ".log"]
    assert {"worker.log", "commands.log", "standalone.log"} <= {path.name for path in logs}
    assert any(path.name.startswith("attempt=") for path in logs)
    found = {}
    for path in kept:
        content = path.read_bytes()
        hits = canaries.within(content)
        if path in logs:
            hits |= {text.decode() for pattern in (ADDRESS, BEARER) for text in pattern.findall(content)}
        if hits:
            found[str(path.relative_to(homes))] = sorted(hits)[:5]
    assert found == {}


@pytest.mark.last
def test_no_row_of_any_table_holds_personal_data_or_a_secret(homes, sandboxes, airflow, scheduled):
    # Airflow deletes a trigger's row when the trigger ends, so use the collected ones.
    tables = defaultdict(list, trigger=["\n".join(row).encode() for row in scheduled.airflow.triggers.values()])
    for database in homes.rglob("airflow.db"):
        for table, rows in rows_of(database).items():
            tables[table] += rows
    print("Rows searched:", ", ".join(f"{table} {len(rows)}" for table, rows in sorted(tables.items())))
    assert {table for table, rows in tables.items() if rows} >= SEARCHED
    assert Canaries(sandboxes.secrets).within_tables(tables) == {}
