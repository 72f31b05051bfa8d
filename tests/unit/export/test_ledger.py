"""A retry resumes after the files that an earlier attempt published."""

import json
import shutil
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem
from pydantic import JsonValue, TypeAdapter

from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.errors import A360ForbiddenError
from airflow_provider_a360.export.conversions import Conversions
from airflow_provider_a360.export.datasets import Diagnostics
from airflow_provider_a360.export.element_stats import ElementStatistics
from airflow_provider_a360.export.job import Job
from airflow_provider_a360.export.ledger import Ledger, PublishedFile
from airflow_provider_a360.export.publish import Destination
from airflow_provider_a360.sandbox import example

FLOWS = [example.MAIN_FLOW, example.PAUSED_FLOW]
YESTERDAY = date(2026, 11, 19)
DAYS = Days(YESTERDAY - timedelta(days=1), YESTERDAY)


JSON = TypeAdapter(JsonValue)
"""Accepts what Airflow accepts as a value; tuples, for example, are refused."""


class Store:
    """A stand-in for Airflow's task state store, which stores values as JSON."""

    def __init__(self):
        self.values = {}

    def get(self, key, default=None):
        return json.loads(self.values[key]) if key in self.values else default

    full_at = None

    def set(self, key, value):
        if key == self.full_at:
            raise MemoryError
        self.values[key] = json.dumps(JSON.validate_python(value))


@pytest.fixture
def attempts(serve):
    """Return a function that runs one attempt of an export with a shared store: `attempts(dataset, fail_at=path)`."""
    export, store = serve(), Store()

    def attempt(dataset, fail_at=None, *, days=DAYS, what="the same", to=str(export.folder / "lake")):
        job = Job(dataset, FLOWS, days, Destination(to), "jsonl")
        before = len(export.sandbox.requests)
        if fail_at:
            export.sandbox.answer_next(fail_at, status=403)
            with pytest.raises(A360ForbiddenError):
                job.run(export.client(max_in_flight=1), Ledger(store, what))
            return None, []
        manifest = job.run(export.client(max_in_flight=1), Ledger(store, what))
        return manifest, [seen.path for seen in export.sandbox.requests[before:]]

    attempt.export, attempt.store = export, store
    return attempt


@pytest.fixture
def memory():
    storage = attach(protocol="memory", fs=MemoryFileSystem()).fs
    yield storage
    storage.store.clear()
    storage.pseudo_dirs[:] = [""]


def same(manifest, whole):
    """Return whether two manifests list the same files."""
    told = [
        [(file["day"], file["rows"], file["size"], file["uri"].rpartition("/")[2]) for file in one["files"]]
        for one in (manifest, whole)
    ]
    return told[0] == told[1]


def days_requested(asked):
    """Return the number of requests for statistics of the main flow's email: one for each day that was read."""
    return sum(path.startswith(f"/a360/stats/email/{example.EMAIL}/") for path in asked)


@pytest.fixture
def week(attempts):
    """Return a function that runs one attempt of an export of a week, with the manifest of a run without failures."""
    days = Days(YESTERDAY - timedelta(days=6), YESTERDAY)
    whole = attempts.export(ElementStatistics(), days.first, days.last, flows=FLOWS, to="whole")

    def attempt(**how):
        return attempts(ElementStatistics(), days=days, **how)

    attempt.days, attempt.whole, attempt.export, attempt.store = days, whole, attempts.export, attempts.store
    attempt.file = lambda number, flow=example.MAIN_FLOW: (
        attempts.export.folder
        / f"lake/element_stats-by_flow/dt={days.first + timedelta(days=number)}/flow-{flow}.jsonl"
    )
    return attempt


def gone(path):
    path.unlink()


def shorter(path):
    path.write_bytes(path.read_bytes()[:-1])


def longer(path):
    path.write_bytes(path.read_bytes() + b"\n")


def another_folder(path):
    shutil.rmtree(path.parent)


@pytest.mark.parametrize("harm", [gone, shorter, longer, another_folder])
def test_retry_resumes_after_the_intact_files(week, caplog, harm):
    week()
    published = week.export.tree()
    harm(week.file(3))
    manifest, asked = week()
    assert week.export.tree() == week.export.tree("whole") == published
    assert same(manifest, week.whole)
    assert days_requested(asked) == 4
    (note,) = manifest["notes"]
    assert "published 14 files" in note
    assert str(week.file(3)) in note
    assert "keeps the first 6 and exports the others again" in note
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [note]


def test_missing_file_of_a_later_flow_is_noticed(week):
    week()
    week.file(3, example.PAUSED_FLOW).unlink()
    manifest, asked = week()
    assert same(manifest, week.whole)
    assert days_requested(asked) == 3
    assert "keeps the first 7" in manifest["notes"][0]


def test_empty_destination_is_exported_again(week):
    week()
    shutil.rmtree(week.export.folder / "lake")
    manifest, asked = week()
    assert week.export.tree() == week.export.tree("whole")
    assert same(manifest, week.whole)
    assert days_requested(asked) == 7
    assert "is missing. This attempt exports all of them again." in manifest["notes"][0]


def test_files_exported_again_count_for_the_next_attempt(week):
    week()
    week.file(2).unlink()
    week(fail_at=f"/a360/stats/email/{example.PAUSED_EMAIL}")
    shutil.rmtree(week.file(4).parent)
    manifest, _ = week()
    assert week.export.tree() == week.export.tree("whole")
    assert same(manifest, week.whole)
    # The second attempt failed after the file that it wrote again; the later files of the first don't count any more.
    assert "published 5 files, the last for " in manifest["notes"][0]


def test_missing_file_in_object_storage_is_exported_again(week, memory):
    week(to="memory://bucket/a360")
    before = {path: memory.cat_file(path) for path in memory.find("/")}
    memory.rm(f"/bucket/a360/element_stats-by_flow/dt={week.days.last}/flow-{example.MAIN_FLOW}.jsonl")
    manifest, asked = week(to="memory://bucket/a360")
    assert {path: memory.cat_file(path) for path in memory.find("/")} == before
    assert same(manifest, week.whole)
    assert days_requested(asked) == 1


def test_destination_that_can_not_be_listed_is_exported_again(week, monkeypatch):
    week()
    sizes, refused = Destination.file_sizes, iter([True])

    def denied(*args):
        if next(refused, False):
            raise PermissionError("Access Denied for ada@example.com")
        return sizes(*args)

    monkeypatch.setattr(Destination, "file_sizes", denied)
    manifest, asked = week()
    assert same(manifest, week.whole)
    assert days_requested(asked) == 7
    (note,) = manifest["notes"]
    assert "could not be listed (PermissionError: Access Denied" in note
    assert "ada@" not in note


def test_each_folder_is_listed_once_before_a_retry_resumes(week, monkeypatch):
    week()
    looked, sizes = [], Destination.file_sizes
    monkeypatch.setattr(Destination, "file_sizes", lambda self, folder: looked.append(folder) or sizes(self, folder))
    week()
    # Once to check the files, and once to look for duplicates.
    assert set(Counter(looked).values()) == {2}
    assert len(set(looked)) == 7


def test_attempt_with_other_parameters_voids_earlier_batches(attempts):
    """The second of three attempts hashes with another key, so the third must not keep its files."""
    attempts(ElementStatistics(), what="with one key")
    attempts(ElementStatistics(), f"/a360/stats/email/{example.EMAIL}/", what="with another key")
    manifest, asked = attempts(ElementStatistics(), what="with one key")
    assert manifest["notes"] == []
    assert days_requested(asked) == len(DAYS)


def test_month_of_a_hundred_flows_takes_few_small_values():
    store = Store()
    days = Days(date(2025, 1, 1), date(2025, 1, 31))
    plan = ElementStatistics().plan([(flow,) for flow in range(100)], days)
    ledger, diagnostics = Ledger(store), Diagnostics()
    ledger.load("a month")
    ledger.start_attempt(0, diagnostics)
    for number, part in enumerate(plan):
        diagnostics.without_data += number % 3
        if number < 200:
            diagnostics.notes.append(f"Note {number} of an export that has much to say.")
            diagnostics.skipped.append(
                {"flow_id": number, "element_id": number, "reason": "no statistics for its type"}
            )
        (span,) = part.files
        file = PublishedFile(
            day=str(span), last_day=str(span), rows=number, size=number * 321, uri="file:///" + "x" * 99
        )
        ledger.record([file], diagnostics)
    assert max(map(len, store.values.values())) <= 8_000
    assert len(store.values) < 20
    recorded = Ledger(store).load("a month")
    assert [one.files for one in recorded] == [[(number, number * 321)] for number in range(3_100)]
    told = Diagnostics()
    for one in recorded:
        told.merge(one.diagnostics)
    assert told == diagnostics


def test_diagnostics_of_an_unrecorded_batch_are_dropped():
    store = Store()
    ledger, diagnostics = Ledger(store), Diagnostics()
    ledger.load("days")
    ledger.start_attempt(0, diagnostics)
    diagnostics.notes += ["A note so long that the batch comes on the next page. " * 145]
    store.full_at = "published-1"
    with pytest.raises(MemoryError):
        ledger.record([PublishedFile(day="", last_day="", rows=i, size=2, uri="") for i in range(40)], diagnostics)
    store.full_at = None
    again = Ledger(store)
    assert again.load("days") == []
    again.start_attempt(0, Diagnostics())
    again.record([PublishedFile(day="", last_day="", rows=1, size=2, uri="")], Diagnostics())
    assert [one.diagnostics for one in Ledger(store).load("days")] == [Diagnostics()]


@pytest.mark.parametrize(
    ("dataset", "fail_at", "spared"),
    [
        (Conversions, f"/a360/autoresponders/{example.PAUSED_FLOW}", f"/a360/autoresponders/{example.MAIN_FLOW}"),
        (ElementStatistics, f"/a360/stats/email/{example.PAUSED_EMAIL}", f"/a360/stats/email/{example.EMAIL}/"),
    ],
)
def test_retry_requests_only_what_is_missing_and_lists_every_file(attempts, dataset, fail_at, spared):
    export = attempts.export
    whole = export(dataset(), DAYS.first, DAYS.last, flows=FLOWS, to="whole")
    attempts(dataset(), fail_at)
    earlier = export.tree()
    assert earlier
    manifest, asked = attempts(dataset())
    assert len([path for path in asked if path.startswith(spared)]) < len(DAYS)
    assert export.tree() == export.tree("whole")
    assert manifest["rows"] == whole["rows"]
    assert [(file["day"], file["rows"]) for file in manifest["files"]] == [
        (file["day"], file["rows"]) for file in whole["files"]
    ]
    assert any(f"published {len(earlier)} file" in note for note in manifest["notes"])


def test_notes_of_an_earlier_attempt_are_in_the_manifest(attempts):
    main = example.MAIN_FLOW
    attempts.export.sandbox.answer_next(f"/a360/autoresponders/{main}/total-stats", status=400)
    attempts(ElementStatistics(), f"/a360/stats/email/{example.PAUSED_EMAIL}")
    manifest, _ = attempts(ElementStatistics())
    resumed, lacking = manifest["notes"]
    assert "this attempt resumes after it" in resumed
    assert f"deleted elements of flow {main}," in lacking
    assert manifest["skipped"] == []


def test_flow_skipped_by_an_earlier_attempt_is_in_the_manifest(attempts):
    export, (main, paused) = attempts.export, FLOWS
    export.sandbox.answer_next(f"/a360/autoresponders/{main}", status=404, body={"message": "Not found"})
    attempts(ElementStatistics(), f"/a360/stats/email/{example.PAUSED_EMAIL}")
    assert export.tree() == {}
    manifest, _ = attempts(ElementStatistics())
    assert [one["flow_id"] for one in manifest["skipped"]] == [main]
    # The skipped batch is the first one; all others have files.
    assert [(file["day"], export.path(file).stem) for file in manifest["files"]] == [
        (str(DAYS.first), f"flow-{paused}"),
        (str(DAYS.last), f"flow-{main}"),
        (str(DAYS.last), f"flow-{paused}"),
    ]


def test_rows_without_data_are_counted_over_all_attempts(attempts):
    export = attempts.export
    export.sandbox.options.empty_statistics = "404"
    whole = export(ElementStatistics(), DAYS.first, DAYS.last, flows=FLOWS, to="whole")
    attempts(ElementStatistics(), f"/a360/stats/email/{example.PAUSED_EMAIL}")
    manifest, _ = attempts(ElementStatistics())
    assert manifest["without_data"] == whole["without_data"] > 0


@pytest.mark.parametrize("change", [{"what": "another"}, {"days": Days(DAYS.first, DAYS.first)}])
def test_other_parameters_or_days_start_again(attempts, change):
    attempts(Conversions())
    manifest, asked = attempts(Conversions(), **change)
    assert manifest["notes"] == []
    assert [path for path in asked if f"/{example.MAIN_FLOW}/conversions" in path]


def test_unfinished_day_is_exported_again(attempts):
    days = Days(YESTERDAY, YESTERDAY + timedelta(days=1))
    with time_machine.travel(datetime(2026, 11, 20, 10, tzinfo=UTC)):
        attempts(ElementStatistics(), days=days)
        manifest, asked = attempts(ElementStatistics(), days=days)
    assert len([path for path in asked if path.startswith(f"/a360/stats/email/{example.EMAIL}/")]) == 1
    assert [file["day"] for file in manifest["files"]] == [str(day) for day in days for _ in FLOWS]


def test_without_a_store_all_files_are_exported(export):
    first = export(Conversions(), YESTERDAY, flows=FLOWS)
    again = export(Conversions(), YESTERDAY, flows=FLOWS)
    assert again["notes"] == []
    assert again["files"] == first["files"]
