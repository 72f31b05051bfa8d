"""The sandbox's responses have the same keys and types as every sample in the documentation."""

from datetime import date
from typing import Any

import pytest

FILTER = {
    "filter": '{"type":"group","expression":"and","fields":{'
    '"send_date_from":{"name":"user_stat_date","expression":"gte","value":"2026-11-01"},'
    '"send_date_to":{"name":"user_stat_date","expression":"lte","value":"2026-11-07"}}}'
}
PAGE = {"limit": 10, "offset": 0}
FLOW = "/autoresponders/292692"

# These may be null although the sample has a value. The documentation says when for most of them.
NULLABLE = {"email", "email_b64", "phone", "last_send", "open_date", "redirect_date", "delivered_date"}

HEAD = {
    "id": 292692,
    "name": "New automation 2020-11-23",
    "status": 1,
    "created": "2020-11-23 08:42:47",
    "changed": "2020-11-23 08:42:47",
}
EMAIL_TASK = {
    "id": 12018943,
    "address_book_id": 0,
    "message_title": "Thank you for the order, 7136062",
    "sender_mail_address": "shop@example.com",
    "sender_mail_name": "smtp_test",
    "created": "2020-06-23 14:06:25",
}
PUSH_TASK = {
    "id": 3016415,
    "website_id": 14699,
    "title": "push_title",
    "body": "push_text",
    "icon": "/files/push/7023639/tasks/3016415/icons/577416720c24.png",
    "url_for_click": "https://google.com",
    "created": "2020-07-09 15:40:12",
}
SMS_TASK = {
    "id": 12110431,
    "address_book_id": 0,
    "sms_body": "sms_text",
    "sms_sender_name": "Bakler",
    "created": "2020-07-09 15:48:22",
}
CONTACT = {
    "email": "EMAIL",
    "email_b64": "BASE64 EMAIL",
    "phone": 0,
    "event_id": "dcf8e501483f4582fdb76a1831a74477",
    "execution_date": "2020-04-09 11:17:44",
}
BRANCHES = {"flow_id": 1, "executed": 2, "positive": 1, "negative": 1, "stopped": 1, "last_send": "2020-04-09 11:17:44"}
SMS_AND_GOAL = {
    "flow_id": 1,
    "executed": 2,
    "sent": 2,
    "delivered": 2,
    "opened": None,
    "clicked": None,
    "errors": 0,
    "last_send": "2020-04-09 11:17:44",
}
CONVERSIONS = {
    "total": 5,
    "items": [
        {
            "id": 40941,
            "conversion_type": "maintrigger",
            "flow_id": 233500,
            "email": "m.jim@example.com",
            "phone": "PHONE",
            "conversion_date": "2020-04-28 18:13:53",
            "start_date": "2020-04-28 18:13:44",
        }
    ],
}
GOAL = {
    "id": 233502,
    "name": "left",
    "main_id": 127820,
    "af_type": "goal",
    "created": "2020-04-28 18:00:09",
    "conversions": 3,
}
SUMMARY = {
    "data": {
        "total_conversions": 5,
        "maintrigger_conversions": 1,
        "goal_conversions": 4,
        "maintrigger": {
            "id": 233500,
            "main_id": 127820,
            "af_type": "maintrigger",
            "created": "2020-04-28 18:00:09",
            "last_send": "2020-04-28 18:13:44",
            "conversions": 1,
        },
        "goals": [GOAL, GOAL],
    }
}

SAMPLES: dict[str, tuple[str, dict[str, Any], Any]] = {
    "flow list": (
        "/autoresponders/list",
        {},
        {
            "data": [
                {
                    "id": 2091,
                    "name": "asas",
                    "status": 0,
                    "main_data": {
                        "id": 2091,
                        "type": "series",
                        "automation_name": "asas",
                        "address_book_id": "120036",
                        "sender_email_id": "120575",
                        "sender_email_address": "sender@example.com",
                        "sender_email_name": "Sender",
                        "sent_time_hour": "14",
                        "sent_time_min": "10",
                        "utm_term": "",
                        "utm_content": "",
                        "utm_campaign": "",
                        "utm_source": "SendPulse",
                        "utm_medium": "email",
                        "task_lang": "ru",
                        "aWeekDays": [1, 1, 1, 1, 1, 1, 1],
                    },
                    "created": "2015-12-23 12:11:51",
                    "changed": "2015-12-23 12:11:51",
                }
            ]
        },
    ),
    "conversions": (f"{FLOW}/conversions", {}, SUMMARY),
    "conversions, filtered": (f"{FLOW}/conversions/group-stat-filtered", FILTER, SUMMARY),
    "list, all": (f"{FLOW}/conversions/list/all", PAGE, CONVERSIONS),
    "list, maintrigger": (f"{FLOW}/conversions/list/maintrigger", PAGE, CONVERSIONS),
    "list, goal": (f"{FLOW}/conversions/list/goal", PAGE, CONVERSIONS),
    "list, one goal": (f"{FLOW}/conversions/list/goal/641435", PAGE, CONVERSIONS),
    "list, all, filtered": (f"{FLOW}/conversions/list/all/group-stat-filtered", PAGE | FILTER, CONVERSIONS),
    "list, maintrigger, filtered": (
        f"{FLOW}/conversions/list/maintrigger/group-stat-filtered",
        PAGE | FILTER,
        CONVERSIONS,
    ),
    "list, goals, filtered": (f"{FLOW}/conversions/list/goals/group-stat-filtered", PAGE | FILTER, CONVERSIONS),
    "list, one goal, filtered": (
        f"{FLOW}/conversions/list/goal/641435/group-stat-filtered",
        PAGE | FILTER,
        CONVERSIONS,
    ),
    "main-trigger": (
        "/stats/main-trigger/641433/group-stat",
        {},
        {"data": {"flow_id": 1, "executed": 1, "deleted": 0}},
    ),
    "main-trigger, filtered": (
        "/stats/main-trigger/641433/group-stat-filtered",
        FILTER,
        {"data": {"executed": "22", "deleted": "1", "last_send": "2020-10-13 07:28:28"}},
    ),
    "main-trigger's contacts": (
        "/stats/main-trigger/641433/addresses",
        PAGE,
        {"data": [{"flow_id": 1, **CONTACT, "phone": "subscriber's phone"}], "total": 1},
    ),
    "email": (
        "/stats/email/641438/group-stat",
        {},
        {
            "data": {
                "flow_id": 467511,
                "task": EMAIL_TASK,
                "sent": 16,
                "delivered": 16,
                "opened": 16,
                "clicked": 0,
                "errors": 0,
                "unsubscribed": 0,
                "marked_as_spam": 0,
                "last_send": "2020-06-25 17:05:41",
            }
        },
    ),
    "email, filtered": (
        "/stats/email/641438/group-stat-filtered",
        FILTER,
        {
            "data": {
                "sent": "10",
                "errors": "0",
                "opened": "9",
                "clicked": "10",
                "marked_as_spam": "0",
                "unsubscribed": "0",
                "delivered": "0",
                "last_send": "2020-10-13 07:29:07",
            }
        },
    ),
    "email's contacts": (
        "/stats/email/641438/addresses",
        PAGE,
        {
            "data": [
                {
                    "id": 151880841,
                    "email": "EMAIL",
                    "email_b64": "BASE64 EMAIL",
                    "event_id": "dcf8e501483f4582fdb76a1831a74477",
                    "delivered_status": 1,
                    "delivered_status_description": "sent",
                    "is_spam": 0,
                    "is_unsubscribe": 0,
                    "phone": 0,
                    "sent_date": "2020-04-09 11:17:43",
                    "delivered_date": "2020-04-09 11:17:47",
                    "open_date": "2020-04-09 11:17:47",
                    "redirect_date": "2020-04-09 11:17:47",
                    "updated": "2020-04-09 11:17:47",
                }
            ],
            "total": 1,
        },
    ),
    "push": (
        "/stats/push/641439/group-stat",
        {},
        {
            "data": {
                "flow_id": 1,
                "sent": 9,
                "delivered": 3,
                "clicked": 6,
                "errors": 0,
                "last_send": "2020-02-28 12:18:23",
            }
        },
    ),
    "push, filtered": (
        "/stats/push/641439/group-stat-filtered",
        FILTER,
        {"data": {"sent": "10", "delivered": "0", "clicked": "9", "errors": "10", "last_send": "2020-10-13 07:29:07"}},
    ),
    "push's contacts": (
        "/stats/push/641439/addresses",
        PAGE,
        {
            "data": [
                {
                    "id": 424633,
                    "email": "EMAIL",
                    "email_b64": "BASE64 EMAIL",
                    "event_id": "3cc000ab9cff4d41f9fc8d025be2b766",
                    "phone": 0,
                    "status": 0,
                    "is_sent": 1,
                    "is_delivered": 0,
                    "is_redirected": 0,
                    "sent_date": "2020-02-28 12:18:23",
                }
            ],
            "total": 1,
        },
    ),
    "sms": ("/stats/sms/641437/group-stat", {}, {"data": SMS_AND_GOAL}),
    "sms's contacts": (
        "/stats/sms/641437/addresses",
        PAGE,
        {
            "data": [
                {
                    "id": 2214741,
                    "phone": 0,
                    "status": 2,
                    "event_id": "dcf8e501483f4582fdb76a1831a74477",
                    "sender": "sendpulse",
                    "body": "BODY",
                    "price": dict.fromkeys(
                        ("USD", "RUR", "UAH", "EUR", "GBP", "BRL", "BYN", "KZT", "MXN", "CLP", "NGN"), "0.07900"
                    ),
                    "cur": "USD",
                    "email": "EMAIL",
                    "sent_date": "2020-04-09 11:17:44",
                }
            ],
            "total": 1,
        },
    ),
    "messenger": (
        "/stats/messenger/641440/group-stat",
        {},
        {"data": {"flow_id": 234728, "executed": 7, "sent": 7, "last_send": "2021-02-02 14:41:51"}},
    ),
    "messenger, filtered": (
        "/stats/messenger/641440/group-stat-filtered",
        FILTER,
        {"data": {"sent": "8", "executed": "8", "last_send": "2021-02-02 14:41:51"}},
    ),
    # The samples of these two lack positive, negative and stopped, but the note below them describes these.
    "filter": ("/stats/filter/641434/group-stat", {}, {"data": BRANCHES}),
    "filter, filtered": ("/stats/filter/641434/group-stat-filtered", FILTER, {"data": BRANCHES}),
    "condition": ("/stats/trigger/641441/group-stat", {}, {"data": BRANCHES}),
    "condition, filtered": ("/stats/trigger/641441/group-stat-filtered", FILTER, {"data": BRANCHES}),
    "filter's contacts": ("/stats/flow-operator/641434/addresses", PAGE, {"data": [CONTACT], "total": 1}),
    "condition's contacts": ("/stats/flow-operator/641441/addresses", PAGE, {"data": [CONTACT], "total": 1}),
    "goal": ("/stats/goal/641435/group-stat", {}, {"data": SMS_AND_GOAL}),
    "goal, filtered": (
        "/stats/goal/641435/group-stat-filtered",
        FILTER,
        {"data": {"executed": "4", "last_send": "2020-10-06 13:38:56"}},
    ),
    "goal's contacts": ("/stats/flow-operator/641435/addresses", PAGE, {"data": [CONTACT], "total": 1}),
    "action": (
        "/stats/action/641436/group-stat",
        {},
        {"data": {"flow_id": 1, "executed": 2, "last_send": "2020-04-09 11:17:44"}},
    ),
    "action, filtered": (
        "/stats/action/641436/group-stat-filtered",
        FILTER,
        {"data": {"executed": "5", "last_send": "2020-10-18 12:36:38"}},
    ),
    "action's contacts": ("/stats/flow-operator/641436/addresses", PAGE, {"data": [CONTACT], "total": 1}),
}


def shape(value: Any, sample: Any, name: str = "") -> None:
    """Assert that a value has the same keys and types as a sample, at every level."""
    if value is None and (name in NULLABLE or sample is None):
        return
    assert type(value) is type(sample), f"{name}: {value!r}, in the sample {sample!r}"
    if isinstance(sample, dict):
        assert set(value) == set(sample), name
        for key, member in sample.items():
            shape(value[key], member, key)
    elif isinstance(sample, list):
        assert value, f"{name}: an empty list shows no shape"
        for index, member in enumerate(value):
            shape(member, sample[min(index, len(sample) - 1)], name)
    elif isinstance(sample, str) and sample[:2] == "20":
        assert len(value) == len("2020-11-23 08:42:47"), f"{name}: {value!r}"
        date.fromisoformat(value[:10])


@pytest.mark.parametrize("name", SAMPLES)
def test_a_documented_sample(call, name):
    path, query, sample = SAMPLES[name]
    shape(call.data(path, **query), sample)


def test_a_flow_has_no_wrapper_and_lists_its_elements_with_their_tasks(call):
    answer = call.data(FLOW)
    elements = answer.pop("flows")
    shape(
        answer,
        {"autoresponder": HEAD, "starts": 18, "in_queue": 0, "end_count": 18, "send_messages": 16, "conversions": 0},
    )
    tasks = {"email": EMAIL_TASK, "push": PUSH_TASK, "sms": SMS_TASK}
    for element in elements:
        sample = {
            "id": 1,
            "main_id": 292692,
            "af_type": "email",
            "created": "2020-06-23 14:06:25",
            "last_send": "2020-06-25 17:05:41",
        }
        shape(element, sample | {"task": tasks.get(element["af_type"])})
        assert element["main_id"] == 292692
    assert {element["af_type"] for element in elements} == {
        "maintrigger",
        "filter",
        "goal",
        "action",
        "sms",
        "email",
        "push",
        "messenger",
        "trigger",
    }


def test_elements_are_created_three_hours_after_their_flow_as_in_the_sample(call):
    answer = call.data(FLOW)
    assert answer["autoresponder"]["created"][11:] == "08:42:47"
    assert {element["created"][11:] for element in answer["flows"]} == {"11:42:47"}


def test_total_stats_has_no_wrapper_and_calls_the_errors_of_an_email_error(call):
    samples = {
        "maintrigger": {"executed": 3, "deleted": 0},
        "filter": {"executed": 3, "positive": 1, "negative": 1, "stopped": 1},
        "goal": {"executed": 1},
        "action": {"executed": 1},
        "sms": {"executed": 1, "sent": 0, "delivered": 0, "errors": 0},
        "email": {
            "sent": 3,
            "error": 0,
            "opened": 0,
            "clicked": 0,
            "marked_as_spam": 0,
            "unsubscribed": 0,
            "delivered": 3,
        },
        "push": {"sent": 0, "delivered": 0, "clicked": 0, "errors": 0},
    }
    answer = call.data(f"{FLOW}/total-stats")
    shape(answer["autoresponder"], HEAD)
    assert set(answer) == {"autoresponder", "flows"}
    seen = set()
    for row in answer["flows"]:
        seen.add(row["type"])
        if row["type"] in samples:
            shape(row, {"type": "sms", "flow_id": 641437, "last_send": "2020-11-23 10:52:00"} | samples[row["type"]])
    assert set(samples) <= seen


def test_a_bound_of_the_filter_may_be_left_out(call):
    path = f"{FLOW}/conversions/list/all/group-stat-filtered"
    first, last = date(2026, 11, 3), date(2026, 11, 5)
    total = {
        name: call.data(path, **PAGE, filter=call.days(*bounds))["total"]
        for name, bounds in {"both": (first, last), "from": (first, None), "to": (None, last)}.items()
    }
    assert total["from"] + total["to"] - total["both"] == call.data(f"{FLOW}/conversions/list/all", **PAGE)["total"]
    assert 0 < total["both"] < min(total["from"], total["to"])


def test_delete_log(serve):
    call = serve()
    logs = call.sandbox.account.event_logs
    url = f"{call.sandbox.url}/a360/events/delete-log"
    email = next(log.email for log in logs if log.email)
    phone = next(log.phone for log in logs if log.phone and log.email != email)
    answer = call.session.post(url, json={"email": email})
    assert (answer.status_code, answer.json()) == (200, {"result": True, "message": "Ok"})
    assert logs
    assert email not in {log.email for log in logs}
    before = len(logs)
    call.session.post(url, data={"event_id": "77", "phone": phone})
    assert len(logs) == before, "all given values must match"
    call.session.post(url, data={"event_id": "5501", "phone": phone})
    assert phone not in {log.phone for log in logs}
    call.session.post(url, json={"event_id": 5501})
    assert logs == []
    refused = call.session.post(url, json={})
    assert refused.status_code == 400
    assert refused.json()["type"] == "validation_error"


def test_the_documented_validation_error(call):
    answer = call.get(f"{FLOW}/conversions/list/all")
    assert answer.status_code == 400
    assert answer.json() == {
        "type": "validation_error",
        "messages": {"limit": ["The limit field is required."], "offset": ["The offset field is required."]},
    }
