"""Journeys of contacts through the flows of a generated account.

Only the seed, the flow and the day decide which journeys start on a UTC day. The current time has no influence, so two
accounts with the same seed have the same past.
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
"""The longest time from the start of a journey to its last step."""

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
    """One step of a journey. Steps are sorted by time, then by journey and place.

    :param at: when the step happens
    :param journey_id: the journey's id
    :param place: the number of the step in its journey, from 0
    :param element_id: the element's id
    :param counter: the counter that increases. "executed" adds an event to the element, "conversion" adds a conversion
        to the flow, and any other counter marks the event that the journey added to this element
    :param contact: the contact
    :param start: when the journey starts
    :param status: the status code in contact lists
    """

    at: datetime
    journey_id: int
    place: int
    element_id: int
    counter: str
    contact: Contact
    start: datetime
    status: int | None = None


@dataclass(frozen=True)
class Plan:
    """Describes the journeys through a generated flow.

    :param flow_id: the flow's id
    :param starts_on: returns how many journeys start on a UTC day
    :param run: adds the steps of a journey
    """

    flow_id: int
    starts_on: Callable[[date], int]
    run: Callable[[Journey], None]


def contact_details(number: int) -> tuple[str | None, str | None]:
    """Return the e-mail address and the phone number of a made-up person. Either or both can be missing.

    :param number: any number; each of the first 5,000 is another person
    :return: the e-mail address and the phone number (digits only)
    """
    number %= _PEOPLE
    first, last = _FIRST_NAMES[number % len(_FIRST_NAMES)], _LAST_NAMES[number % len(_LAST_NAMES)]
    email = None if number % 8 == 0 else f"{first}.{last}{number}@example.com"
    # The numbers 555-0100 to 555-0199 are reserved for fiction in every area code.
    phone = None if number % 5 == 0 else f"1{200 + number // 100}55501{number % 100:02d}"
    return email, phone


class Journey:
    """The journey of one contact through a flow. A plan adds its steps.

    :param seed: the account's seed
    :param flow_id: the flow's id
    :param day: the UTC day on which the journey starts
    :param number: the number of the journey among those that start on the day, from 0
    """

    def __init__(self, seed: int, flow_id: int, day: date, number: int) -> None:
        self.number = number
        self.day = day
        self.id = day.toordinal() * 1_000 + number
        self.random = Random(f"{seed}/{flow_id}/{self.id}")
        self.start = datetime.combine(day, time(), UTC) + timedelta(seconds=int(self.random.random() * 86_400))
        email, phone = contact_details(int(self.random.random() * _PEOPLE))
        event_id = hashlib.blake2b(f"{seed}/{flow_id}/{self.id}".encode(), digest_size=16).hexdigest()
        self.contact = Contact(email, phone, event_id)
        self.steps: list[Step] = []

    def chance(self, share: float) -> bool:
        """Make a random choice.

        :param share: the probability, from 0 to 1
        :return: True with this probability
        """
        return self.random.random() < share

    def delay(self, shortest: float, longest: float) -> timedelta:
        """Return a random delay, distributed evenly on a logarithmic scale.

        :param shortest: the shortest delay in seconds
        :param longest: the longest delay in seconds
        :return: the delay
        """
        return timedelta(seconds=int(exp(log(shortest) + self.random.random() * (log(longest) - log(shortest)))))

    def add_step(self, element_id: int, counter: str, at: datetime, status: int | None = None) -> datetime:
        """Add a step.

        :param element_id: the element's id
        :param counter: see `Step`
        :param at: when the step happens
        :param status: the status code in contact lists
        :return: `at`
        """
        self.steps.append(Step(at, self.id, len(self.steps), element_id, counter, self.contact, self.start, status))
        return at

    def execute(self, element_id: int, at: datetime, status: int | None = None) -> datetime:
        """Execute an element for the contact.

        :param element_id: the element's id
        :param at: when it is executed
        :param status: the status code in contact lists
        :return: `at`
        """
        return self.add_step(element_id, "executed", at, status)

    def send_email(self, element_id: int, at: datetime) -> datetime:
        """Send an e-mail, which may be delivered, opened and clicked. Do nothing if the contact has no address.

        :param element_id: the id of an "Email" element
        :param at: when it is sent
        :return: when it is delivered or fails
        """
        if self.contact.email is None:
            return at
        if self.chance(0.04):
            self.execute(element_id, at, status=(2, 5, 6, 7, 10)[int(self.random.random() * 5)])
            return self.add_step(element_id, "errors", at + self.delay(2, 60))
        self.execute(element_id, at)
        delivered = self.add_step(element_id, "delivered", at + self.delay(2, 90))
        if self.chance(0.6):
            opened = self.add_step(element_id, "opened", delivered + self.delay(20, 3 * 86_400))
            if self.chance(0.4):
                self.add_step(element_id, "clicked", opened + self.delay(2, 600))
            if self.chance(0.03):
                self.add_step(element_id, "unsubscribed", opened + self.delay(5, 300))
            if self.chance(0.02):
                self.add_step(element_id, "marked_as_spam", opened + self.delay(5, 300))
        return delivered

    def send_sms(self, element_id: int, at: datetime) -> datetime:
        """Send an SMS. Do nothing if the contact has no phone number.

        :param element_id: the id of an "SMS" element
        :param at: when it is sent
        :return: when it is delivered or fails
        """
        if self.contact.phone is None:
            return at
        failed = self.chance(0.1)
        self.execute(element_id, at, status=(1, 3, 6, 9)[int(self.random.random() * 4)] if failed else None)
        return self.add_step(element_id, "errors" if failed else "delivered", at + self.delay(2, 900))

    def send_push(self, element_id: int, at: datetime) -> datetime:
        """Send a push notification.

        :param element_id: the id of a "Push" element
        :param at: when it is sent
        :return: when it is delivered or fails
        """
        self.execute(element_id, at)
        if self.chance(0.1):
            return self.add_step(element_id, "errors", at + self.delay(1, 10))
        delivered = self.add_step(element_id, "delivered", at + self.delay(1, 3_600))
        if self.chance(0.3):
            self.add_step(element_id, "clicked", delivered + self.delay(1, 7_200))
        return delivered

    def branch(self, element_id: int, at: datetime) -> bool:
        """Execute a "Filter" or "Condition" element.

        :param element_id: the element's id
        :param at: when it is executed
        :return: whether the contact takes the positive branch
        """
        self.execute(element_id, at)
        branch = ("positive", "positive", "positive", "negative", "negative", "stopped")[int(self.random.random() * 6)]
        self.add_step(element_id, branch, at)
        return branch == "positive"

    def reach_goal(self, element_id: int, at: datetime) -> None:
        """Execute a "Goal" element, which is a conversion.

        :param element_id: the element's id
        :param at: when it is executed
        """
        self.execute(element_id, at)
        self.add_step(element_id, "conversion", at)


@lru_cache(maxsize=20_000)
def steps_of_day(plan: Plan, seed: int, day: date) -> tuple[Step, ...]:
    """Return all steps of the journeys that start on a UTC day. They are cached for all accounts with the same seed.

    :param plan: describes the journeys
    :param seed: the account's seed
    :param day: the day
    :return: the steps, in no particular order
    """

    def steps() -> Iterator[Step]:
        for number in range(plan.starts_on(day)):
            journey = Journey(seed, plan.flow_id, day, number)
            plan.run(journey)
            yield from journey.steps

    return tuple(steps())
