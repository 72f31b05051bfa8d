"""A full disk, either where rows are staged or where files are published."""

import subprocess
from datetime import UTC, datetime, time, timedelta

import pytest
from faults_harness import FIRST, bytes_of_conversions

from airflow_provider_a360.sandbox.account import Account

DISK_SIZE = 48 * 1024


@pytest.fixture
def task(export):
    """Return an export whose file is larger than the disk."""
    until = datetime.combine(FIRST, time(23), UTC)
    return export(Account.with_conversions(1_000, until=until, every=timedelta(seconds=80)))


@pytest.fixture
def small_disk(tmp_path):
    """Return a folder on a file system of DISK_SIZE bytes, or None if this process may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE}", "a360", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    yield folder if mounted else None
    if mounted:
        subprocess.run(["umount", str(folder)], check=True)


def is_whole(task):
    """Return whether the only file has exactly the account's rows."""
    ((name, (day, flows)),) = task.names().items()
    return task.files() == {name: bytes_of_conversions(flows, day)}


@pytest.mark.parametrize("file_format", ["jsonl", "csv", "csv.gz", "parquet"])
def test_a_full_disk_for_staging_is_an_error_that_names_it(task, small_disk, file_format):
    task.file_format = file_format
    limit = {"staging": str(small_disk)} if small_disk else {"staging_holds": DISK_SIZE}
    result = task.attempt(**limit)
    assert "A360DestinationError" in result["kinds"]
    assert limit.get("staging", "staging-") in result["error"]
    assert "TMPDIR" in result["error"]
    assert any(words in result["error"] for words in ("No space left on device", "File too large"))
    assert (task.files(), task.leftovers()) == ({}, [])
    assert not small_disk or not list(small_disk.iterdir())
    assert "manifest" in task.attempt()


@pytest.mark.parametrize("earlier", [False, True], ids=["nothing there", "a file there"])
def test_a_full_disk_at_the_destination_keeps_the_existing_file(task, small_disk, earlier):
    if small_disk:
        task.lake = small_disk / "lake"
    (flow,) = task.sandbox.account.flows
    if earlier:
        later = flow.conversions[10:]
        for row in later:
            flow.remove_conversion(row)
        assert "manifest" in task.attempt(ledger=False)
        for row in later:
            flow.add_conversion(row)
    before = task.files()
    assert bool(before) is earlier
    result = task.attempt(**({} if small_disk else {"destination_holds": DISK_SIZE}))
    assert "A360DestinationError" in result["kinds"]
    assert f"Could not write file://{task.lake}" in result["error"]
    assert any(words in result["error"] for words in ("No space left on device", "File too large"))
    assert (task.files(), task.leftovers()) == (before, [])
    task.lake = task.folder / "roomy"
    assert "manifest" in task.attempt()
    assert is_whole(task)
