"""Retries on a real Airflow, by `dag.test()`, of an export that failed after its first file: between the two tries
somebody empties the destination, or replaces the key that people's data are hashed with.
"""

import json
from datetime import date

import pytest
from airflow_harness import AIRFLOW, connection

from airflow_provider_a360.export.personal import email_hash
from airflow_provider_a360.sandbox.example import MAIN_FLOW, WELCOME_FLOW

pytestmark = pytest.mark.skipif(AIRFLOW < (3, 3), reason="Airflow keeps nothing from one try to the next before 3.3")

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
    """The run of an export whose second file can't be written at first; its first was there before."""

    def run(happens):
        blocked = tmp_path / f"conversions-by_flow/dt={DAY}/flow-{FLOWS[1]}.jsonl/in_the_way"
        blocked.mkdir(parents=True)
        tasks = TASK.format(blocked=str(blocked.parent), happens=happens, flows=FLOWS, lake=str(tmp_path))
        done = airflow.test(tasks, a360=keyed(sandbox, KEYS[0]))
        assert (done.only.state, done.only.tries) == ("success", 2)
        assert "Could not write" in done.log
        return done.only.returned

    return run


def keyed(sandbox, key):
    return connection(sandbox, extra={"requests_per_second": 1000, "personal_data_secret": key})


def check(sandbox, folder, key):
    """Every row of each flow is in its file, hashed with that key."""
    for flow in FLOWS:
        lines = (folder / f"conversions-by_flow/dt={DAY}/flow-{flow}.jsonl").read_text().splitlines()
        people = {row.id: row.email for row in sandbox.account.flow(flow).conversions_on(DAY)}
        hashes = {number: email and email_hash(key.encode(), email) for number, email in people.items()}
        assert any(hashes.values())
        assert {row["conversion_id"]: row["email"] for row in map(json.loads, lines)} == hashes


def test_it_goes_on_behind_a_file_that_is_there(retried, sandbox, tmp_path):
    manifest = retried("pass")
    assert manifest["notes"] == [f"An earlier try published 1 files, the last for {DAY}; this one goes on."]
    check(sandbox, tmp_path, KEYS[0])


def test_where_the_destination_was_emptied_it_exports_all_anew(retried, sandbox, tmp_path):
    manifest = retried(f"shutil.rmtree({str(tmp_path)!r})")
    (note,) = manifest["notes"]
    assert note.startswith("An earlier try published 1 files, but file:///")
    assert note.endswith("is gone. This one exports all of them anew.")
    check(sandbox, tmp_path, KEYS[0])


def test_where_the_key_of_the_hashes_was_replaced_it_exports_all_anew(retried, sandbox, tmp_path):
    manifest = retried(f"os.environ['AIRFLOW_CONN_A360_DEFAULT'] = {keyed(sandbox, KEYS[1])!r}")
    assert not [note for note in manifest["notes"] if "goes on" in note]
    check(sandbox, tmp_path, KEYS[1])
