"""The flows of a generated account, and the journeys through them. Some ids are from the documented samples."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from airflow_provider_a360.sandbox.flow import Element, Flow
from airflow_provider_a360.sandbox.journeys import DAY, Journey, Plan

MAIN_FLOW = 292692
WELCOME_FLOW = 281013
PAUSED_FLOW = 303101
EMPTY_FLOW = 304201
NEW_FLOW = 305301

START, FILTER, PAID, ACTION, SMS, EMAIL, PUSH, MESSENGER, CONDITION, REVIEWED, OLD_EMAIL = range(641433, 641444)
WELCOME_START, WELCOME_EMAIL, WELCOME_FILTER, WELCOME_GOAL, WELCOME_OLD_SMS = range(467510, 467515)
WELCOME_PUSH, WELCOME_SMS = 486649, 486657
PAUSED_START, PAUSED_EMAIL, PAUSED_GOAL = range(650001, 650004)
EMPTY_START, EMPTY_EMAIL, EMPTY_GOAL = range(651001, 651004)
NEW_START, NEW_EMAIL = range(652001, 652003)

EVENT_NUMBER = 5501
"""The id in the Event Manager of the event that starts the main flow; `delete-log` takes it."""


def example_flows(created_on: date, now: datetime) -> list[Flow]:
    """Return the flows of a new account, before any contact has started them.

    :param created_on: the flows are created on the day before this UTC day
    :param now: the account's current time (UTC); the newest flow is created two hours earlier
    :return: the flows
    """
    at = datetime.combine(created_on, time(8, 42, 47), UTC) - DAY
    new = now.replace(microsecond=0) - timedelta(hours=2)

    def elements(*wanted: tuple[int, str, str], since: datetime = at) -> list[Element]:
        return [Element(number, kind, since, name) for number, kind, name in wanted]

    main = elements(
        (START, "maintrigger", ""),
        (FILTER, "filter", ""),
        (PAID, "goal", "Order paid"),
        (ACTION, "action", ""),
        (SMS, "sms", "Your order is on its way"),
        (EMAIL, "email", "Thank you for your order"),
        (PUSH, "push", "Tell us what you think"),
        (MESSENGER, "messenger", ""),
        (CONDITION, "trigger", ""),
        (REVIEWED, "goal", "Review written"),
        (OLD_EMAIL, "email", "Thank you for your order (old version)"),
    )
    main[-1].deleted = True
    welcome = elements(
        (WELCOME_START, "maintrigger", ""),
        (WELCOME_EMAIL, "email", "Welcome, and what you can do here"),
        (WELCOME_FILTER, "filter", ""),
        (WELCOME_PUSH, "push", "Welcome"),
        (WELCOME_SMS, "sms", "Welcome"),
        (WELCOME_GOAL, "goal", "Profile filled in"),
        (WELCOME_OLD_SMS, "sms", "Welcome (old version)"),
    )
    welcome[-1].deleted = True
    paused = elements(
        (PAUSED_START, "maintrigger", ""),
        (PAUSED_EMAIL, "email", "Monthly offer"),
        (PAUSED_GOAL, "goal", "Offer taken"),
    )
    empty = elements(
        (EMPTY_START, "maintrigger", ""),
        (EMPTY_EMAIL, "email", "Not sent yet"),
        (EMPTY_GOAL, "goal", "Not reached yet"),
    )
    fresh = elements((NEW_START, "maintrigger", ""), (NEW_EMAIL, "email", "Draft"), since=new)
    return [
        Flow(MAIN_FLOW, "Order follow-up", 1, at, at, main),
        Flow(WELCOME_FLOW, "Welcome series", 1, at, at, welcome),
        Flow(PAUSED_FLOW, "Monthly offer", 3, at, at, paused),
        Flow(EMPTY_FLOW, "No contacts yet", 1, at, at, empty),
        Flow(NEW_FLOW, "New automation", 0, new, new, fresh),
    ]


def _first_week(day: date) -> bool:
    return day.day <= 7  # noqa: PLR2004


def _follow_up(journey: Journey) -> None:  # noqa: C901  (a branch for each element)
    midnight = datetime.combine(journey.day, time(), UTC) + DAY
    # The first three journeys of each day convert within a minute of UTC midnight, one of them exactly at midnight.
    near = {
        0: (midnight - timedelta(minutes=5), midnight),
        1: (midnight - timedelta(seconds=110), midnight - timedelta(seconds=1)),
    }
    near[2] = (midnight - DAY, midnight - DAY + timedelta(seconds=40))
    paid_at: datetime | None = None
    if journey.number in near:
        journey.start, paid_at = near[journey.number]
    start = journey.execute(START, journey.start)
    if paid_at is None and journey.chance(0.03):
        journey.add_step(START, "deleted", start + journey.delay(10, 3_600))
        return
    journey.send_email(EMAIL, start + journey.delay(2, 20))
    if _first_week(journey.day) and journey.chance(0.5):
        journey.send_email(OLD_EMAIL, start + journey.delay(20, 40))
    if journey.branch(FILTER, start + journey.delay(2, 30)):
        journey.execute(ACTION, start + journey.delay(30, 60))
    if journey.chance(0.4):
        journey.send_sms(SMS, start + journey.delay(60, 7_200))
    if journey.chance(0.3):
        journey.send_push(PUSH, start + journey.delay(60, 86_400))
    if journey.chance(0.2):
        journey.execute(MESSENGER, start + journey.delay(60, 3_600))
    opened_it = journey.branch(CONDITION, start + journey.delay(3_600, 7_200))
    if paid_at is not None:
        journey.reach_goal(PAID, paid_at)
    elif journey.chance(0.45):
        journey.reach_goal(PAID, start + journey.delay(3, 10 * 86_400))
    if opened_it and journey.chance(0.3):
        journey.reach_goal(REVIEWED, start + journey.delay(7_200, 12 * 86_400))
    if journey.chance(0.12):
        journey.add_step(START, "conversion", start + journey.delay(9, 9 * 86_400))


def _welcome(journey: Journey) -> None:
    start = journey.execute(WELCOME_START, journey.start)
    journey.send_email(WELCOME_EMAIL, start + journey.delay(2, 60))
    if _first_week(journey.day) and journey.chance(0.5):
        journey.send_sms(WELCOME_OLD_SMS, start + journey.delay(20, 40))
    if journey.branch(WELCOME_FILTER, start + journey.delay(60, 600)):
        journey.send_sms(WELCOME_SMS, start + journey.delay(600, 86_400))
    else:
        journey.send_push(WELCOME_PUSH, start + journey.delay(600, 86_400))
    if journey.chance(0.5):
        journey.reach_goal(WELCOME_GOAL, start + journey.delay(60, 10 * 86_400))


def _monthly_offer(journey: Journey) -> None:
    start = journey.execute(PAUSED_START, journey.start)
    journey.send_email(PAUSED_EMAIL, start + journey.delay(2, 60))
    if journey.chance(0.3):
        journey.reach_goal(PAUSED_GOAL, start + journey.delay(60, 9 * 86_400))
    if journey.chance(0.1):
        journey.add_step(PAUSED_START, "conversion", start + journey.delay(60, 3_600))


PLANS = (
    Plan(MAIN_FLOW, lambda day: 12 + day.toordinal() % 7, _follow_up),
    Plan(WELCOME_FLOW, lambda day: 4 + day.toordinal() % 3, _welcome),
    Plan(PAUSED_FLOW, lambda day: 6 if _first_week(day) else 0, _monthly_offer),
)
