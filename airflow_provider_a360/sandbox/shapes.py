"""Response bodies with flows, statistics and conversion counts, one function for each sample in the documentation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import to_builtins

from airflow_provider_a360.sandbox.flow import Conversion, Element, Flow
from airflow_provider_a360.sandbox.spans import ALWAYS, Span

Json = dict[str, Any]

# In the documented sample, a flow was created at 11:06:25 and its elements at 14:06:25.
_ELEMENTS_CLOCK = timedelta(hours=3)

_DATES = {
    "last_send", "sent_date", "delivered_date", "open_date", "redirect_date", "execution_date", "conversion_date",
    "start_date", "created", "changed", "updated",
}  # fmt: skip
_BRANCHES = ("executed", "positive", "negative", "stopped")

_TOTAL_COUNTERS: dict[str, tuple[str, ...]] = {
    "maintrigger": ("executed", "deleted"),
    "filter": _BRANCHES,
    "trigger": _BRANCHES,
    "goal": ("executed",),
    "action": ("executed",),
    "sms": ("executed", "sent", "delivered", "errors"),
    "email": ("sent", "errors", "opened", "clicked", "marked_as_spam", "unsubscribed", "delivered"),
    "push": ("sent", "delivered", "clicked", "errors"),
    "messenger": ("executed", "sent"),
}

_PLAIN_COUNTERS: dict[str, tuple[str, ...]] = {
    **_TOTAL_COUNTERS,
    "email": ("sent", "delivered", "opened", "clicked", "errors", "unsubscribed", "marked_as_spam"),
    "goal": ("executed", "sent", "delivered", "opened", "clicked", "errors"),
    "sms": ("executed", "sent", "delivered", "opened", "clicked", "errors"),
}


def counters_of(element: Element) -> tuple[str, ...]:
    """Return the counters of an element in `total-stats` and in filtered statistics.

    :param element: the element
    :return: the names of its counters, as in `COUNTERS`
    """
    return _TOTAL_COUNTERS.get(element.type, ("executed",))


def format_date(at: datetime | None) -> str | None:
    """Format a time like the service: `2020-06-23 11:06:25`, in UTC.

    :param at: an aware time in UTC
    :return: the text; None if there is no time
    """
    return None if at is None else str(to_builtins(at))[:19].replace("T", " ")


def replace_missing_dates(body: Any, text: str) -> Any:
    """Replace the missing dates of a response, like PHP, which can write a missing date as zeros.

    :param body: the response body
    :param text: the text that replaces a missing date
    :return: the body with the text in place of missing dates
    """
    if isinstance(body, dict):
        return {
            name: text if value is None and name in _DATES else replace_missing_dates(value, text)
            for name, value in body.items()
        }
    return [replace_missing_dates(value, text) for value in body] if isinstance(body, list) else body


def flow_in_list(flow: Flow) -> Json:
    """Return a flow of `autoresponders/list`.

    :param flow: the flow
    :return: the row
    """
    main_data = {
        "id": flow.id,
        "type": "series",
        "automation_name": flow.name,
        "address_book_id": "0",
        "sender_email_id": "120575",
        "sender_email_address": "shop@example.com",
        "sender_email_name": "Shop",
        "sent_time_hour": "14",
        "sent_time_min": "10",
        "utm_term": "",
        "utm_content": "",
        "utm_campaign": "",
        "utm_source": "SendPulse",
        "utm_medium": "email",
        "task_lang": "en",
        "aWeekDays": [1] * 7,
    }
    return {
        "id": flow.id,
        "name": flow.name,
        "status": flow.status,
        "main_data": main_data,
        "created": format_date(flow.created),
        "changed": format_date(flow.changed),
    }


def _head(flow: Flow) -> Json:
    return {
        "id": flow.id,
        "name": flow.name,
        "status": flow.status,
        "created": format_date(flow.created),
        "changed": format_date(flow.changed),
    }


def _created(element: Element) -> str | None:
    return format_date(element.created + _ELEMENTS_CLOCK)


def _task(element: Element) -> Json | None:
    task: Json = {"id": 12_000_000 + element.id}
    if element.type == "email":
        task |= {
            "address_book_id": 0,
            "message_title": element.name,
            "sender_mail_address": "shop@example.com",
            "sender_mail_name": "Shop",
        }
    elif element.type == "push":
        icon = f"/files/push/7023639/tasks/{task['id']}/icons/577416720c24.png"
        task |= {
            "website_id": 14699,
            "title": element.name,
            "body": "Hello",
            "icon": icon,
            "url_for_click": "https://example.com",
        }
    elif element.type == "sms":
        task |= {"address_book_id": 0, "sms_body": element.name, "sms_sender_name": "Shop"}
    else:
        return None
    return {**task, "created": _created(element)}


def flow_detail(flow: Flow) -> Json:
    """Return the body of `autoresponders/{ID}`. It has no outer `data`, and no deleted elements.

    :param flow: the flow
    :return: the body
    """
    elements = [
        {
            "id": element.id,
            "main_id": flow.id,
            "af_type": element.type,
            "created": _created(element),
            "last_send": format_date(element.last()),
            "task": _task(element),
        }
        for element in flow.elements
        if not element.deleted
    ]
    return {
        "autoresponder": _head(flow),
        "flows": elements,
        "starts": flow.starts(),
        "in_queue": flow.in_queue,
        "end_count": max(0, flow.starts() - flow.in_queue),
        "send_messages": flow.messages(),
        "conversions": len(flow.conversions),
    }


def flow_filtered(flow: Flow, span: Span, conversions: int) -> Json:
    """Return the `data` of `autoresponders/{ID}/group-stat-filtered`. The documentation doesn't show this response.

    :param flow: the flow
    :param span: the span of the filter
    :param conversions: the number of conversions in the span
    :return: the counts as strings
    """
    return {
        "starts": str(flow.starts(span)),
        "send_messages": str(flow.messages(span)),
        "conversions": str(conversions),
    }


def total_stats(flow: Flow, elements: Iterable[Element]) -> Json:
    """Return the body of `total-stats`. It has no outer `data`, and the errors of an e-mail are called `error`.

    :param flow: the flow
    :param elements: the elements of the flow to include
    :return: the body, with counts as numbers
    """
    rows = []
    for element in elements:
        counters = counters_of(element)
        counts = {
            "error" if (element.type, name) == ("email", "errors") else name: element.count(name) for name in counters
        }
        rows.append({"type": element.type, "flow_id": element.id, **counts, "last_send": format_date(element.last())})
    return {"autoresponder": _head(flow), "flows": rows}


def element_stats(element: Element) -> Json:
    """Return the `data` of an element's `group-stat`.

    :param element: the element
    :return: the counts as numbers
    """
    counts: Json = {name: element.count(name) for name in _PLAIN_COUNTERS.get(element.type, ("executed",))}
    if element.type == "goal":
        counts["delivered"] = counts["executed"]
    if element.type in {"goal", "sms"}:
        counts |= {"opened": None, "clicked": None}
    task = {"task": _task(element)} if element.type == "email" else {}
    last_send = {} if element.type == "maintrigger" else {"last_send": format_date(element.last())}
    return {"flow_id": element.id, **task, **counts, **last_send}


def element_filtered(element: Element, span: Span) -> Json:
    """Return the `data` of an element's `group-stat-filtered`.

    :param element: the element
    :param span: the span of the filter
    :return: the counts as strings; for "Filter" and "Condition" as numbers, like the documented samples
    """
    counters = counters_of(element)
    if element.type in {"filter", "trigger"}:
        # The documentation: "Statistics on the executed and last_send parameters are given for the entire time."
        counts = {name: element.count(name, ALWAYS if name == "executed" else span) for name in counters}
        return {"flow_id": element.id, **counts, "last_send": format_date(element.last())}
    return {**{name: str(element.count(name, span)) for name in counters}, "last_send": format_date(element.last(span))}


def conversion_summary(flow: Flow, rows: Sequence[Conversion], goals: list[Element]) -> Json:
    """Return the `data` of a flow's `conversions`, the counts of its conversions.

    :param flow: the flow
    :param rows: the conversions to count
    :param goals: the goals to show: all, or one page of them
    :return: the counts as numbers
    """
    by_type = Counter(row.conversion_type for row in rows)
    by_element = Counter(row.element_id for row in rows)

    def shown(element: Element, **more: Any) -> Json:
        head = {"id": element.id, "main_id": flow.id, "af_type": element.type, "created": _created(element)}
        return {**head, **more, "conversions": by_element[element.id]}

    start = flow.main_trigger
    return {
        "total_conversions": len(rows),
        "maintrigger_conversions": by_type["maintrigger"],
        "goal_conversions": by_type["goal"],
        # PHP writes an object without members as an empty array.
        "maintrigger": shown(start, last_send=format_date(start.last())) if start else [],
        "goals": [shown(goal, name=goal.name) for goal in goals],
    }
