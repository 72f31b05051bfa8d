"""An export is killed at a random moment and resumed on another worker, with a new folder for temporary files.

Meanwhile the destination stays, loses a file or a part of one, or is emptied. The manifest must list only files that
exist, with every row.
"""

import shutil
import time
from random import Random

import pytest
from faults_harness import bytes_of_conversions, random_account
from oracle import statistics_are_right

KILLS_IN_CI = 20
DAYS = {"conversions": 33, "element_stats": 8}


def unchanged(lake, rng):
    """Leave the destination unchanged."""


def emptied(lake, rng):
    shutil.rmtree(lake, ignore_errors=True)


def with_a_file_deleted(lake, rng):
    if files := sorted(lake.rglob("dt=*/*.jsonl")):
        rng.choice(files).unlink()


def with_a_file_truncated(lake, rng):
    if files := [path for path in sorted(lake.rglob("dt=*/*.jsonl")) if path.stat().st_size]:
        path = rng.choice(files)
        path.write_bytes(path.read_bytes()[:-1])


DESTINATIONS = [unchanged, emptied, with_a_file_deleted, with_a_file_truncated]


@pytest.fixture(params=DAYS)
def task(request, export):
    """Return an export of two flows that takes a fraction of a second; `duration` is its time without faults."""
    account = random_account(3, flows=2, days=DAYS[request.param], most_rows=100)
    flows = sorted(flow.id for flow in account.flows)
    kwargs = {
        "dataset": request.param,
        "days": DAYS[request.param],
        "flow_ids": flows,
        "page_size": 20,
        "max_in_flight": 2,
    }
    task = export(account, knobs={"latency": 0.004}, **kwargs)
    # The first try also waits for the worker to start.
    for _ in range(2):
        began = time.monotonic()
        assert "manifest" in task.attempt(ledger=False)
        task.duration = time.monotonic() - began
    return task


def check(task, manifest):
    """Check that each file that the manifest lists exists with all of its rows, and that no file is missing."""
    names = task.names()
    listed = {file["uri"].removeprefix(f"file://{task.lake}/"): file for file in manifest["files"]}
    assert listed.keys() == names.keys() == task.files().keys()
    assert len(listed) == len(manifest["files"])
    for name, content in task.files().items():
        day, flows = names[name]
        assert (listed[name]["size"], listed[name]["day"]) == (len(content), str(day))
        assert listed[name]["rows"] == content.count(b"\n")
        if task.dataset == "conversions":
            assert content == bytes_of_conversions(flows, day)
        else:
            assert statistics_are_right(task.rows(content), flows, day, null_without_data=False)
    assert manifest["rows"] == sum(file["rows"] for file in manifest["files"])


@pytest.mark.parametrize("destination", DESTINATIONS)
def test_an_export_killed_at_random_moments_is_resumed_elsewhere(task, destination, request):
    cases = request.config.getoption("--cases")
    kills = (cases or KILLS_IN_CI) / len(DESTINATIONS) / len(DAYS)
    rng, killed = Random(f"{task.dataset} {destination.__name__}"), 0
    while killed < kills:
        shutil.rmtree(task.lake)
        (task.folder / "store.json").unlink(missing_ok=True)
        for _ in range(rng.choice([1, 1, 2])):
            killed += "killed" in task.attempt(life=rng.uniform(0, task.duration))
            destination(task.lake, rng)
        check(task, task.attempt()["manifest"])
