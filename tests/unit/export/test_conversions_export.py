"""Each conversion is exported exactly once, in the file of its own day, however the service filters."""

import logging
import re
from datetime import UTC, date, datetime, timedelta

import pytest
from oracle import conversion_row

from airflow_provider_a360.api.errors import A360ConfigError, A360FlowNotFoundError, A360FormatError
from airflow_provider_a360.export import stage
from airflow_provider_a360.export.conversions import Conversions
from airflow_provider_a360.sandbox import example
from airflow_provider_a360.sandbox.account import Account, Conversion, Element, Flow
from airflow_provider_a360.sandbox.endpoints import Endpoints

DAY = timedelta(days=1)
YESTERDAY = date(2026, 11, 19)
# For a single flow, two lists are requested at the same time, and either could get a prepared answer.
TWO_FLOWS = [example.MAIN_FLOW, example.PAUSED_FLOW]
MANNERS = {
    "plain": {},
    "ahead": {"day_offset_hours": 3},
    "behind": {"day_offset_hours": -3},
    "lte_before": {"lte_includes_day": False},
    "by_start": {"filter_by": "start_date"},
    "by_start_lte": {"filter_by": "start_date", "lte_includes_day": False},
    "all_ahead": {"filter_by": "start_date", "lte_includes_day": False, "day_offset_hours": 3},
    "all_behind": {"filter_by": "start_date", "lte_includes_day": False, "day_offset_hours": -3},
    "not_found": {"empty_list": "404", "past_end": "404"},
}


def oracle(account, day, kind="all", goal_id=None, flows=None):
    """Return a day's rows as the account knows them, in the order of a file."""
    return [
        conversion_row(flow, row)
        for flow in sorted(account.flows, key=lambda flow: flow.id)
        if flows is None or flow.id in flows
        for row in flow.conversions_on(day, kind=kind, goal_id=goal_id)
    ]


def one_flow(*rows):
    """Return an account of one flow, whose conversions have these start and conversion dates."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    start, goal = Element(2, "maintrigger", at), Element(3, "goal", at, "Paid")
    conversions = [
        Conversion(number, "goal", 3, f"n{number}@example.com", None, converted, started)
        for number, (started, converted) in enumerate(rows, 1)
    ]
    return Account([Flow(1, "By hand", 1, at, at, [start, goal], conversions)])


@pytest.mark.parametrize("last", [date(2026, 10, 20), YESTERDAY], ids=["past", "newest"])
@pytest.mark.parametrize("manner", MANNERS)
def test_ten_daily_exports_hold_every_conversion_exactly_once(serve, manner, last):
    export = serve(**MANNERS[manner])
    days = [last - 9 * DAY + n * DAY for n in range(10)]
    for day in days:
        manifest = export(Conversions(), day, page_size=25)
        (file,) = manifest["files"]
        assert export.path(file) == export.folder / f"lake/conversions/dt={day}/all.jsonl"
        wanted = oracle(export.account, day)
        assert len(wanted) > 3
        assert export.read(file) == wanted
        assert file["rows"] == manifest["rows"] == len(wanted)


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("flow_id", [example.MAIN_FLOW, example.PAUSED_FLOW])
def test_single_flow_is_complete_on_the_newest_day(serve, manner, flow_id):
    export = serve(**MANNERS[manner])
    for day in (YESTERDAY, date(2026, 11, 8)):
        wanted = oracle(export.account, day, flows={flow_id})
        assert export.rows(export(Conversions(), day, flows=[flow_id])) == wanted


@pytest.mark.parametrize("days_before", range(8))
@pytest.mark.parametrize("manner", MANNERS)
def test_single_conversion_is_found_however_long_the_journey(serve, manner, days_before):
    converted = datetime(2026, 11, 19, 12, tzinfo=UTC)
    account = one_flow((converted - days_before * DAY - timedelta(hours=5), converted))
    export = serve(account, **MANNERS[manner])
    assert [row["conversion_id"] for row in export.rows(export(Conversions(), YESTERDAY, flows=[1]))] == [1]


@pytest.mark.parametrize("hours", [0, 1, 23])
@pytest.mark.parametrize("manner", MANNERS)
def test_conversions_around_midnight_are_in_the_file_of_their_own_day(serve, manner, hours):
    midnight = datetime(2026, 11, 19, tzinfo=UTC)
    moments = [midnight - timedelta(seconds=1), midnight, midnight + DAY - timedelta(seconds=1), midnight + DAY]
    export = serve(one_flow(*((at - timedelta(hours=hours), at) for at in moments)), **MANNERS[manner])
    found = [
        [row["conversion_id"] for row in export.rows(export(Conversions(), YESTERDAY + n * DAY, flows=[1]))]
        for n in (-1, 0, 1)
    ]
    assert found == [[1], [3, 2], [4]]


@pytest.mark.parametrize("day", [date(2026, 10, 20), YESTERDAY])
def test_filter_by_start_date_is_noted_once_in_log_and_manifest(serve, caplog, day):
    export = serve(filter_by="start_date")
    notes = export(Conversions(), day)["notes"]
    assert len(notes) == 1
    assert "doesn't filter conversions by conversion_date" in notes[0]
    assert notes[0] in [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize("manner", ["plain", "ahead", "behind", "lte_before", "not_found"])
def test_filter_by_conversion_date_reads_no_unfiltered_list(serve, manner):
    export = serve(**MANNERS[manner])
    assert export(Conversions(), date(2026, 10, 20), YESTERDAY)["notes"] == []
    lists = [seen for seen in export.sandbox.requests if "/conversions/list/" in seen.path]
    assert lists
    assert all("filter" in seen.query for seen in lists)


def test_a_list_is_read_once_for_a_span_of_up_to_31_days(export):
    before = len(export.sandbox.requests)
    first = YESTERDAY - 30 * DAY
    export(Conversions(), first, YESTERDAY, flows=[example.PAUSED_FLOW])
    filters = [seen.query["filter"] for seen in export.sandbox.requests[before:] if "list/all" in seen.path]
    # The span with two more days on both sides, and a request for its end; then the days before, which must hold no
    # conversion of the span.
    wide, before = [("gte", "2026-10-18"), ("lte", "2026-11-21")], [("gte", "2010-01-01"), ("lte", "2026-10-18")]
    assert [re.findall(r'"(gte|lte)","value":"([\d-]+)"', asked) for asked in filters] == [wide, before, wide]


@pytest.mark.parametrize("manner", ["plain", "all_behind"])
def test_span_longer_than_one_list_is_complete(serve, manner):
    export = serve(**MANNERS[manner])
    first = date(2026, 9, 20)
    manifest = export(Conversions(), first, YESTERDAY, flows=[example.MAIN_FLOW, example.WELCOME_FLOW])
    days = [first + n * DAY for n in range(61)]
    assert sorted({file["day"] for file in manifest["files"]}) == [str(day) for day in days]
    for file in manifest["files"]:
        flow = int(export.path(file).stem.removeprefix("flow-"))
        assert export.read(file) == oracle(export.account, date.fromisoformat(file["day"]), flows={flow})


@pytest.mark.parametrize("file_format", ["jsonl", "jsonl.gz", "csv", "csv.gz", "parquet"])
@pytest.mark.parametrize("flows", ["all", [example.MAIN_FLOW, example.EMPTY_FLOW]], ids=["all", "two"])
def test_daily_runs_lookback_and_one_run_write_the_same_bytes(export, file_format, flows):
    week = [YESTERDAY - 6 * DAY + n * DAY for n in range(7)]
    for day in week:
        export(Conversions(), day, flows=flows, file_format=file_format, to="daily")
        export(Conversions(), day - 6 * DAY, day, flows=flows, file_format=file_format, to="trailing", page_size=7)
    export(Conversions(), week[0], week[-1], flows=flows, file_format=file_format, to="week", max_in_flight=1)
    daily = export.tree("daily")
    assert len(daily) == 7 * (1 if flows == "all" else 2)
    assert len(set(daily.values())) > 6
    assert export.tree("week") == daily
    trailing = export.tree("trailing")
    assert {name: trailing[name] for name in daily} == daily
    for day in week:
        export(Conversions(), day, flows=flows, file_format=file_format, to="daily")
    assert export.tree("daily") == daily


@pytest.mark.parametrize(
    ("kind", "goal_id", "list_kind", "folder"),
    [
        ("all", None, "all", "conversions-by_flow"),
        ("maintrigger", None, "maintrigger", "conversions-maintrigger-by_flow"),
        ("goal", None, "goal", "conversions-goal-by_flow"),
        ("goal", example.PAID, "goal", f"conversions-goal-{example.PAID}"),
        ("all", str(example.REVIEWED), "goal", f"conversions-goal-{example.REVIEWED}"),
    ],
)
@pytest.mark.parametrize("manner", ["plain", "all_ahead"])
def test_each_kind_has_its_own_rows_and_folder(serve, manner, kind, goal_id, list_kind, folder):
    export = serve(**MANNERS[manner])
    manifest = export(Conversions(kind, goal_id), date(2026, 11, 9), date(2026, 11, 13), flows=[example.MAIN_FLOW])
    goal = None if goal_id is None else int(goal_id)
    wanted = [
        row
        for n in range(5)
        for row in oracle(export.account, date(2026, 11, 9) + n * DAY, list_kind, goal, {example.MAIN_FLOW})
    ]
    assert len(wanted) > 1
    assert export.rows(manifest) == wanted
    assert set(export.tree()) == {
        f"{folder}/dt=2026-11-{day:02}/flow-{example.MAIN_FLOW}.jsonl" for day in range(9, 14)
    }


@pytest.mark.parametrize(
    ("kind", "goal_id", "named"),
    [("goals", None, "kind"), ("maintrigger", 5, "goal_id"), ("goal", "x", "goal_id"), (None, None, "kind")],
)
def test_error_names_the_bad_kind_or_goal(kind, goal_id, named):
    with pytest.raises(A360ConfigError, match=named):
        Conversions(kind, goal_id)


def test_each_flow_of_a_list_has_its_own_file(export):
    flows = [example.WELCOME_FLOW, example.MAIN_FLOW]
    manifest = export(Conversions(), YESTERDAY, flows=flows)
    assert manifest["flows"] == flows
    assert [export.path(file).name for file in manifest["files"]] == [f"flow-{flow}.jsonl" for flow in flows]
    for flow, file in zip(flows, manifest["files"], strict=True):
        assert export.read(file) == oracle(export.account, YESTERDAY, flows={flow})


@pytest.mark.parametrize("empty_list", ["empty", "404"])
@pytest.mark.parametrize("file_format", ["jsonl", "jsonl.gz", "csv", "csv.gz", "parquet"])
def test_flow_without_conversions_gives_a_valid_empty_file(serve, file_format, empty_list):
    export = serve(empty_list=empty_list)
    manifest = export(Conversions(), YESTERDAY, flows=[example.EMPTY_FLOW], file_format=file_format)
    (file,) = manifest["files"]
    assert file["rows"] == manifest["rows"] == 0
    assert export.read(file) == []


def test_account_without_flows_logs_a_warning_and_writes_an_empty_file(serve, caplog):
    export = serve(Account([]))
    assert export.rows(export(Conversions(), YESTERDAY)) == []
    assert "no flows" in caplog.text
    assert list(export.tree()) == [f"conversions/dt={YESTERDAY}/all.jsonl"]


@pytest.mark.parametrize("empty_list", ["empty", "404"])
def test_unknown_flow_fails_and_publishes_nothing(serve, empty_list):
    export = serve(empty_list=empty_list)
    with pytest.raises(A360FlowNotFoundError, match="99"):
        export(Conversions(), YESTERDAY - DAY, YESTERDAY, flows=[99])
    assert export.tree() == {}


def test_files_published_before_an_unknown_flow_are_complete(export):
    with pytest.raises(A360FlowNotFoundError):
        export(Conversions(), YESTERDAY, flows=[example.MAIN_FLOW, 99])
    for name in export.tree():
        flow = int(name.rpartition("-")[2].removesuffix(".jsonl"))
        assert export.read(export.folder / "lake" / name) == oracle(export.account, YESTERDAY, flows={flow})


@pytest.mark.parametrize("change", [{"conversion_date": None}, {"conversion_date": ""}, {"id": None}])
def test_row_without_date_or_id_fails_and_publishes_nothing(serve, change):
    export = serve()
    row = {"conversion_type": "goal", "flow_id": 3, "email": None, "phone": None, "start_date": "2026-11-18 10:00:00"}
    good = {**row, "id": 2, "conversion_date": "2026-11-18 11:00:00"}
    bad = {**row, "id": 1, "conversion_date": "2026-11-18 10:00:00", **change}
    path = f"/a360/autoresponders/{example.MAIN_FLOW}/conversions/list"
    export(Conversions(), date(2026, 11, 17), YESTERDAY, flows=[example.MAIN_FLOW])
    earlier = export.tree()
    export.sandbox.answer_next(path, body={"total": 2, "items": [good, bad]})
    with pytest.raises(A360FormatError, match=r"conversion_(date|id) is missing"):
        export(Conversions(), date(2026, 11, 17), YESTERDAY, flows=TWO_FLOWS)
    assert export.tree() == earlier


def test_unknown_fields_are_kept(serve):
    export = serve()
    row = {"id": 1, "conversion_type": "goal", "flow_id": 3, "conversion_date": "2026-11-19 10:00:00", "score": 7}
    path = f"/a360/autoresponders/{example.MAIN_FLOW}/conversions/list"
    # One answer for the list, one for the list of the days before, one for the request that confirms the list's end.
    for items in ([row], [], []):
        export.sandbox.answer_next(path, body={"total": len(items), "items": items})
    (found,) = export.read(export(Conversions(), YESTERDAY, flows=TWO_FLOWS)["files"][0])
    assert found["extra"] == '{"score":7}'
    assert found["email"] is found["start_date"] is None


@pytest.mark.parametrize("manner", ["plain", "all_ahead"])
@pytest.mark.parametrize("at_once", [50_000, 5])
def test_order_of_the_service_does_not_change_the_bytes(serve, monkeypatch, manner, at_once):
    export = serve(**MANNERS[manner])
    span = YESTERDAY - 2 * DAY, YESTERDAY
    export(Conversions(), *span, to="newest_first", page_size=10)
    newest_first = Endpoints._page

    def oldest_first(self, rows, limit, offset, **order):
        return newest_first(self, rows, limit, offset)

    monkeypatch.setattr(Endpoints, "_page", oldest_first)
    for flow in export.account.flows:
        flow._cache.clear()
    monkeypatch.setattr(stage, "_SORTED_AT_ONCE", at_once)
    manifest = export(Conversions(), *span, to="oldest_first", page_size=10)
    assert manifest["files"][0]["rows"] > 2 * 5
    assert export.tree("oldest_first") == export.tree("newest_first")


def test_conversions_of_the_same_second_are_sorted_by_id(serve, monkeypatch):
    second = datetime(2026, 11, 19, 12, tzinfo=UTC)
    export = serve(one_flow(*[(second - DAY, second)] * 9))
    dealt = Endpoints._page

    def shuffled(self, rows, *where, **order):
        return dealt(self, [rows[index] for index in (3, 1, 4, 0, 5, 8, 2, 6, 7)], *where, **order)

    wanted = [row["conversion_id"] for row in export.rows(export(Conversions(), YESTERDAY, flows=[1]))]
    assert wanted == sorted(wanted, reverse=True)
    monkeypatch.setattr(Endpoints, "_page", lambda self, rows, *a, **k: shuffled(self, rows, *a, **k) if rows else [])
    export.account.flow(1)._cache.clear()
    assert [row["conversion_id"] for row in export.rows(export(Conversions(), YESTERDAY, flows=[1]))] == wanted
