"""Pages, order and filters, and the errors for invalid parameters."""

import json
from datetime import date

import pytest

from airflow_provider_a360.sandbox import example

FLOW = f"/autoresponders/{example.MAIN_FLOW}"
LISTS = [
    f"{FLOW}/conversions/list/all",
    f"{FLOW}/conversions/list/goal/{example.PAID}",
    f"/stats/main-trigger/{example.START}/addresses",
    f"/stats/email/{example.EMAIL}/addresses",
    f"/stats/flow-operator/{example.CONDITION}/addresses",
]
DAY = date(2026, 11, 3)


@pytest.mark.parametrize("path", LISTS)
def test_both_paging_parameters_are_required_and_validated(call, path):
    for query, field in [
        ({"limit": 10}, "offset"),
        ({"offset": 0}, "limit"),
        ({"limit": 101, "offset": 0}, "limit"),
        ({"limit": 0, "offset": 0}, "limit"),
        ({"limit": 10, "offset": -1}, "offset"),
        ({"limit": "ten", "offset": 0}, "limit"),
        ({"limit": 10, "offset": "9" * 5000}, "offset"),
    ]:
        answer = call.get(path, **query)
        assert answer.status_code == 400, query
        assert list(answer.json()["messages"]) == [field]
    assert call.get(path, limit=100, offset=0).status_code == 200


@pytest.mark.parametrize("path", LISTS)
def test_pages_make_up_the_list_newest_first(call, path):
    rows = call.rows(path)
    answer = call.data(path, limit=7, offset=3)
    assert (answer.get("items") or answer["data"]) == rows[3:10]
    assert len({str(row) for row in rows}) == len(rows) == answer["total"]
    field = next(name for name in ("conversion_date", "execution_date", "sent_date") if name in rows[0])
    dates = [row[field] for row in rows]
    assert dates == sorted(dates, reverse=True)
    assert dates[0] > dates[-1]


def test_conversions_of_one_second_are_ordered_by_id(call):
    rows = call.rows(f"{FLOW}/conversions/list/all")
    keys = [(row["conversion_date"], row["id"]) for row in rows]
    assert keys == sorted(keys, reverse=True)


def test_asc_is_from_highest_to_lowest_as_documented(call):
    path = f"/stats/email/{example.EMAIL}/addresses"
    for field in ("id", "sent_date", "open_date", "email"):
        down = [row[field] for row in call.rows(path, sortField=field, sortDirection="asc") if row[field] is not None]
        up = [row[field] for row in call.rows(path, sortField=field, sortDirection="desc") if row[field] is not None]
        assert down == sorted(down, reverse=True)
        assert up == sorted(up)
        assert down[0] > down[-1]
    assert call.get(path, limit=1, offset=0, sortField="shoe_size").status_code == 400
    assert call.get(path, limit=1, offset=0, sortDirection="up").status_code == 400
    # The documentation sorts this list by `id`, although its rows have none.
    assert call.data(LISTS[2], limit=1, offset=0, sortField="id", sortDirection="desc")["data"]


def test_the_flow_list_is_paged_without_a_total_and_without_a_maximum(call):
    every = call.data("/autoresponders/list")
    assert list(every) == ["data"]
    assert len(every["data"]) == 5
    assert call.data("/autoresponders/list", limit=2, offset=1)["data"] == every["data"][1:3]
    assert call.data("/autoresponders/list", limit=1000, offset=0) == every
    assert call.data("/autoresponders/list", limit=10, offset=5) == {"data": []}


def form(name="send_date_from", field="user_stat_date", expression="gte", value="2026-11-01", join="and"):
    fields = {name: {"name": field, "expression": expression, "value": value}}
    return json.dumps({"type": "group", "expression": join, "fields": fields})


def test_the_unchanged_form_is_valid(call):
    assert call.get(f"{FLOW}/group-stat-filtered", filter=form()).status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{",
        "[]",
        '"x"',
        '{"type":"group","expression":"and","fields":{}}',
        form(join="or"),
        form(field="date"),
        form(expression="lte"),
        form(value="2026-11-01 10:00:00"),
        form(value="2026-W45-1"),
        form(value=20261101),
        form(name="date_from"),
    ],
)
@pytest.mark.parametrize(
    "path", [FLOW, f"{FLOW}/conversions", f"{FLOW}/conversions/list/all", f"/stats/email/{example.EMAIL}"]
)
def test_a_filter_must_have_the_documented_form(call, path, text):
    answer = call.get(f"{path}/group-stat-filtered", limit=1, offset=0, filter=text)
    assert answer.status_code == 400
    assert list(answer.json()["messages"]) == ["filter"]


@pytest.mark.parametrize(
    "path",
    [
        "/autoresponders/1",
        "/autoresponders/1/total-stats",
        "/autoresponders/1/conversions",
        "/autoresponders/1/conversions/list/all",
        f"{FLOW}/conversions/list/goals",
        f"{FLOW}/conversions/list/goal/group-stat-filtered",
        f"{FLOW}/conversions/list/goal/{example.EMAIL}",
        f"{FLOW}/conversions/list/goal/{example.WELCOME_GOAL}",
        f"/stats/email/{example.SMS}/group-stat",
        f"/stats/email/{example.CONDITION}/group-stat-filtered",
        f"/stats/messenger/{example.MESSENGER}/addresses",
        f"/stats/flow-operator/{example.EMAIL}/addresses",
        f"/stats/goal/{example.PAID}/addresses",
        "/stats/email/1/group-stat",
        "/no/such/path",
    ],
)
def test_unknown_ids_and_paths_answer_404(call, path):
    assert call.get(path, limit=1, offset=0, filter=call.days(DAY, DAY)).status_code == 404


def test_total_stats_can_be_limited_to_a_type_and_to_deleted_elements(call):
    rows = call.data(f"{FLOW}/total-stats", flow_type="goal")["flows"]
    assert [row["flow_id"] for row in rows] == [example.PAID, example.REVIEWED]
    assert [row["flow_id"] for row in call.data(f"{FLOW}/total-stats", deleted=1)["flows"]] == [example.OLD_EMAIL]
    shown = [row["flow_id"] for row in call.data(f"{FLOW}/total-stats")["flows"]]
    assert example.OLD_EMAIL not in shown
    assert example.OLD_EMAIL not in [row["id"] for row in call.data(FLOW)["flows"]]
    assert call.get(f"{FLOW}/total-stats", flow_type="messenger").status_code == 400
    assert call.data(f"/stats/email/{example.OLD_EMAIL}/group-stat")["data"]["sent"] > 0


def test_the_example_has_flows_of_every_kind(call):
    flows = {row["id"]: row for row in call.data("/autoresponders/list")["data"]}
    details = {flow_id: call.data(f"/autoresponders/{flow_id}") for flow_id in flows}
    assert flows[example.PAUSED_FLOW]["status"] == 3
    assert details[example.PAUSED_FLOW]["in_queue"] > 0
    assert details[example.EMPTY_FLOW]["starts"] == 0
    assert flows[example.NEW_FLOW]["status"] == 0
    assert {"2026-11-20"} == {element["created"][:10] for element in details[example.NEW_FLOW]["flows"]}
