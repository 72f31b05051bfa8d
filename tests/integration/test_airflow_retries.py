"""Retries of an export that failed after its first file, run with `dag.test()`.

Between the two tries, a test empties the destination or replaces the secret for hashing personal data.
"""

import json
from datetime import date

import pytest
from airflow_harness import AIRFLOW, connection

from airflow_provider_a360.export.personal import email_hash
from airflow_provider_a360.sandbox.example import MAIN_FLOW, WELCOME_FLOW

pytestmark = pytest.mark.skipif(AIRFLOW < (3, 3), reason="Airflow has no task state store before 3.3")

DAY = date(2026, 11, 10)
FLOWS = [WELCOME_FLOW, MAIN_FLOW]
KEYS = ["the first key, long and random", "the second key, long and random"]
TASK = """
def between(context):
    import os, shutil
    shutil.rmtree({blocked!r})
    {happens}

A360ExportConversionsOperator(
    task_id="export", flow_ids={flows}, destination={lake!r}, personal_data="hash", on_retry_callback=between
)
"""


@pytest.fixture
def retried(airflow, sandbox, tmp_path):
    """Return a function that runs an export whose first try can't write the second file; it returns the manifest."""

    def run(happens):
        blocked = tmp_path / f"conversions-by_flow/dt={DAY}/flow-{FLOWS[1]}.jsonl/in_the_way"
        blocked.mkdir(parents=True)
        tasks = TASK.format(blocked=str(blocked.parent), happens=happens, flows=FLOWS, lake=str(tmp_path))
        result = airflow.test(tasks, a360=connection_with_key(sandbox, KEYS[0]))
        assert (result.only_task.state, result.only_task.tries) == ("success", 2)
        assert "Could not write" in result.log
        return result.only_task.returned

    return run


def connection_with_key(sandbox, key):
    """Return the connection with this secret for hashing personal data."""
    return connection(sandbox, extra={"requests_per_second": 1000, "personal_data_secret": key})


def check(sandbox, folder, key):
    """Check that every row of each flow is in its file, hashed with this secret."""
    for flow in FLOWS:
        lines = (folder / f"conversions-by_flow/dt={DAY}/flow-{flow}.jsonl").read_text().splitlines()
        people = {row.id: row.email for row in sandbox.account.flow(flow).conversions_on(DAY)}
        hashes = {number: email and email_hash(key.encode(), email) for number, email in people.items()}
        assert any(hashes.values())
        assert {row["conversion_id"]: row["email"] for row in map(json.loads, lines)} == hashes


def test_a_retry_resumes_after_a_published_file(retried, sandbox, tmp_path):
    manifest = retried("pass")
    assert manifest["notes"] == [
        f"An earlier attempt published 1 file, the last for {DAY}; this attempt resumes after it."
    ]
    check(sandbox, tmp_path, KEYS[0])


def test_a_retry_exports_everything_if_the_destination_was_emptied(retried, sandbox, tmp_path):
    manifest = retried(f"shutil.rmtree({str(tmp_path)!r})")
    (note,) = manifest["notes"]
    assert note.startswith("An earlier attempt published 1 file, but file:///")
    assert note.endswith("is missing. This attempt exports all of them again.")
    check(sandbox, tmp_path, KEYS[0])


def test_a_retry_exports_everything_if_the_hash_secret_was_replaced(retried, sandbox, tmp_path):
    # From a file: Airflow stores a DAG's source, and no secret may be in its database.
    replaced = tmp_path / "connection.json"
    replaced.write_text(connection_with_key(sandbox, KEYS[1]))
    manifest = retried(f"os.environ['AIRFLOW_CONN_A360_DEFAULT'] = open({str(replaced)!r}).read()")
    assert not [note for note in manifest["notes"] if "resumes" in note]
    check(sandbox, tmp_path, KEYS[1])
