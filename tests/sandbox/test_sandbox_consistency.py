"""Statistics, contact lists and conversion lists of the generated account are consistent, as read over HTTP."""

from collections import Counter
from datetime import date, timedelta

import pytest

from airflow_provider_a360.sandbox import example

PATHS = {"maintrigger": "main-trigger"}
LISTS = {"filter", "trigger", "goal", "action"}
FLOWS = [example.MAIN_FLOW, example.WELCOME_FLOW, example.PAUSED_FLOW, example.EMPTY_FLOW, example.NEW_FLOW]
FIRST, LAST = date(2026, 6, 1), date(2026, 11, 21)


def spans(days):
    """Return adjacent spans of this many days, from before the account's first day to after its last."""
    first = FIRST
    while first <= LAST:
        yield first, first + timedelta(days=days - 1)
        first += timedelta(days=days)


def elements_of(call, flow_id):
    rows = call.data(f"/autoresponders/{flow_id}/total-stats")["flows"]
    return rows + call.data(f"/autoresponders/{flow_id}/total-stats", deleted=1)["flows"]


def contacts(call, kind, element_id):
    return call.rows(f"/stats/{'flow-operator' if kind in LISTS else PATHS.get(kind, kind)}/{element_id}/addresses")


@pytest.mark.parametrize("flow_id", FLOWS)
def test_filtered_statistics_add_up_to_the_plain_ones_and_to_total_stats(call, flow_id):
    for row in elements_of(call, flow_id):
        base = f"/stats/{PATHS.get(row['type'], row['type'])}/{row['flow_id']}"
        plain = call.data(f"{base}/group-stat")["data"]
        answers = [call.data(f"{base}/group-stat-filtered", filter=call.days(*span))["data"] for span in spans(14)]
        for counter in set(answers[0]) - {"flow_id", "last_send"}:
            whole = row["error" if (row["type"], counter) == ("email", "errors") else counter]
            assert plain[counter] == whole, (row["type"], counter)
            if row["type"] in {"filter", "trigger"} and counter == "executed":
                assert {answer[counter] for answer in answers} == {whole}, "given for the entire time"
            else:
                assert sum(int(answer[counter]) for answer in answers) == whole, (row["type"], counter)
        if row["type"] not in {"filter", "trigger"}:
            assert max(answer["last_send"] or "" for answer in answers) == (row["last_send"] or "")


@pytest.mark.parametrize("flow_id", FLOWS)
def test_contact_lists_are_as_long_as_the_statistics_say(call, flow_id):
    for row in elements_of(call, flow_id):
        if row["type"] == "messenger":
            continue
        listed = contacts(call, row["type"], row["flow_id"])
        assert len(listed) == row.get("sent", row.get("executed")), row["type"]
        if row["type"] == "email":
            assert sum(r["open_date"] is not None for r in listed) == row["opened"]
            assert sum(r["redirect_date"] is not None for r in listed) == row["clicked"]
            assert sum(r["delivered_date"] is not None for r in listed) == row["delivered"]
            assert sum(r["is_spam"] for r in listed) == row["marked_as_spam"]
            assert sum(r["is_unsubscribe"] for r in listed) == row["unsubscribed"]
            assert sum(r["delivered_status"] not in {0, 1} for r in listed) >= row["error"]
        if row["type"] == "sms":
            assert sum(r["status"] == 2 for r in listed) == row["delivered"]
        if row["type"] == "push":
            assert sum(r["is_redirected"] for r in listed) == row["clicked"]


def test_days_begin_at_utc_midnight(call):
    """Compare the statistics of each of the last 40 days with the dates in the lists."""
    opened = Counter(row["open_date"][:10] for row in contacts(call, "email", example.EMAIL) if row["open_date"])
    started = Counter(row["execution_date"][:10] for row in contacts(call, "maintrigger", example.START))
    converted = Counter(
        row["conversion_date"][:10] for row in call.rows(f"/autoresponders/{example.MAIN_FLOW}/conversions/list/all")
    )
    for back in range(40):
        day = date(2026, 11, 20) - timedelta(days=back)
        span = {"filter": call.days(day, day)}
        email = call.data(f"/stats/email/{example.EMAIL}/group-stat-filtered", **span)["data"]
        start = call.data(f"/stats/main-trigger/{example.START}/group-stat-filtered", **span)["data"]
        flow = call.data(f"/autoresponders/{example.MAIN_FLOW}/group-stat-filtered", **span)["data"]
        listed = call.rows(f"/autoresponders/{example.MAIN_FLOW}/conversions/list/all/group-stat-filtered", **span)
        assert int(email["opened"]) == opened[str(day)] > 0 or day == date(2026, 11, 20)
        assert int(start["executed"]) == int(flow["starts"]) == started[str(day)] > 0
        assert len(listed) == int(flow["conversions"]) == converted[str(day)] > 0
        assert {row["conversion_date"][:10] for row in listed} == {str(day)}


@pytest.mark.parametrize("flow_id", FLOWS)
def test_flow_details_match_the_conversions(call, flow_id):
    flow = call.data(f"/autoresponders/{flow_id}")
    rows = elements_of(call, flow_id)
    summary = call.data(f"/autoresponders/{flow_id}/conversions")["data"]
    listed = call.rows(f"/autoresponders/{flow_id}/conversions/list/all")
    base = f"/autoresponders/{flow_id}/conversions/list"
    assert flow["starts"] == next(row["executed"] for row in rows if row["type"] == "maintrigger")
    assert flow["starts"] == flow["in_queue"] + flow["end_count"]
    assert flow["send_messages"] == sum(row.get("sent", 0) for row in rows)
    assert flow["conversions"] == summary["total_conversions"] == len(listed)
    assert summary["total_conversions"] == summary["maintrigger_conversions"] + summary["goal_conversions"]
    assert (
        summary["goal_conversions"]
        == sum(goal["conversions"] for goal in summary["goals"])
        == len(call.rows(f"{base}/goal"))
    )
    assert (
        summary["maintrigger"]["conversions"]
        == summary["maintrigger_conversions"]
        == len(call.rows(f"{base}/maintrigger"))
    )
    for goal in summary["goals"]:
        one = call.rows(f"{base}/goal/{goal['id']}")
        assert len(one) == goal["conversions"] == next(row["executed"] for row in rows if row["flow_id"] == goal["id"])
        assert {row["flow_id"] for row in one} <= {goal["id"]}


@pytest.mark.parametrize("kind", ["all", "maintrigger", "goals", f"goal/{example.PAID}"])
def test_filtered_lists_of_adjacent_spans_make_up_the_whole_list(call, kind):
    base = f"/autoresponders/{example.MAIN_FLOW}/conversions/list"
    tiles = [
        row for span in spans(9) for row in call.rows(f"{base}/{kind}/group-stat-filtered", filter=call.days(*span))
    ]
    whole = call.rows(f"{base}/{'goal' if kind == 'goals' else kind}")
    assert sorted(row["id"] for row in tiles) == sorted(row["id"] for row in whole)
    assert len({row["id"] for row in whole}) == len(whole) > 100


def test_the_filtered_summary_counts_its_lists_and_pages_its_goals(call):
    base = f"/autoresponders/{example.MAIN_FLOW}/conversions"
    span = {"filter": call.days(date(2026, 11, 2), date(2026, 11, 8))}
    summary = call.data(f"{base}/group-stat-filtered", **span)["data"]
    assert summary["total_conversions"] == len(call.rows(f"{base}/list/all/group-stat-filtered", **span)) > 0
    assert summary["goal_conversions"] == len(call.rows(f"{base}/list/goals/group-stat-filtered", **span))
    second = call.data(f"{base}/group-stat-filtered", **span, limit=1, offset=1)["data"]
    assert second["goals"] == summary["goals"][1:]
    assert second["goal_conversions"] == summary["goal_conversions"]


def test_conversions_and_contacts_are_as_varied_as_real_ones(account):
    rows = account.flow(example.MAIN_FLOW).conversions
    lags = sorted(row.conversion_date - row.start_date for row in rows)
    assert timedelta() < lags[0] < timedelta(seconds=60)
    assert lags[-1] > timedelta(days=7)
    assert any(row.conversion_date.date() != row.start_date.date() for row in rows)
    assert {(row.email is None, row.phone is None) for row in rows} == {
        (False, False),
        (False, True),
        (True, False),
        (True, True),
    }
    seconds = {
        row.conversion_date.hour * 3600 + row.conversion_date.minute * 60 + row.conversion_date.second for row in rows
    }
    assert {0, 86_399} <= seconds
    for row in rows:
        assert row.email is None or row.email.endswith("@example.com")
        assert row.phone is None or (row.phone.isdigit() and row.phone[4:9] == "55501")
