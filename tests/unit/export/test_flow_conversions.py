"""Which lists are asked for to read a flow's days, and that no row is lost whatever the filter goes by."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_a360.api.conversions import conversion_identity
from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.errors import A360ForbiddenError, A360RequestError
from airflow_provider_a360.api.paging import Listing
from airflow_provider_a360.api.reading import Page
from airflow_provider_a360.api.records import Conversion, ConversionCount, ConversionTotals
from airflow_provider_a360.api.settings import Settings
from airflow_provider_a360.export.conversions import Conversions
from airflow_provider_a360.export.datasets import Findings
from airflow_provider_a360.export.filter_date import FilterDate
from airflow_provider_a360.export.flow_conversions import FlowConversions, Selection

TODAY = date(2026, 11, 10)
MIDNIGHT = datetime(2026, 11, 10, tzinfo=UTC)
NOON = MIDNIGHT + timedelta(hours=12)
SECOND, MINUTE, HOUR, DAY = (timedelta(**{name: 1}) for name in ("seconds", "minutes", "hours", "days"))
KINDS = ["maintrigger", "goal"]
ONE_DAY, EARLIEST = Days(TODAY, TODAY), date(2010, 1, 1)
WIDE, BEFORE = Days(TODAY - 2 * DAY, TODAY + 2 * DAY), Days(EARLIEST, TODAY - 2 * DAY)
EVE, NEXT = Days(EARLIEST, TODAY - DAY), Days(TODAY + DAY, TODAY + 2 * DAY)


def row(number, converted, journey=HOUR, kind="goal"):
    started = None if journey is None else converted - journey
    return Conversion(1, 3, number, kind, None, None, converted, started, None)


def every(step, first, last, journey=HOUR, kind="goal", number=1):
    """Rows from one moment up to another."""
    count = -((first - last) // step)
    return [row(number + n, first + n * step, journey, kind) for n in range(count)]


def newest_first(one):
    return -one.conversion_date.timestamp(), -one.conversion_id


def oldest_first(one):
    return one.conversion_date, one.conversion_id


def by_start(one):
    return -(one.start_date or one.conversion_date).timestamp(), -one.conversion_id


def by_conversion(one):
    return one.conversion_date


def start_of(one):
    return one.start_date


@dataclass
class Client:
    """An account's conversions of one flow: filtered by `date_of` a row, in days cut `ahead` of UTC, in some order.
    What is asked for is noted in `asked`, each page of it in `fetched`.
    """

    rows: list[Conversion]
    date_of: Callable[[Conversion], datetime | None] = by_conversion
    order: Callable[[Conversion], Any] = newest_first
    ahead: timedelta = timedelta(0)
    lte_includes_day: bool = True
    size: int = 10
    at_once: int = 1
    totals: dict[Days | None, int | None] = field(default_factory=dict)
    """What is stated of a list, instead of the right number."""
    refused: tuple[Days, ...] = ()
    counts: ConversionTotals | None = None
    asked: list[Days | None] = field(default_factory=list)
    fetched: list[Days | None] = field(default_factory=list)
    counted: list[Any] = field(default_factory=list)
    selections: set[Any] = field(default_factory=set)

    def conversions(self, flow_id, first_day=None, last_day=None, *, kind="all", goal_id=None):
        days = None if first_day is None else Days(first_day, last_day)
        self.asked.append(days)
        self.selections.add((flow_id, kind, goal_id))
        if days in self.refused:
            raise A360ForbiddenError("GET", "/list", 403, "not these days")
        listed = sorted((one for one in self.rows if self._shows(days, one)), key=self.order)

        def fetch(offset, limit):
            self.fetched.append(days)
            page = listed[offset : offset + limit]
            return Page(page, list(map(conversion_identity, page)), self.totals.get(days, len(listed)))

        return Listing(fetch, name=f"The list of {days}", page_size=self.size, at_once=self.at_once)

    def conversion_totals(self, flow_id, first_day=None, last_day=None):
        self.counted.append((flow_id, first_day, last_day))
        if self.counts is None:
            raise A360RequestError("GET", "/counts", 400, "not counted")
        return self.counts

    def _shows(self, days, one):
        if days is None:
            return True
        at = self.date_of(one)
        first = datetime.combine(days.first, datetime.min.time(), UTC) - self.ahead
        last = datetime.combine(days.last, datetime.min.time(), UTC) - self.ahead
        return at is not None and first <= at < last + (DAY if self.lte_includes_day else SECOND)


def reader(client, days=ONE_DAY, filter_date=None, selection=None):
    return FlowConversions(client, 1, days, selection or Selection(), filter_date or FilterDate(KINDS))


def read(client, days=ONE_DAY, filter_date=None, selection=None):
    """The numbers of the rows in their order, and the findings."""
    findings = Findings()
    found = []
    for day, rows in reader(client, days, filter_date, selection).open().rows(findings):
        assert day in days
        assert {one.conversion_date.date() for one in rows} <= {day}
        found += [one.conversion_id for one in rows]
    assert len(found) == len(set(found))
    return found, findings


def wanted(client, days=ONE_DAY):
    return {one.conversion_id for one in client.rows if one.conversion_date.date() in days}


def proven(kinds=KINDS):
    """Of a run that has seen a long journey of each kind."""
    filter_date = FilterDate(kinds)
    filter_date.observe([row(1, NOON, 30 * DAY, kind) for kind in kinds], MIDNIGHT, MIDNIGHT + DAY)
    return filter_date


def disproven():
    filter_date = FilterDate(KINDS)
    filter_date.observe([row(1, NOON)], MIDNIGHT + DAY, MIDNIGHT + 2 * DAY)
    return filter_date


# What is asked for.


def test_two_days_more_are_asked_for_on_both_sides_and_then_all_days_before():
    client = Client(every(6 * HOUR, NOON - 2 * DAY, NOON + 2 * DAY, MINUTE))
    assert set(read(client)[0]) == wanted(client)
    assert client.asked == [WIDE, BEFORE]


def test_a_run_that_knows_the_filter_asks_for_one_list():
    client = Client(every(6 * HOUR, NOON - 2 * DAY, NOON + 2 * DAY, MINUTE))
    assert set(read(client, filter_date=proven())[0]) == wanted(client)
    assert client.asked == [WIDE]


def test_a_first_page_that_proves_the_filter_spares_the_days_before():
    client = Client([row(1, NOON, 30 * DAY, "goal"), row(2, NOON, 30 * DAY, "maintrigger")])
    assert read(client) == ([2, 1], Findings())
    assert client.asked == [WIDE]


def test_a_later_page_that_proves_the_filter_spares_the_look_through_the_days_before():
    """Their first page is asked for by then."""
    old = row(99, MIDNIGHT - DAY, 30 * DAY)
    rows = [
        *every(HOUR, MIDNIGHT, MIDNIGHT + DAY, MINUTE),
        old,
        *every(HOUR, NOON - 60 * DAY, NOON - 55 * DAY, number=100),
    ]
    client = Client(rows, order=by_start)
    filter_date = FilterDate(["goal"])
    found, findings = read(client, filter_date=filter_date)
    assert set(found) == wanted(client)
    assert filter_date.unproven == []
    assert findings.notes == []
    assert client.fetched.count(BEFORE) == 1


def test_a_run_that_knows_that_the_filter_goes_by_another_date_asks_for_all_at_once():
    client = Client(every(HOUR, NOON - 2 * DAY, NOON + 2 * DAY, 3 * DAY), start_of)
    found, findings = read(client, filter_date=disproven())
    assert set(found) == wanted(client)
    assert client.asked == [None]
    (note,) = findings.notes
    assert note.startswith("The service's filter doesn't go by conversion_date")
    assert "may lack some" not in note


def test_the_selection_is_asked_for():
    client = Client(every(HOUR, NOON - 2 * DAY, NOON + 2 * DAY, 3 * DAY), start_of)
    read(client, selection=Selection("goal", 641435))
    assert set(client.asked) == {WIDE, BEFORE, None}
    assert client.selections == {(1, "goal", 641435)}


def test_pages_that_follow_are_expected():
    client = Client(every(HOUR, MIDNIGHT, MIDNIGHT + DAY, MINUTE))
    # 24 rows on pages of 10 that share one.
    assert read(client)[1].requests_expected == 2
    assert read(client, filter_date=disproven())[1].requests_expected == 2 + 2


# Which rows are taken.


@pytest.mark.parametrize("hours", range(-14, 15, 2))
@pytest.mark.parametrize("lte_includes_day", [True, False])
@pytest.mark.parametrize("date_of", [by_conversion, start_of])
@pytest.mark.parametrize("order", [newest_first, oldest_first, by_start])
@pytest.mark.parametrize("journey", [MINUTE, 30 * HOUR])
def test_every_row_of_the_days_comes_however_the_service_cuts_its_days(
    hours, lte_includes_day, date_of, order, journey
):
    rows = every(HOUR, MIDNIGHT - 4 * DAY, MIDNIGHT + 4 * DAY, journey)
    client = Client(rows, date_of, order, hours * HOUR, lte_includes_day, size=50)
    found, findings = read(client)
    assert set(found) == wanted(client)
    if date_of is by_conversion:
        assert findings.notes == []
        assert None not in client.asked


@pytest.mark.parametrize("date_of", [by_conversion, start_of])
@pytest.mark.parametrize("journey_days", [0, 1, 2, 3, 10])
def test_a_lonely_row_comes_however_long_it_took(date_of, journey_days):
    client = Client([row(1, NOON, journey_days * DAY + 13 * HOUR)], date_of)
    assert read(client)[0] == [1]


@pytest.mark.parametrize("ahead", [-12, 0, 14])
@pytest.mark.parametrize("started", range(12 * -24, 0, 6))
def test_no_start_lies_between_the_lists_that_are_looked_through(ahead, started):
    """Nor does it where `lte` leaves out the last day."""
    journey = NOON - (MIDNIGHT + started * HOUR)
    client = Client([row(1, NOON, journey)], start_of, ahead=ahead * HOUR, lte_includes_day=False)
    assert read(client)[0] == [1]


def test_rows_that_came_before_the_filter_was_disproven_come_once():
    """The first page is of the days; the second shows rows of others."""
    days = [*every(10 * MINUTE, NOON, NOON + 5 * HOUR, MINUTE)]
    rows = [*days, row(90, NOON - 3 * HOUR, 60 * DAY), row(91, NOON + 20 * DAY, 20 * DAY)]
    client = Client(rows, start_of, order=lambda one: 11.5 if one.conversion_id == 91 else one.conversion_id)
    found, findings = read(client)
    assert found == [*range(1, 31), 90]
    assert client.asked == [WIDE, BEFORE, None]
    assert len(findings.notes) == 1
    # The first page shows nothing, the second all: no more is read of these.
    assert client.fetched.count(WIDE) == 2
    assert client.fetched.count(BEFORE) == 1


@pytest.mark.parametrize(
    ("converted", "whole"),
    [
        (MIDNIGHT - 3 * DAY, False),
        (MIDNIGHT - 3 * DAY - SECOND, True),
        (MIDNIGHT + 4 * DAY - SECOND, False),
        (MIDNIGHT + 4 * DAY, True),
    ],
)
def test_a_row_of_another_day_is_one_that_no_time_zone_explains(converted, whole):
    """The days asked for, a day before them for a service ahead of UTC, a day behind them for one that is behind."""
    client = Client([row(1, NOON, MINUTE), row(2, converted, MINUTE)], lambda _: NOON)
    assert read(client)[0] == [1]
    assert (None in client.asked) == whole


def test_two_flows_say_once_that_lists_are_read_whole(caplog):
    filter_date, findings = FilterDate(KINDS), Findings()
    for _ in range(2):
        client = Client(every(HOUR, NOON - 2 * DAY, NOON + 2 * DAY, 3 * DAY), start_of)
        list(reader(client, filter_date=filter_date).open().rows(findings))
    assert len(findings.notes) == 1
    assert caplog.text.count("doesn't go by conversion_date") == 1
    assert client.asked == [None]


def test_a_reader_opened_before_another_flow_disproved_the_filter_reads_the_whole_list():
    client, filter_date, findings = Client([row(1, NOON, 9 * DAY)], start_of), FilterDate(KINDS), Findings()
    first = reader(client, filter_date=filter_date).open()
    filter_date.observe([row(1, NOON)], MIDNIGHT + DAY, MIDNIGHT + 2 * DAY)
    fetched = len(client.fetched)
    assert [one.conversion_id for _, rows in first.rows(findings) for one in rows] == [1]
    assert set(client.fetched[fetched:]) == {None}


def test_a_filter_that_was_proven_before_it_was_disproven_is_said_to_have_cost_rows():
    rows = [row(1, NOON, MINUTE), row(2, NOON + 30 * DAY, 30 * DAY)]
    (note,) = read(Client(rows, start_of), filter_date=proven())[1].notes
    assert note.endswith("Flows that were read before it may lack some.")


# The days alone.


def busy(first=MIDNIGHT - 2 * DAY, last=MIDNIGHT + 3 * DAY, journey=MINUTE, step=10 * MINUTE):
    return every(step, first, last, journey)


def test_a_busy_flow_is_asked_for_its_days_alone():
    client = Client(busy())
    assert set(read(client)[0]) == wanted(client)
    assert client.asked == [WIDE, ONE_DAY, EVE, NEXT]
    assert client.fetched.count(WIDE) == 1


def test_a_busy_flow_of_a_run_that_knows_the_filter_costs_its_own_pages():
    client = Client(busy())
    assert set(read(client, filter_date=proven())[0]) == wanted(client)
    assert client.asked == [WIDE, ONE_DAY]
    # 144 rows on pages of 10 that share one; the last of them looked at before.
    assert client.fetched == [WIDE, *[ONE_DAY] * (16 + 1)]


@pytest.mark.parametrize(("rows", "alone"), [(10 + 3 * 9, False), (10 + 3 * 9 + 1, True)])
def test_the_days_alone_are_asked_for_where_that_saves_more_than_three_pages(rows, alone):
    """Of five days, four are saved: of three pages to come 2.4, of four 3.2."""
    client = Client(every(SECOND, NOON, NOON + rows * SECOND, MINUTE))
    assert set(read(client)[0]) == wanted(client)
    assert (ONE_DAY in client.asked) == alone


@pytest.mark.parametrize(("pages", "alone"), [(12, False), (13, True)])
def test_of_a_long_span_the_days_alone_save_little(pages, alone):
    """Of 16 days, four are saved: a quarter of the pages, and three of twelve are not worth it."""
    days = Days(TODAY, TODAY + 11 * DAY)
    client = Client(every(SECOND, NOON, NOON + (10 + pages * 9) * SECOND, MINUTE))
    assert set(read(client, days)[0]) == wanted(client, days)
    assert (days in client.asked) == alone


@pytest.mark.parametrize("hours", [-14, -1, 1, 14])
@pytest.mark.parametrize("order", [newest_first, oldest_first, by_start])
def test_days_cut_in_another_time_zone_are_not_used_alone(hours, order):
    client = Client(busy(MIDNIGHT - 4 * DAY, MIDNIGHT + 5 * DAY), ahead=hours * HOUR, order=order)
    assert set(read(client)[0]) == wanted(client)
    assert client.asked == [WIDE, ONE_DAY, BEFORE]


def test_days_without_their_last_one_are_not_used_alone():
    client = Client(busy(), lte_includes_day=False)
    assert set(read(client)[0]) == wanted(client)
    assert client.asked == [WIDE, ONE_DAY, BEFORE]


def test_days_that_are_refused_alone_are_read_with_others():
    client = Client(busy(), refused=(ONE_DAY,))
    assert set(read(client)[0]) == wanted(client)
    assert client.asked == [WIDE, ONE_DAY, BEFORE]


@pytest.mark.parametrize("order", [newest_first, oldest_first, by_start])
@pytest.mark.parametrize("date_of", [by_conversion, start_of])
@pytest.mark.parametrize("journey", [MINUTE, 2 * HOUR, 25 * HOUR, 5 * DAY])
def test_a_busy_flow_is_complete_or_noted_whatever_the_filter_goes_by(order, date_of, journey):
    client = Client(busy(MIDNIGHT - 4 * DAY, MIDNIGHT + 4 * DAY, journey), date_of, order)
    found, findings = read(client)
    assert set(found) == wanted(client) or "could not be proven" in findings.notes[0]
    assert set(found) == wanted(client) or journey > 4 * DAY


def test_alone_a_row_converted_on_a_neighbouring_day_disproves_the_filter():
    """By start date, with a journey over midnight that only the days' later pages show."""
    rows = [*busy(journey=0 * HOUR), row(5000, NOON + 13 * HOUR, 14 * HOUR), row(5001, NOON - 11 * HOUR, 14 * HOUR)]
    client = Client(rows, start_of, by_start)
    assert set(read(client)[0]) == wanted(client)
    assert client.asked == [WIDE, ONE_DAY, EVE, NEXT, None]


@pytest.mark.parametrize("hours", [-13, 13])
def test_alone_a_row_of_another_day_disproves_the_filter_though_none_is_hidden(hours):
    rows = [*busy(journey=0 * HOUR), row(5000, NOON + hours * HOUR)]

    def shown_at(one):
        return NOON if one.conversion_id == 5000 else one.conversion_date

    client = Client(rows, shown_at, order=lambda one: (shown_at(one), one.conversion_id))
    assert set(read(client)[0]) == wanted(client)
    assert client.asked[:2] == [WIDE, ONE_DAY]
    assert client.asked[-1] is None


def test_alone_a_journey_of_more_than_a_day_before_them_proves_the_filter():
    """Of the wider list, it would have to begin before that one's days."""
    client = Client(busy(journey=50 * HOUR))
    assert read(client, filter_date=FilterDate(["goal"]))[1].notes == []
    assert client.asked == [WIDE, ONE_DAY]


def test_days_alone_whose_total_does_not_lead_to_their_end_are_not_taken():
    client = Client(busy(), totals={ONE_DAY: 150})
    found, findings = read(client, filter_date=proven())
    assert (set(found), findings.notes) == (wanted(client), [])
    assert client.asked == [WIDE, ONE_DAY]
    assert client.fetched.count(ONE_DAY) == 2


def test_alone_a_row_hidden_on_the_day_before_is_found():
    rows = [*busy(journey=0 * HOUR), row(5001, NOON - 11 * HOUR, 14 * HOUR)]
    client = Client(rows, start_of)
    assert set(read(client)[0]) == wanted(client)
    assert client.asked == [WIDE, ONE_DAY, EVE, NEXT, None]


def test_alone_a_row_hidden_on_the_day_after_is_found():
    """The filter goes by a date that a row gets later than its conversion."""
    client = Client(busy(), lambda one: one.conversion_date + (one.conversion_id == 300) * DAY, oldest_first)
    assert client.rows[299].conversion_date.date() == TODAY
    assert set(read(client)[0]) == wanted(client)
    assert None in client.asked


# The days before.


@pytest.mark.parametrize("order", [newest_first, oldest_first])
def test_a_hidden_row_is_found_among_many_days_before(order):
    """In the order of conversion, it is on the first page or the last."""
    rows = [
        *every(HOUR, MIDNIGHT - 40 * DAY, MIDNIGHT - 3 * DAY, MINUTE),
        row(5000, NOON, 20 * DAY),
        row(5001, NOON, HOUR),
    ]
    rows[7] = replace_start(rows[7], 5 * HOUR)
    rows[-10] = replace_start(rows[-10], 5 * HOUR)
    client = Client(rows, start_of, order)
    found, findings = read(client)
    assert set(found) == {5000, 5001}
    assert None in client.asked
    assert len(findings.notes) == 1
    assert client.fetched.count(BEFORE) <= 2


def replace_start(one, journey):
    return row(one.conversion_id, one.conversion_date, journey, one.conversion_type)


@pytest.mark.parametrize("order", [newest_first, oldest_first])
def test_an_order_of_conversion_settles_the_matter_with_a_page_or_two(order):
    rows = every(HOUR, MIDNIGHT - 40 * DAY, MIDNIGHT + DAY, MINUTE)
    for at in range(3, len(rows), 8):
        rows[at] = replace_start(rows[at], 5 * HOUR)
    client = Client(rows, order=order)
    found, findings = read(client)
    assert set(found) == wanted(client)
    assert findings.notes == []
    assert client.fetched.count(BEFORE) == (1 if order is newest_first else 2)


@pytest.mark.parametrize("at_once", [1, 8])
def test_without_an_order_as_many_pages_are_looked_at_as_the_days_have(at_once):
    """One behind the other: none is asked for in vain."""
    rows = every(HOUR, MIDNIGHT - 40 * DAY, MIDNIGHT + DAY, MINUTE)
    client = Client(rows, order=by_start, at_once=at_once)
    found, findings = read(client)
    assert set(found) == wanted(client)
    # 72 rows of these days on 8 pages, and one page more to see whether that is the end.
    assert client.fetched.count(WIDE) == 8
    assert client.fetched.count(BEFORE) == 8 + 1
    (note,) = findings.notes
    assert "(goal and maintrigger) could not be proven" in note


def by_neither(one):
    return one.conversion_id * 7919 % 1009


def test_without_any_order_a_run_looks_through_fifty_pages_and_no_more():
    rows = every(HOUR, MIDNIGHT - 40 * DAY, MIDNIGHT + DAY, MINUTE)
    client, filter_date = Client(rows, order=by_neither), FilterDate(KINDS)
    for flow, fetched in ((1, 51), (2, 1)):
        reader = FlowConversions(client, flow, ONE_DAY, Selection(), filter_date)
        findings, before = Findings(), client.fetched.count(BEFORE)
        list(reader.open().rows(findings))
        assert client.fetched.count(BEFORE) - before == fetched
        assert len(findings.notes) == 1


@pytest.mark.parametrize(("pages", "settled"), [(1, True), (2, True), (3, True), (4, False)])
def test_days_before_that_are_looked_through_to_their_end_settle_the_matter(pages, settled):
    """The days have three pages, so three are looked at."""
    days = every(HOUR, MIDNIGHT, MIDNIGHT + 23 * HOUR, MINUTE)
    before = every(
        HOUR, MIDNIGHT - 30 * DAY, MIDNIGHT - 30 * DAY + (10 + (pages - 1) * 9 - 1) * HOUR, MINUTE, number=100
    )
    client = Client([*days, *before], order=by_start)
    found, findings = read(client)
    assert set(found) == wanted(client)
    assert client.fetched.count(WIDE) == 3
    assert (findings.notes == []) == settled


def test_a_hidden_row_on_the_last_page_that_is_looked_at_is_found():
    rows = [
        *every(HOUR, MIDNIGHT, MIDNIGHT + 23 * HOUR, MINUTE),
        *every(HOUR, NOON - 60 * DAY, NOON - 59 * DAY, MINUTE, number=100),
    ]
    rows += [row(5000, NOON, 90 * DAY)]
    client = Client(rows, start_of, by_start)
    assert set(read(client)[0]) == wanted(client)
    assert client.fetched.count(BEFORE) == 3


def test_days_before_that_are_refused_are_noted():
    client = Client([row(1, NOON, MINUTE)], refused=(BEFORE,))
    found, findings = read(client)
    assert found == [1]
    (note,) = findings.notes
    assert note.startswith("By which date the service filters conversions (goal and maintrigger) could not be proven")


def test_days_before_that_fail_while_they_are_looked_through_are_noted():
    client = Client(every(HOUR, MIDNIGHT - 9 * DAY, MIDNIGHT + DAY, MINUTE), order=by_start)
    conversions = client.conversions

    def failing(*what, **more):
        listing = conversions(*what, **more)
        if what[2] == BEFORE.last:
            fetch = listing._fetch

            def refuse(offset, limit):
                if offset:
                    raise A360ForbiddenError("GET", "/list", 403, "no")
                return fetch(offset, limit)

            listing._fetch = refuse
        return listing

    client.conversions = failing
    found, findings = read(client)
    assert set(found) == wanted(client)
    assert "could not be proven" in findings.notes[0]


def test_only_kinds_that_are_not_proven_are_named():
    rows = [row(1, NOON, MINUTE), row(2, NOON, 30 * DAY, "maintrigger")]
    findings = read(Client(rows, refused=(BEFORE,)))[1]
    assert "filters conversions (goal) could not" in findings.notes[0]


def test_what_a_list_of_neighbouring_days_proves_is_not_said_to_be_unproven():
    """The days before can't be listed; those after show a long journey."""
    rows = [*busy(), row(5000, NOON + 2 * DAY, 9 * DAY), row(5001, NOON + 2 * DAY, 9 * DAY, "maintrigger")]
    client = Client(rows, refused=(EVE,))
    found, findings = read(client)
    assert set(found) == wanted(client)
    assert client.asked == [WIDE, ONE_DAY, EVE, NEXT]
    assert findings.notes == []


@pytest.mark.parametrize("refused", [EVE, NEXT])
def test_one_list_of_neighbouring_days_that_cannot_be_read_leaves_the_matter_open(refused):
    """The other one settles it for its days, by its order."""
    rows = [replace_start(one, (1 + one.conversion_id % 2 * 60) * MINUTE) for one in busy()]
    assert read(Client(rows))[1].notes == []
    (note,) = read(Client(rows, refused=(refused,)))[1].notes
    assert "could not be proven" in note


def test_a_filter_that_is_disproven_is_not_said_to_be_unproven_too():
    """The days before can't be listed; those after hide a row of the days."""
    client = Client(busy(), lambda one: one.conversion_date + (one.conversion_id == 300) * DAY, oldest_first)
    client.refused = (EVE,)
    (note,) = read(client)[1].notes
    assert "doesn't go by conversion_date" in note


def test_no_more_is_looked_at_than_what_disproves_the_filter():
    rows = [*every(HOUR, MIDNIGHT, MIDNIGHT + DAY, MINUTE), *every(HOUR, NOON - 60 * DAY, NOON - 50 * DAY, number=100)]
    client = Client([*rows, row(5000, NOON, 3 * DAY)], start_of, by_start)
    assert set(read(client)[0]) == wanted(client)
    assert client.fetched.count(BEFORE) == 1


# Rows that the service counts, but doesn't list.


def counts(total=9, start=4, goals=5, **of_goals):
    listed = [
        ConversionCount(int(number[1:]), "goal", None, None, None, count, None) for number, count in of_goals.items()
    ]
    return ConversionTotals(total, start, goals, None, listed)


@pytest.mark.parametrize(
    ("selection", "own"),
    [
        (Selection(), "is 9"),
        (Selection("maintrigger"), "is 4"),
        (Selection("goal"), "is 5"),
        (Selection("goal", 7), "is 3"),
        (Selection("goal", 8), "could not be had"),
    ],
)
def test_a_list_that_comes_short_is_noted_with_the_services_own_count(selection, own):
    client = Client([row(1, NOON, MINUTE)], totals={WIDE: 12}, counts=counts(_6=2, _7=3))
    found, findings = read(client, filter_date=proven(), selection=selection)
    assert found == [1]
    (note,) = findings.notes
    assert note.startswith(f"Flow 1: only 1 of 12 conversions of {WIDE} could be read; the service's own count {own}. ")
    assert client.counted == [(1, WIDE.first, WIDE.last)]


def test_a_list_that_comes_short_is_noted_without_a_count_too():
    client = Client([row(1, NOON, MINUTE)], totals={WIDE: 12})
    assert "own count could not be had" in read(client, filter_date=proven())[1].notes[0]


@pytest.mark.parametrize(
    ("total", "count", "noted"), [(None, 9, True), (None, 3, False), (None, 2, False), (3, 9, False)]
)
def test_a_list_without_a_total_is_compared_with_the_services_own_count(total, count, noted):
    rows = every(HOUR, NOON, NOON + 3 * HOUR, MINUTE)
    client = Client(rows, totals={WIDE: total}, counts=counts(total=count))
    findings = read(client, filter_date=proven())[1]
    said = f"Flow 1: only 3 conversions of {WIDE} could be read, while the service counts {count}."
    assert findings.notes == ([f"{said} The files hold what could be read."] if noted else [])
    assert client.counted == ([] if total else [(1, WIDE.first, WIDE.last)])


def test_a_list_without_a_total_that_nobody_counts_is_not_noted():
    client = Client([row(1, NOON, MINUTE)], totals={WIDE: None})
    assert read(client, filter_date=proven())[1].notes == []
    client.counts = counts(total=None)
    assert read(client, filter_date=proven())[1].notes == []


def test_a_whole_list_that_comes_short_is_noted_with_the_count_of_all_time():
    client = Client([row(1, NOON, MINUTE)], totals={None: 12}, counts=counts())
    notes = read(client, filter_date=disproven())[1].notes
    assert notes[1].startswith("Flow 1: only 1 of 12 conversions could be read; the service's own count is 9. ")
    assert client.counted == [(1, None, None)]


def test_a_list_that_was_left_for_the_whole_one_is_not_said_to_come_short():
    client = Client([row(1, NOON, MINUTE), row(2, NOON + 30 * DAY, 30 * DAY)], start_of, totals={WIDE: 12})
    assert len(read(client)[1].notes) == 1


# The dataset.


@pytest.mark.parametrize(
    ("dataset", "kinds"),
    [
        (Conversions(), "goal and maintrigger"),
        (Conversions("goal"), "goal"),
        (Conversions("maintrigger"), "maintrigger"),
        (Conversions(goal_id=3), "goal"),
    ],
)
def test_a_run_has_to_prove_the_filter_of_the_kinds_it_exports(dataset, kinds, monkeypatch):
    monkeypatch.setattr("airflow_provider_a360.export.conversions.check_goal", lambda *_: None)
    client = Client([], refused=(BEFORE,))
    client.settings = Settings(secret="s", max_in_flight=4)
    findings = Findings()
    for batch in dataset.batches(client, dataset.plan([[1], [2]], ONE_DAY), findings):
        assert list(batch.rows) == []
    (note,) = findings.notes
    assert f"({kinds}) could not be proven" in note
