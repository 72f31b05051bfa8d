"""An export that is killed at any moment and goes on elsewhere: another folder for temporary files each time, and a
destination that was kept, lost a part or was emptied. Its manifest lists files that exist, and every row is there.
"""

import shutil
import time
from random import Random

import pytest
from conftest import IN_CI
from faults_harness import bytes_of_conversions, random_account, statistics_are_right

KILLS_IN_CI = 20
DAYS = {"conversions": 33, "element_stats": 8}


def kept(lake, dice):
    """It is as it was."""


def emptied(lake, dice):
    shutil.rmtree(lake, ignore_errors=True)


def with_a_file_less(lake, dice):
    if files := sorted(lake.rglob("dt=*/*.jsonl")):
        dice.choice(files).unlink()


def with_a_file_cut_short(lake, dice):
    if files := [path for path in sorted(lake.rglob("dt=*/*.jsonl")) if path.stat().st_size]:
        path = dice.choice(files)
        path.write_bytes(path.read_bytes()[:-1])


DESTINATIONS = [kept, emptied, with_a_file_less, with_a_file_cut_short]


@pytest.fixture(params=DAYS)
def task(request, export):
    """An export of two flows that takes a fraction of a second, and how long it takes undisturbed."""
    account = random_account(3, flows=2, days=DAYS[request.param], most_rows=100)
    flows = sorted(flow.id for flow in account.flows)
    how = {"dataset": request.param, "days": DAYS[request.param], "flow_ids": flows, "page_size": 20, "in_flight": 2}
    task = export(account, knobs={"latency": 0.004}, **how)
    # The very first one waits for the worker.
    for _ in range(2):
        began = time.monotonic()
        assert "manifest" in task.attempt(ledger=False)
        task.takes = time.monotonic() - began
    return task


def check(task, manifest):
    """Each file that the manifest lists is there with all of its rows, and no file is missing."""
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
            assert statistics_are_right(task.rows(content), flows, day, silent=False)
    assert manifest["rows"] == sum(file["rows"] for file in manifest["files"])


@pytest.mark.parametrize("destination", DESTINATIONS)
def test_killed_at_random_moments_and_resumed_elsewhere(task, destination, request):
    cases = request.config.getoption("--cases")
    kills = (KILLS_IN_CI if cases == IN_CI else cases) / len(DESTINATIONS) / len(DAYS)
    dice, killed = Random(f"{task.dataset} {destination.__name__}"), 0
    while killed < kills:
        shutil.rmtree(task.lake)
        (task.folder / "store.json").unlink(missing_ok=True)
        for _ in range(dice.choice([1, 1, 2])):
            killed += "killed" in task.attempt(life=dice.uniform(0, task.takes))
            destination(task.lake, dice)
        check(task, task.attempt()["manifest"])
