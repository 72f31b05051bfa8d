"""Options that make responses differ from the documentation: their form, dates and status."""

import argparse
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from airflow_provider_a360 import cli
from airflow_provider_a360.sandbox import example
from airflow_provider_a360.sandbox.account import Account, Contact, Conversion, Element, Event, Flow

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
DAY = date(2026, 11, 3)
FLOW = f"/autoresponders/{example.MAIN_FLOW}"
EMAIL = f"/stats/email/{example.EMAIL}"
LISTS = {
    f"{FLOW}/conversions/list/all": "items",
    f"{FLOW}/conversions/list/all/group-stat-filtered": "items",
    f"{EMAIL}/addresses": "data",
    "/autoresponders/list": "data",
}
STATISTICS = [
    FLOW,
    f"{FLOW}/group-stat-filtered",
    f"{FLOW}/total-stats",
    f"{FLOW}/conversions",
    f"{FLOW}/conversions/group-stat-filtered",
    f"{EMAIL}/group-stat",
    f"{EMAIL}/group-stat-filtered",
]


def answers(call, paths):
    return {path: call.data(path, limit=5, offset=0, filter=call.days(DAY, DAY)) for path in paths}


def test_rows_under_another_key(serve):
    call = serve()
    plain = answers(call, LISTS)
    call.sandbox.options.rows_key = "records"
    for path, answer in answers(call, LISTS).items():
        rest = {name: value for name, value in plain[path].items() if name == "total"}
        assert answer == {"records": plain[path][LISTS[path]], **rest}


@pytest.mark.parametrize(("option", "wrapped", "bare"), [
    ("nest_lists", list(LISTS), STATISTICS),
    ("nest_statistics", STATISTICS, list(LISTS)),
])  # fmt: skip
def test_answers_wrapped_once_more(serve, option, wrapped, bare):
    call = serve()
    plain = answers(call, [*wrapped, *bare])
    setattr(call.sandbox.options, option, True)
    nested = answers(call, [*wrapped, *bare])
    assert nested == {path: {"data": plain[path]} if path in wrapped else plain[path] for path in plain}


def test_statistics_without_content(serve):
    call = serve(empty_statistics="204")
    long_ago = {"filter": call.days(date(2020, 1, 1), date(2020, 1, 2))}
    for path in STATISTICS:
        status = 204 if path.endswith("filtered") else 200
        answer = call.get(path, **long_ago)
        assert answer.status_code == status, path
        assert bool(answer.content) is (status == 200)
    assert call.get(f"/stats/email/{example.EMPTY_EMAIL}/group-stat").status_code == 204


def test_a_404_from_a_proxy_is_html_and_affects_only_get_requests(serve):
    call = serve(share_html_404=1)
    answer = call.get(FLOW)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert answer.text.startswith("<html>")
    assert call.session.post(f"{call.sandbox.url}/oauth/access_token", json={}, timeout=5).status_code == 400
    call.sandbox.options.share_html_404 = 0.3
    counts = Counter(call.get(FLOW).status_code for _ in range(100))
    assert set(counts) == {200, 404}
    assert 15 <= counts[404] <= 45


@pytest.mark.parametrize("path", [STATISTICS[1], STATISTICS[4], STATISTICS[6], list(LISTS)[1]])
def test_a_filter_with_one_bound_only_may_be_refused(serve, path):
    call = serve()
    bounds = [(DAY, None), (None, DAY)]
    paging = {"limit": 1, "offset": 0}
    assert {call.get(path, filter=call.days(*days), **paging).status_code for days in bounds} == {200}
    call.sandbox.options.one_bound = False
    for days in bounds:
        answer = call.get(path, filter=call.days(*days), **paging)
        assert (answer.status_code, list(answer.json()["messages"])) == (400, ["filter"])
    assert call.get(path, filter=call.days(DAY, DAY), **paging).status_code == 200


@pytest.mark.parametrize("status", [400, 403, 500])
def test_deleted_elements_may_be_refused(serve, status):
    call = serve(deleted_status=status)
    answer = call.get(f"{FLOW}/total-stats", deleted=1)
    assert (answer.status_code, answer.json()["error_code"]) == (status, status)
    assert call.get(f"{FLOW}/total-stats").status_code == 200


def test_the_list_of_deleted_elements_may_contain_all_elements(serve):
    call = serve()
    there, gone = (call.data(f"{FLOW}/total-stats", **query)["flows"] for query in ({}, {"deleted": 1}))
    call.sandbox.options.deleted_lists_all = True
    assert call.data(f"{FLOW}/total-stats", deleted=1)["flows"] == there + gone
    assert call.data(f"{FLOW}/total-stats")["flows"] == there
    emails = call.data(f"{FLOW}/total-stats", deleted=1, flow_type="email")["flows"]
    assert [row["flow_id"] for row in emails] == [example.EMAIL, example.OLD_EMAIL]


@pytest.mark.parametrize("path", [FLOW, f"{FLOW}/total-stats"])
def test_elements_may_be_listed_twice(serve, path):
    call = serve()
    once = call.data(path)
    call.sandbox.options.repeat_elements = True
    assert call.data(path) == {**once, "flows": once["flows"] * 2}


@pytest.mark.parametrize("zero", ["0000-00-00 00:00:00", "-0001-11-30 00:00:00"])
def test_missing_dates(serve, zero):
    ada = Contact("ada@example.com", None, "0" * 32)
    start, email = Element(2, "maintrigger", NOW), Element(3, "email", NOW, "Hi", events=[Event(1, ada, NOW)])
    row = Conversion(1, "goal", 4, None, None, NOW, None)
    call = serve(Account([Flow(1, "Custom", 1, NOW, NOW, [start, email, Element(4, "goal", NOW)], [row])]))
    paging = {"limit": 9, "offset": 0}

    def dates():
        listed = call.data("/stats/email/3/addresses", **paging)["data"][0]
        return [
            *(element["last_send"] for element in call.data("/autoresponders/1")["flows"]),
            *(element["last_send"] for element in call.data("/autoresponders/1/total-stats")["flows"]),
            call.data("/stats/goal/4/group-stat")["data"]["last_send"],
            call.data("/autoresponders/1/conversions")["data"]["maintrigger"]["last_send"],
            *(listed[name] for name in ("sent_date", "delivered_date", "open_date", "redirect_date", "phone")),
            *(call.data("/autoresponders/1/conversions/list/all", **paging)["items"][0][name]
              for name in ("start_date", "email")),
        ]  # fmt: skip

    at = "2026-11-20 10:00:00"
    assert dates() == [None, at, None] * 2 + [None, None, at] + [None] * 6
    call.sandbox.options.zero_date = zero
    assert dates() == [zero, at, zero] * 2 + [zero, zero, at, zero, zero, zero, None, zero, None]


def test_the_last_flows_may_have_no_details(serve):
    call = serve(flows_without_details=2)
    flows = [row["id"] for row in call.data("/autoresponders/list")["data"]]
    assert [call.get(f"/autoresponders/{flow}").status_code for flow in flows] == [200, 200, 200, 404, 404]
    for path in ("total-stats", "conversions", "conversions/list/all"):
        assert call.get(f"/autoresponders/{flows[-1]}/{path}", limit=1, offset=0).status_code == 200


def test_with_journeys_is_random_but_reproducible():
    made = {"until": NOW, "every": timedelta(minutes=10), "journey_days": 9}
    account = Account.with_journeys(2_000, **made)
    assert account == Account.with_journeys(2_000, **made) != Account.with_journeys(2_000, seed=2, **made)
    (flow,) = account.flows
    rows = flow.conversions_of()
    assert [row.id for row in rows] == list(range(1, 2_001))
    assert (rows[-1].conversion_date, rows[0].conversion_date) == (NOW, NOW - 1_999 * timedelta(minutes=10))
    journeys = sorted(row.conversion_date - row.start_date for row in rows)
    assert timedelta(minutes=1) <= journeys[0] < journeys[600] < timedelta(hours=1)
    assert timedelta(hours=1) < journeys[1_200] < timedelta(days=1) < journeys[1_700]
    assert timedelta(days=8) < journeys[-1] <= timedelta(days=9)
    assert flow.created < min(row.start_date for row in rows)
    by_element = Counter(row.element_id for row in rows)
    assert 300 < by_element[flow.main_trigger.id] < 500
    assert all(600 < by_element[goal.id] < 1_000 for goal in flow.goals)
    assert len(flow.goals) == 2


def test_journeys_over_http(serve):
    account = Account.with_journeys(250, until=NOW, every=timedelta(hours=1), journey_days=3, flow_id=7)
    call = serve(account)
    assert len(call.rows("/autoresponders/7/conversions/list/all")) == 250
    assert call.data("/autoresponders/7/conversions")["data"]["total_conversions"] == 250


def test_every_option_is_a_command_line_flag():
    parser = argparse.ArgumentParser()
    for argument in cli._sandbox_args():
        argument.add_to_parser(parser)
    chosen = parser.parse_args(["--zero-date", "-0001-11-30 00:00:00", "--filter-goals-by", "", "--endless"])
    assert (chosen.zero_date, chosen.filter_goals_by, chosen.endless) == ("-0001-11-30 00:00:00", "", True)
    assert "--flows-without-details" in parser.format_help()
