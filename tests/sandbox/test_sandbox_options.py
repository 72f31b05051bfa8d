"""The options have their effect, and can be changed while the sandbox runs."""

import time
from collections import Counter
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import pairwise

import pytest
import requests

from airflow_provider_a360.sandbox import example
from airflow_provider_a360.sandbox.account import Account
from airflow_provider_a360.sandbox.options import SandboxOptions

FLOW = f"/autoresponders/{example.MAIN_FLOW}"
LIST = f"{FLOW}/conversions/list/all"
DAY = date(2026, 11, 3)
SPAN_PATHS = {"all": f"{LIST}/group-stat-filtered", "email": f"/stats/email/{example.EMAIL}/group-stat-filtered"}


def statuses(call, path=FLOW, times=40):
    return Counter(call.get(path).status_code for _ in range(times))


def ids_of(call, first, last, **query):
    return {row["id"] for row in call.rows(SPAN_PATHS["all"], filter=call.days(first, last), **query)}


def moments(call, field="conversion_date"):
    return {row.id: getattr(row, field) for row in call.sandbox.account.flow(example.MAIN_FLOW).conversions}


def test_every_option_has_a_help_text_and_unknown_ones_are_refused():
    assert all(field.metadata["help"] for field in fields(SandboxOptions))
    with pytest.raises(TypeError):
        SandboxOptions(latencey=1)
    with pytest.raises(AttributeError):
        SandboxOptions().latencey = 1


def test_latency(serve):
    call = serve(latency=0.2)
    began = time.monotonic()
    call.data(FLOW)
    assert time.monotonic() - began >= 0.2
    call.sandbox.options.latency = 0
    began = time.monotonic()
    call.data(FLOW)
    assert time.monotonic() - began < 0.2


def test_the_default_limit_is_ten_requests_per_second():
    assert SandboxOptions().requests_per_second == 10


def test_no_second_holds_more_than_the_limit(serve):
    call = serve(requests_per_second=10)
    end = time.monotonic() + 2.3
    while time.monotonic() < end:
        call.get("/autoresponders/list")
        time.sleep(0.01)
    passed = [seen.at for seen in call.sandbox.requests if seen.status == 200]
    assert {seen.status for seen in call.sandbox.requests} == {200, 429}
    assert 20 <= len(passed) <= 30
    assert all(later - earlier > 0.98 for earlier, later in zip(passed, passed[10:], strict=False))


def test_token_requests_count_towards_the_limit(serve):
    call = serve(requests_per_second=2)
    answers = [
        requests.post(f"{call.sandbox.url}/oauth/access_token", json={}, timeout=5).status_code for _ in range(3)
    ]
    assert answers == [400, 400, 429]


@pytest.mark.parametrize(
    ("style", "status"),
    [("429", 429), ("429-seconds", 429), ("429-date", 429), ("2020202020-200", 200), ("2020202020-400", 400)],
)
def test_the_styles_of_the_rate_limit(serve, style, status):
    call = serve(requests_per_second=1, rate_limit_style=style)
    call.get(FLOW)
    answer = call.get(FLOW)
    assert answer.status_code == status
    assert answer.json()["error_code"] == (429 if status == 429 else 2020202020)
    after = answer.headers.get("Retry-After")
    if style == "429-seconds":
        assert after == "1"
    elif style == "429-date":
        assert 0 < (parsedate_to_datetime(after) - datetime.now(UTC)).total_seconds() <= 2
    else:
        assert after is None


@pytest.mark.parametrize(("option", "status"), [("share_429", 429), ("share_5xx", 502)])
def test_a_share_of_failures_that_the_seed_decides(serve, option, status):
    one, again, other = serve(seed=5, **{option: 0.3}), serve(seed=5, **{option: 0.3}), serve(seed=6, **{option: 0.3})
    counts = statuses(one, times=200)
    assert set(counts) == {200, status}
    assert 35 <= counts[status] <= 85
    statuses(again, times=200)
    statuses(other, times=200)
    met = [[seen.status for seen in call.sandbox.requests] for call in (one, again, other)]
    assert met[0] == met[1] != met[2]
    one.sandbox.options.share_429 = one.sandbox.options.share_5xx = 0
    assert set(statuses(one)) == {200}


def test_a_502_is_html(serve):
    answer = serve(share_5xx=1).get(FLOW)
    assert (answer.status_code, answer.text[:6]) == (502, "<html>")


def test_a_share_of_502_at_the_token_endpoint_only(serve):
    call = serve(share_token_502=1)
    assert requests.post(f"{call.sandbox.url}/oauth/access_token", json={}, timeout=5).status_code == 502
    assert call.get(FLOW).status_code == 200


@pytest.mark.parametrize("path", [LIST, f"/stats/email/{example.EMAIL}/addresses", "/autoresponders/list"])
def test_a_page_past_the_end(serve, path):
    call = serve()
    page = call.data(path, limit=10, offset=100_000)
    assert page.get("items", page.get("data")) == []
    call.sandbox.options.past_end = "404"
    assert call.get(path, limit=10, offset=100_000).status_code == 404
    assert call.get(path, limit=10, offset=0).status_code == 200


def test_an_empty_list(serve):
    call = serve()
    path = f"/autoresponders/{example.EMPTY_FLOW}/conversions/list/all"
    assert call.data(path, limit=10, offset=0) == {"total": 0, "items": []}
    assert call.data(f"/stats/email/{example.EMPTY_EMAIL}/addresses", limit=10, offset=0) == {"data": [], "total": 0}
    call.sandbox.options.empty_list = "404"
    assert call.get(path, limit=10, offset=0).status_code == 404
    assert call.get(LIST, limit=10, offset=0).status_code == 200


def test_empty_statistics(serve):
    call = serve()
    long_ago = {"filter": call.days(date(2020, 1, 1), date(2020, 1, 2))}
    paths = [*SPAN_PATHS.values(), f"{FLOW}/group-stat-filtered", f"{FLOW}/conversions/group-stat-filtered"]
    assert call.data(paths[1], **long_ago)["data"]["sent"] == "0"
    assert call.data(paths[1], **long_ago)["data"]["last_send"] is None
    call.sandbox.options.empty_statistics = "404"
    for path in paths[1:]:
        assert call.get(path, **long_ago).status_code == 404, path
        assert call.get(path, filter=call.days(DAY, DAY)).status_code == 200, path
    assert call.get(f"/stats/email/{example.EMPTY_EMAIL}/group-stat").status_code == 404


def test_a_token_expires_after_its_lifetime(serve):
    call = serve(token_life=1)
    answer = requests.post(f"{call.sandbox.url}/oauth/access_token", json=credentials(call), timeout=5).json()
    assert answer["expires_in"] == 1
    call.session.headers["Authorization"] = f"Bearer {answer['access_token']}"
    assert call.get(FLOW).status_code == 200
    time.sleep(1.05)
    assert call.get(FLOW).status_code == 401


def test_a_token_is_revoked_after_so_many_requests(serve):
    call = serve(token_requests=3)
    answer = requests.post(f"{call.sandbox.url}/oauth/access_token", json=credentials(call), timeout=5).json()
    call.session.headers["Authorization"] = f"Bearer {answer['access_token']}"
    assert [call.get(FLOW).status_code for _ in range(5)] == [200, 200, 200, 401, 401]


def credentials(call):
    return {
        "grant_type": "client_credentials",
        "client_id": call.sandbox.client_id,
        "client_secret": call.sandbox.client_secret,
    }


@pytest.mark.parametrize("path", [LIST, SPAN_PATHS["all"], f"{FLOW}/conversions/list/goal/{example.PAID}"])
def test_a_list_grows_while_it_is_read(serve, path):
    call = serve(grow_every=2, grow_rows=3)
    query = {"limit": 5, "offset": 0, "filter": call.days(DAY, DAY)}
    answers = [call.data(path, **query) for _ in range(4)]
    totals = [answer["total"] for answer in answers]
    assert [later - earlier for earlier, later in pairwise(totals)] == [3, 0, 3]
    ids = [[row["id"] for row in answer["items"]] for answer in answers]
    assert ids[1][3:] == ids[0][:2]
    assert not set(ids[1][:3]) & set(ids[0])
    assert {row["conversion_date"] for row in answers[1]["items"][:3]} == {answers[0]["items"][0]["conversion_date"]}
    assert set(ids[3]) <= set(moments(call))


def test_rows_are_removed_while_a_list_is_read(serve):
    call = serve(grow_every=1, grow_rows=0, remove_rows=2)
    before = moments(call)
    totals = [call.data(LIST, limit=5, offset=0)["total"] for _ in range(3)]
    assert totals == [len(before) - 2, len(before) - 4, len(before) - 6]
    assert set(moments(call)) < set(before)


@pytest.mark.parametrize("hours", [3, -3])
def test_the_time_zone_of_days(serve, hours):
    call = serve(day_offset_hours=hours)
    wanted = {number for number, at in moments(call).items() if (at + timedelta(hours=hours)).date() == DAY}
    assert ids_of(call, DAY, DAY) == wanted
    assert wanted != {number for number, at in moments(call).items() if at.date() == DAY}
    opened = sum(
        (event.marks["opened"] + timedelta(hours=hours)).date() == DAY
        for event in call.sandbox.account.element(example.EMAIL).events
        if "opened" in event.marks
    )
    assert int(call.data(SPAN_PATHS["email"], filter=call.days(DAY, DAY))["data"]["opened"]) == opened


def test_lte_may_include_only_the_first_second_of_its_day(serve):
    call = serve(lte_includes_day=False)
    at = moments(call)
    next_midnight = datetime(2026, 11, 4, tzinfo=UTC)
    got = ids_of(call, DAY, DAY + timedelta(days=1))
    assert got == {number for number, when in at.items() if when.date() == DAY or when == next_midnight}
    assert next_midnight in {at[number] for number in got}


def test_conversions_may_be_filtered_by_start_date(serve):
    call = serve(filter_by="start_date")
    started = {number for number, at in moments(call, "start_date").items() if at.date() == DAY}
    converted = {number for number, at in moments(call).items() if at.date() == DAY}
    assert ids_of(call, DAY, DAY) == started != converted
    summary = call.data(f"{FLOW}/conversions/group-stat-filtered", filter=call.days(DAY, DAY))["data"]
    assert summary["total_conversions"] == len(started)
    rows = call.rows(SPAN_PATHS["all"], filter=call.days(DAY, DAY))
    assert [row["conversion_date"] for row in rows] == sorted((row["conversion_date"] for row in rows), reverse=True)
    call.sandbox.options.filter_by = "conversion_date"
    assert ids_of(call, DAY, DAY) == converted


def test_the_path_of_the_conditions_filtered_statistics(serve):
    call = serve(condition_path="email")
    query = {"filter": call.days(DAY, DAY)}
    paths = {name: f"/stats/{name}/{example.CONDITION}/group-stat-filtered" for name in ("trigger", "email")}
    assert call.get(paths["trigger"], **query).status_code == 404
    assert "executed" in call.data(paths["email"], **query)["data"]
    assert "opened" in call.data(SPAN_PATHS["email"], **query)["data"]
    assert call.get(f"/stats/trigger/{example.CONDITION}/group-stat").status_code == 200
    call.sandbox.options.condition_path = "trigger"
    assert call.get(paths["email"], **query).status_code == 404
    assert call.get(paths["trigger"], **query).status_code == 200


def test_a_truncated_body(serve):
    call = serve(share_truncated=1)
    with pytest.raises(requests.exceptions.ChunkedEncodingError) as error:
        call.get(FLOW)
    assert "IncompleteRead" in str(error.value)
    call.sandbox.options.share_truncated = 0
    assert call.get(FLOW).status_code == 200


def test_a_connection_reset_in_mid_body(serve):
    call = serve(share_reset=1)
    with pytest.raises(requests.exceptions.ChunkedEncodingError) as error:
        call.get(FLOW)
    assert "Connection reset" in str(error.value)
    call.sandbox.options.share_reset = 0
    assert call.get(FLOW).status_code == 200


def test_html_instead_of_json(serve):
    answer = serve(share_html=1).get(FLOW)
    assert (answer.status_code, answer.headers["content-type"], answer.text[:6]) == (
        200,
        "text/html; charset=utf-8",
        "<html>",
    )


def test_a_stall_in_mid_body(serve):
    call = serve(share_stall=1, stall_seconds=0.5)
    with pytest.raises(requests.exceptions.ConnectionError) as error:
        call.session.get(f"{call.sandbox.url}/a360{FLOW}", timeout=0.2)
    assert "Read timed out" in str(error.value)
    assert call.data(FLOW)["starts"] > 0, "a client that waits gets the whole body"


def test_body_faults_affect_only_get_requests(serve):
    call = serve(share_html=1)
    assert (
        "access_token"
        in requests.post(f"{call.sandbox.url}/oauth/access_token", json=credentials(call), timeout=5).json()
    )


def test_leaving_the_sandbox_does_not_wait_for_a_stalled_body(serve):
    from airflow_provider_a360.sandbox.server import Sandbox

    with Sandbox(Account(), options=SandboxOptions(share_stall=1, stall_seconds=30)) as sandbox:
        with pytest.raises(requests.exceptions.ConnectionError):
            requests.get(f"{sandbox.url}/user/info", timeout=0.2)
        began = time.monotonic()
    assert time.monotonic() - began < 2
