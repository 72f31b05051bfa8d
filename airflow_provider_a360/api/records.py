"""The records: names, types and units of their fields.

Dates and times are UTC, counters are integers or None. `extra` holds the fields that the service sends and a record
doesn't have, as JSON.
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
    """Base class of the records."""

    SOURCES: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """The service's names of a field, if they differ."""
    DROPPED: ClassVar[frozenset[str]] = frozenset()
    """The service's fields that are known and not kept."""
    PRIVATE: ClassVar[frozenset[str]] = frozenset({"extra"})
    """Fields that may hold personal data: the repr hides them."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return the fields with personal data hidden, also for rich, which reads fields one by one without it."""
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
    """One of `endpoints.ELEMENT_TYPES`, or a type that the documentation doesn't name."""
    name: str | None
    """The subject of an e-mail or the title of a push."""
    created: datetime | None
    """Can be some hours off: in the documentation's sample, it is three hours later than the flow's."""
    last_send: datetime | None
    extra: str | None


class FlowDetails(Record):
    """A flow, its elements and its counters. A counter that isn't a number is None."""

    flow: Flow
    elements: list[Element]
    starts: int | None
    in_queue: int | None
    """Contacts who are still in the flow."""
    end_count: int | None
    send_messages: int | None
    conversions: int | None


class ElementStats(Record):
    """An element's statistics, for all time or for a period ("Get Statistics about …").

    A counter is None if the element's type has none, or the service sent none.
    """

    SOURCES = {"element_id": ("flow_id",), "element_type": ("type",), "errors": ("errors", "error")}
    DROPPED = frozenset({"task"})

    first_day: date | None
    last_day: date | None
    element_id: int
    element_type: str | None
    executed: int | None
    deleted: int | None
    """Subscribers deleted from the flow (main trigger)."""
    positive: int | None
    """Filters and conditions only, since 2020-11-30; so are `negative` and `stopped`."""
    negative: int | None
    stopped: int | None
    sent: int | None
    delivered: int | None
    opened: int | None
    clicked: int | None
    errors: int | None
    """The service calls it `error` in some responses."""
    unsubscribed: int | None
    marked_as_spam: int | None
    last_send: datetime | None
    extra: str | None


class ConversionCount(Record):
    """The main trigger or a goal, and how many conversions it had."""

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
    """How many conversions a flow had, in all and by goal ("Get the Flow Conversions List")."""

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
    """The id of the goal or the main trigger; the service calls it `flow_id`."""
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
    """Base class of the contacts of all element types."""

    PRIVATE = frozenset({"email", "phone", "event_id", "sender", "body", "delivered_status_description", "extra"})

    email: str | None
    phone: str | None
    event_id: str | None
    """The identifier of the subscriber's launch; not the number of an event that `delete_event_logs` takes."""
    extra: str | None


class TriggeredContact(Contact):
    """A contact of a main trigger, a filter, a condition, a goal or an action."""

    SOURCES = {"element_id": ("flow_id",)}

    element_id: int | None
    execution_date: datetime | None


class EmailContact(Contact):
    """A contact who was sent an e-mail."""

    id: int
    delivered_status: int | None
    delivered_status_meaning: str | None
    delivered_status_description: str | None
    is_spam: bool | None
    is_unsubscribe: bool | None
    sent_date: datetime | None
    delivered_date: datetime | None
    open_date: datetime | None
    """None if the contact didn't open the e-mail."""
    redirect_date: datetime | None
    """None if the contact didn't click a link."""
    updated: datetime | None


class PushContact(Contact):
    """A contact who was sent a push."""

    id: int
    status: int | None
    status_meaning: str | None
    is_sent: bool | None
    is_delivered: bool | None
    is_redirected: bool | None
    sent_date: datetime | None


class SmsContact(Contact):
    """A contact who was sent an SMS."""

    SOURCES = {"currency": ("cur",)}

    id: int
    status: int | None
    status_meaning: str | None
    sender: str | None
    body: str | None
    price: str | None
    """The price by currency, as JSON."""
    currency: str | None
    """The account's currency."""
    sent_date: datetime | None


CONTACTS: dict[str, tuple[type[Contact], str, Mapping[int, str]]] = {
    "email": (EmailContact, "delivered_status", endpoints.EMAIL_STATUSES),
    "push": (PushContact, "status", endpoints.PUSH_STATUSES),
    "sms": (SmsContact, "status", endpoints.SMS_STATUSES),
}
"""For each segment of the contacts' path: the record, its field with a status code, and the meanings of the codes."""
