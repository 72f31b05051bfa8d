"""The contents of an account: flows, their elements, and what happened to contacts in them.

Times are aware datetimes in UTC, in whole seconds. Tests can create all objects themselves.

Results computed from a list are cached. To change a list while the sandbox runs, use the methods of `Element` and
`Flow`, which clear the cache. A change of the list's length clears it too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from operator import attrgetter
from typing import Any, TypeVar

from airflow_provider_a360.sandbox.caching import cached
from airflow_provider_a360.sandbox.spans import ALWAYS, Span, slice_bounds, utc_days

T = TypeVar("T")

COUNTERS = (
    "executed", "deleted", "sent", "delivered", "opened", "clicked", "errors", "unsubscribed", "marked_as_spam",
    "positive", "negative", "stopped",
)  # fmt: skip
"""Every counter of the documented statistics, by its name in `group-stat`."""


@dataclass(frozen=True, slots=True)
class Contact:
    """A made-up subscriber. Each start of a flow has a contact of its own.

    :param email: the e-mail address
    :param phone: the phone number, digits only
    :param event_id: the documented "unique identifier of launching subscriber"
    """

    email: str | None
    phone: str | None
    event_id: str


@dataclass(slots=True)
class Event:
    """The execution of an element for a contact. It counts as `executed` and as `sent`.

    :param id: the id in contact lists
    :param contact: the contact
    :param at: the time of the execution
    :param marks: further counters that the event increased, each with the time: an e-mail that is opened two days later
        counts as `opened` on that day
    :param status: the status code in the contact lists of e-mails and SMS; None to derive it from the marks
    """

    id: int
    contact: Contact
    at: datetime
    marks: dict[str, datetime] = field(default_factory=dict)
    status: int | None = None


@dataclass
class Element:
    """An element of a flow.

    :param id: the element's id
    :param type: the documented `af_type`; the sandbox serves any other string as it is
    :param created: when the element was created. Responses show it three hours later, as the documented sample does
    :param name: the subject of an e-mail, the title of a push, the text of an SMS or the name of a goal
    :param deleted: whether the element was deleted from its flow
    :param events: the executions, in any order
    """

    id: int
    type: str
    created: datetime
    name: str = ""
    deleted: bool = False
    events: list[Event] = field(default_factory=list)
    _cache: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def add(self, event: Event) -> None:
        """Add an execution of the element.

        :param event: the execution
        """
        self.events.append(event)

    def mark(self, event: Event, counter: str, at: datetime) -> None:
        """Increase another counter for an execution.

        :param event: an event of this element
        :param counter: the counter
        :param at: when it increased
        """
        event.marks[counter] = at
        self._cache.clear()

    def cached(self, key: Any, make: Callable[[], T]) -> T:
        """Return a result that is cached until an event is added or marked.

        :param key: identifies the result
        :param make: computes the result if it isn't cached
        :return: the result
        """
        return cached(self._cache, len(self.events), key, make)

    def count(self, counter: str, span: Span = ALWAYS) -> int:
        """Return the value of a counter within a span.

        :param counter: one of `COUNTERS`
        :param span: the span
        :return: how often the counter increased
        """
        low, high = slice_bounds(self._moments(counter), span)
        return high - low

    def last(self, span: Span = ALWAYS) -> datetime | None:
        """Return the documented `last_send`: when the element was last executed.

        :param span: the span to look in
        :return: the time; None if the element was not executed within the span
        """
        moments = self._moments("executed")
        low, high = slice_bounds(moments, span)
        return moments[high - 1] if high > low else None

    def counts_on(self, first_day: date, last_day: date | None = None) -> dict[str, int]:
        """Return all counters over whole UTC days.

        :param first_day: the first day
        :param last_day: the last day, included; None for one day
        :return: the value of each counter of `COUNTERS`
        """
        span = utc_days(first_day, last_day)
        return {counter: self.count(counter, span) for counter in COUNTERS}

    def _moments(self, counter: str) -> list[datetime]:
        if counter in {"executed", "sent"}:
            return self.cached("at", lambda: sorted(event.at for event in self.events))
        return self.cached(counter, lambda: sorted(e.marks[counter] for e in self.events if counter in e.marks))


@dataclass(slots=True)
class Conversion:
    """A conversion of a contact.

    :param id: the id, unique within the account
    :param conversion_type: "maintrigger" or "goal"
    :param element_id: the id of the main trigger or goal; responses call it `flow_id`
    :param email: the contact's e-mail address
    :param phone: the contact's phone number, digits only
    :param conversion_date: when the contact converted
    :param start_date: when the contact started the flow
    """

    id: int
    conversion_type: str
    element_id: int
    email: str | None
    phone: str | None
    conversion_date: datetime
    start_date: datetime


@dataclass
class Flow:
    """An automation flow.

    :param id: the flow's id
    :param name: the flow's name
    :param status: 0 for new, 1 for active, 3 for paused; the sandbox serves any other number as it is
    :param created: when the flow was created
    :param changed: when the flow was last changed
    :param elements: the elements, deleted ones included
    :param conversions: the conversions, in any order
    :param in_queue: the number of contacts in the queue
    """

    id: int
    name: str
    status: int
    created: datetime
    changed: datetime
    elements: list[Element] = field(default_factory=list)
    conversions: list[Conversion] = field(default_factory=list)
    in_queue: int = 0
    _numbers_by_kind: dict[tuple[str, int], int] = field(default_factory=dict, repr=False, compare=False)
    _cache: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def main_trigger(self) -> Element | None:
        """Return the flow's "Start" element, or None if it has none."""
        return next((element for element in self.elements if element.type == "maintrigger"), None)

    @property
    def goals(self) -> list[Element]:
        """Return the "Goal" elements, deleted ones included: together their conversions are the documented total."""
        return [element for element in self.elements if element.type == "goal"]

    def starts(self, span: Span = ALWAYS) -> int:
        """Return how often the flow was started, which is how often its main trigger was executed.

        :param span: the span
        :return: the number of starts
        """
        return sum(element.count("executed", span) for element in self.elements if element.type == "maintrigger")

    def messages(self, span: Span = ALWAYS) -> int:
        """Return how many messages of all types the flow sent.

        :param span: the span
        :return: the number of messages
        """
        senders = {"email", "push", "sms", "messenger"}
        return sum(element.count("sent", span) for element in self.elements if element.type in senders)

    def conversions_of(self, kind: str = "all", goal_id: int | None = None) -> list[Conversion]:
        """Return conversions, oldest first.

        :param kind: "all", "maintrigger" or "goal"
        :param goal_id: return only the conversions of this goal, whatever the kind is
        :return: the conversions
        """

        def selected() -> Iterable[Conversion]:
            if goal_id is not None:
                return (row for row in self.conversions if row.element_id == goal_id)
            return (
                self.conversions if kind == "all" else (row for row in self.conversions if row.conversion_type == kind)
            )

        return self.cached((kind, goal_id), lambda: sorted(selected(), key=attrgetter("conversion_date", "id")))

    def conversions_on(
        self, first_day: date, last_day: date | None = None, kind: str = "all", goal_id: int | None = None
    ) -> list[Conversion]:
        """Return the conversions of whole UTC days by their `conversion_date`, newest first like the documented sample.

        :param first_day: the first day
        :param last_day: the last day, included; None for one day
        :param kind: "all", "maintrigger" or "goal"
        :param goal_id: return only the conversions of this goal, whatever the kind is
        :return: the conversions
        """
        rows = self.conversions_of(kind, goal_id)
        low, high = slice_bounds(rows, utc_days(first_day, last_day), attrgetter("conversion_date"))
        return rows[low:high][::-1]

    def printed_id(self, conversion: Conversion, *, by_kind: bool) -> int:
        """Return the id of a conversion in responses.

        :param conversion: a conversion of this flow
        :param by_kind: whether each kind of conversion has its own numbers, from 1 and in order of time. A conversion
            keeps its number; conversions that are added later get the next numbers
        :return: the number within the kind, or the conversion's own id
        """
        if not by_kind:
            return conversion.id
        if (conversion.conversion_type, conversion.id) not in self._numbers_by_kind:
            self._number_conversions()
        return self._numbers_by_kind.get((conversion.conversion_type, conversion.id), conversion.id)

    def _number_conversions(self) -> None:
        last = Counter(kind for kind, _ in self._numbers_by_kind)
        for row in self.conversions_of():
            if (row.conversion_type, row.id) not in self._numbers_by_kind:
                last[row.conversion_type] += 1
                self._numbers_by_kind[row.conversion_type, row.id] = last[row.conversion_type]

    def add_conversion(self, conversion: Conversion) -> None:
        """Add a conversion.

        :param conversion: the new conversion
        """
        self.conversions.append(conversion)
        self._cache.clear()

    def remove_conversion(self, conversion: Conversion) -> None:
        """Remove a conversion.

        :param conversion: a conversion of this flow
        """
        self.conversions.remove(conversion)
        self._cache.clear()

    def cached(self, key: Any, make: Callable[[], T]) -> T:
        """Return a result that is cached until a conversion is added or removed.

        :param key: identifies the result
        :param make: computes the result if it isn't cached
        :return: the result
        """
        return cached(self._cache, len(self.conversions), key, make)
