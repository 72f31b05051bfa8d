"""Services that behave unexpectedly in several ways at once, compared with the account itself.

Each row must be exported once, or the export must raise an error or note what may be missing. No row may be missing
silently, and none may be exported twice.
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
    """Return a strategy that mostly draws this value, so that few options differ at once."""
    return st.sampled_from([value] * max(2, len(others)) + list(others))


DIFFERENCES = [
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
"""Ways in which a service may differ from the API page; those that are harder for an export are listed more often."""
journeys = st.fixed_dictionaries(
    {
        "count": st.sampled_from([90, 90, 40, 40, 12, 3, 1, 0]),
        "every": st.sampled_from([timedelta(hours=2), timedelta(hours=2), timedelta(hours=9), timedelta(minutes=20)]),
        "journey_days": st.sampled_from([12, 12, 2, 0.5, 0.02]),
        "seed": st.integers(0, 1000),
    }
)


class GrowingFlow(Flow):
    """A flow that keeps every conversion that it ever had in `ever`."""

    def __init__(self, flow):
        super().__init__(flow.id, flow.name, flow.status, flow.created, flow.changed, flow.elements, flow.conversions)
        self.ever = list(flow.conversions)

    def add_conversion(self, conversion):
        self.ever.append(conversion)
        super().add_conversion(conversion)


def account_of(flows):
    """Return an account of flows with conversions; the ids of a flow's elements follow its own."""
    made = []
    for number, journey in enumerate(flows):
        until = NOW - timedelta(minutes=7) - number * timedelta(hours=5)
        made += Account.with_journeys(**journey, until=until, flow_id=100 + 10 * number).flows
    return Account([GrowingFlow(flow) for flow in made])


def elements_account(seed, flows):
    """Return an account of flows with elements of any type, some deleted, each with a few events."""
    rng = Random(seed)

    def element(number):
        created = NOW - rng.choice([2, 30, 300]) * DAY
        one = Element(number, rng.choice(TYPES), created, f"Element {number}", deleted=rng.random() < 0.2)
        for event_id in range(rng.randrange(5)):
            passed = NOW.replace(hour=0) - timedelta(seconds=rng.randrange(3 * 86_400))
            marks = {name: passed + timedelta(hours=rng.randrange(30)) for name in counters_of(one)[1:]}
            one.add(Event(event_id, Contact(None, None, ""), passed, marks if rng.random() < 0.5 else {}))
        return one

    made = []
    for number in range(100, 100 + 10 * flows, 10):
        elements = [element(number + place) for place in range(1, 1 + rng.randrange(5))]
        made.append(Flow(number, f"Flow {number}", 1, NOW - 400 * DAY, NOW - 400 * DAY, elements))
    return Account(made)


@pytest.fixture(autouse=True, scope="module")
def _no_waiting():
    """Retry without waiting."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transport, "_BACKOFF", wait_none())
        yield


@contextmanager
def exported(account, knobs, dataset, flow_ids, days, **kwargs):
    """Run an export and yield its manifest, its rows by day, and the error if it failed."""
    sandbox = Sandbox(account, options=SandboxOptions(**{**knobs, "requests_per_second": 0}), clock=lambda: NOW)
    with sandbox, tempfile.TemporaryDirectory() as folder:
        known = {"client_id": sandbox.client_id, "secret": sandbox.client_secret, "base_url": sandbox.url}
        client = A360Client(Settings(**known, requests_per_second=1000, **kwargs), deadline=60)
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
    """Return a row as text that can be compared."""
    return json.dumps(row, sort_keys=True)


def is_detectable(knobs):
    """Return whether a client can detect that rows are missing.

    It can't if the total is too low and equals the number of rows read. Nor can it if the total counts the page, and
    all rows of the first page are dropped, so that the total is 0.
    """
    cut_short = any(knobs[name] for name in ("served_rows", "most_offset", "drop_rows", "page_cap"))
    return not (knobs["total"] == "low" and cut_short) and not (knobs["total"] == "page" and knobs["drop_rows"])


def conversions_of(account, day, kind, knobs, before):
    """Return the rows that a day's file must have and those that it may have, each with its flow."""
    required, allowed = {}, {}
    for flow in account.flows:
        unchanged = before & {id(row) for row in flow.conversions}
        for row in flow.ever:
            if row.conversion_date.date() == day and kind in ("all", row.conversion_type):
                printed = flow.printed_id(row, by_kind=knobs["ids_by_kind"])
                text = key(conversion_row(flow, row) | {"conversion_id": printed})
                allowed[text] = flow.id
                if id(row) in unchanged and is_visible(row, knobs["drop_rows"]):
                    required[text] = flow.id
    return required, allowed


def is_readable(knobs):
    """Return whether the service serves all rows and doesn't change them."""
    return not (knobs["served_rows"] or knobs["most_offset"] or knobs["grow_every"])


def is_explained(error, knobs):
    """Return whether the options explain the error."""
    if isinstance(error, A360FormatError):
        # The total is above 0 but the first page is empty: all of its rows are dropped, or there are no rows.
        return knobs["drop_rows"] or knobs["total"] == "high"
    if isinstance(error, A360UndecodableError):
        return knobs["share_html_404"]
    return isinstance(error, (A360ListMovedError, A360RequestError)) and not is_readable(knobs)


@given(
    differences=st.lists(st.sampled_from(DIFFERENCES), max_size=5),
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
    differences, flows, kind, one_by_one, last, days, page_size, max_in_flight
):
    knobs = {knob.name: knob.default for knob in fields(SandboxOptions)}
    for difference in differences:
        knobs |= difference
    assume(is_detectable(knobs))
    account = account_of(flows)
    before = {id(row) for flow in account.flows for row in flow.conversions}
    last_day = NOW.date() - last * DAY
    span = Days(last_day - (days - 1) * DAY, last_day)
    ids = [flow.id for flow in account.flows] if one_by_one else "all"
    kwargs = {"page_size": page_size, "max_in_flight": max_in_flight}
    with exported(account, knobs, Conversions(kind), ids, span, **kwargs) as (manifest, rows, error):
        if error:
            event(f"raised {type(error).__name__}")
            assert is_explained(error, knobs), "an unnecessary error"
            return
        notes = " ".join(manifest["notes"])
        by_start = "start_date" in (knobs["filter_by"], knobs["filter_goals_by"])
        event("noted" if notes else "without a note")
        for day, found in rows.items():
            required, allowed = conversions_of(account, day, kind, knobs, before)
            counted = Counter(map(key, found))
            assert max(counted.values(), default=1) == 1, "a row was exported twice"
            assert counted.keys() <= allowed.keys(), "a row was exported that never existed"
            short = {flow for text, flow in required.items() if text not in counted}
            if short and by_start and HIDDEN.search(notes):
                event("hidden by the filter")
            elif short:
                event("cut short")
                assert short <= set(map(int, CUT_SHORT.findall(notes))), (
                    f"rows of the flows {short} are missing without a note"
                )
                # Without a total, a page whose rows are all dropped ends the list.
                ended = knobs["drop_rows"] and knobs["total"] == "missing"
                assert ended or not is_readable(knobs), f"rows of the flows {short} are missing for no reason"


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
            assert knobs["share_html_404"], "an unnecessary error"
            return
        event("noted" if manifest["notes"] else "exact")
        skipped = {one["flow_id"] for one in manifest["skipped"]}
        assert skipped == {flow.id for flow in account.flows[max(0, flows - knobs["flows_without_details"]) :]}
        notes = " ".join(manifest["notes"])
        may_lack_deleted = re.findall(r"\d+", notes) if "deleted elements" in notes else []
        there = [flow for flow in account.flows if flow.id not in skipped]
        for day, found in rows.items():
            existing = [flow_on_day(flow, day, with_deleted=include_deleted) for flow in there]
            assert statistics_are_right(
                found,
                existing,
                day,
                null_without_data=knobs["empty_statistics"] != "zeros",
                may_lack_deleted=[*map(int, may_lack_deleted)],
            )
            shown = {element.id: element for flow in existing for element in flow.elements}
            assert all(row["deleted_element"] is shown[row["element_id"]].deleted for row in found)


def flow_on_day(flow, day, *, with_deleted):
    """Return the flow without the elements that were created after a day.

    The service lists creation dates three hours late, and none for deleted elements.
    """
    elements = [
        one
        for one in flow.elements
        if (with_deleted if one.deleted else (one.created + timedelta(hours=3)).date() <= day + DAY)
    ]
    return Flow(flow.id, flow.name, flow.status, flow.created, flow.changed, elements)
