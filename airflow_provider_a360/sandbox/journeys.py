"""What happens in a generated account: journeys of contacts through flows.

The journeys that start on a UTC day are drawn from the seed, the flow and that day alone, never from what day it is
now, so two accounts of one seed agree on the past.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from math import exp, log
from random import Random
from typing import NamedTuple

from airflow_provider_a360.sandbox.flow import Contact

LONGEST_JOURNEY = timedelta(days=14)
"""No step of a journey comes later than this after its start."""

DAY = timedelta(days=1)
_FIRST_NAMES = (
    "ada",
    "bo",
    "cleo",
    "dara",
    "eli",
    "fern",
    "gus",
    "hana",
    "ivo",
    "june",
    "kai",
    "lena",
    "milo",
    "nora",
    "otto",
    "pia",
    "rui",
    "sana",
    "tove",
    "uma",
)
_LAST_NAMES = ("ash", "brook", "cole", "dale", "elm", "ford", "glen", "hill", "isle", "jay", "knoll", "lake", "moor")
_PEOPLE = 5_000


class Step(NamedTuple):
    """One thing that happens to a contact at an element. Sorts by time, then by journey and place in it.

    `counter` "executed" is a pass through the element, "conversion" a conversion there, any other a mark on that pass.
    """

    at: datetime
    journey: int
    place: int
    element_id: int
    counter: str
    contact: Contact
    start: datetime
    status: int | None = None


@dataclass(frozen=True)
class Plan:
    """How a generated flow lives: how many contacts start it on a day, and what each goes through."""

    flow_id: int
    starts_on: Callable[[date], int]
    run: Callable[[Journey], None]


def contact_details(number: int) -> tuple[str | None, str | None]:
    """The e-mail address and phone of a made-up contact_details: some lack the one, some the other, some both."""
    number %= _PEOPLE
    first, last = _FIRST_NAMES[number % len(_FIRST_NAMES)], _LAST_NAMES[number % len(_LAST_NAMES)]
    email = None if number % 8 == 0 else f"{first}.{last}{number}@example.com"
    # 555-0100 to 555-0199 are reserved for fiction in every area code.
    phone = None if number % 5 == 0 else f"1{200 + number // 100}55501{number % 100:02d}"
    return email, phone


class Journey:
    """One contact's way through a flow, as its plan writes it down."""

    def __init__(self, seed: int, flow_id: int, day: date, number: int) -> None:
        self.number = number
        self.day = day
        self.journey = day.toordinal() * 1_000 + number
        self.random = Random(f"{seed}/{flow_id}/{self.journey}")
        self.start = datetime.combine(day, time(), UTC) + timedelta(seconds=int(self.random.random() * 86_400))
        email, phone = contact_details(int(self.random.random() * _PEOPLE))
        event_id = hashlib.blake2b(f"{seed}/{flow_id}/{self.journey}".encode(), digest_size=16).hexdigest()
        self.contact = Contact(email, phone, event_id)
        self.steps: list[Step] = []

    def chance(self, share: float) -> bool:
        """True in about this share of cases."""
        return self.random.random() < share

    def wait(self, shortest: float, longest: float) -> timedelta:
        """A span in seconds: as often between 1 and 10 seconds as between 1 and 10 hours."""
        return timedelta(seconds=int(exp(log(shortest) + self.random.random() * (log(longest) - log(shortest)))))

    def step(self, element_id: int, counter: str, at: datetime, status: int | None = None) -> datetime:
        """Write one step down."""
        self.steps.append(
            Step(at, self.journey, len(self.steps), element_id, counter, self.contact, self.start, status)
        )
        return at

    def execute(self, element_id: int, at: datetime, status: int | None = None) -> datetime:
        """The contact passes through an element."""
        return self.step(element_id, "executed", at, status)

    def send_email(self, element_id: int, at: datetime) -> datetime:
        """An e-mail and what becomes of it; nothing for a contact without an address."""
        if self.contact.email is None:
            return at
        if self.chance(0.04):
            self.execute(element_id, at, status=(2, 5, 6, 7, 10)[int(self.random.random() * 5)])
            return self.step(element_id, "errors", at + self.wait(2, 60))
        self.execute(element_id, at)
        delivered = self.step(element_id, "delivered", at + self.wait(2, 90))
        if self.chance(0.6):
            opened = self.step(element_id, "opened", delivered + self.wait(20, 3 * 86_400))
            if self.chance(0.4):
                self.step(element_id, "clicked", opened + self.wait(2, 600))
            if self.chance(0.03):
                self.step(element_id, "unsubscribed", opened + self.wait(5, 300))
            if self.chance(0.02):
                self.step(element_id, "marked_as_spam", opened + self.wait(5, 300))
        return delivered

    def send_sms(self, element_id: int, at: datetime) -> datetime:
        """An SMS; nothing for a contact without a phone."""
        if self.contact.phone is None:
            return at
        failed = self.chance(0.1)
        self.execute(element_id, at, status=(1, 3, 6, 9)[int(self.random.random() * 4)] if failed else None)
        return self.step(element_id, "errors" if failed else "delivered", at + self.wait(2, 900))

    def send_push(self, element_id: int, at: datetime) -> datetime:
        """A push notification."""
        self.execute(element_id, at)
        if self.chance(0.1):
            return self.step(element_id, "errors", at + self.wait(1, 10))
        delivered = self.step(element_id, "delivered", at + self.wait(1, 3_600))
        if self.chance(0.3):
            self.step(element_id, "clicked", delivered + self.wait(1, 7_200))
        return delivered

    def branch(self, element_id: int, at: datetime) -> bool:
        """A "Filter" or "Condition" element: true where the contact takes the positive way."""
        self.execute(element_id, at)
        way = ("positive", "positive", "positive", "negative", "negative", "stopped")[int(self.random.random() * 6)]
        self.step(element_id, way, at)
        return way == "positive"

    def reach_goal(self, element_id: int, at: datetime) -> None:
        """The contact reaches a "Goal" element, which is a conversion."""
        self.execute(element_id, at)
        self.step(element_id, "conversion", at)


@lru_cache(maxsize=20_000)
def steps_of_day(plan: Plan, seed: int, day: date) -> tuple[Step, ...]:
    """Every step of the journeys that start a flow on a UTC day. Kept, as every account of a seed asks for the same."""

    def steps() -> Iterator[Step]:
        for number in range(plan.starts_on(day)):
            journey = Journey(seed, plan.flow_id, day, number)
            plan.run(journey)
            yield from journey.steps

    return tuple(steps())
