"""The account: deterministic from a seed and a clock; knows no HTTP."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from math import ceil
from random import Random

from airflow_provider_a360.sandbox import example
from airflow_provider_a360.sandbox.flow import Contact, Conversion, Element, Event, Flow
from airflow_provider_a360.sandbox.journeys import DAY, LONGEST_JOURNEY, Step, contact_details, steps_of_day

__all__ = ["Account", "Contact", "Conversion", "Element", "Event", "EventLog", "Flow"]

_MAIN_QUEUE = 12
_PAUSED_QUEUE = 5


@dataclass(frozen=True, slots=True)
class EventLog:
    """A received event in the account's log. `event_id` is the event's number in the Event Manager."""

    event_id: int
    email: str | None
    phone: str | None
    at: datetime


@dataclass
class Account:
    """An A360 account: what a sandbox answers from, and what a test compares answers with.

    Made by hand from flows, or by `generate`. `opened` is the moment for which it was generated; None: made by hand.
    """

    flows: list[Flow] = field(default_factory=list)
    event_logs: list[EventLog] = field(default_factory=list)
    opened: datetime | None = None
    _timeline: _Timeline | None = field(default=None, repr=False, compare=False)

    @classmethod
    def generate(
        cls,
        *,
        seed: int = 1,
        now: datetime | None = None,
        first_day: date | None = None,
        drain: timedelta = timedelta(seconds=30),
    ) -> Account:
        """An account with flows of every element type, and contacts and conversions up to `now` (else the present).

        It is complete from `first_day` on (UTC): by default the first day of the latest quarter that began at least
        90 days back. What happens from then on depends, for each UTC day, only on the seed, the flow and the day; the
        14 days before it lack what came of earlier starts. The exception is the main flow's queue: it holds contacts
        at `now` and is empty `drain` later, while the clock runs.
        """
        moment = (now or datetime.now(UTC)).astimezone(UTC)
        first = first_day or _quarter_start((moment - 90 * DAY).date())
        flows = example.example_flows(first - LONGEST_JOURNEY, moment)
        account = cls(flows, opened=moment, _timeline=_Timeline(flows, seed, first - LONGEST_JOURNEY, drain))
        account.advance(moment)
        return account

    @classmethod
    def with_conversions(
        cls, count: int, *, until: datetime, every: timedelta = timedelta(seconds=60), flow_id: int = example.MAIN_FLOW
    ) -> Account:
        """An account of one flow with nothing but many conversions, the newest at `until`; for measurements."""
        people = [contact_details(number) for number in range(1, 1_000)]
        first = until - every * (count - 1)
        rows = [
            Conversion(
                number + 1,
                "maintrigger" if number % 10 == 0 else "goal",
                flow_id + (1 if number % 10 == 0 else 2),
                *people[number % 999],
                first + every * number,
                first + every * (number - 1),
            )
            for number in range(count)
        ]
        return cls([_only_conversions(flow_id, rows, ["goal"], until - every * count - DAY)])

    @classmethod
    def with_journeys(
        cls,
        count: int,
        *,
        until: datetime,
        every: timedelta,
        journey_days: float,
        seed: int = 1,
        flow_id: int = example.MAIN_FLOW,
    ) -> Account:
        """An account of one flow whose conversions come at random times after their start; for tests and measurements.

        The newest conversion is at `until`, and one comes `every` so often. A journey takes from a minute up to
        `journey_days`: as often between 1 and 10 minutes as between 1 and 10 hours. About one conversion in five is by
        the main trigger, the others are by two goals.
        """
        dice, most_minutes = Random(f"{seed}/{flow_id}"), max(1, journey_days * 24 * 60)
        first = until - every * (count - 1)
        rows = []
        for number in range(count):
            place, at = dice.choice((1, 2, 2, 3, 3)), (first + every * number).replace(microsecond=0)
            journey = timedelta(seconds=int(60 * most_minutes ** dice.random()))
            kind = "maintrigger" if place == 1 else "goal"
            rows.append(
                Conversion(number + 1, kind, flow_id + place, *contact_details(dice.randrange(5_000)), at, at - journey)
            )
        return cls(
            [_only_conversions(flow_id, rows, ["one goal", "another goal"], first - timedelta(days=journey_days) - DAY)]
        )

    def flow(self, flow_id: int) -> Flow | None:
        """The flow of that id."""
        return next((flow for flow in self.flows if flow.id == flow_id), None)

    def element(self, element_id: int) -> Element | None:
        """The element of that id, deleted ones included."""
        return next((element for flow in self.flows for element in flow.elements if element.id == element_id), None)

    def delete_logs(self, event_id: int | None = None, email: str | None = None, phone: str | None = None) -> None:
        """Delete the event logs that match everything given."""
        self.event_logs[:] = [
            log
            for log in self.event_logs
            if (event_id is not None and log.event_id != event_id)
            or (email is not None and log.email != email)
            or (phone is not None and log.phone != phone)
        ]

    def advance(self, now: datetime) -> None:
        """Let happen what a generated account has in store up to `now`. An account made by hand stays as it is."""
        if self._timeline is not None:
            self._timeline.play(self, now)


def _only_conversions(flow_id: int, rows: list[Conversion], goals: list[str], created: datetime) -> Flow:
    """A flow of a main trigger and goals (their ids follow the flow's), with conversions and nothing else in it."""
    elements = [Element(flow_id + 1, "maintrigger", created)]
    elements += [Element(number, "goal", created, name) for number, name in enumerate(goals, flow_id + 2)]
    return Flow(flow_id, "Many conversions", 1, created, created, elements, rows)


def _quarter_start(day: date) -> date:
    return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)


class _Timeline:
    """What is to happen in a generated account, day by day."""

    def __init__(self, flows: list[Flow], seed: int, first_day: date, drain: timedelta) -> None:
        owned = ((flow, element) for flow in flows for element in flow.elements)
        self._elements = {element.id: (place, flow, element) for place, (flow, element) in enumerate(owned)}
        self._seed = seed
        self._next_day = first_day
        self._drain = drain
        self._pending: list[Step] = []
        self._events: dict[tuple[int, int], Event] = {}
        self._numbers: Counter[tuple[date, int]] = Counter()

    def play(self, account: Account, now: datetime) -> None:
        if self._next_day <= now.date():
            while self._next_day <= now.date():
                for plan in example.PLANS:
                    self._pending.extend(steps_of_day(plan, self._seed, self._next_day))
                self._next_day += DAY
            self._pending.sort(reverse=True)
        while self._pending and self._pending[-1].at <= now:
            self._apply(account, self._pending.pop())
        self._update_queues(account, now)

    def _apply(self, account: Account, step: Step) -> None:
        place, flow, element = self._elements[step.element_id]
        contact = step.contact
        if step.counter == "executed":
            event = Event(self._number(step.at, place), contact, step.at, status=step.status)
            element.add(event)
            self._events[step.journey, element.id] = event
            if element.id == example.START:
                account.event_logs.append(EventLog(example.EVENT_NUMBER, contact.email, contact.phone, step.at))
        elif step.counter == "conversion":
            number = self._number(step.at, 99)
            flow.add_conversion(
                Conversion(number, element.type, element.id, contact.email, contact.phone, step.at, step.start)
            )
        else:
            element.mark(self._events[step.journey, element.id], step.counter, step.at)

    def _number(self, at: datetime, place: int) -> int:
        """An id that grows with time and is the same whenever the account was opened: day, element, number."""
        day = at.date()
        self._numbers[day, place] += 1
        return ((day.toordinal() - 730_000) * 100 + place) * 1_000 + self._numbers[day, place]

    def _update_queues(self, account: Account, now: datetime) -> None:
        opened = account.opened or now
        left = 1 - (now - opened) / self._drain if self._drain else 0
        for flow in account.flows:
            if flow.id == example.MAIN_FLOW:
                flow.in_queue = max(0, ceil(_MAIN_QUEUE * min(left, 1)))
            elif flow.id == example.PAUSED_FLOW:
                flow.in_queue = min(_PAUSED_QUEUE, flow.starts())
