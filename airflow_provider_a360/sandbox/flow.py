"""What an account holds: flows, their elements, and what happened to contacts in them.

Moments are aware UTC datetimes without fractions of a second. Everything can be built by hand. A caller who changes
a list after a request has been answered uses the methods here, or changes the list's length, so that what was
computed from it is computed anew.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from operator import attrgetter
from typing import Any, TypeVar

T = TypeVar("T")

Span = tuple[datetime | None, datetime | None]
"""From a moment (included) to a moment (excluded); None leaves that side open."""

ALWAYS: Span = (None, None)

COUNTERS = (
    "executed", "deleted", "sent", "delivered", "opened", "clicked", "errors", "unsubscribed", "marked_as_spam",
    "positive", "negative", "stopped",
)  # fmt: skip
"""Every counter in the page's statistics, under the name that `group-stat` gives it."""


def utc_days(first_day: date, last_day: date | None = None) -> Span:
    """The span of whole UTC days, both included; one day without `last_day`."""
    last = last_day or first_day
    return datetime.combine(first_day, time(), UTC), datetime.combine(last, time(), UTC) + timedelta(days=1)


def slice_bounds(rows: Sequence[Any], span: Span, key: Callable[[Any], datetime] | None = None) -> tuple[int, int]:
    """The indexes at which a span starts and ends in rows sorted by moment."""
    since, until = span
    low = 0 if since is None else bisect_left(rows, since, key=key)
    high = len(rows) if until is None else bisect_left(rows, until, key=key)
    return low, max(low, high)


@dataclass(frozen=True, slots=True)
class Contact:
    """A made-up subscriber, once for each start of a flow.

    `phone` is digits; `event_id` is the page's "unique subscriber identifier".
    """

    email: str | None
    phone: str | None
    event_id: str


@dataclass(slots=True)
class Event:
    """One contact's pass through one element at `at`, which counts as `executed` and `sent`.

    `marks` holds the further counters that it moved and when: an e-mail opened two days later counts on the day of
    opening. `status` is the code in e-mail and SMS lists; None derives it from the marks.
    """

    id: int
    contact: Contact
    at: datetime
    marks: dict[str, datetime] = field(default_factory=dict)
    status: int | None = None


@dataclass
class Element:
    """An element of a flow. `type` is the page's `af_type`; any other string is passed on as it is.

    `name` is the e-mail's subject, the push's title, the SMS's text or the goal's name. `created` is UTC: the service
    prints it three hours late, as in its page's sample.
    """

    id: int
    type: str
    created: datetime
    name: str = ""
    deleted: bool = False
    events: list[Event] = field(default_factory=list)
    _cache: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def add(self, event: Event) -> None:
        """Let a contact pass through."""
        self.events.append(event)

    def mark(self, event: Event, counter: str, at: datetime) -> None:
        """Let an event that has happened move one more counter."""
        event.marks[counter] = at
        self._cache.clear()

    def cached(self, key: Any, make: Callable[[], T]) -> T:
        """What `make` gives, kept until an event is added or marked."""
        return _cached(self._cache, len(self.events), key, make)

    def count(self, counter: str, span: Span = ALWAYS) -> int:
        """How often a counter of `COUNTERS` moved within a span."""
        low, high = slice_bounds(self._moments(counter), span)
        return high - low

    def last(self, span: Span = ALWAYS) -> datetime | None:
        """When the element was last executed within a span: the page's `last_send`."""
        moments = self._moments("executed")
        low, high = slice_bounds(moments, span)
        return moments[high - 1] if high > low else None

    def counts_on(self, first_day: date, last_day: date | None = None) -> dict[str, int]:
        """Every counter over whole UTC days, both included."""
        span = utc_days(first_day, last_day)
        return {counter: self.count(counter, span) for counter in COUNTERS}

    def _moments(self, counter: str) -> list[datetime]:
        if counter in {"executed", "sent"}:
            return self.cached("at", lambda: sorted(event.at for event in self.events))
        return self.cached(counter, lambda: sorted(e.marks[counter] for e in self.events if counter in e.marks))


@dataclass(slots=True)
class Conversion:
    """A contact's conversion.

    `conversion_type` is "maintrigger" or "goal"; `element_id` is what the page calls `flow_id` there.
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

    `status`: 0 new, 1 active, 3 pause; any other number is passed on. `conversions` may stand in any order.
    """

    id: int
    name: str
    status: int
    created: datetime
    changed: datetime
    elements: list[Element] = field(default_factory=list)
    conversions: list[Conversion] = field(default_factory=list)
    in_queue: int = 0
    _numbers: dict[tuple[str, int], int] = field(default_factory=dict, repr=False, compare=False)
    _cache: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def main_trigger(self) -> Element | None:
        """The flow's "Start" element; None in a flow made by hand without one."""
        return next((element for element in self.elements if element.type == "maintrigger"), None)

    @property
    def goals(self) -> list[Element]:
        """The flow's "Goal" elements. Deleted ones too: the page wants their conversions to add up to the total."""
        return [element for element in self.elements if element.type == "goal"]

    def starts(self, span: Span = ALWAYS) -> int:
        """How often the flow was started: the times its main trigger was executed."""
        return sum(element.count("executed", span) for element in self.elements if element.type == "maintrigger")

    def messages(self, span: Span = ALWAYS) -> int:
        """How many messages the flow sent, of every sort."""
        senders = {"email", "push", "sms", "messenger"}
        return sum(element.count("sent", span) for element in self.elements if element.type in senders)

    def conversions_of(self, kind: str = "all", goal_id: int | None = None) -> list[Conversion]:
        """Conversions of a kind ("all", "maintrigger", "goal") or of one goal, oldest first."""

        def chosen() -> Iterable[Conversion]:
            if goal_id is not None:
                return (row for row in self.conversions if row.element_id == goal_id)
            return (
                self.conversions if kind == "all" else (row for row in self.conversions if row.conversion_type == kind)
            )

        return self.cached((kind, goal_id), lambda: sorted(chosen(), key=attrgetter("conversion_date", "id")))

    def conversions_on(
        self, first_day: date, last_day: date | None = None, kind: str = "all", goal_id: int | None = None
    ) -> list[Conversion]:
        """Conversions whose own date lies in whole UTC days, both included; newest first, as in the page's sample."""
        rows = self.conversions_of(kind, goal_id)
        low, high = slice_bounds(rows, utc_days(first_day, last_day), attrgetter("conversion_date"))
        return rows[low:high][::-1]

    def printed_id(self, conversion: Conversion, *, by_kind: bool) -> int:
        """The id that the service prints for a conversion: its own, or `by_kind` its number among those of its kind.

        The conversions of a kind are numbered from 1 on, in order of time, when one without a number is first asked
        for. A number once given stays; later conversions take the next ones.
        """
        if not by_kind:
            return conversion.id
        if (conversion.conversion_type, conversion.id) not in self._numbers:
            self._number_conversions()
        return self._numbers.get((conversion.conversion_type, conversion.id), conversion.id)

    def _number_conversions(self) -> None:
        last = Counter(kind for kind, _ in self._numbers)
        for row in self.conversions_of():
            if (row.conversion_type, row.id) not in self._numbers:
                last[row.conversion_type] += 1
                self._numbers[row.conversion_type, row.id] = last[row.conversion_type]

    def add_conversion(self, conversion: Conversion) -> None:
        """Add a conversion."""
        self.conversions.append(conversion)
        self._cache.clear()

    def remove_conversion(self, conversion: Conversion) -> None:
        """Remove a conversion."""
        self.conversions.remove(conversion)
        self._cache.clear()

    def cached(self, key: Any, make: Callable[[], T]) -> T:
        """What `make` gives, kept until a conversion is added or removed."""
        return _cached(self._cache, len(self.conversions), key, make)


def _cached(cache: dict[Any, Any], length: int, key: Any, make: Callable[[], T]) -> T:
    if cache.get("length") != length:
        cache.clear()
        cache["length"] = length
    if key not in cache:
        cache[key] = make()
    kept: T = cache[key]
    return kept
