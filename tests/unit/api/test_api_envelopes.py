"""The wrappers of rows and objects, and responses in an unknown form."""

import pytest

from airflow_provider_a360.api.endpoints import COUNTERS
from airflow_provider_a360.api.envelopes import find_object, find_rows
from airflow_provider_a360.api.errors import A360FormatError

ROWS = [{"id": 2}, {"id": 1}]
STATS = {"sent": "3", "last_send": None}


@pytest.mark.parametrize(
    ("answer", "rows", "total"),
    [
        pytest.param(ROWS, ROWS, None, id="bare"),
        pytest.param([], [], None, id="bare, empty"),
        pytest.param({"items": ROWS, "total": 2}, ROWS, 2, id="items"),
        pytest.param({"data": ROWS, "total": "2"}, ROWS, 2, id="data, total as text"),
        pytest.param({"data": ROWS}, ROWS, None, id="no total"),
        pytest.param({"data": ROWS, "total": None}, ROWS, None, id="total null"),
        pytest.param({"data": ROWS, "total": -1}, ROWS, None, id="negative total"),
        pytest.param({"data": ROWS, "total": 0}, ROWS, 0, id="total 0"),
        pytest.param({"data": {"items": ROWS, "total": 2}}, ROWS, 2, id="wrapped"),
        pytest.param({"data": {"data": ROWS, "total": 2}}, ROWS, 2, id="wrapped in data"),
        pytest.param({"data": {"items": ROWS}, "total": 2}, ROWS, 2, id="total outside"),
        pytest.param({"data": {"items": ROWS, "total": 2}, "total": 9}, ROWS, 2, id="the inner total"),
        pytest.param({"data": {"items": ROWS, "total": -1}, "total": 2}, ROWS, 2, id="inner total no count"),
        pytest.param({"data": {"data": {"items": ROWS}}}, ROWS, None, id="wrapped twice"),
        pytest.param({"items": ROWS, "data": [{"id": 9}]}, ROWS, None, id="items before data"),
        pytest.param({"items": {"0": ROWS[0], "7": ROWS[1]}, "total": 2}, ROWS, 2, id="gaps"),
        pytest.param({"0": ROWS[0], "7": ROWS[1]}, ROWS, None, id="bare, gaps"),
        pytest.param({"items": None, "total": 0}, [], 0, id="null"),
        pytest.param({"data": {"items": None}}, [], None, id="wrapped null"),
        pytest.param({"data": [None, [], {"id": 1}]}, [{}, {}, {"id": 1}], None, id="empty rows"),
    ],
)
def test_rows_are_found_in_every_wrapping(answer, rows, total):
    assert find_rows(answer, "The list") == (rows, total)


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (None, "a NoneType"),
        ("text", "a str"),
        (7, "a int"),
        ({}, "an object with the keys .none."),
        ({"data": {}}, "an object with the keys .none."),
        ({"rows": ROWS, "total": 2}, "an object with the keys rows, total"),
        ({"data": {"list": ROWS}}, "an object with the keys list"),
        ({"data": "text"}, "a str"),
        ({"0": ROWS[0], "total": 1}, "an object with the keys 0, total"),
        ({"data": {"data": {"data": {"data": ROWS}}}}, "a list"),
    ],
)
def test_rows_under_no_known_key_are_an_error_that_names_the_keys(answer, named):
    with pytest.raises(A360FormatError, match=f"^The list: the response has {named}, not rows under 'items' or 'data'"):
        find_rows(answer, "The list")


def test_rows_under_three_wrappers_are_found():
    assert find_rows({"data": {"data": {"data": ROWS}}}, "The list") == (ROWS, None)
    assert find_object({"data": {"data": {"data": STATS}}}, COUNTERS, "The object") == STATS


@pytest.mark.parametrize(("value", "shown"), [("many", "'many'"), (1.5, "1.5"), ([], r"\[\]")])
def test_a_total_that_is_not_a_number_is_an_error_that_names_it(value, shown):
    with pytest.raises(A360FormatError, match=f"The list: total is {shown}, not a whole number"):
        find_rows({"data": ROWS, "total": value}, "The list")


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        pytest.param(STATS, STATS, id="bare"),
        pytest.param({"data": STATS}, STATS, id="data"),
        pytest.param({"data": {"data": STATS}}, STATS, id="nested"),
        pytest.param([STATS], STATS, id="list of one"),
        pytest.param({"data": [STATS]}, STATS, id="list of one in data"),
        pytest.param({"data": [{"data": STATS}]}, STATS, id="nested list of one"),
        pytest.param({**STATS, "data": {"sent": 9}}, {**STATS, "data": {"sent": 9}}, id="the outer one"),
        pytest.param({"sent": None}, {"sent": None}, id="a counter that is null"),
        *(pytest.param(nothing, {}, id=f"{nothing}") for nothing in (None, [], {})),
        *(pytest.param({"data": nothing}, {}, id=f"data {nothing}") for nothing in (None, [], {})),
        pytest.param({"data": {"data": []}}, {}, id="nested, empty"),
    ],
)
def test_an_object_is_found_in_every_wrapping(answer, found):
    assert find_object(answer, COUNTERS, "The object") == found


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ({"last_send": None}, "an object with the keys last_send"),
        ({"data": {"last_send": None, "id": 1}}, "an object with the keys last_send, id"),
        ({"items": STATS}, "an object with the keys items"),
        ([STATS, STATS], "a list"),
        ("text", "a str"),
        ({"data": 7}, "a int"),
        ({"data": {"data": {"data": {"data": STATS}}}}, "an object with the keys sent, last_send"),
    ],
)
def test_an_object_without_known_fields_is_an_error_that_names_its_keys(answer, named):
    with pytest.raises(
        A360FormatError, match=f"^The object: the response has {named}, not any of the fields clicked, "
    ):
        find_object(answer, COUNTERS, "The object")


def test_an_error_shows_no_address():
    with pytest.raises(A360FormatError) as caught:
        find_object({"ada@example.com": 1}, COUNTERS, "The object")
    assert "ada" not in str(caught.value)
    with pytest.raises(A360FormatError) as caught:
        find_rows({"+12025550123": 1}, "The list")
    assert "2025550123" not in str(caught.value)
