"""Services that differ from their page in one point which the page doesn't rule out, read by the operators: every row
once, or an error that names what is wrong, or a warning in the log and a note in the manifest.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from oracle import conversion_row, statistics_are_right

from airflow_provider_a360.api import reading
from airflow_provider_a360.api.errors import A360Error, A360FormatError, A360TransientError
from airflow_provider_a360.export.publish import Destination
from airflow_provider_a360.operators.export import A360ExportConversionsOperator, A360ExportElementStatsOperator
from airflow_provider_a360.sandbox import example
from airflow_provider_a360.sandbox.account import Account, Element, Flow
from airflow_provider_a360.sandbox.lists import is_visible
from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.server import Sandbox

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
LATE = datetime(2026, 11, 19, 23, 55, tzinfo=UTC)
FLOW = example.MAIN_FLOW
ALL_DAYS = {"first_day": "2026-11-01", "last_day": "2026-11-19"}
ONE_DAY = {"first_day": "2026-11-19", "last_day": "2026-11-19"}
THREE_DAYS = {"first_day": "2026-11-14", "last_day": "2026-11-16"}
HTML_404 = {"status": 404, "body": "<html><body><h1>404 Not Found</h1></body></html>"}
LIST_OF_FLOWS, LIST_OF_CONVERSIONS = "/a360/autoresponders/list", f"/a360/autoresponders/{FLOW}/conversions/list"
TEN_MINUTES = timedelta(minutes=10)


def journeys():
    """2,500 conversions of the days from 2 to 19 November, up to twelve days after their starts."""
    return Account.with_journeys(2_500, until=LATE, every=TEN_MINUTES, journey_days=12)


def rarely_long_journeys():
    """2,500 conversions within some minutes of their starts, but for one in fifty, which takes five days."""
    account = Account.with_journeys(2_500, until=LATE, every=TEN_MINUTES, journey_days=0.02)
    for number, row in enumerate(account.flows[0].conversions):
        if number % 50 == 0:
            row.start_date -= timedelta(days=5)
    return account


def short_journeys():
    """2,500 conversions, each ten minutes after its start."""
    return Account.with_conversions(2_500, until=LATE, every=TEN_MINUTES)


def many_flows():
    """251 flows of ten conversions each."""
    made = [
        Account.with_journeys(10, until=LATE - TEN_MINUTES * number, every=TEN_MINUTES, journey_days=2, flow_id=id_)
        for number, id_ in enumerate(range(100, 2_610, 10))
    ]
    return Account([account.flows[0] for account in made])


def example_account():
    """Five flows with elements of every type."""
    return Account.generate(now=NOW)


def flow_without_goals():
    created = datetime(2026, 1, 1, tzinfo=UTC)
    return Account([Flow(FLOW, "No goals", 1, created, created, [Element(5, "maintrigger", created)])])


@dataclass
class Service:
    """A service, what is exported from it, and what comes of that."""

    knobs: dict[str, Any] = field(default_factory=dict)
    account: Callable[[], Account] = journeys
    answers: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Answers that stand in for the service's own: the path's beginning, and the answer."""
    operator: type = A360ExportConversionsOperator
    options: dict[str, Any] = field(default_factory=lambda: {"flow_ids": FLOW, **ALL_DAYS})
    note: str = ""
    """What the note says, where there has to be one."""
    served: int | None = None
    """How many rows, the newest, can be had at all."""

    def days(self) -> list[date]:
        first, last = (date.fromisoformat(self.options[name]) for name in ("first_day", "last_day"))
        return [first + timedelta(days=number) for number in range((last - first).days + 1)]


UNPROVEN = "could not be proven"


def start_dates(account, filter_by, filter_goals_by, order, days):
    knobs = {"filter_by": filter_by, "filter_goals_by": filter_goals_by, "order": order}
    return Service(
        knobs, account, options={"flow_ids": FLOW, **days}, note="doesn't filter conversions by conversion_date"
    )


def statistics(note="", answers=(), **knobs):
    options = {"flow_ids": "all", "first_day": "2026-11-18", "last_day": "2026-11-19"}
    return Service(knobs, example_account, list(answers), A360ExportElementStatsOperator, options, note)


EVERYTHING = {"flow_ids": "all", **ALL_DAYS}
DATES = {"by start": ("start_date", ""), "goals by start": ("conversion_date", "start_date"),
         "main triggers by start": ("start_date", "conversion_date")}  # fmt: skip
READ = {
    "short pages": Service({"drop_rows": 0.2}),
    "short pages, most rows dropped": Service({"drop_rows": 0.8}),
    "short pages, no total": Service({"drop_rows": 0.2, "total": "missing"}),
    "short pages, the total counts the dropped rows": Service({"drop_rows": 0.2, "total": "raw"}, note="of 2500"),
    "at most 50 rows a page and no total": Service({"page_cap": 50, "total": "missing"}),
    "at most 50 rows a page and no total, 251 flows": Service(
        {"page_cap": 50, "total": "missing"}, many_flows, options=EVERYTHING
    ),
    "total 2500, 1050 rows served": Service({"served_rows": 1_050}, note="only 1050 of 2500", served=1_050),
    "ids numbered by kind": Service({"ids_by_kind": True}),
    "HTML 404 instead of the first page of conversions": Service(answers=[(LIST_OF_CONVERSIONS, HTML_404)]),
    "HTML 404 instead of the first page of a day": Service(
        answers=[(LIST_OF_CONVERSIONS, HTML_404)], options={"flow_ids": FLOW, **ONE_DAY}
    ),
    "HTML 404 instead of the list of flows": Service(answers=[(LIST_OF_FLOWS, HTML_404)], options=EVERYTHING),
    **{
        f"filtered {kinds}, listed by {order}, {span}, {often} long": start_dates(account, *by, order, days)
        for often, account in (("mostly", journeys), ("rarely", rarely_long_journeys))
        for kinds, by in DATES.items()
        for order in ("newest", "oldest", "start")
        for span, days in (("one day", ONE_DAY), ("three days", THREE_DAYS))
    },
    "statistics nested twice": statistics(nest_statistics=True),
    "counts and details nested twice, conversions": Service({"nest_statistics": True}),
    "elements listed as present and as deleted": statistics(deleted_lists_all=True),
    "elements listed twice": statistics(repeat_elements=True),
    "elements listed twice, and as deleted": statistics(repeat_elements=True, deleted_lists_all=True),
    "400 behind the last page": Service({"past_end": "400", "total": "missing"}),
    "400 behind the last page, 25 full pages": Service({"past_end": "400", "total": "high"}, note="of 3751"),
    "a filter with one bound refused": Service({"one_bound": False}, options={"flow_ids": FLOW, **ONE_DAY}),
    "a filter with one bound refused, short journeys": Service(
        {"one_bound": False}, short_journeys, options={"flow_ids": FLOW, **ONE_DAY}, note=UNPROVEN
    ),
    "400 for deleted=1": statistics("deleted elements are missing", deleted_status=400),
    "403 for deleted=1": statistics("deleted elements are missing", deleted_status=403),
    "422 for deleted=1": statistics("deleted elements are missing", deleted_status=422),
    "204 behind the last page": Service({"past_end": "204", "total": "missing"}),
    "204 for lists without rows": Service(
        {"empty_list": "204", "empty_statistics": "204"}, example_account, options={**EVERYTHING, **ONE_DAY}
    ),
    "204 for statistics without data": statistics(empty_statistics="204"),
    "zero dates 0000-00-00": statistics(zero_date="0000-00-00 00:00:00"),
    "zero dates -0001-11-30": statistics(zero_date="-0001-11-30 00:00:00"),
}
NOT_READ = {
    "rows under an unknown key": (Service({"rows_key": "rows"}), A360FormatError, "the keys rows"),
    "flows under an unknown key": (Service({"rows_key": "rows"}, options=EVERYTHING), A360FormatError, "keys rows"),
    "a total, but an empty first page": (
        Service(answers=[(LIST_OF_CONVERSIONS, {"body": {"items": [], "total": 2_500}})]),
        A360FormatError,
        "the total is 2500",
    ),
    "only HTML 404s for conversions": (Service({}, answers=[(LIST_OF_CONVERSIONS, {**HTML_404, "times": 99})]),
                                       A360TransientError, "proxy"),
    "only HTML 404s for flows": (Service({}, answers=[(LIST_OF_FLOWS, {**HTML_404, "times": 99})], options=EVERYTHING),
                                 A360TransientError, "proxy"),
    "a list without end": (Service({"endless": True, "page_cap": 1}), A360Error, "no end"),
    "statistics without a known counter": (
        statistics(answers=[("/a360/stats/", {"body": {"data": {"figures": {"sent": 1}}}})]), A360FormatError, "figures"
    ),
    "a goal that the flow doesn't have": (
        Service(options={"flow_ids": FLOW, "goal_id": 641435, **ALL_DAYS}), AirflowFailException,
        f"no goal 641435. Its goals are {FLOW + 2} (one goal), {FLOW + 3} (another goal)"
    ),
    "a goal of a flow without goals": (
        Service(account=flow_without_goals, options={"flow_ids": FLOW, "goal_id": 641435, **ALL_DAYS}),
        AirflowFailException, "It has no goals",
    ),
    "days in the future": (
        Service(options={"flow_ids": FLOW, "first_day": "2999-01-01", "last_day": "2999-01-02"}),
        AirflowFailException, "2999-01-01 to 2999-01-02, lie in the future"
    ),
    "days in the future, statistics": (
        Service(operator=A360ExportElementStatsOperator,
                options={"flow_ids": FLOW, "first_day": "2999-01-01", "last_day": "2999-01-02"}),
        AirflowFailException, "2999-01-01 to 2999-01-02, lie in the future"
    ),
}  # fmt: skip


def start(service):
    """The service, to be used in a `with`; no limit, and its clock stands still."""
    sandbox = Sandbox(
        service.account(), options=SandboxOptions(requests_per_second=0, **service.knobs), clock=lambda: NOW
    )
    for path, answer in service.answers:
        sandbox.answer_next(path, **answer)
    return sandbox


def conversions_wanted(service, account):
    """The rows of each day that the service shows anybody."""
    by_kind, dropped = service.knobs.get("ids_by_kind", False), service.knobs.get("drop_rows", 0)
    shown = [
        (row, conversion_row(flow, row) | {"conversion_id": flow.printed_id(row, by_kind=by_kind)})
        for flow in account.flows
        for row in flow.conversions
        if is_visible(row, dropped)
    ]
    shown.sort(key=lambda one: (one[0].conversion_date, one[0].id), reverse=True)
    days = {day: [] for day in service.days()}
    for row, line in shown[: service.served]:
        days.get(row.conversion_date.date(), []).append(line)
    return {day: sorted(rows, key=_key) for day, rows in days.items()}


def conversions_found(lake, folder="conversions*"):
    """The rows of each day in the files, all files of a day together."""
    days = {}
    for file in Path(lake).glob(f"{folder}/dt=*/*.jsonl"):
        rows = days.setdefault(date.fromisoformat(file.parent.name.removeprefix("dt=")), [])
        rows += map(json.loads, file.read_text().splitlines())
    return {day: sorted(rows, key=_key) for day, rows in days.items()}


def _key(row):
    return row["flow_id"], row["conversion_date"], row["conversion_type"], row["element_id"], row["conversion_id"]


def statistics_found_are_right(service, account, lake):
    """Whether each day's file holds each element once, with what the account counts."""
    flows = sorted(account.flows, key=lambda flow: flow.id)
    flows = flows[: len(flows) - service.knobs.get("flows_without_details", 0)]
    untold = [flow.id for flow in flows] if service.note else []
    silent = service.knobs.get("empty_statistics", "zeros") != "zeros"
    for day in service.days():
        lines = (Path(lake) / f"element_stats/dt={day}/all.jsonl").read_text().splitlines()
        lived = [replaced(flow, day) for flow in flows]
        if not statistics_are_right([*map(json.loads, lines)], lived, day, silent=silent, untold=untold):
            return False
    return True


def replaced(flow, day):
    """The flow as it was on a day: an element made later has no row."""
    elements = [one for one in flow.elements if (one.created + timedelta(hours=3)).date() <= day + timedelta(days=1)]
    return Flow(flow.id, flow.name, flow.status, flow.created, flow.changed, elements)


@pytest.fixture(scope="session", autouse=True)
def _airflow(tmp_path_factory):
    """Airflow sets logging up when it is first used, which would take caplog's handler away in the midst of a test."""
    Destination(str(tmp_path_factory.mktemp("first")))


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Executes an operator against a sandbox, as a task does, and returns its manifest."""

    def execute(sandbox, operator, options):
        fields = json.loads(sandbox.connection_uri) | {"extra": {"requests_per_second": 1000}}
        monkeypatch.setenv("AIRFLOW_CONN_A360_DEFAULT", json.dumps(fields))
        context = {"dag_run": SimpleNamespace(run_after=NOW)}
        return operator(task_id="export", destination=str(tmp_path / "lake"), **options).execute(context)

    return execute


def check_notes(manifest, caplog, words):
    """There is a note with these words, and each note is a warning in the log; without words, there is none."""
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert set(manifest["notes"]) <= set(warned)
    if words:
        assert any(words in note for note in manifest["notes"]), manifest["notes"]
    else:
        assert manifest["notes"] == []


@pytest.mark.parametrize("service", READ.values(), ids=READ)
def test_every_row_comes_once_or_a_note_says_why_not(run, service, tmp_path, caplog):
    with start(service) as sandbox:
        manifest = run(sandbox, service.operator, service.options)
    if service.operator is A360ExportConversionsOperator:
        wanted, found = conversions_wanted(service, sandbox.account), conversions_found(tmp_path / "lake")
        if service.note == UNPROVEN:
            # Said and true: rows may be missing, but none is there that shouldn't be, or twice.
            (day,) = wanted
            wanted = {day: [row for row in wanted[day] if row in found[day]]}
            assert len(wanted[day]) >= 140
        assert found == wanted
        assert manifest["rows"] == sum(map(len, wanted.values())) > 0
    else:
        assert statistics_found_are_right(service, sandbox.account, tmp_path / "lake")
    check_notes(manifest, caplog, service.note)
    assert manifest["skipped"] == []


@pytest.mark.parametrize(("service", "error", "words"), NOT_READ.values(), ids=NOT_READ)
def test_what_can_not_be_read_fails_and_says_why(run, service, error, words, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_MOST_PAGES", 200)
    with start(service) as sandbox:
        with pytest.raises(error) as failure:
            run(sandbox, service.operator, service.options)
        assert words in str(failure.value)
        assert not list((tmp_path / "lake").rglob("*.jsonl"))
        assert len(sandbox.requests) < (1 if "future" in words else 300)


@pytest.mark.parametrize("operator", [A360ExportConversionsOperator, A360ExportElementStatsOperator])
def test_a_listed_flow_without_details_is_skipped_and_named(run, operator, tmp_path, caplog):
    service = statistics(flows_without_details=1)
    service.operator = operator
    with start(service) as sandbox:
        manifest = run(sandbox, operator, service.options)
    if operator is A360ExportConversionsOperator:
        # It needs no details, so nothing of the flow is lost.
        assert conversions_found(tmp_path / "lake") == conversions_wanted(service, sandbox.account)
        assert manifest["skipped"] == []
        return
    assert statistics_found_are_right(service, sandbox.account, tmp_path / "lake")
    (skipped,) = manifest["skipped"]
    assert skipped["flow_id"] == sandbox.account.flows[-1].id
    assert any(f"{skipped['flow_id']} is skipped: {skipped['reason']}" in text for text in caplog.messages)


def test_an_account_that_seems_to_have_no_flows_is_asked_twice(run, tmp_path, caplog):
    nothing = {"status": 404, "body": {"message": "Not found"}}
    once = Service(answers=[(LIST_OF_FLOWS, nothing)], options=EVERYTHING)
    with start(once) as sandbox:
        manifest = run(sandbox, once.operator, once.options)
        assert conversions_found(tmp_path / "lake") == conversions_wanted(once, sandbox.account)
        check_notes(manifest, caplog, "")
        sandbox.answer_next(LIST_OF_FLOWS, **nothing, times=2)
        manifest = run(sandbox, once.operator, once.options)
    assert manifest["rows"] == 0
    check_notes(manifest, caplog, "listed no flows, twice in a row")


@pytest.mark.parametrize("flow_ids", [FLOW, [FLOW]])
def test_all_flows_and_then_a_list_into_one_destination_are_two_tables(run, flow_ids, tmp_path, caplog):
    service = Service()
    with start(service) as sandbox:
        for ids in ("all", flow_ids):
            manifest = run(sandbox, service.operator, {**ALL_DAYS, "flow_ids": ids})
            check_notes(manifest, caplog, "")
    wanted = conversions_wanted(service, sandbox.account)
    assert conversions_found(tmp_path / "lake", "conversions") == wanted
    assert conversions_found(tmp_path / "lake", "conversions-by_flow") == wanted
    folders = {file.parent for file in (tmp_path / "lake").rglob("*.jsonl")}
    assert all(len(list(folder.iterdir())) == 1 for folder in folders)


@pytest.mark.parametrize("service", [Service(), statistics()], ids=["conversions", "statistics"])
def test_a_file_left_over_in_another_format_is_named(run, service, caplog):
    with start(service) as sandbox:
        check_notes(run(sandbox, service.operator, {**service.options, "file_format": "csv"}), caplog, "")
        manifest = run(sandbox, service.operator, service.options)
    stem = "all" if service.options["flow_ids"] == "all" else f"flow-{FLOW}"
    check_notes(manifest, caplog, f"{stem}.csv in {len(service.days())} folders")
