"""Every documented endpoint: the client's method, the request that arrived, the values against the account."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
from api_support import TOKEN_PATH, asked, connect

from airflow_provider_a360.api import endpoints
from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.errors import A360ConfigError, A360NoDataError
from airflow_provider_a360.sandbox import example
from airflow_provider_a360.sandbox.account import Account
from airflow_provider_a360.sandbox.spans import utc_days

FLOW = example.MAIN_FLOW
FIRST, LAST = date(2026, 11, 2), date(2026, 11, 8)
DAYS = {"first_day": FIRST, "last_day": "2026-11-08"}
FILTER = {
    "type": "group",
    "expression": "and",
    "fields": {
        "send_date_from": {"name": "user_stat_date", "expression": "gte", "value": "2026-11-02"},
        "send_date_to": {"name": "user_stat_date", "expression": "lte", "value": "2026-11-08"},
    },
}
FILTERED = {"filter": FILTER, "limit": "100", "offset": "0"}
PAGE = {"limit": "100", "offset": "0"}

ELEMENTS = {
    "maintrigger": (example.START, "main-trigger", "main-trigger"),
    "email": (example.EMAIL, "email", "email"),
    "push": (example.PUSH, "push", "push"),
    "sms": (example.SMS, "sms", "sms"),
    "messenger": (example.MESSENGER, "messenger", None),
    "filter": (example.FILTER, "filter", "flow-operator"),
    "trigger": (example.CONDITION, "trigger", "flow-operator"),
    "goal": (example.PAID, "goal", "flow-operator"),
    "action": (example.ACTION, "action", "flow-operator"),
}
MESSAGE = {"sent", "delivered", "opened", "clicked", "errors", "unsubscribed", "marked_as_spam"}
COUNTERS = {
    "maintrigger": {"executed", "deleted"},
    "email": MESSAGE,
    "push": {"sent", "delivered", "clicked", "errors"},
    "sms": {"executed", "sent", "delivered", "errors"},
    "messenger": {"executed", "sent"},
    "filter": {"executed", "positive", "negative", "stopped"},
    "trigger": {"executed", "positive", "negative", "stopped"},
    "goal": {"executed"},
    "action": {"executed"},
}
ALL_COUNTERS = MESSAGE | {"executed", "deleted", "positive", "negative", "stopped"}


@dataclass
class Endpoint:
    """A row of the table: what the documentation calls it, how to call it, what must arrive and come back."""

    name: str
    call: Callable[[A360Client], Any]
    path: str
    query: dict[str, Any]
    shown: Callable[[Any], Any]
    expected: Callable[[Account], Any]
    method: str = field(default="GET")


def counters(stats: Any) -> dict[str, Any]:
    return {name: getattr(stats, name) for name in ALL_COUNTERS} | {"last_send": stats.last_send}


def counted(kind: str, *, totals: bool = False, **days: Any) -> Callable[[Account], dict[str, Any]]:
    """An element's counters in the account, null where the documentation shows none for its type."""

    def expected(account: Account) -> dict[str, Any]:
        element = account.element(ELEMENTS[kind][0])
        span = utc_days(FIRST, LAST) if days else (None, None)
        found: dict[str, Any] = dict.fromkeys(ALL_COUNTERS)
        for name in COUNTERS[kind]:
            for_all_time = kind in {"filter", "trigger"} and name == "executed"
            found[name] = element.count(name, (None, None) if for_all_time else span)
        if kind == "goal" and not days and not totals:
            found |= {"sent": found["executed"], "delivered": found["executed"], "errors": 0}
        for_all_time = kind in {"filter", "trigger"}
        found["last_send"] = element.last((None, None) if for_all_time else span)
        if kind == "maintrigger" and not days and not totals:
            found["last_send"] = None
        return found

    return expected


def contact(row: Any) -> tuple[Any, ...]:
    at = row.sent_date if hasattr(row, "sent_date") else row.execution_date
    return row.email, row.phone, row.event_id, at


def contacts_of(kind: str) -> Callable[[Account], list[tuple[Any, ...]]]:
    def expected(account: Account) -> list[tuple[Any, ...]]:
        events = account.element(ELEMENTS[kind][0]).events
        return sorted(
            ((event.contact.email, event.contact.phone, event.contact.event_id, event.at) for event in events), key=repr
        )

    return expected


def conversion(row: Any) -> tuple[Any, ...]:
    return (
        row.conversion_id, row.flow_id, row.element_id, row.conversion_type, row.email, row.phone,
        row.conversion_date, row.start_date, row.extra,
    )  # fmt: skip


def conversions_of(kind: str, goal_id: int | None, **days: Any) -> Callable[[Account], list[tuple[Any, ...]]]:
    def expected(account: Account) -> list[tuple[Any, ...]]:
        flow = account.flow(FLOW)
        rows = flow.conversions_on(FIRST, LAST, kind, goal_id) if days else flow.conversions_of(kind, goal_id)[::-1]
        return [
            (r.id, FLOW, r.element_id, r.conversion_type, r.email, r.phone, r.conversion_date, r.start_date, None)
            for r in rows
        ]

    return expected


def totals(answer: Any) -> tuple[Any, ...]:
    return (
        answer.total_conversions, answer.maintrigger_conversions, answer.goal_conversions,
        (answer.maintrigger.id, answer.maintrigger.type, answer.maintrigger.conversions),
        [(goal.id, goal.name, goal.type, goal.conversions) for goal in answer.goals],
    )  # fmt: skip


def totals_of(**days: Any) -> Callable[[Account], tuple[Any, ...]]:
    def expected(account: Account) -> tuple[Any, ...]:
        flow = account.flow(FLOW)

        def count(kind: str = "all", goal_id: int | None = None) -> int:
            return len(flow.conversions_on(FIRST, LAST, kind, goal_id) if days else flow.conversions_of(kind, goal_id))

        return (
            count(), count("maintrigger"), count("goal"), (flow.main_trigger.id, "maintrigger", count("maintrigger")),
            [(goal.id, goal.name, "goal", count(goal_id=goal.id)) for goal in flow.goals],
        )  # fmt: skip

    return expected


def details(answer: Any) -> tuple[Any, ...]:
    return (
        answer.flow.id, answer.flow.name, answer.flow.status, answer.flow.created, answer.starts, answer.in_queue,
        answer.end_count, answer.send_messages, answer.conversions,
        [(element.id, element.type, element.name, element.last_send) for element in answer.elements],
    )  # fmt: skip


def details_of(account: Account) -> tuple[Any, ...]:
    flow = account.flow(FLOW)
    named = {"email", "push"}
    return (
        FLOW, flow.name, 1, flow.created, flow.starts(), flow.in_queue, flow.starts() - flow.in_queue, flow.messages(),
        len(flow.conversions),
        [(e.id, e.type, e.name if e.type in named else None, e.last()) for e in flow.elements if not e.deleted],
    )  # fmt: skip


def each_element(rows: Any) -> dict[int, tuple[Any, ...]]:
    return {row.element_id: (row.element_type, counters(row)) for row in rows}


def each_element_of(*kinds: str) -> Callable[[Account], dict[int, tuple[Any, ...]]]:
    def expected(account: Account) -> dict[int, tuple[Any, ...]]:
        first = {ELEMENTS[kind][0]: (kind, counted(kind, totals=True)(account)) for kind in kinds}
        if "goal" in kinds:
            second = account.element(example.REVIEWED)
            counts = dict.fromkeys(ALL_COUNTERS) | {"executed": second.count("executed"), "last_send": second.last()}
            first[second.id] = ("goal", counts)
        return first

    return expected


def deleted_of(account: Account) -> dict[int, tuple[Any, ...]]:
    old = account.element(example.OLD_EMAIL)
    counts = dict.fromkeys(ALL_COUNTERS) | {name: old.count(name) for name in MESSAGE} | {"last_send": old.last()}
    return {old.id: ("email", counts)}


def table() -> list[Endpoint]:
    flow, stats = f"/a360/autoresponders/{FLOW}", "/a360/stats"
    rows = [
        Endpoint(
            "flow list",
            lambda client: list(client.flows()),
            "/a360/autoresponders/list",
            PAGE,
            lambda flows: [(f.id, f.name, f.status, f.created, f.changed) for f in flows],
            lambda account: [(f.id, f.name, f.status, f.created, f.changed) for f in account.flows],
        ),
        Endpoint("flow", lambda client: client.flow(FLOW), flow, {}, details, details_of),
        Endpoint(
            "flow, filtered",
            lambda client: client.flow_stats(FLOW, **DAYS),
            f"{flow}/group-stat-filtered",
            FILTERED,
            dict,
            lambda account: {
                "starts": account.flow(FLOW).starts(utc_days(FIRST, LAST)),
                "send_messages": account.flow(FLOW).messages(utc_days(FIRST, LAST)),
                "conversions": len(account.flow(FLOW).conversions_on(FIRST, LAST)),
            },
        ),
        Endpoint(
            "each element",
            lambda client: client.element_totals(FLOW),
            f"{flow}/total-stats",
            {},
            each_element,
            each_element_of(*ELEMENTS),
        ),
        Endpoint(
            "each element, one type",
            lambda client: client.element_totals(FLOW, "goal"),
            f"{flow}/total-stats",
            {"flow_type": "goal"},
            each_element,
            each_element_of("goal"),
        ),
        Endpoint(
            "each element, deleted",
            lambda client: client.element_totals(FLOW, deleted=True),
            f"{flow}/total-stats",
            {"deleted": "1"},
            each_element,
            deleted_of,
        ),
        Endpoint(
            "conversions of a flow",
            lambda client: client.conversion_totals(FLOW),
            f"{flow}/conversions",
            {},
            totals,
            totals_of(),
        ),
        Endpoint(
            "conversions of a flow, filtered",
            lambda client: client.conversion_totals(FLOW, **DAYS),
            f"{flow}/conversions/group-stat-filtered",
            FILTERED,
            totals,
            totals_of(**DAYS),
        ),
    ]
    for kind, (element_id, path, listed) in ELEMENTS.items():
        rows += [
            Endpoint(
                f"statistics of {kind}",
                lambda client, i=element_id, k=kind: client.element_stats(i, k),
                f"{stats}/{path}/{element_id}/group-stat",
                {},
                counters,
                counted(kind),
            ),
            Endpoint(
                f"statistics of {kind}, filtered",
                lambda client, i=element_id, k=kind: client.element_stats(i, k, **DAYS),
                f"{stats}/{path}/{element_id}/group-stat-filtered",
                FILTERED,
                counters,
                counted(kind, **DAYS),
            ),
        ]
        if listed:
            rows.append(
                Endpoint(
                    f"contacts of {kind}",
                    lambda client, i=element_id, k=kind: list(client.contacts(i, k)),
                    f"{stats}/{listed}/{element_id}/addresses",
                    PAGE,
                    lambda found: sorted(map(contact, found), key=repr),
                    contacts_of(kind),
                )
            )
    lists = [("all", None, "all", "all"), ("maintrigger", None, "maintrigger", "maintrigger")]
    lists += [("goal", None, "goal", "goals"), ("goal", example.PAID, f"goal/{example.PAID}", f"goal/{example.PAID}")]
    for kind, goal_id, plain, filtered in lists:
        name = f"conversion list {kind}" + (", one goal" if goal_id else "")
        rows += [
            Endpoint(
                name,
                lambda client, k=kind, g=goal_id: list(client.conversions(FLOW, kind=k, goal_id=g)),
                f"{flow}/conversions/list/{plain}",
                PAGE,
                lambda found: [conversion(row) for row in found],
                conversions_of(kind, goal_id),
            ),
            Endpoint(
                f"{name}, filtered",
                lambda client, k=kind, g=goal_id: list(client.conversions(FLOW, kind=k, goal_id=g, **DAYS)),
                f"{flow}/conversions/list/{filtered}/group-stat-filtered",
                FILTERED,
                lambda found: [conversion(row) for row in found],
                conversions_of(kind, goal_id, **DAYS),
            ),
        ]
    return rows


@pytest.mark.parametrize("endpoint", [pytest.param(row, id=row.name) for row in table()])
def test_every_documented_endpoint(sandbox, endpoint):
    client = connect(sandbox)
    client.flow(FLOW)
    since = len(sandbox.requests)
    answer = endpoint.shown(endpoint.call(client))
    arrived = sandbox.requests[since:]
    assert {(seen.method, seen.path) for seen in arrived} == {("GET", endpoint.path)}
    query = dict(arrived[0].query)
    if "filter" in query:
        query["filter"] = json.loads(query["filter"])
    assert query == endpoint.query
    assert all(seen.had_bearer and seen.status == 200 for seen in arrived)
    assert answer == endpoint.expected(sandbox.account)
    assert answer


def test_the_table_has_every_path_element_type_and_kind_of_conversions():
    """All paths but that of the deletion of event logs, a POST with tests of its own."""
    paths = {row.path for row in table()}
    templates = {path for path in vars(endpoints).values() if str(path).startswith("/a360/")} - {
        endpoints.DELETE_EVENT_LOGS
    }
    for template in templates:
        pattern = re.sub(r"\{\w+_id\}", r"\\d+", re.sub(r"\{(path|kind)\}", "[a-z-]+", template))
        assert any(re.fullmatch(pattern, path) for path in paths), template
    assert ELEMENTS.keys() == endpoints.ELEMENT_TYPES.keys()
    assert {f"/a360/autoresponders/{FLOW}/conversions/list/{kind}" for kind in endpoints.CONVERSION_KINDS} <= paths


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"event_id": example.EVENT_NUMBER}, id="delete-log by event"),
        pytest.param({"email": "someone"}, id="delete-log by email"),
        pytest.param({"phone": "someone"}, id="delete-log by phone"),
        pytest.param({"event_id": str(example.EVENT_NUMBER), "email": "someone"}, id="delete-log by event and email"),
        pytest.param({"email": "someone", "phone": "someone"}, id="delete-log by email and phone"),
    ],
)
def test_event_logs_are_deleted(serve, given):
    sandbox = serve()
    client = connect(sandbox)
    client.flow(FLOW)
    before = list(sandbox.account.event_logs)
    someone = next(log for log in before if log.email and log.phone)
    given = {name: getattr(someone, name) if value == "someone" else value for name, value in given.items()}
    client.delete_event_logs(**given)
    seen = sandbox.requests[-1]
    assert (seen.method, seen.path, seen.query, seen.status) == ("POST", "/a360/events/delete-log", {}, 200)
    wanted = {name: int(value) if name == "event_id" else value for name, value in given.items()}
    left = [log for log in before if any(getattr(log, name) != value for name, value in wanted.items())]
    assert sandbox.account.event_logs == left
    assert len(left) < len(before)


def test_a_204_means_that_event_logs_were_deleted(sandbox):
    sandbox.answer_next("/a360/events/", status=204)
    connect(sandbox).delete_event_logs(email="ada@example.com")
    assert asked(sandbox) == [204]


def test_a_404_at_the_deletion_of_event_logs_is_an_error(sandbox):
    sandbox.answer_next("/a360/events/", status=404, body={"message": "Not found"})
    with pytest.raises(A360NoDataError, match="404 Not found"):
        connect(sandbox).delete_event_logs(email="ada@example.com")


def test_token_endpoint(sandbox):
    connect(sandbox).flow(FLOW)
    login, question = sandbox.requests
    assert (login.method, login.path, login.status, login.had_bearer) == ("POST", TOKEN_PATH, 200, False)
    assert (question.status, question.had_bearer) == (200, True)


@pytest.mark.parametrize("bound", ["first_day", "last_day"])
def test_one_bound_of_the_filter_is_enough(sandbox, bound):
    client = connect(sandbox)
    client.element_stats(example.START, "maintrigger", **{bound: "2026-11-02"})
    fields = json.loads(sandbox.requests[-1].query["filter"])["fields"]
    name = {"first_day": "send_date_from", "last_day": "send_date_to"}[bound]
    assert {key: value["value"] for key, value in fields.items()} == {name: "2026-11-02"}


def test_statistics_have_the_requested_days(sandbox):
    stats = connect(sandbox).element_stats(example.EMAIL, "email", **DAYS)
    assert (stats.first_day, stats.last_day) == (FIRST, LAST)
    assert (stats.element_id, stats.element_type) == (example.EMAIL, "email")


def test_sorting_is_passed_on(sandbox):
    rows = list(connect(sandbox).contacts(example.EMAIL, "email", sort_field="id", sort_direction="desc"))
    assert sandbox.requests[-1].query.items() >= {"sortField": "id", "sortDirection": "desc"}.items()
    ids = [row.id for row in rows]
    assert ids == sorted(ids)
    assert len(ids) > 100


@pytest.mark.parametrize("size", [1, 2, 5, 100])
@pytest.mark.parametrize("past_end", ["empty", "404"])
def test_the_flow_list_is_complete_at_any_page_size(sandbox, size, past_end):
    sandbox.options.past_end = past_end
    assert [flow.id for flow in connect(sandbox, page_size=size).flows()] == [f.id for f in sandbox.account.flows]


def test_the_filtered_totals_hold_every_goal_when_a_page_holds_one(sandbox):
    answer = connect(sandbox, page_size=1).conversion_totals(FLOW, **DAYS)
    assert totals(answer) == totals_of(**DAYS)(sandbox.account)


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda client: client.flow("None"), id="no flow"),
        pytest.param(lambda client: client.flow_stats(FLOW), id="no day"),
        pytest.param(lambda client: client.element_stats(1, "webhook"), id="unknown element type"),
        pytest.param(lambda client: client.element_stats(0, "email"), id="element 0"),
        pytest.param(lambda client: client.element_stats(1, "email", "2026-11-02", "2026-11-01"), id="days backwards"),
        pytest.param(lambda client: client.element_stats(1, "email", "None"), id="no rendered day"),
        pytest.param(lambda client: client.contacts(1, "messenger"), id="no list of contacts"),
        pytest.param(lambda client: client.conversions(FLOW, kind="goals"), id="unknown kind"),
        pytest.param(lambda client: client.conversions(FLOW, goal_id=-1), id="goal below 1"),
        pytest.param(lambda client: client.delete_event_logs(), id="delete nothing"),
        pytest.param(lambda client: client.delete_event_logs(event_id=float("nan")), id="delete nan"),
        pytest.param(lambda client: client.delete_event_logs(email=["ann@example.com"]), id="delete list"),
        pytest.param(lambda client: client.delete_event_logs(event_id="", email=""), id="delete empty"),
    ],
)
def test_a_wrong_argument_is_an_error_before_any_request(sandbox, call):
    with pytest.raises(A360ConfigError):
        call(connect(sandbox))
    assert sandbox.requests == []


def test_conversions_requested_in_parallel_come_in_the_lists_order(sandbox):
    sandbox.options.latency = 0.01
    rows = list(connect(sandbox, page_size=20, max_in_flight=8).conversions(FLOW))
    assert [row.conversion_id for row in rows] == [r.id for r in sandbox.account.flow(FLOW).conversions_of()[::-1]]
    assert len(asked(sandbox)) > 50
