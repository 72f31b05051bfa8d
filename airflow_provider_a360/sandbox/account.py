"""The account that a sandbox serves. It can be generated: the same seed and time give the same account."""

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
    """An entry of the account's event log.

    :param event_id: the event's id in the Event Manager
    :param email: the e-mail address in the event
    :param phone: the phone number in the event, digits only
    :param at: when the event was received
    """

    event_id: int
    email: str | None
    phone: str | None
    at: datetime


@dataclass
class Account:
    """An A360 account. A sandbox serves it, and tests compare responses and exports with it.

    Create it from flows of your own, or with one of the class methods.

    :param flows: the account's flows
    :param event_logs: the account's event log
    :param generated_at: the time for which `generate` created the account; None for all other accounts
    """

    flows: list[Flow] = field(default_factory=list)
    event_logs: list[EventLog] = field(default_factory=list)
    generated_at: datetime | None = None
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
        """Generate an account whose flows have elements of every type.

        From its first day, what happens on a UTC day depends only on the seed, the flow and the day. The 14 days before
        it are incomplete: they lack what follows from earlier starts.

        :param seed: decides what the account contains
        :param now: the account contains contacts and conversions up to this time; by default the current time
        :param first_day: the first complete UTC day; by default the first day of the latest quarter that began at least
            90 days before `now`
        :param drain: how long it takes from `now` until the queue of the main flow is empty
        :return: the account
        """
        moment = (now or datetime.now(UTC)).astimezone(UTC)
        first = first_day or _quarter_start((moment - 90 * DAY).date())
        flows = example.example_flows(first - LONGEST_JOURNEY, moment)
        account = cls(flows, generated_at=moment, _timeline=_Timeline(flows, seed, first - LONGEST_JOURNEY, drain))
        account.advance(moment)
        return account

    @classmethod
    def with_conversions(
        cls, count: int, *, until: datetime, every: timedelta = timedelta(seconds=60), flow_id: int = example.MAIN_FLOW
    ) -> Account:
        """Create an account with one flow that has only conversions, for measurements.

        :param count: the number of conversions
        :param until: the time of the newest conversion
        :param every: the time between two conversions
        :param flow_id: the flow's id; its elements have the next ids
        :return: the account
        """
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
        """Create an account with one flow whose conversions come at random times after their start.

        About one conversion in five is of the main trigger, the others are of two goals.

        :param count: the number of conversions
        :param until: the time of the newest conversion
        :param every: the time between two conversions
        :param journey_days: the longest time from start to conversion, in days. The shortest is a minute; the times
            are distributed evenly on a logarithmic scale
        :param seed: decides the random times
        :param flow_id: the flow's id; its elements have the next ids
        :return: the account
        """
        random, most_minutes = Random(f"{seed}/{flow_id}"), max(1, journey_days * 24 * 60)
        first = until - every * (count - 1)
        rows = []
        for number in range(count):
            place, at = random.choice((1, 2, 2, 3, 3)), (first + every * number).replace(microsecond=0)
            journey = timedelta(seconds=int(60 * most_minutes ** random.random()))
            kind = "maintrigger" if place == 1 else "goal"
            rows.append(
                Conversion(
                    number + 1, kind, flow_id + place, *contact_details(random.randrange(5_000)), at, at - journey
                )
            )
        return cls(
            [_only_conversions(flow_id, rows, ["one goal", "another goal"], first - timedelta(days=journey_days) - DAY)]
        )

    def flow(self, flow_id: int) -> Flow | None:
        """Return a flow.

        :param flow_id: the flow's id
        :return: the flow, or None if the account has no such flow
        """
        return next((flow for flow in self.flows if flow.id == flow_id), None)

    def element(self, element_id: int) -> Element | None:
        """Return an element, even a deleted one.

        :param element_id: the element's id
        :return: the element, or None if no flow has such an element
        """
        return next((element for flow in self.flows for element in flow.elements if element.id == element_id), None)

    def delete_logs(self, event_id: int | None = None, email: str | None = None, phone: str | None = None) -> None:
        """Delete the entries of the event log that match all given values.

        :param event_id: the event's id in the Event Manager
        :param email: the e-mail address in the event
        :param phone: the phone number in the event
        """
        self.event_logs[:] = [
            log
            for log in self.event_logs
            if (event_id is not None and log.event_id != event_id)
            or (email is not None and log.email != email)
            or (phone is not None and log.phone != phone)
        ]

    def advance(self, now: datetime) -> None:
        """Add what happens in a generated account up to a time. Any other account doesn't change.

        :param now: the account's current time
        """
        if self._timeline is not None:
            self._timeline.advance(self, now)


def _only_conversions(flow_id: int, rows: list[Conversion], goals: list[str], created: datetime) -> Flow:
    """Create a flow that has only conversions. The ids of its main trigger and goals follow the flow's."""
    elements = [Element(flow_id + 1, "maintrigger", created)]
    elements += [Element(number, "goal", created, name) for number, name in enumerate(goals, flow_id + 2)]
    return Flow(flow_id, "Many conversions", 1, created, created, elements, rows)


def _quarter_start(day: date) -> date:
    return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)


class _Timeline:
    """The steps of a generated account, applied as its time advances."""

    def __init__(self, flows: list[Flow], seed: int, first_day: date, drain: timedelta) -> None:
        owned = ((flow, element) for flow in flows for element in flow.elements)
        self._elements = {element.id: (place, flow, element) for place, (flow, element) in enumerate(owned)}
        self._seed = seed
        self._next_day = first_day
        self._drain = drain
        self._pending: list[Step] = []
        self._events: dict[tuple[int, int], Event] = {}
        self._numbers: Counter[tuple[date, int]] = Counter()

    def advance(self, account: Account, now: datetime) -> None:
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
            self._events[step.journey_id, element.id] = event
            if element.id == example.START:
                account.event_logs.append(EventLog(example.EVENT_NUMBER, contact.email, contact.phone, step.at))
        elif step.counter == "conversion":
            number = self._number(step.at, 99)
            flow.add_conversion(
                Conversion(number, element.type, element.id, contact.email, contact.phone, step.at, step.start)
            )
        else:
            element.mark(self._events[step.journey_id, element.id], step.counter, step.at)

    def _number(self, at: datetime, place: int) -> int:
        """Return an id made of day, element and number: it grows with time and doesn't depend on `generated_at`."""
        day = at.date()
        self._numbers[day, place] += 1
        return ((day.toordinal() - 730_000) * 100 + place) * 1_000 + self._numbers[day, place]

    def _update_queues(self, account: Account, now: datetime) -> None:
        generated_at = account.generated_at or now
        left = 1 - (now - generated_at) / self._drain if self._drain else 0
        for flow in account.flows:
            if flow.id == example.MAIN_FLOW:
                flow.in_queue = max(0, ceil(_MAIN_QUEUE * min(left, 1)))
            elif flow.id == example.PAUSED_FLOW:
                flow.in_queue = min(_PAUSED_QUEUE, flow.starts())
