"""The log and the manifest name files that make a reader of a whole folder count rows twice."""

import logging
from datetime import date, timedelta
from pathlib import Path

import pytest
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_a360.export.conversions import Conversions
from airflow_provider_a360.export.element_stats import ElementStatistics
from airflow_provider_a360.export.publish import Destination
from airflow_provider_a360.sandbox import example

DAY = timedelta(days=1)
YESTERDAY = date(2026, 11, 19)
FOLDER = f"conversions/dt={YESTERDAY}"
MAIN = f"flow-{example.MAIN_FLOW}"


@pytest.fixture
def memory():
    storage = attach(protocol="memory", fs=MemoryFileSystem()).fs
    yield storage
    storage.store.clear()
    storage.pseudo_dirs[:] = [""]


def lay(export, *names):
    for name in names:
        path = export.folder / "lake" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")


def the_warning(caplog, manifest):
    """Return the only note, and check that it is the only warning in the log."""
    (note,) = manifest["notes"]
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [note]
    return note


@pytest.mark.parametrize(
    "other", ["all.csv", "all.jsonl.gz", "all.csv.gz", "all.parquet", "flow-7.jsonl", "flow-7.csv"]
)
def test_file_with_the_same_rows_is_named(export, caplog, other):
    lay(export, f"{FOLDER}/{other}")
    note = the_warning(caplog, export(Conversions(), YESTERDAY))
    assert f"{other} in {FOLDER}" in note


def test_same_flow_in_another_format_is_named(export, caplog):
    folder = f"conversions-by_flow/dt={YESTERDAY}"
    lay(export, f"{folder}/{MAIN}.csv", f"{folder}/flow-7.csv")
    note = the_warning(caplog, export(Conversions(), YESTERDAY, flows=[example.MAIN_FLOW]))
    assert f"{MAIN}.csv in {folder}" in note
    assert "flow-7" not in note


def test_same_run_in_another_format_is_named(export, caplog):
    folder = f"element_stats-run/days={YESTERDAY - DAY}_{YESTERDAY}"
    lay(export, f"{folder}/all.csv")
    note = the_warning(caplog, export(ElementStatistics(grain="run"), YESTERDAY - DAY, YESTERDAY))
    assert f"all.csv in {folder}" in note


@pytest.mark.parametrize(
    "other",
    [".all.csv.0123456789.tmp", ".flow-7.jsonl.tmp", "_SUCCESS", "all.jsonl.bak", "notes.csv", "flow-charts.csv"],
)
def test_files_that_readers_ignore_are_not_named(export, other):
    lay(export, f"{FOLDER}/{other}")
    assert export(Conversions(), YESTERDAY)["notes"] == []


def test_repeated_exports_and_other_flows_are_not_named(export):
    for flows in ([example.MAIN_FLOW], [example.MAIN_FLOW, example.PAUSED_FLOW], "all", "all"):
        assert export(Conversions(), YESTERDAY, flows=flows)["notes"] == []


def test_many_files_give_one_short_note(export, caplog):
    days = [YESTERDAY - n * DAY for n in range(30)]
    lay(export, *(f"conversions/dt={day}/{name}" for day in days for name in ("all.csv", "flow-1.jsonl")))
    lay(export, *(f"{FOLDER}/flow-{number}.jsonl" for number in range(100, 200)))
    note = the_warning(caplog, export(Conversions(), days[-1], YESTERDAY))
    assert f"all.csv in 30 folders, conversions/dt={days[-1]} to {FOLDER}" in note
    assert "and 92 more names" in note
    assert len(note) < 1500


def test_object_storage_is_checked_too(export, memory, caplog):
    memory.pipe_file(f"/bucket/a360/{FOLDER}/all.csv", b"")
    memory.pipe_file(f"/bucket/a360/{FOLDER}/.all.csv.gz.tmp", b"")
    note = the_warning(caplog, export(Conversions(), YESTERDAY, to="memory://bucket/a360"))
    assert f"all.csv in {FOLDER}" in note


def test_storage_that_can_not_be_listed_does_not_fail_the_export(export, caplog, monkeypatch):
    def denied(*_):
        raise PermissionError("Access Denied for ada@example.com")

    monkeypatch.setattr(Destination, "file_sizes", denied)
    manifest = export(Conversions(), YESTERDAY - 2 * DAY, YESTERDAY)
    note = the_warning(caplog, manifest)
    assert "PermissionError" in note
    assert "ada@" not in note
    assert len(manifest["files"]) == 3
    assert all(Path(export.path(file)).is_file() for file in manifest["files"])
