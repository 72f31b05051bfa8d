"""Services that differ from their page in many points at once, compared with the account itself: each row once, or an
error, or a note that says what may be missing; never silently short, never a row twice.
"""

import json
import re
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from oracle import conversion_row, statistics_are_right
from tenacity import wait_none

from airflow_provider_a360.api import transport
from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.errors import (
    A360Error,
    A360FormatError,
    A360ListMovedError,
    A360RequestError,
    A360UndecodableError,
)
from airflow_provider_a360.api.settings import Settings
from airflow_provider_a360.export.conversions import Conversions
from airflow_provider_a360.export.element_stats import ElementStatistics
from airflow_provider_a360.export.job import Job
from airflow_provider_a360.export.publish import Destination
from airflow_provider_a360.sandbox.account import Account, Contact, Element, Event, Flow
from airflow_provider_a360.sandbox.lists import is_visible
from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.server import Sandbox
from airflow_provider_a360.sandbox.shapes import counters_of

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
DAY = timedelta(days=1)
CUT_SHORT = re.compile(r"Flow (\d+): only \d+ (?:of \d+ )?conversions")
HIDDEN = re.compile(r"could not be proven|may lack some")
TYPES = ("maintrigger", "email", "push", "sms", "messenger", "filter", "trigger", "goal", "action")


def usually(value, *others):
    """Mostly that value, so that not all knobs are turned at once."""
    return st.sampled_from([value] * max(2, len(others)) + list(others))


TURNS = [
    *({name: value} for name, values in {
        "page_cap": [1, 2, 5],
        "drop_rows": [0.2, 0.2, 0.6],
        "total": ["missing", "missing", "raw", "high", "low", "page"],
        "served_rows": [13, 13, 31],
        "most_offset": [17],
        "order": ["oldest", "oldest", "start", "start"],
        "ids_by_kind": [True, True, True],
        "nest_lists": [True],
        "nest_statistics": [True],
        "past_end": ["404", "400", "204"],
        "empty_list": ["404", "204"],
        "empty_statistics": ["404", "204"],
        "share_html_404": [0.05, 0.2, 0.2],
        "filter_by": ["start_date", "start_date"],
        "day_offset_hours": [3.0, -3.0, 14.0],
        "lte_includes_day": [False],
        "one_bound": [False],
    }.items() for value in values),
    *({"filter_by": main, "filter_goals_by": goals} for main, goals in [
        ("start_date", "conversion_date"), ("conversion_date", "start_date"), ("conversion_date", "start_date"),
    ]),
    *({"grow_every": every, "grow_rows": grown, "remove_rows": removed} for every, grown, removed in [
        (2, 1, 0), (3, 2, 1), (3, 0, 1), (5, 1, 2),
    ]),
]  # fmt: skip
"""Ways in which a service may differ from its page. The likelier an export is to stumble over one, the more often."""
journeys = st.fixed_dictionaries(
    {
        "count": st.sampled_from([90, 90, 40, 40, 12, 3, 1, 0]),
        "every": st.sampled_from([timedelta(hours=2), timedelta(hours=2), timedelta(hours=9), timedelta(minutes=20)]),
        "journey_days": st.sampled_from([12, 12, 2, 0.5, 0.02]),
        "seed": st.integers(0, 1000),
    }
)


class GrowingFlow(Flow):
    """A flow that remembers each conversion that it ever had."""

    def __init__(self, flow):
        super().__init__(flow.id, flow.name, flow.status, flow.created, flow.changed, flow.elements, flow.conversions)
        self.ever = list(flow.conversions)

    def add_conversion(self, conversion):
        self.ever.append(conversion)
        super().add_conversion(conversion)


def account_of(flows):
    """Flows with journeys; a flow's id is followed by those of its elements."""
    made = []
    for number, journey in enumerate(flows):
        until = NOW - timedelta(minutes=7) - number * timedelta(hours=5)
        made += Account.with_journeys(**journey, until=until, flow_id=100 + 10 * number).flows
    return Account([GrowingFlow(flow) for flow in made])


def elements_account(seed, flows):
    """Flows of elements of any type, some of them deleted, each passed by a few contacts."""
    dice = Random(seed)

    def element(number):
        created = NOW - dice.choice([2, 30, 300]) * DAY
        one = Element(number, dice.choice(TYPES), created, f"Element {number}", deleted=dice.random() < 0.2)
        for event_id in range(dice.randrange(5)):
            passed = NOW.replace(hour=0) - timedelta(seconds=dice.randrange(3 * 86_400))
            marks = {name: passed + timedelta(hours=dice.randrange(30)) for name in counters_of(one)[1:]}
            one.add(Event(event_id, Contact(None, None, ""), passed, marks if dice.random() < 0.5 else {}))
        return one

    made = []
    for number in range(100, 100 + 10 * flows, 10):
        elements = [element(number + place) for place in range(1, 1 + dice.randrange(5))]
        made.append(Flow(number, f"Flow {number}", 1, NOW - 400 * DAY, NOW - 400 * DAY, elements))
    return Account(made)


@pytest.fixture(autouse=True, scope="module")
def _no_waiting():
    """Tries follow each other without a wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transport, "_BACKOFF", wait_none())
        yield


@contextmanager
def exported(account, knobs, dataset, flow_ids, days, **how):
    """A manifest and its rows, day by day, or the error; and the sandbox's requests."""
    sandbox = Sandbox(account, options=SandboxOptions(**{**knobs, "requests_per_second": 0}), clock=lambda: NOW)
    with sandbox, tempfile.TemporaryDirectory() as folder:
        known = {"client_id": sandbox.client_id, "secret": sandbox.client_secret, "base_url": sandbox.url}
        client = A360Client(Settings(**known, requests_per_second=1000, **how), deadline=60)
        try:
            manifest = Job(dataset, flow_ids, days, Destination(folder), "jsonl").run(client)
        except A360Error as error:
            yield None, {}, error
            return
        rows = {day: [] for day in days}
        for file in manifest["files"]:
            lines = Path(file["uri"].removeprefix("file://")).read_text().splitlines()
            rows[date.fromisoformat(file["day"])] += map(json.loads, lines)
        yield manifest, rows, None


def key(row):
    return json.dumps(row, sort_keys=True)


def can_be_told(knobs):
    """Whether anything shows that rows are missing. A total that is too low, and says as many as have come, doesn't.
    Nor does a total of 0 on an empty first page: it counts the page, and all of the page's rows are dropped.
    """
    cut_short = any(knobs[name] for name in ("served_rows", "most_offset", "drop_rows", "page_cap"))
    return not (knobs["total"] == "low" and cut_short) and not (knobs["total"] == "page" and knobs["drop_rows"])


def conversions_of(account, day, kind, knobs, before):
    """The rows of a day's file, each with its flow: those that must be there, and those that may, as they once were."""
    must, may = {}, {}
    for flow in account.flows:
        stood = before & {id(row) for row in flow.conversions}
        for row in flow.ever:
            if row.conversion_date.date() == day and kind in ("all", row.conversion_type):
                printed = flow.printed_id(row, by_kind=knobs["ids_by_kind"])
                text = key(conversion_row(flow, row) | {"conversion_id": printed})
                may[text] = flow.id
                if id(row) in stood and is_visible(row, knobs["drop_rows"]):
                    must[text] = flow.id
    return must, may


def is_readable(knobs):
    """Whether nothing keeps rows back or moves them."""
    return not (knobs["served_rows"] or knobs["most_offset"] or knobs["grow_every"])


def is_no_surprise(error, knobs):
    """Whether the service gives cause for the error."""
    if isinstance(error, A360FormatError):
        # A total above 0 and a first page without rows: all of them dropped, or there are none.
        return knobs["drop_rows"] or knobs["total"] == "high"
    if isinstance(error, A360UndecodableError):
        return knobs["share_html_404"]
    return isinstance(error, (A360ListMovedError, A360RequestError)) and not is_readable(knobs)


@given(
    turned=st.lists(st.sampled_from(TURNS), max_size=5),
    flows=st.lists(journeys, min_size=1, max_size=2),
    kind=st.sampled_from(["all", "all", "goal", "maintrigger"]),
    one_by_one=st.booleans(),
    last=st.sampled_from([0, 1, 1, 3]),
    days=st.sampled_from([1, 1, 2, 5, 40]),
    page_size=st.sampled_from([7, 7, 7, 3, 2, 1, 20, 100]),
    max_in_flight=st.sampled_from([1, 4]),
)
@settings(settings.get_profile("services"))
def test_each_conversion_once_or_an_error_or_a_note(
    turned, flows, kind, one_by_one, last, days, page_size, max_in_flight
):
    knobs = {knob.name: knob.default for knob in fields(SandboxOptions)}
    for turn in turned:
        knobs |= turn
    assume(can_be_told(knobs))
    account = account_of(flows)
    before = {id(row) for flow in account.flows for row in flow.conversions}
    last_day = NOW.date() - last * DAY
    span = Days(last_day - (days - 1) * DAY, last_day)
    ids = [flow.id for flow in account.flows] if one_by_one else "all"
    how = {"page_size": page_size, "max_in_flight": max_in_flight}
    with exported(account, knobs, Conversions(kind), ids, span, **how) as (manifest, rows, error):
        if error:
            event(f"raised {type(error).__name__}")
            assert is_no_surprise(error, knobs), "a needless error"
            return
        notes = " ".join(manifest["notes"])
        by_start = "start_date" in (knobs["filter_by"], knobs["filter_goals_by"])
        event("noted" if notes else "without a note")
        for day, found in rows.items():
            must, may = conversions_of(account, day, kind, knobs, before)
            counted = Counter(map(key, found))
            assert max(counted.values(), default=1) == 1, "a row is there twice"
            assert counted.keys() <= may.keys(), "a row is there that never was"
            short = {flow for text, flow in must.items() if text not in counted}
            if short and by_start and HIDDEN.search(notes):
                event("hidden by the filter")
            elif short:
                event("cut short")
                assert short <= set(map(int, CUT_SHORT.findall(notes))), f"flows {short} are silently short"
                # A page of which all rows are dropped ends a list without a total.
                ended = knobs["drop_rows"] and knobs["total"] == "missing"
                assert ended or not is_readable(knobs), f"flows {short} are needlessly short"


@given(
    seed=st.integers(0, 10**6),
    knobs=st.fixed_dictionaries(
        {
            "nest_lists": usually(False, True),
            "nest_statistics": usually(False, True),
            "deleted_status": usually(200, 400, 403, 422),
            "deleted_lists_all": st.booleans(),
            "repeat_elements": st.booleans(),
            "zero_date": st.sampled_from(["null", "0000-00-00 00:00:00", "-0001-11-30 00:00:00"]),
            "flows_without_details": usually(0, 1, 3),
            "empty_statistics": st.sampled_from(["zeros", "404", "204"]),
            "empty_list": st.sampled_from(["empty", "404", "204"]),
            "past_end": st.sampled_from(["empty", "404", "400", "204"]),
            "condition_path": st.sampled_from(["trigger", "email"]),
            "page_cap": usually(0, 1, 2),
            "share_html_404": usually(0.0, 0.05, 0.2),
        }
    ),
    flows=st.integers(0, 4),
    one_by_one=st.booleans(),
    include_deleted=usually(True, False),
    days=st.integers(1, 2),
    page_size=st.sampled_from([1, 2, 100]),
)
@settings(settings.get_profile("services"))
def test_each_element_once_or_an_error_or_a_note(seed, knobs, flows, one_by_one, include_deleted, days, page_size):
    account = elements_account(seed, flows)
    span = Days(NOW.date() - days * DAY, NOW.date() - DAY)
    ids = [flow.id for flow in account.flows] if one_by_one else "all"
    dataset = ElementStatistics(include_deleted=include_deleted)
    with exported(account, knobs, dataset, ids, span, page_size=page_size) as (manifest, rows, error):
        if error:
            event(f"raised {type(error).__name__}")
            assert isinstance(error, A360UndecodableError)
            assert knobs["share_html_404"], "a needless error"
            return
        event("noted" if manifest["notes"] else "exact")
        gone = {one["flow_id"] for one in manifest["skipped"]}
        assert gone == {flow.id for flow in account.flows[max(0, flows - knobs["flows_without_details"]) :]}
        notes = " ".join(manifest["notes"])
        untold = re.findall(r"\d+", notes) if "deleted elements" in notes else []
        there = [flow for flow in account.flows if flow.id not in gone]
        for day, found in rows.items():
            lived = [as_it_was(flow, day, with_deleted=include_deleted) for flow in there]
            assert statistics_are_right(
                found, lived, day, silent=knobs["empty_statistics"] != "zeros", untold=[*map(int, untold)]
            )
            shown = {element.id: element for flow in lived for element in flow.elements}
            assert all(row["deleted_element"] is shown[row["element_id"]].deleted for row in found)


def as_it_was(flow, day, *, with_deleted):
    """The flow without elements that were made later: the service prints the dates of those in it three hours late, and
    none of deleted ones.
    """
    elements = [
        one
        for one in flow.elements
        if (with_deleted if one.deleted else (one.created + timedelta(hours=3)).date() <= day + DAY)
    ]
    return Flow(flow.id, flow.name, flow.status, flow.created, flow.changed, elements)
