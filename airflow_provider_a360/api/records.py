"""The rows: their names, types and units, one place for each.

Dates and times are UTC, counters are whole numbers or null, and what the service sends beyond the fields named here is
kept in `extra`, as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, ClassVar

import msgspec

from airflow_provider_a360.api import endpoints


class _Hidden:
    def __repr__(self) -> str:
        return "<hidden>"


_HIDDEN = _Hidden()


class Record(msgspec.Struct):
    """What all rows share. `SOURCES` says where a field has another name at the service; `DROPPED` names what is known
    and not kept; `PRIVATE` names what may tell of a person, which no `repr` shows.
    """

    SOURCES: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    DROPPED: ClassVar[frozenset[str]] = frozenset()
    PRIVATE: ClassVar[frozenset[str]] = frozenset({"extra"})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return the fields as they may be shown; also for a console that would ask for them one by one."""
        values = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return [(name, _HIDDEN if name in self.PRIVATE and value is not None else value) for name, value in values]


class Flow(Record):
    """A flow ("Get a List of Automation Flows")."""

    id: int
    name: str | None
    status: int | None
    """0 new, 1 active, 3 paused; others occur (`endpoints.FLOW_STATUSES`)."""
    created: datetime | None
    changed: datetime | None
    extra: str | None


class Element(Record):
    """An element of a flow ("Get Statistics about an Automation Flow")."""

    SOURCES = {"type": ("af_type", "type")}
    DROPPED = frozenset({"main_id", "task"})

    id: int
    type: str | None
    """As in `endpoints.ELEMENT_TYPES`, or one that the page doesn't name."""
    name: str | None
    """The e-mail's subject or the push's title."""
    created: datetime | None
    """May be some hours off: on the service's page it is three hours later than the flow's."""
    last_send: datetime | None
    extra: str | None


class FlowDetails(Record):
    """A flow, its elements and where its contacts stand. A counter that is not a number is null here."""

    flow: Flow
    elements: list[Element]
    starts: int | None
    in_queue: int | None
    """Contacts who are still on their way through the flow."""
    end_count: int | None
    send_messages: int | None
    conversions: int | None


class ElementStats(Record):
    """An element's statistics, for all time or for a span of days ("Get Statistics about …").

    A counter is null where its type has none, or where the service sent none.
    """

    SOURCES = {"element_id": ("flow_id",), "element_type": ("type",), "errors": ("errors", "error")}
    DROPPED = frozenset({"task"})

    first_day: date | None
    last_day: date | None
    element_id: int
    element_type: str | None
    executed: int | None
    deleted: int | None
    """Subscribers deleted from the flow ("Start" element)."""
    positive: int | None
    """Filter and Condition, collected since 2020-11-30, as `negative` and `stopped` are."""
    negative: int | None
    stopped: int | None
    sent: int | None
    delivered: int | None
    opened: int | None
    clicked: int | None
    errors: int | None
    """The service calls it `error` in some answers."""
    unsubscribed: int | None
    marked_as_spam: int | None
    last_send: datetime | None
    extra: str | None


class ConversionCount(Record):
    """A way to convert and how often it was taken."""

    SOURCES = {"type": ("af_type",)}
    DROPPED = frozenset({"main_id"})

    id: int
    type: str | None
    name: str | None
    created: datetime | None
    last_send: datetime | None
    conversions: int | None
    extra: str | None


class ConversionTotals(Record):
    """How many conversions a flow had, by way ("Get the Flow Conversions List")."""

    total_conversions: int | None
    maintrigger_conversions: int | None
    goal_conversions: int | None
    maintrigger: ConversionCount | None
    goals: list[ConversionCount]


class Conversion(Record):
    """A contact who converted ("Get a List of the Contacts That Converted")."""

    SOURCES = {"conversion_id": ("id",), "element_id": ("flow_id",)}
    PRIVATE = frozenset({"email", "phone", "extra"})

    flow_id: int
    element_id: int | None
    """The goal or the main trigger. The service calls it `flow_id` here."""
    conversion_id: int
    conversion_type: str | None
    """`maintrigger` or `goal`."""
    email: str | None
    phone: str | None
    conversion_date: datetime
    start_date: datetime | None
    """When the contact entered the flow."""
    extra: str | None


class Contact(Record):
    """What the lists of contacts of all types share."""

    PRIVATE = frozenset({"email", "phone", "event_id", "sender", "body", "delivered_status_description", "extra"})

    email: str | None
    phone: str | None
    event_id: str | None
    """Identifier of the subscriber's launch; not the event number that deletes event logs."""
    extra: str | None


class TriggeredContact(Contact):
    """A contact of a main trigger, or one for whom a filter, Condition, goal or action was executed."""

    SOURCES = {"element_id": ("flow_id",)}

    element_id: int | None
    execution_date: datetime | None


class EmailContact(Contact):
    """A contact to whom an e-mail was sent."""

    id: int
    delivered_status: int | None
    delivered_status_meaning: str | None
    delivered_status_description: str | None
    is_spam: bool | None
    is_unsubscribe: bool | None
    sent_date: datetime | None
    delivered_date: datetime | None
    open_date: datetime | None
    """Null where the contact didn't open the e-mail."""
    redirect_date: datetime | None
    """Null where the contact clicked no link."""
    updated: datetime | None


class PushContact(Contact):
    """A contact to whom a push was sent."""

    id: int
    status: int | None
    status_meaning: str | None
    is_sent: bool | None
    is_delivered: bool | None
    is_redirected: bool | None
    sent_date: datetime | None


class SmsContact(Contact):
    """A contact to whom an SMS was sent."""

    SOURCES = {"currency": ("cur",)}

    id: int
    status: int | None
    status_meaning: str | None
    sender: str | None
    body: str | None
    price: str | None
    """JSON: the price by currency."""
    currency: str | None
    """The account's own."""
    sent_date: datetime | None


CONTACTS: dict[str, tuple[type[Contact], str, Mapping[int, str]]] = {
    "email": (EmailContact, "delivered_status", endpoints.EMAIL_STATUSES),
    "push": (PushContact, "status", endpoints.PUSH_STATUSES),
    "sms": (SmsContact, "status", endpoints.SMS_STATUSES),
}
"""By the segment of the contacts' path: the row, the field of its code, and what the codes mean."""
