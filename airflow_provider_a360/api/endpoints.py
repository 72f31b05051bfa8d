"""The paths, element types, conversion kinds and status codes of the service's documentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from airflow_provider_a360.api.errors import A360ConfigError

FLOWS = "/a360/autoresponders/list"
FLOW = "/a360/autoresponders/{flow_id}"
FLOW_FILTERED = "/a360/autoresponders/{flow_id}/group-stat-filtered"
ELEMENT_TOTALS = "/a360/autoresponders/{flow_id}/total-stats"
ELEMENT_STATS = "/a360/stats/{path}/{element_id}/group-stat"
ELEMENT_STATS_FILTERED = "/a360/stats/{path}/{element_id}/group-stat-filtered"
CONTACTS = "/a360/stats/{path}/{element_id}/addresses"
CONVERSION_TOTALS = "/a360/autoresponders/{flow_id}/conversions"
CONVERSION_TOTALS_FILTERED = "/a360/autoresponders/{flow_id}/conversions/group-stat-filtered"
CONVERSIONS = "/a360/autoresponders/{flow_id}/conversions/list/{kind}"
CONVERSIONS_FILTERED = "/a360/autoresponders/{flow_id}/conversions/list/{kind}/group-stat-filtered"
DELETE_EVENT_LOGS = "/a360/events/delete-log"


@dataclass(frozen=True, slots=True)
class ElementType:
    """An element type.

    :param name: its name in a flow's details.
    :param stats_path: its name in the paths of statistics.
    :param contacts_path: its name in the paths of contacts; None if the service lists none.
    """

    name: str
    stats_path: str
    contacts_path: str | None


_TYPES = (
    ElementType("maintrigger", "main-trigger", "main-trigger"),
    ElementType("email", "email", "email"),
    ElementType("push", "push", "push"),
    ElementType("sms", "sms", "sms"),
    # Missing in the documentation's lists of types. Its statistics are documented, a list of contacts isn't.
    ElementType("messenger", "messenger", None),
    ElementType("filter", "filter", "flow-operator"),
    ElementType("trigger", "trigger", "flow-operator"),
    ElementType("goal", "goal", "flow-operator"),
    ElementType("action", "action", "flow-operator"),
)
ELEMENT_TYPES = {kind.name: kind for kind in _TYPES}


def element_type(name: str) -> ElementType:
    """Return an element type.

    :param name: its name in a flow's details.
    :return: the element type.
    :raises A360ConfigError: if the documentation doesn't name it.
    """
    try:
        return ELEMENT_TYPES[name]
    except KeyError:
        known = ", ".join(ELEMENT_TYPES)
        raise A360ConfigError(f"element_type is {name!r}; it must be one of {known}.") from None


CONDITION = "trigger"
PRINTED_CONDITION_PATH = "email"
"""Where the documentation prints the filtered statistics of conditions; most likely a mistake for `trigger`."""

COUNTERS = frozenset(
    {"executed", "deleted", "positive", "negative", "stopped", "sent", "delivered", "opened", "clicked", "errors"}
    | {"error", "unsubscribed", "marked_as_spam"}
)
"""The service's names of counters; an object with one of them holds statistics."""
EMAIL_COUNTERS = COUNTERS - {"executed", "deleted", "positive", "negative", "stopped"}
CONVERSION_COUNTS = ("total_conversions", "maintrigger_conversions", "goal_conversions")

ConversionKind = Literal["all", "maintrigger", "goal"]
CONVERSION_KINDS: tuple[ConversionKind, ...] = ("all", "maintrigger", "goal")


def conversions_paths(flow_id: int, kind: ConversionKind, goal_id: int | None, *, filtered: bool) -> tuple[str, ...]:
    """Return the paths at which to look for a list of conversions, in this order.

    For the conversions by any goal there are two: the documentation prints `goal` without a filter and `goals` with
    one, and either may be a mistake.

    :param flow_id: the flow's id.
    :param kind: the kind of conversions.
    :param goal_id: one goal, or None.
    :param filtered: whether the request has a filter.
    :return: one path or two.
    """
    segments: tuple[str, ...] = (kind,)
    if goal_id is not None:
        segments = (f"goal/{goal_id}",)
    elif kind == "goal":
        segments = ("goals", "goal") if filtered else ("goal", "goals")
    template = CONVERSIONS_FILTERED if filtered else CONVERSIONS
    return tuple(template.format(flow_id=flow_id, kind=segment) for segment in segments)


EMAIL_STATUSES = {
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
}
PUSH_STATUSES = {0: "Sent", 1: "Unsubscribed"}
SMS_STATUSES = {
    0: "Sent",
    1: "Not delivered",
    2: "Delivered",
    3: "Incorrect or non-existent phone number",
    4: "Provider marked the message as spam",
    5: "Duplicate SMS: an identical message went to the same number less than 5 minutes before",
    6: "Message delivery timed out (up to 72 hours of waiting for delivery reports)",
    7: "Waiting for delivery reports",
    8: "Sending from an unregistered sender name",
    9: "The number has been blacklisted",
    10: "The message has stop words",
    11: "The message has a link",
}
FLOW_STATUSES = {0: "New", 1: "Active", 3: "Pause"}
PAUSED = 3
