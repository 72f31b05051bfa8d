"""What a 404 and an empty response mean, and which path a condition's filtered statistics have."""

import pytest
from api_support import asked, connect

from airflow_provider_a360.api.errors import (
    A360FlowNotFoundError,
    A360FormatError,
    A360NoDataError,
    A360RequestError,
    A360UndecodableError,
)
from airflow_provider_a360.sandbox import example

UNKNOWN = 999_999
FLOWS = "/a360/autoresponders/list"
DAYS = {"first_day": "2026-11-02", "last_day": "2026-11-08"}
NO_DATA = {"message": "Not found", "error_code": 404}
CONDITION = f"/a360/stats/trigger/{example.CONDITION}/group-stat-filtered"
PRINTED = f"/a360/stats/email/{example.CONDITION}/group-stat-filtered"

OF_A_FLOW = {
    "list": lambda client, flow: list(client.conversions(flow)),
    "filtered list": lambda client, flow: list(client.conversions(flow, **DAYS)),
    "totals": lambda client, flow: client.conversion_totals(flow),
    "filtered totals": lambda client, flow: client.conversion_totals(flow, **DAYS),
    "statistics": lambda client, flow: client.flow_stats(flow, **DAYS),
    "statistics of each element": lambda client, flow: client.element_totals(flow),
}
of_a_flow = pytest.mark.parametrize("call", OF_A_FLOW.values(), ids=OF_A_FLOW)


@of_a_flow
def test_a_404_of_an_unknown_flow_is_checked_by_requesting_the_flow(sandbox, call):
    with pytest.raises(A360FlowNotFoundError, match=f"Flow {UNKNOWN} does not exist in this account") as caught:
        call(connect(sandbox), UNKNOWN)
    assert caught.value.flow_id == UNKNOWN
    # The list of flows, which states no total, ends with an empty page.
    assert asked(sandbox) == [404, 404, 200, 200, 200]
    assert [seen.path for seen in sandbox.requests[2:]] == [f"/a360/autoresponders/{UNKNOWN}", *[FLOWS] * 3]


@of_a_flow
def test_a_404_of_a_known_flow_is_no_data(sandbox, call):
    client = connect(sandbox)
    client.flow(example.MAIN_FLOW)
    path = f"/a360/autoresponders/{example.MAIN_FLOW}/"
    sandbox.answer_next(path, status=404, body=NO_DATA)
    answer = call(client, example.MAIN_FLOW)
    assert not answer or (answer.total_conversions is None and answer.goals == [])
    assert asked(sandbox) == [200, 404]


@of_a_flow
def test_a_404_of_a_flow_not_seen_yet_costs_one_more_request(sandbox, call):
    sandbox.answer_next(f"/a360/autoresponders/{example.MAIN_FLOW}/", status=404, body=NO_DATA)
    call(connect(sandbox), example.MAIN_FLOW)
    assert asked(sandbox) == [404, 200]


@of_a_flow
def test_a_404_from_a_proxy_does_not_mean_that_a_flow_is_unknown(sandbox, call):
    wanted = call(connect(sandbox), example.MAIN_FLOW)
    sandbox.answer_next(f"/a360/autoresponders/{example.MAIN_FLOW}/", status=404, body="<h1>Not Found</h1>")
    assert call(connect(sandbox), example.MAIN_FLOW) == wanted
    assert wanted
    assert asked(sandbox).count(404) == 1


@of_a_flow
def test_a_flow_that_is_listed_but_has_no_details_is_known(serve, call):
    sandbox = serve(flows_without_details=1)
    last = sandbox.account.flows[-1].id
    sandbox.answer_next(f"/a360/autoresponders/{last}/", status=404, body=NO_DATA)
    client = connect(sandbox)
    answer = call(client, last)
    assert not answer or (answer.total_conversions is None and answer.goals == [])
    assert [seen.path for seen in sandbox.requests[2:]] == [f"/a360/autoresponders/{last}", FLOWS]
    # It is looked up once.
    sandbox.requests.clear()
    sandbox.answer_next(f"/a360/autoresponders/{last}/", status=404, body=NO_DATA)
    assert call(client, last) == answer
    assert asked(sandbox) == [404]


def test_an_empty_list_of_an_unknown_flow_is_an_error(sandbox):
    sandbox.answer_next(f"/a360/autoresponders/{UNKNOWN}/", body={"total": 0, "items": []})
    with pytest.raises(A360FlowNotFoundError):
        connect(sandbox).conversions(UNKNOWN)


@pytest.mark.parametrize("answer", [{"status": 404}, {"body": {"autoresponder": [], "flows": []}}, {"body": []}])
def test_a_flow_with_an_empty_response_is_unknown(sandbox, answer):
    sandbox.answer_next(f"/a360/autoresponders/{UNKNOWN}", **answer)
    with pytest.raises(A360FlowNotFoundError):
        connect(sandbox).flow(UNKNOWN)


def test_flows_seen_in_the_list_are_known(sandbox):
    sandbox.options.empty_list = "404"
    client = connect(sandbox)
    list(client.flows())
    assert list(client.conversions(example.EMPTY_FLOW)) == []
    assert asked(sandbox) == [200, 200, 200, 404]


@pytest.mark.parametrize("manner", ["empty", "404"])
def test_lists_without_rows_are_empty(sandbox, manner):
    sandbox.options.empty_list = manner
    client = connect(sandbox)
    assert list(client.contacts(example.EMPTY_EMAIL, "email")) == []
    assert list(client.contacts(UNKNOWN, "goal")) == []
    assert list(client.conversions(example.EMPTY_FLOW, **DAYS)) == []


@pytest.mark.parametrize("manner", ["empty", "404"])
@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_page_past_the_end_ends_the_list(sandbox, manner, size):
    sandbox.options.past_end = manner
    rows = sandbox.account.flow(example.PAUSED_FLOW).conversions_of()
    found = list(connect(sandbox, page_size=size).conversions(example.PAUSED_FLOW))
    assert [row.conversion_id for row in found] == [row.id for row in rows[::-1]]


@pytest.mark.parametrize("body", [{"data": []}, {"data": None}, {"data": {}}, [], {}])
def test_empty_statistics_are_none(sandbox, body):
    sandbox.answer_next("/a360/stats/email/", body=body)
    assert connect(sandbox).element_stats(example.EMAIL, "email") is None


@pytest.mark.parametrize("days", [{}, DAYS])
@pytest.mark.parametrize("kind", ["maintrigger", "email", "trigger", "goal"])
def test_statistics_of_an_unknown_element_are_none(sandbox, kind, days):
    assert connect(sandbox).element_stats(UNKNOWN, kind, **days) is None


def test_a_conditions_own_path_comes_first(sandbox):
    stats = connect(sandbox).element_stats(example.CONDITION, "trigger", **DAYS)
    assert stats.executed == sandbox.account.element(example.CONDITION).count("executed")
    assert asked(sandbox, PRINTED) == []


def test_a_conditions_printed_path_is_used_if_its_own_path_fails(sandbox):
    sandbox.options.condition_path = "email"
    stats = connect(sandbox).element_stats(example.CONDITION, "trigger", **DAYS)
    assert stats.element_type == "trigger"
    assert stats.executed == sandbox.account.element(example.CONDITION).count("executed")
    assert [(seen.path, seen.status) for seen in sandbox.requests[1:]] == [(CONDITION, 404), (PRINTED, 200)]
    assert sandbox.requests[1].query == sandbox.requests[2].query


@pytest.mark.parametrize(
    "data",
    [
        {"sent": "10", "errors": "0", "opened": "9", "last_send": "2020-10-13 07:29:07"},
        {"executed": "3", "sent": "3", "opened": "1"},
        {"executed": 3, "error": 0},
        [],
        None,
    ],
)
def test_statistics_of_an_email_at_the_printed_path_are_refused(sandbox, data):
    sandbox.answer_next(CONDITION, status=404, body=NO_DATA)
    sandbox.answer_next(PRINTED, body={"data": data})
    assert connect(sandbox).element_stats(example.CONDITION, "trigger", **DAYS) is None
    assert asked(sandbox) == [404, 200]


def test_a_body_without_any_counter_at_the_printed_path_is_an_error(sandbox):
    sandbox.answer_next(CONDITION, status=404, body=NO_DATA)
    sandbox.answer_next(PRINTED, body={"data": {"flow_id": 1}})
    with pytest.raises(A360FormatError, match="an object with the keys flow_id, not any of the fields"):
        connect(sandbox).element_stats(example.CONDITION, "trigger", **DAYS)


def test_a_conditions_path_that_has_worked_once_is_trusted_when_it_has_no_data(sandbox):
    client = connect(sandbox)
    client.element_stats(example.CONDITION, "trigger", **DAYS)
    sandbox.options.empty_statistics = "404"
    assert client.element_stats(UNKNOWN, "trigger", **DAYS) is None
    assert asked(sandbox, "/a360/stats/email") == []


def test_only_filtered_statistics_of_conditions_have_a_second_path(sandbox):
    client = connect(sandbox)
    client.element_stats(UNKNOWN, "trigger")
    client.element_stats(UNKNOWN, "filter", **DAYS)
    assert asked(sandbox, "/a360/stats/email") == []
    assert asked(sandbox) == [404, 404]


@pytest.mark.parametrize(
    ("days", "printed", "other"),
    [(DAYS, "goals/group-stat-filtered", "goal/group-stat-filtered"), ({}, "goal", "goals")],
    ids=["filtered", "plain"],
)
def test_goals_listed_under_the_other_spelling_are_found(sandbox, days, printed, other):
    path = f"/a360/autoresponders/{example.MAIN_FLOW}/conversions/list/"
    row = {"id": 7, "conversion_type": "goal", "flow_id": 9, "conversion_date": "2026-11-02 10:00:00"}
    # A client's first list that fits on a page takes a second request, to see whether it ends there.
    for rows in ([row], []):
        sandbox.answer_next(path + printed, status=404)
        sandbox.answer_next(path + other, body={"total": 1, "items": rows})
    found = connect(sandbox).conversions(example.MAIN_FLOW, kind="goal", **days)
    assert [conversion.conversion_id for conversion in found] == [7]


@pytest.mark.parametrize("status", [400, 404])
def test_goals_listed_under_neither_spelling_are_none(sandbox, status):
    client = connect(sandbox)
    client.flow(example.MAIN_FLOW)
    sandbox.answer_next(f"/a360/autoresponders/{example.MAIN_FLOW}/conversions/list/goals", status=404)
    sandbox.answer_next(f"/a360/autoresponders/{example.MAIN_FLOW}/conversions/list/goal", status=status)
    assert list(client.conversions(example.MAIN_FLOW, kind="goal", **DAYS)) == []


SPELLINGS = ["/a360/one", "/a360/other"]
JSON_404, HTML_404, HTML_200 = (404, NO_DATA), (404, "<h1>Not Found</h1>"), (200, "<h1>Hello</h1>")
NO_204, BAD, BUSY, GOOD = (204, None), (400, {"message": "Bad"}), (502, None), (200, {"data": []})


@pytest.mark.parametrize(
    ("one", "other", "meaning", "statuses"),
    [
        pytest.param(GOOD, None, None, [200], id="first good"),
        pytest.param(JSON_404, GOOD, None, [404, 200], id="first 404"),
        pytest.param(NO_204, GOOD, None, [204, 200], id="first 204"),
        pytest.param(HTML_404, GOOD, None, [404, 404, 404, 200], id="first proxy's 404"),
        pytest.param(JSON_404, JSON_404, A360NoDataError, [404, 404], id="both 404"),
        pytest.param(JSON_404, NO_204, A360NoDataError, [404, 204], id="404 and 204"),
        pytest.param(JSON_404, BAD, A360NoDataError, [404, 400], id="404 and 400"),
        pytest.param(HTML_404, JSON_404, A360UndecodableError, [404] * 4, id="proxy's 404 and 404"),
        pytest.param(HTML_404, BAD, A360UndecodableError, [404] * 3 + [400], id="proxy's 404 and 400"),
        pytest.param(JSON_404, HTML_404, A360UndecodableError, [404] * 4, id="404 and proxy's 404"),
        pytest.param(HTML_404, HTML_404, A360UndecodableError, [404] * 6, id="both proxy's 404"),
        pytest.param(HTML_200, None, A360UndecodableError, [200] * 3, id="first undecodable"),
        pytest.param(BAD, None, A360RequestError, [400], id="first 400"),
    ],
)
def test_the_second_spelling_is_requested_if_the_first_is_unknown(sandbox, one, other, meaning, statuses):
    for path, answer in zip(SPELLINGS, (one, other), strict=True):
        if answer:
            sandbox.answer_next(path, status=answer[0], body=answer[1], times=3)
    client = connect(sandbox)
    if meaning is None:
        assert client._get_first(SPELLINGS, {"limit": 5}) == GOOD[1]
        assert sandbox.requests[-1].query == {"limit": "5"}
    else:
        with pytest.raises(meaning) as caught:
            client._get_first(SPELLINGS, {"limit": 5})
        assert type(caught.value) is meaning
    assert asked(sandbox) == statuses


@pytest.mark.parametrize(("answer", "meaning"), [(BAD, A360RequestError), (JSON_404, A360NoDataError)])
def test_a_path_with_one_spelling_gives_its_own_error(sandbox, answer, meaning):
    sandbox.answer_next(SPELLINGS[0], status=answer[0], body=answer[1])
    with pytest.raises(meaning):
        connect(sandbox)._get_first(SPELLINGS[:1], {})


@of_a_flow
def test_a_204_of_a_known_flow_is_no_data(sandbox, call):
    client = connect(sandbox)
    client.flow(example.MAIN_FLOW)
    sandbox.answer_next(f"/a360/autoresponders/{example.MAIN_FLOW}/", status=204)
    answer = call(client, example.MAIN_FLOW)
    assert not answer or (answer.total_conversions is None and answer.goals == [])
    assert asked(sandbox) == [200, 204]


def test_a_flow_with_rows_is_known_without_another_request(sandbox):
    client = connect(sandbox)
    client.conversions(example.MAIN_FLOW)
    sandbox.answer_next(f"/a360/autoresponders/{example.MAIN_FLOW}/", status=404, body=NO_DATA)
    assert client.conversion_totals(example.MAIN_FLOW).total_conversions is None
    assert asked(sandbox) == [200, 404]
