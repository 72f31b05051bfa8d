"""A try that failed has not been for nothing: the next one goes on behind what it published."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine

from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.errors import A360ForbiddenError
from airflow_provider_a360.export.conversions import Conversions
from airflow_provider_a360.export.element_stats import ElementStatistics
from airflow_provider_a360.export.job import Job
from airflow_provider_a360.export.ledger import Ledger
from airflow_provider_a360.export.publish import Destination
from airflow_provider_a360.sandbox import example

FLOWS = [example.MAIN_FLOW, example.PAUSED_FLOW]
YESTERDAY = date(2026, 11, 19)
DAYS = Days(YESTERDAY - timedelta(days=1), YESTERDAY)


class Store:
    """What Airflow's task state store offers, with values as they come back from it."""

    def __init__(self):
        self.values = {}

    def get(self, key, default=None):
        return json.loads(self.values[key]) if key in self.values else default

    def set(self, key, value):
        self.values[key] = json.dumps(value)


@pytest.fixture
def tries(serve):
    """One try of an export after another, with the store of its task: `tries(dataset, fail_at=path)`."""
    export, store = serve(), Store()

    def attempt(dataset, fail_at=None, *, days=DAYS, what="the same"):
        job = Job(dataset, FLOWS, days, Destination(str(export.folder / "lake")), "jsonl")
        before = len(export.sandbox.requests)
        if fail_at:
            export.sandbox.answer_next(fail_at, status=403)
            with pytest.raises(A360ForbiddenError):
                job.run(export.client(max_in_flight=1), Ledger(store, what))
            return None, []
        manifest = job.run(export.client(max_in_flight=1), Ledger(store, what))
        return manifest, [seen.path for seen in export.sandbox.requests[before:]]

    attempt.export = export
    return attempt


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
    export.sandbox.knobs.empty_statistics = "404"
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
