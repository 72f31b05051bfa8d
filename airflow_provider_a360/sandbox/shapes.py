"""The page's shapes: what an account holds, as the service prints it. One function for each sample of the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import to_builtins

from airflow_provider_a360.sandbox.flow import ALWAYS, Conversion, Element, Flow, Span

Json = dict[str, Any]

# The page's sample of a flow was created at 11:06:25 and its elements at 14:06:25.
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
    """An element's counters in `total-stats` (there as numbers) and in filtered statistics (there as strings)."""
    return _TOTAL_COUNTERS.get(element.type, ("executed",))


def format_date(at: datetime | None) -> str | None:
    """A date as the service prints it: GMT, `2020-06-23 11:06:25`."""
    return None if at is None else str(to_builtins(at))[:19].replace("T", " ")


def replace_missing_dates(body: Any, text: str) -> Any:
    """An answer in which every date that isn't there is printed as this text, as PHP prints its zero dates."""
    if isinstance(body, dict):
        return {
            name: text if value is None and name in _DATES else replace_missing_dates(value, text)
            for name, value in body.items()
        }
    return [replace_missing_dates(value, text) for value in body] if isinstance(body, list) else body


def flow_in_list(flow: Flow) -> Json:
    """A flow of `autoresponders/list`."""
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
    """`autoresponders/{ID}`, without a wrapper. Deleted elements are not in it."""
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
    """`autoresponders/{ID}/group-stat-filtered`: the flow's counts, as strings. The page doesn't show this answer."""
    return {
        "starts": str(flow.starts(span)),
        "send_messages": str(flow.messages(span)),
        "conversions": str(conversions),
    }


def total_stats(flow: Flow, elements: Iterable[Element]) -> Json:
    """`total-stats` of some of a flow's elements, without a wrapper: e-mail errors are `error` here."""
    rows = []
    for element in elements:
        counters = counters_of(element)
        counts = {
            "error" if (element.type, name) == ("email", "errors") else name: element.count(name) for name in counters
        }
        rows.append({"type": element.type, "flow_id": element.id, **counts, "last_send": format_date(element.last())})
    return {"autoresponder": _head(flow), "flows": rows}


def element_stats(element: Element) -> Json:
    """`group-stat` of an element: numbers."""
    counts: Json = {name: element.count(name) for name in _PLAIN_COUNTERS.get(element.type, ("executed",))}
    if element.type == "goal":
        counts["delivered"] = counts["executed"]
    if element.type in {"goal", "sms"}:
        counts |= {"opened": None, "clicked": None}
    task = {"task": _task(element)} if element.type == "email" else {}
    last_send = {} if element.type == "maintrigger" else {"last_send": format_date(element.last())}
    return {"flow_id": element.id, **task, **counts, **last_send}


def element_filtered(element: Element, span: Span) -> Json:
    """`group-stat-filtered` of an element: strings, and the page's exception for "Filter" and "Condition"."""
    counters = counters_of(element)
    if element.type in {"filter", "trigger"}:
        # "Statistics on the executed and last_send parameters are given for the entire time", says the page.
        counts = {name: element.count(name, ALWAYS if name == "executed" else span) for name in counters}
        return {"flow_id": element.id, **counts, "last_send": format_date(element.last())}
    return {**{name: str(element.count(name, span)) for name in counters}, "last_send": format_date(element.last(span))}


def conversion_summary(flow: Flow, rows: Sequence[Conversion], goals: list[Element]) -> Json:
    """`conversions` of a flow, counted from their rows; `goals`: those to show, which may be one page of them."""
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
        # PHP prints an object without members as an empty array.
        "maintrigger": shown(start, last_send=format_date(start.last())) if start else [],
        "goals": [shown(goal, name=goal.name) for goal in goals],
    }
