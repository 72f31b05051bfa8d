"""The rows: their names, types and units, one place for each.

Dates and times are UTC, counters are whole numbers or null, and what the service sends beyond the fields named here is
kept in `extra`, as JSON.
"""

from __future__ import annotations

import functools
import itertools
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, ClassVar, TypeVar

import msgspec

from airflow_provider_a360.api import endpoints, values
from airflow_provider_a360.api.errors import A360FormatError


class Record(msgspec.Struct):
    """What all rows share. `SOURCES` says where a field has another name at the service; `DROPPED` names what is known
    and not kept.
    """

    SOURCES: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    DROPPED: ClassVar[frozenset[str]] = frozenset()


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

    A counter is null where its type has none, or where the service sent none. Flow, names and whether it has been
    deleted are the export's, and null outside of one.
    """

    SOURCES = {
        "flow_id": (),
        "flow_name": (),
        "element_id": ("flow_id",),
        "element_type": ("type",),
        "element_name": (),
        "deleted_element": (),
        "errors": ("errors", "error"),
    }
    DROPPED = frozenset({"task"})

    first_day: date | None
    last_day: date | None
    flow_id: int | None
    flow_name: str | None
    element_id: int
    element_type: str | None
    element_name: str | None
    """The e-mail's subject, the push's title, the goal's name."""
    deleted_element: bool | None
    """Whether the element has been deleted from the flow."""
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

R = TypeVar("R", bound=Record)


def record(kind: type[R], raw: Mapping[str, Any], place: str, **given: Any) -> R:
    """A row of `kind` from what the service sent; `given` fills fields that the service doesn't send.

    Raises: A360FormatError where a field that must be there is not, or is of another type.
    """
    return records(kind, [raw], place, **{name: [value] for name, value in given.items()})[0]


def records(kind: type[R], rows: Sequence[Mapping[str, Any]], place: str, **given: Sequence[Any]) -> list[R]:
    """A row of `kind` from each that the service sent; `given` fills columns that the service doesn't send.

    Column by column: most hold what they should, which is seen faster of all values than of each.

    Raises: A360FormatError, as `record` does.
    """
    plan, known = _plan(kind, tuple(given))
    nowhere = [None] * len(rows)
    columns: dict[str, Sequence[Any]] = {name: given.get(name, nowhere) for name in kind.__struct_fields__}
    for name, source, others, plain, coerce, required in plan:
        column = [raw.get(source) for raw in rows]
        for other in others:
            column = [raw.get(other) if value is None else value for raw, value in zip(rows, column, strict=True)]
        if set(map(type, column)) != {plain}:
            try:
                column = [coerce(value, name) for value in column]
            except A360FormatError as error:
                raise A360FormatError(f"{place}: {error}") from None
            if required and None in column:
                raise A360FormatError(f"{place}: {name} is missing.")
        columns[name] = column
    if known:
        has_email = map(bool, columns.get("email", nowhere))
        columns["extra"] = [
            None if known.issuperset(raw) else _extra(raw, known, has_email=mailed)
            for raw, mailed in zip(rows, has_email, strict=True)
        ]
    return list(itertools.starmap(kind, zip(*columns.values(), strict=True)))


def _extra(raw: Mapping[str, Any], known: frozenset[str], *, has_email: bool) -> str | None:
    unknown = {name: value for name, value in raw.items() if name not in known}
    # The same address once more, in base64: worth keeping only where the plain one is missing.
    if has_email or not unknown.get("email_b64"):
        unknown.pop("email_b64", None)
    return values.json_text(unknown) if unknown else None


Coerce = Callable[[Any, str], Any]
_COERCE: dict[type, Coerce] = {
    int: values.integer,
    str: values.text,
    datetime: values.moment,
    bool: values.flag,
}


_Step = tuple[str, str, list[str], type, Coerce, bool]


@functools.cache
def _plan(kind: type[Record], given: tuple[str, ...]) -> tuple[list[_Step], frozenset[str]]:
    """For each field that the service sends: its name, its name there and its other names there, its type, how to read
    what is of another, whether it must be there. And every name that this row holds or drops, if it keeps the rest.
    """
    plan: list[_Step] = []
    known = set(kind.DROPPED)
    for name, hint in typing.get_type_hints(kind).items():
        first, *others = kind.SOURCES.get(name, (name,)) or (None,)
        parts = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        if first and name != "extra" and name in kind.__struct_fields__ and parts[0] in _COERCE:
            known.update((first, *others))
            if name not in given:
                plan.append((name, first, others, parts[0], _COERCE[parts[0]], type(None) not in parts))
    keeps_rest = "extra" in kind.__struct_fields__ and "extra" not in given
    return plan, frozenset(known) if keeps_rest else frozenset()
