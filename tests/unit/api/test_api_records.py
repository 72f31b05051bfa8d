"""Rows as the service may send them: strings of digits, nulls, PHP's empty arrays, unknown fields."""

import json
import typing
from datetime import UTC, datetime

import pytest
from api_support import connect

from airflow_provider_a360.api import values
from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.endpoints import ELEMENT_TYPES, FLOW_STATUSES
from airflow_provider_a360.api.errors import A360FormatError
from airflow_provider_a360.api.paging import Listing
from airflow_provider_a360.sandbox import example

FLOW = f"/a360/autoresponders/{example.MAIN_FLOW}"

EMAIL_CODES = {
    0: "Sent",
    1: "Sent",
    2: "Not delivered for other reasons",
    3: "Unsubscribed",
    4: "Rejected by service",
    5: "Wrong email address",
    6: "Temporarily unavailable",
    7: "Email address does not exist",
    8: "Server rejected email address because of spam",
    9: "User complained about spam",
    10: "Mailbox is full",
    11: "Domain does not exist",
    12: "Sent",
    13: "Sent",
    14: "Bad recipient",
    99: None,
    None: None,
}
PUSH_CODES = {0: "Sent", 1: "Unsubscribed", 2: None}
SMS_CODES = {
    0: "Sent",
    1: "Not delivered",
    2: "Delivered",
    3: "Incorrect or non-existent phone number",
    4: "Provider marked the message as spam",
    5: "Duplicate SMS",
    6: "Message delivery timed out (up to 72 hours of waiting for delivery reports)",
    7: "Waiting for delivery reports",
    8: "Sending from an unregistered sender name",
    9: "The number has been blacklisted",
    10: "The message has stop words",
    11: "The message has a link",
    12: None,
}
CODES = [
    (kind, name, code, meaning)
    for kind, name, codes in (
        ("email", "delivered_status", EMAIL_CODES),
        ("push", "status", PUSH_CODES),
        ("sms", "status", SMS_CODES),
    )
    for code, meaning in codes.items()
]


@pytest.mark.parametrize("kind", ["email", "push", "sms"])
def test_every_documented_status_code_has_its_meaning(sandbox, kind):
    codes = [(name, code, meaning) for of, name, code, meaning in CODES if of == kind]
    name = codes[0][0]
    rows = [{"id": number, name: code} for number, (_, code, _) in enumerate(codes)]
    rows += [{"id": 500 + number, name: str(code)} for number, (_, code, _) in enumerate(codes) if code is not None]
    sandbox.answer_next(f"/a360/stats/{kind}/", body={"data": rows, "total": len(rows)})
    found = list(connect(sandbox).contacts(1, kind))
    expected = [(code, meaning) for _, code, meaning in codes]
    expected += [pair for pair in expected if pair[0] is not None]
    assert len(found) == len(expected)
    for row, (code, meaning) in zip(found, expected, strict=True):
        shown = getattr(row, f"{name}_meaning")
        assert getattr(row, name) == code
        assert shown == meaning or (meaning == "Duplicate SMS" and shown.startswith(meaning))


def test_documented_flow_statuses():
    assert FLOW_STATUSES == {0: "New", 1: "Active", 3: "Pause"}


def stats(sandbox, data, kind="email"):
    sandbox.answer_next("/a360/stats/", body={"data": data})
    return connect(sandbox).element_stats(1, kind)


def test_counters_may_be_strings_numbers_null_or_missing(sandbox):
    row = stats(
        sandbox, {"sent": "22", "opened": 3, "clicked": None, "errors": "", "delivered": 4.0, "executed": " 7 "}
    )
    assert (row.sent, row.opened, row.clicked, row.errors, row.delivered, row.executed) == (22, 3, None, None, 4, 7)
    assert row.unsubscribed is None


@pytest.mark.parametrize(
    "value", [True, False, 1.5, "1.5", "9" * 5000, "many", "1e3", "0x10", "\uff11\uff12", [], {}, [1]]
)
def test_a_counter_that_is_not_a_number_is_an_error(sandbox, value):
    with pytest.raises(A360FormatError, match=r"Element 1: statistics: sent is .*, not a whole number"):
        stats(sandbox, {"sent": value})


@pytest.mark.parametrize("name", ["error", "errors"])
def test_error_and_errors_are_one_column(sandbox, name):
    assert stats(sandbox, {name: "5"}).errors == 5
    assert stats(sandbox, {name: 5, "sent": 1}).extra is None


@pytest.mark.parametrize(
    "value",
    [
        None, "", "0000-00-00 00:00:00", "0000-00-00", "0000-00-00T00:00:00Z", "-0001-11-30 00:00:00", "-0001-11-30",
        "-0001-11-30T00:00:00+00:00", "-0001-11-30 00:00:00.000000", "-000001-11-30T00:00:00.000000Z",
    ],
)  # fmt: skip
def test_an_empty_date_is_null(sandbox, value):
    assert stats(sandbox, {"sent": 1, "last_send": value}).last_send is None


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("2020-10-13 07:28:28", datetime(2020, 10, 13, 7, 28, 28, tzinfo=UTC)),
        ("2020-10-13", datetime(2020, 10, 13, tzinfo=UTC)),
        ("2020-10-13T07:28:28Z", datetime(2020, 10, 13, 7, 28, 28, tzinfo=UTC)),
        ("2020-10-13T10:28:28+03:00", datetime(2020, 10, 13, 7, 28, 28, tzinfo=UTC)),
    ],
)
def test_dates_are_utc(sandbox, value, at):
    last = stats(sandbox, {"sent": 1, "last_send": value}).last_send
    assert last == at
    assert last.tzinfo is UTC


@pytest.mark.parametrize(
    "value", ["yesterday", 1602573508, True, {}, "2020-13-45 00:00:00", "0001-01-01T00:00+10:00", "-1", "0000-00-001"]
)
def test_an_invalid_date_is_an_error_that_names_it(sandbox, value):
    with pytest.raises(A360FormatError, match=r"last_send is .*, not a date and time"):
        stats(sandbox, {"sent": 1, "last_send": value})


def test_unknown_fields_are_kept_as_json_in_a_fixed_order(sandbox):
    row = stats(sandbox, {"sent": 1, "zeta": [1, {"b": 1, "a": None}], "alpha": "ä", "task": {"id": 4}})
    assert row.extra == '{"alpha":"ä","zeta":[1,{"a":null,"b":1}]}'


def test_known_fields_are_not_kept_in_extra(sandbox):
    client = connect(sandbox)
    details = client.flow(example.MAIN_FLOW)
    assert {element.extra for element in details.elements} == {None}
    assert {row.extra for row in client.element_totals(example.MAIN_FLOW)} == {None}
    assert {row.extra for row in client.conversions(example.MAIN_FLOW)} == {None}
    flows = list(client.flows())
    assert json.loads(flows[0].extra)["main_data"]["utm_source"] == "SendPulse"


def test_the_address_in_base64_is_kept_only_where_the_plain_one_is_missing(sandbox):
    rows = [
        {"id": 1, "email": "jane@example.com", "email_b64": "amFuZUBleGFtcGxlLmNvbQ=="},
        {"id": 2, "email": None, "email_b64": "amFuZUBleGFtcGxlLmNvbQ=="},
        {"id": 3, "email": None, "email_b64": None},
    ]
    sandbox.answer_next("/a360/stats/email/", body={"data": rows, "total": 3})
    assert [row.extra for row in connect(sandbox).contacts(1, "email")] == [
        None,
        '{"email_b64":"amFuZUBleGFtcGxlLmNvbQ=="}',
        None,
    ]


def test_both_address_and_phone_may_be_null_and_a_phone_a_number(sandbox):
    rows = [
        {"id": "3", "flow_id": "8", "email": None, "phone": None, "conversion_date": "2026-11-02 10:00:00"},
        {"id": 2, "flow_id": 8, "email": "", "phone": 12025550123, "conversion_date": "2026-11-02 09:00:00"},
    ]
    # A client's first list that fits on a page takes a second request, to see whether it ends there.
    for items in (rows, rows[1:]):
        sandbox.answer_next(f"{FLOW}/conversions/list", body={"total": "2", "items": items})
    first, second = connect(sandbox).conversions(example.MAIN_FLOW)
    assert (first.conversion_id, first.element_id, first.email, first.phone) == (3, 8, None, None)
    assert (second.phone, second.conversion_type, second.start_date) == ("12025550123", None, None)


@pytest.mark.parametrize(
    "row", [{"id": 1}, *({"id": 1, "conversion_date": none} for none in (None, "", "-0001-11-30 00:00:00"))]
)
def test_a_conversion_without_its_date_is_an_error(sandbox, row):
    sandbox.answer_next(f"{FLOW}/conversions/list", body={"total": 1, "items": [row]})
    with pytest.raises(A360FormatError, match="conversion_date is missing"):
        list(connect(sandbox).conversions(example.MAIN_FLOW))


def test_a_row_without_an_id_is_an_error(sandbox):
    sandbox.answer_next(f"{FLOW}/conversions/list", body={"total": 1, "items": [{"conversion_date": "2026-11-02"}]})
    with pytest.raises(A360FormatError, match="conversion_id is missing"):
        list(connect(sandbox).conversions(example.MAIN_FLOW))


def test_flags_are_booleans(sandbox):
    rows = [{"id": 1, "is_spam": 0, "is_unsubscribe": "1"}, {"id": 2, "is_spam": True, "is_unsubscribe": None}]
    sandbox.answer_next("/a360/stats/email/", body={"data": rows, "total": 2})
    found = list(connect(sandbox).contacts(1, "email"))
    assert [(row.is_spam, row.is_unsubscribe) for row in found] == [(False, True), (True, None)]


def test_the_price_of_an_sms_is_json(sandbox):
    rows = [{"id": 1, "price": {"USD": "0.07900", "EUR": "0.06400"}, "cur": "USD"}, {"id": 2, "price": []}]
    sandbox.answer_next("/a360/stats/sms/", body={"data": rows, "total": 2})
    first, second = connect(sandbox).contacts(1, "sms")
    assert (first.price, first.currency, second.price) == ('{"EUR":"0.06400","USD":"0.07900"}', "USD", "[]")


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (0, 0),
        ("0", 0),
        (3, 3),
        ("3", 3),
        (None, None),
        ("", None),
        ("none", None),
        (True, None),
        ([], None),
        ({}, None),
    ],
)
def test_in_queue_is_a_number_or_null_and_never_an_error(sandbox, sent, read):
    sandbox.answer_next(FLOW, body={"autoresponder": {"id": example.MAIN_FLOW}, "flows": [], "in_queue": sent})
    assert connect(sandbox).flow(example.MAIN_FLOW).in_queue == read


def test_a_flow_of_another_status_and_elements_of_another_type_pass_through(sandbox):
    body = {
        "autoresponder": {"id": example.MAIN_FLOW, "name": 5, "status": "8", "colour": "red"},
        "flows": {"1": {"id": "1", "af_type": "webhook", "task": []}, "4": {"id": 2, "af_type": None, "task": None}},
    }
    sandbox.answer_next(FLOW, body=body)
    details = connect(sandbox).flow(example.MAIN_FLOW)
    assert (details.flow.status, details.flow.name, details.flow.extra) == (8, "5", '{"colour":"red"}')
    assert [(element.id, element.type, element.name) for element in details.elements] == [
        (1, "webhook", None),
        (2, None, None),
    ]
    assert details.in_queue is None


@pytest.mark.parametrize("task", [{"message_title": "A subject"}, {"title": "A title"}, {"name": "A name"}])
def test_an_elements_name_comes_from_its_task(sandbox, task):
    body = {"autoresponder": {"id": 1}, "flows": [{"id": 4, "af_type": "email", "task": task}]}
    sandbox.answer_next(FLOW, body=body)
    assert connect(sandbox).flow(example.MAIN_FLOW).elements[0].name == next(iter(task.values()))


def test_empty_arrays_stand_for_empty_objects(sandbox):
    sandbox.answer_next(
        f"{FLOW}/conversions", body={"data": {"total_conversions": "0", "maintrigger": [], "goals": []}}
    )
    answer = connect(sandbox).conversion_totals(example.MAIN_FLOW)
    assert (answer.total_conversions, answer.maintrigger, answer.goals) == (0, None, [])
    sandbox.answer_next(f"{FLOW}/group-stat-filtered", body={"data": []})
    assert connect(sandbox).flow_stats(example.MAIN_FLOW, "2026-11-02") == {}


def test_a_flows_statistics_have_numbers_where_the_service_sends_digits(sandbox):
    sent = {
        "starts": "22", "rate": "12.50", "minus": "-3", "zero": "0", "sent": 7, "none": None, "empty": "",
        "since": "2026-11-02 10:00:00", "code": "007", "long": "1" * 30, "exponent": "1e5", "spaced": " 1 ",
        "name": "2026", "flow_name": "5", "phone": "12025550123", "phones": {"first": "1"},
        "elements": [{"id": "4", "title": "7", "counts": ["1", "x"]}],
    }  # fmt: skip
    sandbox.answer_next(f"{FLOW}/group-stat-filtered", body={"data": sent})
    assert connect(sandbox).flow_stats(example.MAIN_FLOW, "2026-11-02") == sent | {
        "starts": 22, "minus": -3, "zero": 0, "elements": [{"id": 4, "title": "7", "counts": [1, "x"]}],
    }  # fmt: skip


@pytest.mark.parametrize("element_type", sorted(ELEMENT_TYPES.keys() - {"messenger"}))
def test_each_element_types_contacts_have_their_own_type(sandbox, element_type):
    """The records have the type that an editor shows for `contacts(…, "email")`."""
    hints = [typing.get_type_hints(overload) for overload in typing.get_overloads(A360Client.contacts)]
    (shown,) = [hint["return"] for hint in hints if element_type in typing.get_args(hint["element_type"])]
    sandbox.answer_next("/a360/stats", body={"data": [{"id": 1}], "total": 1})
    (contact,) = connect(sandbox).contacts(1, element_type)
    assert shown == Listing[type(contact)]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("text", ": the response has a str, not rows under 'items' or 'data'"),
        (7, ": the response has a int, not rows under 'items' or 'data'"),
        ({"data": "text"}, ": the response has a str, not rows under"),
        ({"data": {"x": 1}}, ": the response has an object with the keys x, not rows under"),
        ({"rows": [], "total": 0}, ": the response has an object with the keys rows, total, not rows under"),
        ({}, ": the response has an object with the keys .none., not rows under"),
        ({"data": [1]}, " is a int, not an object"),
        ({"data": [["a"]]}, " is a list, not an object"),
    ],
)
def test_a_list_in_an_unknown_form_is_an_error(sandbox, body, named):
    sandbox.answer_next("/a360/autoresponders/list", body=json.dumps(body))
    with pytest.raises(A360FormatError, match=f"The list of flows{named}"):
        list(connect(sandbox).flows())


@pytest.mark.parametrize(
    ("body", "named"),
    [
        *((body, "a str") for body in ({"data": "text"}, "text")),
        *((body, "a int") for body in ({"data": [1]}, 7, [1])),
        ([{"sent": 1}, {"sent": 2}], "a list"),
        ({"data": {"last_send": "2020-10-13"}}, "an object with the keys last_send"),
    ],
)
def test_statistics_in_an_unknown_form_are_an_error(sandbox, body, named):
    sandbox.answer_next("/a360/stats/", body=json.dumps(body))
    with pytest.raises(A360FormatError, match=f"Element 1: statistics: the response has {named}, not any of the field"):
        connect(sandbox).element_stats(1, "email")


def test_a_list_may_have_no_wrapper(sandbox):
    for rows in ([{"id": 4, "name": "Four"}], []):
        sandbox.answer_next("/a360/autoresponders/list", body=rows)
    assert [flow.id for flow in connect(sandbox).flows()] == [4]


def test_numbers_become_text_as_their_digits():
    assert [values.text(value, "") for value in (12025550123, 1.5, None, "", True, [1])] == [
        "12025550123", "1.5", None, "", "true", "[1]",
    ]  # fmt: skip
