"""A try that failed has not been for nothing: the next one goes on behind what it published."""

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
from airflow_provider_a360.export.datasets import Findings
from airflow_provider_a360.export.element_stats import ElementStatistics
from airflow_provider_a360.export.job import Job
from airflow_provider_a360.export.ledger import Ledger, PublishedFile
from airflow_provider_a360.export.publish import Destination
from airflow_provider_a360.sandbox import example

FLOWS = [example.MAIN_FLOW, example.PAUSED_FLOW]
YESTERDAY = date(2026, 11, 19)
DAYS = Days(YESTERDAY - timedelta(days=1), YESTERDAY)


JSON = TypeAdapter(JsonValue)
"""What Airflow takes for a value: no tuples, for one."""


class Store:
    """What Airflow's task state store offers, with values as they come back from it."""

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
def tries(serve):
    """One try of an export after another, with the store of its task: `tries(dataset, fail_at=path)`."""
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
    """Whether both list the same files."""
    told = [
        [(file["day"], file["rows"], file["size"], file["uri"].rpartition("/")[2]) for file in one["files"]]
        for one in (manifest, whole)
    ]
    return told[0] == told[1]


def asked_days(asked):
    """The days whose statistics of the main flow's e-mail were asked for."""
    return sum(path.startswith(f"/a360/stats/email/{example.EMAIL}/") for path in asked)


@pytest.fixture
def week(tries):
    """A week whose first try published six days of two flows' statistics, and the manifest of an undisturbed run."""
    days = Days(YESTERDAY - timedelta(days=6), YESTERDAY)
    whole = tries.export(ElementStatistics(), days.first, days.last, flows=FLOWS, to="whole")

    def attempt(**how):
        return tries(ElementStatistics(), days=days, **how)

    attempt.days, attempt.whole, attempt.export, attempt.store = days, whole, tries.export, tries.store
    attempt.file = lambda number, flow=example.MAIN_FLOW: (
        tries.export.folder / f"lake/element_stats-by_flow/dt={days.first + timedelta(days=number)}/flow-{flow}.jsonl"
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
def test_a_retry_goes_on_behind_the_files_that_are_as_they_were_published(week, caplog, harm):
    week()
    published = week.export.tree()
    harm(week.file(3))
    manifest, asked = week()
    assert week.export.tree() == week.export.tree("whole") == published
    assert same(manifest, week.whole)
    assert asked_days(asked) == 4
    (note,) = manifest["notes"]
    assert "published 14 files" in note
    assert str(week.file(3)) in note
    assert "goes on behind the first 6 and exports the others anew" in note
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [note]


def test_a_file_of_a_later_flow_is_missed_too(week):
    week()
    week.file(3, example.PAUSED_FLOW).unlink()
    manifest, asked = week()
    assert same(manifest, week.whole)
    assert asked_days(asked) == 3
    assert "goes on behind the first 7" in manifest["notes"][0]


def test_where_the_destination_was_emptied_everything_is_exported_anew(week):
    week()
    shutil.rmtree(week.export.folder / "lake")
    manifest, asked = week()
    assert week.export.tree() == week.export.tree("whole")
    assert same(manifest, week.whole)
    assert asked_days(asked) == 7
    assert "is gone. This one exports all of them anew." in manifest["notes"][0]


def test_what_was_exported_anew_counts_for_the_try_after(week):
    week()
    week.file(2).unlink()
    week(fail_at=f"/a360/stats/email/{example.PAUSED_EMAIL}")
    shutil.rmtree(week.file(4).parent)
    manifest, _ = week()
    assert week.export.tree() == week.export.tree("whole")
    assert same(manifest, week.whole)
    # The second try ended behind the file that it wrote anew; what stood behind that is not counted on any more.
    assert "published 5 files, the last for " in manifest["notes"][0]


def test_an_object_storage_that_lost_a_file_gets_it_again(week, memory):
    week(to="memory://bucket/a360")
    before = {path: memory.cat_file(path) for path in memory.find("/")}
    memory.rm(f"/bucket/a360/element_stats-by_flow/dt={week.days.last}/flow-{example.MAIN_FLOW}.jsonl")
    manifest, asked = week(to="memory://bucket/a360")
    assert {path: memory.cat_file(path) for path in memory.find("/")} == before
    assert same(manifest, week.whole)
    assert asked_days(asked) == 1


def test_a_destination_that_can_not_be_looked_into_is_written_to_anew(week, monkeypatch):
    week()
    sizes, refused = Destination.sizes, iter([True])

    def denied(*args):
        if next(refused, False):
            raise PermissionError("Access Denied for ada@example.com")
        return sizes(*args)

    monkeypatch.setattr(Destination, "sizes", denied)
    manifest, asked = week()
    assert same(manifest, week.whole)
    assert asked_days(asked) == 7
    (note,) = manifest["notes"]
    assert "can't be seen: PermissionError: Access Denied" in note
    assert "ada@" not in note


def test_each_folder_is_looked_at_once_before_a_try_goes_on(week, monkeypatch):
    week()
    looked, sizes = [], Destination.sizes
    monkeypatch.setattr(Destination, "sizes", lambda self, folder: looked.append(folder) or sizes(self, folder))
    week()
    # Once before, and once for other files beside them.
    assert set(Counter(looked).values()) == {2}
    assert len(set(looked)) == 7


def test_a_try_that_begins_anew_voids_what_another_export_left(tries):
    """Of three tries, the second hashes with another key: the third's files must not be the second's."""
    tries(ElementStatistics(), what="with one key")
    tries(ElementStatistics(), f"/a360/stats/email/{example.EMAIL}/", what="with another key")
    manifest, asked = tries(ElementStatistics(), what="with one key")
    assert manifest["notes"] == []
    assert asked_days(asked) == len(DAYS)


def test_the_store_holds_a_month_of_a_hundred_flows_in_few_values_of_bounded_size():
    store = Store()
    days = Days(date(2025, 1, 1), date(2025, 1, 31))
    plan = ElementStatistics().plan([(flow,) for flow in range(100)], days)
    ledger, findings = Ledger(store), Findings()
    ledger.open("a month")
    ledger.begin(0, findings)
    for number, part in enumerate(plan):
        findings.without_data += number % 3
        if number < 200:
            findings.notes.append(f"Note {number} of an export that has much to say.")
            findings.skipped.append({"flow_id": number, "element_id": number, "reason": "no statistics for its type"})
        (span,) = part.files
        file = PublishedFile(
            day=str(span), last_day=str(span), rows=number, size=number * 321, uri="file:///" + "x" * 99
        )
        ledger.add([file], findings)
    assert max(map(len, store.values.values())) <= 8_000
    assert len(store.values) < 20
    recorded = Ledger(store).open("a month")
    assert [one.files for one in recorded] == [[(number, number * 321)] for number in range(3_100)]
    told = Findings()
    for one in recorded:
        told.merge(one.findings)
    assert told == findings


def test_what_was_said_of_a_batch_that_was_not_published_is_not_said_of_another():
    store = Store()
    ledger, findings = Ledger(store), Findings()
    ledger.open("days")
    ledger.begin(0, findings)
    findings.notes += ["A note so long that the batch comes on the next page. " * 145]
    store.full_at = "published-1"
    with pytest.raises(MemoryError):
        ledger.add([PublishedFile(day="", last_day="", rows=i, size=2, uri="") for i in range(40)], findings)
    store.full_at = None
    again = Ledger(store)
    assert again.open("days") == []
    again.begin(0, Findings())
    again.add([PublishedFile(day="", last_day="", rows=1, size=2, uri="")], Findings())
    assert [one.findings for one in Ledger(store).open("days")] == [Findings()]


@pytest.mark.parametrize(
    ("dataset", "fail_at", "spared"),
    [
        (Conversions, f"/a360/autoresponders/{example.PAUSED_FLOW}", f"/a360/autoresponders/{example.MAIN_FLOW}"),
        (ElementStatistics, f"/a360/stats/email/{example.PAUSED_EMAIL}", f"/a360/stats/email/{example.EMAIL}/"),
    ],
)
def test_a_retry_asks_only_for_what_is_missing_and_lists_every_file(tries, dataset, fail_at, spared):
    export = tries.export
    whole = export(dataset(), DAYS.first, DAYS.last, flows=FLOWS, to="whole")
    tries(dataset(), fail_at)
    earlier = export.tree()
    assert earlier
    manifest, asked = tries(dataset())
    assert len([path for path in asked if path.startswith(spared)]) < len(DAYS)
    assert export.tree() == export.tree("whole")
    assert manifest["rows"] == whole["rows"]
    assert [(file["day"], file["rows"]) for file in manifest["files"]] == [
        (file["day"], file["rows"]) for file in whole["files"]
    ]
    assert any(f"published {len(earlier)} files" in note for note in manifest["notes"])


def test_what_the_files_of_an_earlier_try_lack_is_in_the_manifest_of_the_next(tries):
    main = example.MAIN_FLOW
    tries.export.sandbox.answer_next(f"/a360/autoresponders/{main}/total-stats", status=400)
    tries(ElementStatistics(), f"/a360/stats/email/{example.PAUSED_EMAIL}")
    manifest, _ = tries(ElementStatistics())
    resumed, lacking = manifest["notes"]
    assert "this one goes on" in resumed
    assert f"deleted elements of flow {main}," in lacking
    assert manifest["skipped"] == []


def test_a_flow_that_an_earlier_try_skipped_is_in_the_manifest_of_the_next(tries):
    export, (main, paused) = tries.export, FLOWS
    export.sandbox.answer_next(f"/a360/autoresponders/{main}", status=404, body={"message": "Not found"})
    tries(ElementStatistics(), f"/a360/stats/email/{example.PAUSED_EMAIL}")
    assert export.tree() == {}
    manifest, _ = tries(ElementStatistics())
    assert [one["flow_id"] for one in manifest["skipped"]] == [main]
    # The batch that was skipped is the first one; all others are here.
    assert [(file["day"], export.path(file).stem) for file in manifest["files"]] == [
        (str(DAYS.first), f"flow-{paused}"),
        (str(DAYS.last), f"flow-{main}"),
        (str(DAYS.last), f"flow-{paused}"),
    ]


def test_rows_without_data_are_counted_over_all_tries(tries):
    export = tries.export
    export.sandbox.options.empty_statistics = "404"
    whole = export(ElementStatistics(), DAYS.first, DAYS.last, flows=FLOWS, to="whole")
    tries(ElementStatistics(), f"/a360/stats/email/{example.PAUSED_EMAIL}")
    manifest, _ = tries(ElementStatistics())
    assert manifest["without_data"] == whole["without_data"] > 0


@pytest.mark.parametrize("change", [{"what": "another"}, {"days": Days(DAYS.first, DAYS.first)}])
def test_another_export_begins_anew(tries, change):
    tries(Conversions())
    manifest, asked = tries(Conversions(), **change)
    assert manifest["notes"] == []
    assert [path for path in asked if f"/{example.MAIN_FLOW}/conversions" in path]


def test_a_day_that_is_not_over_is_exported_again(tries):
    days = Days(YESTERDAY, YESTERDAY + timedelta(days=1))
    with time_machine.travel(datetime(2026, 11, 20, 10, tzinfo=UTC)):
        tries(ElementStatistics(), days=days)
        manifest, asked = tries(ElementStatistics(), days=days)
    assert len([path for path in asked if path.startswith(f"/a360/stats/email/{example.EMAIL}/")]) == 1
    assert [file["day"] for file in manifest["files"]] == [str(day) for day in days for _ in FLOWS]


def test_without_a_store_everything_is_exported(export):
    first = export(Conversions(), YESTERDAY, flows=FLOWS)
    again = export(Conversions(), YESTERDAY, flows=FLOWS)
    assert again["notes"] == []
    assert again["files"] == first["files"]
