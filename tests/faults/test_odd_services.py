"""Services that behave unexpectedly in one way that the API page doesn't rule out.

The operators must export every row once, or raise an error that names the problem, or log a warning and add a note to
the manifest.
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


def long_journeys():
    """Return an account with 2,500 conversions from 2 to 19 November, up to twelve days after their start dates."""
    return Account.with_journeys(2_500, until=LATE, every=TEN_MINUTES, journey_days=12)


def rarely_long_journeys():
    """Return an account with 2,500 conversions within minutes of their start dates; one in fifty takes five days."""
    account = Account.with_journeys(2_500, until=LATE, every=TEN_MINUTES, journey_days=0.02)
    for number, row in enumerate(account.flows[0].conversions):
        if number % 50 == 0:
            row.start_date -= timedelta(days=5)
    return account


def short_journeys():
    """Return an account with 2,500 conversions, each ten minutes after its start date."""
    return Account.with_conversions(2_500, until=LATE, every=TEN_MINUTES)


def many_flows():
    """Return an account with 251 flows of ten conversions each."""
    made = [
        Account.with_journeys(10, until=LATE - TEN_MINUTES * number, every=TEN_MINUTES, journey_days=2, flow_id=id_)
        for number, id_ in enumerate(range(100, 2_610, 10))
    ]
    return Account([account.flows[0] for account in made])


def example_account():
    """Return an account with five flows and elements of every type."""
    return Account.generate(now=NOW)


def flow_without_goals():
    """Return an account with one flow that has only a main trigger."""
    created = datetime(2026, 1, 1, tzinfo=UTC)
    return Account([Flow(FLOW, "No goals", 1, created, created, [Element(5, "maintrigger", created)])])


@dataclass
class Service:
    """A service, the export from it, and the expected outcome."""

    knobs: dict[str, Any] = field(default_factory=dict)
    account: Callable[[], Account] = long_journeys
    answers: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Responses that replace the service's own, each with the beginning of the path."""
    operator: type = A360ExportConversionsOperator
    options: dict[str, Any] = field(default_factory=lambda: {"flow_ids": FLOW, **ALL_DAYS})
    note: str = ""
    """Words of the expected note, or empty if no note is expected."""
    served: int | None = None
    """The number of rows, newest first, that the service serves; None for all."""

    def days(self) -> list[date]:
        first, last = (date.fromisoformat(self.options[name]) for name in ("first_day", "last_day"))
        return [first + timedelta(days=number) for number in range((last - first).days + 1)]


UNPROVEN = "could not be proven"


def filtered_by_start(account, filter_by, filter_goals_by, order, days):
    """Return a service that filters conversions by their start date."""
    knobs = {"filter_by": filter_by, "filter_goals_by": filter_goals_by, "order": order}
    return Service(
        knobs, account, options={"flow_ids": FLOW, **days}, note="doesn't filter conversions by conversion_date"
    )


def statistics(note="", answers=(), **knobs):
    """Return a service whose element statistics are exported."""
    options = {"flow_ids": "all", "first_day": "2026-11-18", "last_day": "2026-11-19"}
    return Service(knobs, example_account, list(answers), A360ExportElementStatsOperator, options, note)


EVERYTHING = {"flow_ids": "all", **ALL_DAYS}
DATES = {"by start": ("start_date", ""), "goals by start": ("conversion_date", "start_date"),
         "main triggers by start": ("start_date", "conversion_date")}  # fmt: skip
READABLE = {
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
        f"filtered {kinds}, listed by {order}, {span}, {often} long": filtered_by_start(account, *by, order, days)
        for often, account in (("mostly", long_journeys), ("rarely", rarely_long_journeys))
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
UNREADABLE = {
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
    "a list without end": (Service({"endless": True, "page_cap": 1}), A360Error, "doesn't end"),
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
    """Return the service's sandbox, without a rate limit and with a fixed clock."""
    sandbox = Sandbox(
        service.account(), options=SandboxOptions(requests_per_second=0, **service.knobs), clock=lambda: NOW
    )
    for path, answer in service.answers:
        sandbox.answer_next(path, **answer)
    return sandbox


def expected_conversions(service, account):
    """Return the rows of each day that the service lists."""
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


def exported_conversions(lake, folder="conversions*"):
    """Return the exported rows of each day, from all files of the day."""
    days = {}
    for file in Path(lake).glob(f"{folder}/dt=*/*.jsonl"):
        rows = days.setdefault(date.fromisoformat(file.parent.name.removeprefix("dt=")), [])
        rows += map(json.loads, file.read_text().splitlines())
    return {day: sorted(rows, key=_key) for day, rows in days.items()}


def _key(row):
    return row["flow_id"], row["conversion_date"], row["conversion_type"], row["element_id"], row["conversion_id"]


def exported_statistics_are_right(service, account, lake):
    """Return whether each day's file has each element once, with the account's counters."""
    flows = sorted(account.flows, key=lambda flow: flow.id)
    flows = flows[: len(flows) - service.knobs.get("flows_without_details", 0)]
    may_lack_deleted = [flow.id for flow in flows] if service.note else []
    null_without_data = service.knobs.get("empty_statistics", "zeros") != "zeros"
    for day in service.days():
        lines = (Path(lake) / f"element_stats/dt={day}/all.jsonl").read_text().splitlines()
        existing = [flow_on_day(flow, day) for flow in flows]
        if not statistics_are_right(
            [*map(json.loads, lines)],
            existing,
            day,
            null_without_data=null_without_data,
            may_lack_deleted=may_lack_deleted,
        ):
            return False
    return True


def flow_on_day(flow, day):
    """Return the flow without the elements that were created after a day, because they have no row."""
    elements = [one for one in flow.elements if (one.created + timedelta(hours=3)).date() <= day + timedelta(days=1)]
    return Flow(flow.id, flow.name, flow.status, flow.created, flow.changed, elements)


@pytest.fixture(scope="session", autouse=True)
def _airflow(tmp_path_factory):
    """Let Airflow configure logging before the first test, because that removes caplog's handler."""
    Destination(str(tmp_path_factory.mktemp("first")))


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Return a function that executes an operator against a sandbox and returns the manifest."""

    def execute(sandbox, operator, options):
        fields = json.loads(sandbox.connection_uri) | {"extra": {"requests_per_second": 1000}}
        monkeypatch.setenv("AIRFLOW_CONN_A360_DEFAULT", json.dumps(fields))
        context = {"dag_run": SimpleNamespace(run_after=NOW)}
        return operator(task_id="export", destination=str(tmp_path / "lake"), **options).execute(context)

    return execute


def check_notes(manifest, caplog, words):
    """Check that a note has these words, or that there is no note if `words` is empty; each note is also logged."""
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert set(manifest["notes"]) <= set(warnings)
    if words:
        assert any(words in note for note in manifest["notes"]), manifest["notes"]
    else:
        assert manifest["notes"] == []


@pytest.mark.parametrize("service", READABLE.values(), ids=READABLE)
def test_every_row_is_exported_once_or_a_note_says_why_not(run, service, tmp_path, caplog):
    with start(service) as sandbox:
        manifest = run(sandbox, service.operator, service.options)
    if service.operator is A360ExportConversionsOperator:
        expected, found = expected_conversions(service, sandbox.account), exported_conversions(tmp_path / "lake")
        if service.note == UNPROVEN:
            # As the note says, rows may be missing. But no row may be wrong or repeated.
            (day,) = expected
            expected = {day: [row for row in expected[day] if row in found[day]]}
            assert len(expected[day]) >= 140
        assert found == expected
        assert manifest["rows"] == sum(map(len, expected.values())) > 0
    else:
        assert exported_statistics_are_right(service, sandbox.account, tmp_path / "lake")
    check_notes(manifest, caplog, service.note)
    assert manifest["skipped"] == []


@pytest.mark.parametrize(("service", "error", "words"), UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_service_fails_the_export_with_a_reason(run, service, error, words, tmp_path, monkeypatch):
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
        # An export of conversions needs no details, so it has all rows of the flow.
        assert exported_conversions(tmp_path / "lake") == expected_conversions(service, sandbox.account)
        assert manifest["skipped"] == []
        return
    assert exported_statistics_are_right(service, sandbox.account, tmp_path / "lake")
    (skipped,) = manifest["skipped"]
    assert skipped["flow_id"] == sandbox.account.flows[-1].id
    assert any(f"{skipped['flow_id']} is skipped: {skipped['reason']}" in text for text in caplog.messages)


def test_an_empty_list_of_flows_is_requested_twice(run, tmp_path, caplog):
    nothing = {"status": 404, "body": {"message": "Not found"}}
    once = Service(answers=[(LIST_OF_FLOWS, nothing)], options=EVERYTHING)
    with start(once) as sandbox:
        manifest = run(sandbox, once.operator, once.options)
        assert exported_conversions(tmp_path / "lake") == expected_conversions(once, sandbox.account)
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
    expected = expected_conversions(service, sandbox.account)
    assert exported_conversions(tmp_path / "lake", "conversions") == expected
    assert exported_conversions(tmp_path / "lake", "conversions-by_flow") == expected
    folders = {file.parent for file in (tmp_path / "lake").rglob("*.jsonl")}
    assert all(len(list(folder.iterdir())) == 1 for folder in folders)


@pytest.mark.parametrize("service", [Service(), statistics()], ids=["conversions", "statistics"])
def test_a_note_names_files_left_over_in_another_format(run, service, caplog):
    with start(service) as sandbox:
        check_notes(run(sandbox, service.operator, {**service.options, "file_format": "csv"}), caplog, "")
        manifest = run(sandbox, service.operator, service.options)
    stem = "all" if service.options["flow_ids"] == "all" else f"flow-{FLOW}"
    check_notes(manifest, caplog, f"{stem}.csv in {len(service.days())} folders")
