"""A client with scripted conversions of one flow, and helpers to read it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from airflow_provider_a360.api.conversions import conversion_identity
from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.errors import A360ForbiddenError, A360RequestError
from airflow_provider_a360.api.paging import Listing
from airflow_provider_a360.api.reading import Page
from airflow_provider_a360.api.records import Conversion, ConversionTotals
from airflow_provider_a360.export.conversion_lists import Selection
from airflow_provider_a360.export.datasets import Diagnostics
from airflow_provider_a360.export.filter_date import FilterDate
from airflow_provider_a360.export.flow_conversions import FlowConversions

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
    """Return rows from one time to another, the latter excluded."""
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
    """A client for one flow, which filters by `date_of` a row, cuts days `ahead` of UTC, and lists in some order.

    It records requested lists in `requested`, and each requested page in `fetched`.
    """

    rows: list[Conversion]
    date_of: Callable[[Conversion], datetime | None] = by_conversion
    order: Callable[[Conversion], Any] = newest_first
    ahead: timedelta = timedelta(0)
    lte_includes_day: bool = True
    size: int = 10
    at_once: int = 1
    totals: dict[Days | None, int | None] = field(default_factory=dict)
    """Wrong totals of lists, by their days."""
    refused: tuple[Days, ...] = ()
    counts: ConversionTotals | None = None
    requested: list[Days | None] = field(default_factory=list)
    fetched: list[Days | None] = field(default_factory=list)
    counted: list[Any] = field(default_factory=list)
    selections: set[Any] = field(default_factory=set)

    def conversions(self, flow_id, first_day=None, last_day=None, *, kind="all", goal_id=None):
        days = None if first_day is None else Days(first_day, last_day)
        self.requested.append(days)
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
    """Read a flow; return the numbers of the rows in their order, and the diagnostics."""
    diagnostics = Diagnostics()
    found = []
    for day, rows in reader(client, days, filter_date, selection).open().rows(diagnostics):
        assert day in days
        assert {one.conversion_date.date() for one in rows} <= {day}
        found += [one.conversion_id for one in rows]
    assert len(found) == len(set(found))
    return found, diagnostics


def wanted(client, days=ONE_DAY):
    return {one.conversion_id for one in client.rows if one.conversion_date.date() in days}


def proven(kinds=KINDS):
    """Return what a run knows that has seen a long journey of each kind."""
    filter_date = FilterDate(kinds)
    filter_date.observe([row(1, NOON, 30 * DAY, kind) for kind in kinds], MIDNIGHT, MIDNIGHT + DAY)
    return filter_date


def disproven():
    filter_date = FilterDate(KINDS)
    filter_date.observe([row(1, NOON)], MIDNIGHT + DAY, MIDNIGHT + 2 * DAY)
    return filter_date


def busy(first=MIDNIGHT - 2 * DAY, last=MIDNIGHT + 3 * DAY, journey=MINUTE, step=10 * MINUTE):
    """Return so many rows that requesting the exact days saves pages."""
    return every(step, first, last, journey)


def replace_start(one, journey):
    return row(one.conversion_id, one.conversion_date, journey, one.conversion_type)
