"""Element statistics have one row per element and day, with the account's counts."""

import logging
from datetime import date, timedelta

import pytest

from airflow_provider_a360.api.errors import A360ConfigError, A360FlowNotFoundError
from airflow_provider_a360.export.element_stats import ElementStatistics
from airflow_provider_a360.sandbox import example
from airflow_provider_a360.sandbox.account import Account, Element, Flow

DAY = timedelta(days=1)
YESTERDAY = date(2026, 11, 19)
COLUMNS = [
    "first_day", "last_day", "flow_id", "flow_name", "element_id", "element_type", "element_name", "deleted_element",
    "executed", "deleted", "positive", "negative", "stopped", "sent", "delivered", "opened", "clicked", "errors",
    "unsubscribed", "marked_as_spam", "last_send", "extra",
]  # fmt: skip
NOT_COUNTERS = {*COLUMNS[:8], "last_send", "extra"}
BRANCHES = {"executed", "positive", "negative", "stopped"}
COUNTERS = {
    "maintrigger": {"executed", "deleted"},
    "filter": BRANCHES,
    "trigger": BRANCHES,
    "goal": {"executed"},
    "action": {"executed"},
    "sms": {"executed", "sent", "delivered", "errors"},
    "email": {"sent", "delivered", "opened", "clicked", "errors", "unsubscribed", "marked_as_spam"},
    "push": {"sent", "delivered", "clicked", "errors"},
    "messenger": {"executed", "sent"},
}


def oracle(flow, element, first, last=None):
    """Return an element's row as the account knows it."""
    last = last or first
    counts = element.counts_on(first, last)
    if element.type in ("filter", "trigger"):
        counts["executed"] = element.count("executed")
    named = element.type == "goal" or (element.type in ("email", "push") and not element.deleted)
    return {
        "first_day": str(first),
        "last_day": str(last),
        "flow_id": flow.id,
        "flow_name": flow.name,
        "element_id": element.id,
        "element_type": element.type,
        "element_name": element.name if named else None,
        "deleted_element": element.deleted,
        **{name: counts[name] if name in COUNTERS[element.type] else None for name in COLUMNS[8:-2]},
    }


def without(row, *names):
    return {name: value for name, value in row.items() if name not in names}


def by_id(flow):
    return sorted(flow.elements, key=lambda element: element.id)


@pytest.mark.parametrize("knobs", [{}, {"condition_path": "email"}], ids=["trigger", "as_printed"])
def test_each_element_and_day_has_one_row_with_the_accounts_counts(serve, knobs):
    export = serve(**knobs)
    days = [YESTERDAY - n * DAY for n in (12, 11, 10)]
    manifest = export(ElementStatistics(), days[0], days[-1])
    assert [file["day"] for file in manifest["files"]] == [file["last_day"] for file in manifest["files"]]
    assert [file["day"] for file in manifest["files"]] == [str(day) for day in days]
    seen = set()
    for day, file in zip(days, manifest["files"], strict=True):
        rows = export.read(file)
        flows = sorted((flow for flow in export.account.flows if flow.id != example.NEW_FLOW), key=lambda one: one.id)
        wanted = [oracle(flow, element, day) for flow in flows for element in by_id(flow)]
        assert [without(row, "last_send", "extra") for row in rows] == wanted
        assert all(list(row) == COLUMNS for row in rows)
        assert {row["extra"] for row in rows} == {None}
        seen |= {(row["element_type"], name) for row in rows for name in COUNTERS[row["element_type"]] if row[name]}
    assert {kind for kind, _ in seen} == set(COUNTERS)
    assert manifest["rows"] == len(export.rows(manifest))
    assert manifest["skipped"] == []
    # The new flow's two elements were created a week later, so their statistics were not requested.
    assert manifest["requests_saved"] == 2 * len(days)


def test_last_send_is_of_the_day_but_of_all_time_for_filters(export):
    rows = export.rows(export(ElementStatistics(), YESTERDAY, flows=[example.MAIN_FLOW]))
    for row in rows:
        element = export.account.element(row["element_id"])
        of_day = None if element.type in ("filter", "trigger") else YESTERDAY
        at = (
            element.last()
            if of_day is None
            else max((e.at for e in element.events if e.at.date() == of_day), default=None)
        )
        assert row["last_send"] == (at and f"{at:%Y-%m-%dT%H:%M:%SZ}")


def test_statistics_are_requested_from_one_day_before_creation(export):
    manifest = export(ElementStatistics(), YESTERDAY - DAY, YESTERDAY, flows=[example.NEW_FLOW])
    assert [file["rows"] for file in manifest["files"]] == [0, 2]
    assert manifest["requests_saved"] == 2


def test_deleted_elements_are_marked_or_excluded(export):
    flow = export.account.flow(example.MAIN_FLOW)
    everything = export.rows(export(ElementStatistics(), YESTERDAY, flows=[flow.id]))
    assert [row["element_id"] for row in everything if row["deleted_element"]] == [example.OLD_EMAIL]
    manifest = export(ElementStatistics(include_deleted=False), YESTERDAY, flows=[flow.id])
    assert export.rows(manifest) == [row for row in everything if not row["deleted_element"]]
    assert f"/element_stats-without_deleted-by_flow/dt={YESTERDAY}/" in manifest["files"][0]["uri"]


def test_emails_pushes_and_goals_have_names(export):
    rows = export.rows(export(ElementStatistics(), YESTERDAY, flows=[example.MAIN_FLOW]))
    assert {row["element_id"]: row["element_name"] for row in rows if row["element_name"]} == {
        example.EMAIL: "Thank you for your order",
        example.PUSH: "Tell us what you think",
        example.PAID: "Order paid",
        example.REVIEWED: "Review written",
    }


@pytest.mark.parametrize("name", ["error", "errors"])
def test_error_and_errors_are_one_column(serve, name):
    export = serve()
    export.sandbox.answer_next(f"/a360/stats/email/{example.EMAIL}", body={"data": {"sent": "22", name: "3"}})
    dataset = ElementStatistics(element_types=["email"], include_deleted=False)
    (row,) = export.rows(export(dataset, YESTERDAY, flows=[example.MAIN_FLOW]))
    assert (row["sent"], row["errors"], row["extra"]) == (22, 3, None)


def test_unknown_counter_is_kept(serve):
    export = serve()
    export.sandbox.answer_next(f"/a360/stats/email/{example.EMAIL}", body={"data": {"sent": "22", "forwarded": "3"}})
    dataset = ElementStatistics(element_types=["email"], include_deleted=False)
    (row,) = export.rows(export(dataset, YESTERDAY, flows=[example.MAIN_FLOW]))
    assert row["extra"] == '{"forwarded":"3"}'


@pytest.mark.parametrize("wanted", [["email"], ["email", "sms"], ["goal"], ["messenger"]])
def test_element_types_select_rows_requests_and_folder(serve, wanted):
    export = serve()
    manifest = export(ElementStatistics(element_types=wanted), YESTERDAY, flows=[example.MAIN_FLOW])
    flow = export.account.flow(example.MAIN_FLOW)
    chosen = [element.id for element in by_id(flow) if element.type in wanted]
    assert [row["element_id"] for row in export.rows(manifest)] == chosen
    assert len([seen for seen in export.sandbox.requests if "/stats/" in seen.path]) == len(chosen)
    assert list(export.tree()) == [f"element_stats-{'-'.join(wanted)}-by_flow/dt={YESTERDAY}/flow-{flow.id}.jsonl"]


@pytest.mark.parametrize(
    ("options", "named"),
    [({"element_types": ["e-mail"]}, "e-mail"), ({"grain": "month"}, "grain"), ({"grain": None}, "grain")],
)
def test_error_names_the_bad_option(options, named):
    with pytest.raises(A360ConfigError, match=named):
        ElementStatistics(**options)


def test_grain_run_gives_one_request_and_row_per_element(serve):
    export = serve()
    first = date(2026, 10, 1)
    manifest = export(ElementStatistics(grain="run"), first, date(2026, 10, 31), flows=[example.MAIN_FLOW])
    flow = export.account.flow(example.MAIN_FLOW)
    wanted = [oracle(flow, element, first, date(2026, 10, 31)) for element in by_id(flow)]
    assert [without(row, "last_send", "extra") for row in export.rows(manifest)] == wanted
    assert len([seen for seen in export.sandbox.requests if "/stats/" in seen.path]) == len(flow.elements)
    assert list(export.tree()) == [f"element_stats-run-by_flow/days=2026-10-01_2026-10-31/flow-{flow.id}.jsonl"]
    (file,) = manifest["files"]
    assert (file["day"], file["last_day"]) == ("2026-10-01", "2026-10-31")


def test_element_of_unknown_type_is_skipped_in_log_and_manifest(serve, caplog):
    account = Account.generate(seed=1, now=None)
    flow = account.flow(example.EMPTY_FLOW)
    flow.elements.append(Element(651099, "whatsapp", flow.created))
    export = serve(account)
    day = date.today() - DAY  # noqa: DTZ011
    manifest = export(ElementStatistics(), day - DAY, day, flows=[flow.id])
    assert manifest["skipped"] == [
        {"flow_id": flow.id, "element_id": 651099, "reason": "no statistics for type whatsapp"}
    ]
    said = [record for record in caplog.records if "651099" in record.getMessage()]
    assert [record.levelno for record in said] == [logging.WARNING]
    assert manifest["rows"] == 2 * 3
    assert 651099 not in {row["element_id"] for row in export.rows(manifest)}


def test_no_data_gives_null_counters_and_is_counted(serve):
    export = serve(empty_statistics="404")
    manifest = export(ElementStatistics(), YESTERDAY - DAY, YESTERDAY, flows=[example.EMPTY_FLOW])
    rows = export.rows(manifest)
    assert [row["element_id"] for row in rows] == 2 * [example.EMPTY_START, example.EMPTY_EMAIL, example.EMPTY_GOAL]
    assert {row[name] for row in rows for name in COLUMNS if name not in NOT_COUNTERS} == {None}
    assert {row["first_day"] for row in rows} == {str(YESTERDAY - DAY), str(YESTERDAY)}
    assert manifest["without_data"] == 6


def test_zero_counters_are_not_null(export):
    manifest = export(ElementStatistics(), YESTERDAY, flows=[example.EMPTY_FLOW])
    assert manifest["without_data"] == 0
    assert [row["executed"] for row in export.rows(manifest)] == [0, None, 0]


def test_unknown_flow_fails_before_any_file_is_published(export):
    with pytest.raises(A360FlowNotFoundError, match="99"):
        export(ElementStatistics(), YESTERDAY, flows=[example.MAIN_FLOW, 99])
    assert export.tree() == {}


@pytest.mark.parametrize("file_format", ["jsonl", "jsonl.gz", "csv", "csv.gz", "parquet"])
def test_flow_without_elements_gives_a_valid_empty_file(serve, file_format):
    account = Account.generate(seed=1)
    flow = Flow(5, "Bare", 0, account.flows[0].created, account.flows[0].created)
    export = serve(Account([flow]))
    (file,) = export(ElementStatistics(), YESTERDAY, flows=[5], file_format=file_format)["files"]
    assert file["rows"] == 0
    assert export.read(file) == []


@pytest.mark.parametrize("file_format", ["jsonl", "csv.gz", "parquet"])
def test_daily_runs_and_one_run_write_the_same_bytes(export, file_format):
    days = [YESTERDAY - n * DAY for n in (3, 2, 1)]
    for day in days:
        export(ElementStatistics(), day, file_format=file_format, to="daily")
    export(ElementStatistics(), days[0], days[-1], file_format=file_format, to="once", max_in_flight=1)
    export(ElementStatistics(), days[0], days[-1], file_format=file_format, to="again", max_in_flight=8)
    assert len(set(export.tree("daily").values())) == 3
    assert export.tree("daily") == export.tree("once") == export.tree("again")
