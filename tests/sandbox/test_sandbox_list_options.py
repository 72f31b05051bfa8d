"""Options that make lists differ from the documentation: their pages, totals, order and ids."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from airflow_provider_a360.sandbox import example
from airflow_provider_a360.sandbox.account import Account
from airflow_provider_a360.sandbox.lists import FIRST_GENERATED_ID, is_visible

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
DAY = date(2026, 11, 3)
FLOW = f"/autoresponders/{example.MAIN_FLOW}"
ALL = f"{FLOW}/conversions/list/all"
FILTERED = f"{ALL}/group-stat-filtered"
CONTACTS = f"/stats/email/{example.EMAIL}/addresses"
FLOWS = "/autoresponders/list"
WITH_TOTAL = [ALL, f"{FLOW}/conversions/list/goal/{example.PAID}", CONTACTS]


def page(call, path, limit=50, offset=0, **query):
    answer = call.data(path, limit=limit, offset=offset, **query)
    return answer["items"] if "items" in answer else answer["data"]


def whole(call, path, **query):
    """Return all rows. The offsets count the dropped rows too."""
    return [row for offset in range(0, 3_000, 50) for row in page(call, path, offset=offset, **query)]


def conversions(call):
    return call.sandbox.account.flow(example.MAIN_FLOW).conversions


@pytest.mark.parametrize("path", [*WITH_TOTAL, FLOWS])
def test_a_page_holds_no_more_than_its_cap(serve, path):
    call = serve()
    uncapped = page(call, path)
    call.sandbox.options.page_cap = 3
    assert page(call, path) == uncapped[:3]
    assert page(call, path, offset=3) == uncapped[3:6]
    assert page(call, path, limit=2) == uncapped[:2]


@pytest.mark.parametrize("path", WITH_TOTAL)
def test_dropped_rows_are_always_the_same_and_pages_come_short(serve, path):
    call = serve()
    every = whole(call, path)
    call.sandbox.options.drop_rows = 0.3
    seen = whole(call, path)
    assert seen == [row for row in every if row in seen]
    assert 0.6 < len(seen) / len(every) < 0.8
    assert len(page(call, path)) < 50
    assert page(call, path, offset=20)[0] in every[20:25]
    assert call.data(path, limit=1, offset=0)["total"] == len(seen)


def test_is_visible_tells_which_rows_are_dropped(serve):
    call = serve(drop_rows=0.5)
    seen = {row.id for row in conversions(call) if is_visible(row, 0.5)}
    assert {row["id"] for row in whole(call, ALL)} == seen
    assert [row["id"] for row in page(call, FLOWS)] == [
        flow.id for flow in call.sandbox.account.flows if is_visible(flow, 0.5)
    ]


def test_counts_exclude_dropped_rows_and_include_unserved_ones(serve):
    call = serve(drop_rows=0.4, served_rows=10)
    seen = [row for row in conversions(call) if is_visible(row, 0.4)]
    kinds = Counter(row.conversion_type for row in seen)
    counts = call.data(f"{FLOW}/conversions")["data"]
    assert (counts["total_conversions"], counts["goal_conversions"]) == (len(seen), kinds["goal"])
    assert sum(goal["conversions"] for goal in counts["goals"]) == kinds["goal"]
    assert call.data(FLOW)["conversions"] == len(seen)
    days = {"filter": call.days(DAY, DAY)}
    on_day = sum(row.conversion_date.date() == DAY for row in seen)
    counts = call.data(f"{FLOW}/conversions/group-stat-filtered", **days)["data"]
    assert counts["total_conversions"] == on_day
    assert call.data(f"{FLOW}/group-stat-filtered", **days)["data"]["conversions"] == str(on_day)
    assert call.data(FILTERED, limit=1, offset=0, **days)["total"] == on_day


@pytest.mark.parametrize("path", WITH_TOTAL)
def test_the_total_of_a_list(serve, path):
    call = serve()
    raw = call.data(path, limit=1, offset=0)["total"]
    call.sandbox.options.drop_rows = 0.3
    seen = len(whole(call, path))
    shown = len(page(call, path, limit=20))
    expected = {
        "right": seen,
        "raw": raw,
        "missing": None,
        "high": seen + seen // 2 + 1,
        "low": seen // 2,
        "page": shown,
    }
    for manner, total in expected.items():
        call.sandbox.options.total = manner
        answer = call.data(path, limit=20, offset=0)
        assert answer.get("total") == total, manner
        assert ("total" in answer) is (manner != "missing")


@pytest.mark.parametrize("manner", ["right", "missing"])
def test_the_flow_list_never_has_a_total(serve, manner):
    assert list(serve(total=manner).data(FLOWS)) == ["data"]


@pytest.mark.parametrize("path", [*WITH_TOTAL, FLOWS])
def test_rows_beyond_those_served_are_past_the_end(serve, path):
    call = serve()
    before = call.data(path, limit=100, offset=0)
    call.sandbox.options.served_rows = 4
    assert page(call, path, limit=3) == page(call, path)[:3]
    assert page(call, path, offset=3) == page(call, path)[3:]
    assert len(page(call, path)) == 4
    assert page(call, path, offset=4) == []
    assert call.data(path, limit=100, offset=0).get("total") == before.get("total")
    call.sandbox.options.past_end = "404"
    assert call.get(path, limit=10, offset=4).status_code == 404
    assert call.get(path, limit=10, offset=3).status_code == 200


@pytest.mark.parametrize("path", [*WITH_TOTAL, FLOWS])
def test_an_offset_beyond_the_highest_is_refused(serve, path):
    call = serve(most_offset=3)
    assert call.get(path, limit=10, offset=3).status_code == 200
    answer = call.get(path, limit=10, offset=4)
    assert answer.status_code == 400
    assert answer.json()["type"] == "validation_error"
    assert list(answer.json()["messages"]) == ["offset"]


@pytest.mark.parametrize("path", [*WITH_TOTAL, FLOWS])
def test_a_page_past_the_end_is_a_validation_error_or_has_no_content(serve, path):
    call = serve(past_end="400")
    answer = call.get(path, limit=10, offset=100_000)
    assert (answer.status_code, answer.json()["type"]) == (400, "validation_error")
    call.sandbox.options.past_end = "204"
    answer = call.get(path, limit=10, offset=100_000)
    assert (answer.status_code, answer.content) == (204, b"")
    assert call.get(path, limit=10, offset=0).status_code == 200


def test_an_empty_list_without_content(serve):
    call = serve(empty_list="204", past_end="404")
    for path in (
        f"/autoresponders/{example.EMPTY_FLOW}/conversions/list/all",
        f"/stats/email/{example.EMPTY_EMAIL}/addresses",
    ):
        answer = call.get(path, limit=10, offset=0)
        assert (answer.status_code, answer.content) == (204, b"")
    assert call.get(ALL, limit=10, offset=0).status_code == 200
    call.sandbox.account.flows.clear()
    assert call.get(FLOWS).status_code == 204


@pytest.mark.parametrize("path", [ALL, FILTERED, f"{FLOW}/conversions/list/goal/{example.PAID}"])
def test_the_order_of_conversions(serve, path):
    call = serve(order="oldest")
    days = {"filter": call.days(date(2026, 10, 1), DAY)}
    oldest = whole(call, path, **days)
    call.sandbox.options.order = "start"
    by_start = whole(call, path, **days)
    call.sandbox.options.order = "newest"
    assert oldest == whole(call, path, **days)[::-1]
    starts = [(row["start_date"], row["conversion_date"]) for row in by_start]
    assert starts == sorted(starts, reverse=True)
    assert by_start != oldest[::-1]
    assert {row["id"] for row in by_start} == {row["id"] for row in oldest}
    assert len(oldest) > 100


def test_conversions_numbered_for_each_kind(serve):
    call = serve(ids_by_kind=True)
    rows = call.rows(ALL)
    flow = call.sandbox.account.flow(example.MAIN_FLOW)
    ids = {kind: [row["id"] for row in rows if row["conversion_type"] == kind] for kind in ("maintrigger", "goal")}
    assert all(numbers == list(range(len(numbers), 0, -1)) for numbers in ids.values())
    assert min(len(numbers) for numbers in ids.values()) > 100
    printed = {(row.conversion_type, flow.printed_id(row, by_kind=True)): row for row in flow.conversions}
    assert len(printed) == len(rows)
    for row in rows:
        account_row = printed[row["conversion_type"], row["id"]]
        assert row["conversion_date"] == account_row.conversion_date.strftime("%Y-%m-%d %H:%M:%S")
        assert row["email"] == account_row.email
    one = call.rows(FILTERED, filter=call.days(DAY, DAY))
    assert [row for row in rows if row["conversion_date"][:10] == str(DAY)] == one
    call.sandbox.options.ids_by_kind = False
    assert {row["id"] for row in call.rows(ALL)} == {row.id for row in flow.conversions}


@pytest.mark.parametrize("path", [FILTERED, f"{FLOW}/conversions/list/maintrigger"])
def test_a_conversion_keeps_its_number_while_the_list_changes(serve, path):
    call = serve(ids_by_kind=True, grow_every=1, grow_rows=3, remove_rows=2)
    days = {"filter": call.days(DAY, DAY)}
    flow = call.sandbox.account.flow(example.MAIN_FLOW)
    numbers = {row.id: flow.printed_id(row, by_kind=True) for row in flow.conversions}
    for _ in range(5):
        page(call, path, **days)
    later = {row.id: flow.printed_id(row, by_kind=True) for row in flow.conversions}
    assert len(later.keys() - numbers.keys()) > 5
    assert all(later[identity] == number for identity, number in numbers.items() if identity in later)
    assert len({(row.conversion_type, later[row.id]) for row in flow.conversions}) == len(flow.conversions)


@pytest.mark.parametrize("path", [ALL, FILTERED])
@pytest.mark.parametrize("order", ["newest", "oldest", "start"])
def test_an_endless_list(serve, path, order):
    call = serve(order=order)
    days = {"filter": call.days(date(2026, 10, 1), DAY)}
    rows = whole(call, path, **days)
    call.sandbox.options.endless = True
    answer = call.data(path, limit=100, offset=len(rows) - 10, **days)
    assert "total" not in answer
    assert answer["items"][:10] == rows[-10:]
    assert [row["id"] for row in answer["items"][10:]] == list(range(FIRST_GENERATED_ID, FIRST_GENERATED_ID + 90))
    assert {row["conversion_date"] for row in answer["items"][10:]} == {rows[-1]["conversion_date"]}
    far = call.data(path, limit=2, offset=1_000_000, **days)["items"]
    assert [row["id"] for row in far] == [FIRST_GENERATED_ID + 1_000_000 - len(rows) + place for place in (0, 1)]
    call.sandbox.options.page_cap, call.sandbox.options.ids_by_kind = 7, True
    assert len(call.data(path, limit=100, offset=len(rows), **days)["items"]) == 7
    assert call.data(f"{FLOW}/conversions")["data"]["total_conversions"] == len(conversions(call))


def test_an_empty_list_is_never_endless(serve):
    call = serve(endless=True)
    assert call.data(f"/autoresponders/{example.EMPTY_FLOW}/conversions/list/all", limit=9, offset=0)["items"] == []
    assert call.data(CONTACTS, limit=9, offset=100_000)["data"] == []


@pytest.mark.parametrize("goals_by", ["start_date", "conversion_date"])
def test_goals_may_be_filtered_by_another_date(serve, goals_by):
    others_by = {"start_date": "conversion_date", "conversion_date": "start_date"}[goals_by]
    call = serve(Account.with_journeys(2_000, until=NOW, every=timedelta(minutes=20), journey_days=9))
    call.sandbox.options.filter_by, call.sandbox.options.filter_goals_by = others_by, goals_by
    days = {"filter": call.days(DAY, DAY)}
    wanted = {
        kind: {row.id for row in conversions(call) if row.conversion_type == kind and getattr(row, by).date() == DAY}
        for kind, by in (("goal", goals_by), ("maintrigger", others_by))
    }
    assert {row["id"] for row in call.rows(FILTERED, **days)} == wanted["goal"] | wanted["maintrigger"]
    for kind, path in (("goal", "goals"), ("maintrigger", "maintrigger")):
        rows = call.rows(f"{FLOW}/conversions/list/{path}/group-stat-filtered", **days)
        assert {row["id"] for row in rows} == wanted[kind]
    counts = call.data(f"{FLOW}/conversions/group-stat-filtered", **days)["data"]
    assert counts["goal_conversions"] == len(wanted["goal"]) > 0
    assert counts["maintrigger_conversions"] == len(wanted["maintrigger"]) > 0
    call.sandbox.options.filter_goals_by = ""
    both = {row.id for row in conversions(call) if getattr(row, others_by).date() == DAY}
    assert {row["id"] for row in call.rows(FILTERED, **days)} == both != wanted["goal"] | wanted["maintrigger"]


@pytest.mark.parametrize("order", ["newest", "oldest", "start"])
def test_a_list_changes_under_many_options_at_once(serve, order):
    call = serve(
        order=order, ids_by_kind=True, drop_rows=0.3, page_cap=9, filter_goals_by="start_date",
        grow_every=2, grow_rows=2, remove_rows=1,
    )  # fmt: skip
    days = {"filter": call.days(DAY - timedelta(days=3), DAY)}
    flow = call.sandbox.account.flow(example.MAIN_FLOW)
    before = len(flow.conversions)
    for offset in range(0, 40, 5):
        answer = call.data(FILTERED, limit=100, offset=offset, **days)
        known = {(row.conversion_type, flow.printed_id(row, by_kind=True)): row for row in flow.conversions}
        listed = [known[row["conversion_type"], row["id"]] for row in answer["items"]]
        assert len(listed) <= 9
        assert all(is_visible(row, 0.3) for row in listed)
        counts = call.data(f"{FLOW}/conversions/group-stat-filtered", **days)["data"]
        assert counts["total_conversions"] == answer["total"]
    assert len(flow.conversions) == before + 4
