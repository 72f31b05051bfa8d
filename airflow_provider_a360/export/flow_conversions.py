"""Read one flow's conversions of some days, each exactly once."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple, Self

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.conversions import conversion_identity
from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.endpoints import ConversionKind
from airflow_provider_a360.api.errors import SKIPPABLE
from airflow_provider_a360.api.paging import Listing
from airflow_provider_a360.api.records import Conversion
from airflow_provider_a360.export.datasets import Findings
from airflow_provider_a360.export.filter_date import (
    DAY,
    FilterDate,
    Order,
    begins_and_ends_with,
    midnight,
    order_of_conversion,
)

log = logging.getLogger(__name__)

_EARLIEST = date(2010, 1, 1)
"""Before any conversion: a filter with one bound may be refused."""
_WIDER = 2
"""Days to ask for on both sides: the service may cut its days in another time zone, and leave out the last day that was
asked for.
"""
_FEWEST_SAVED = 3
"""Pages that asking for the days alone must save: it takes two requests to see whether that is enough."""
_LONG_AGO, _FAR_OFF = midnight(date(1, 1, 3)), midnight(date.max)
"""No bound. Some days from the first that there is, as days are taken off."""

DatedRows = tuple[date, list[Conversion]]


@dataclass(frozen=True)
class Selection:
    """Which conversions are wanted."""

    kind: ConversionKind = "all"
    goal_id: int | None = None


class _Neighbour(NamedTuple):
    """A list next to the days, which holds none of their rows if the filter goes by `conversion_date`."""

    listing: Listing[Conversion] | None
    """None where the service refused it."""
    low: datetime
    high: datetime
    days_first: Order
    """The order in which the rows that are nearest to the days come first."""


class FlowConversions:
    """One flow's conversions of some days.

    No row is lost wherever the service cuts its days: more days are asked for than are wanted, and each row is taken by
    its own `conversion_date`. The days alone are asked for only where many rows would be read in vain, and used only
    where their rows show that nothing is missing (`begins_and_ends_with`).

    No row is lost if the filter goes by `start_date` either. What is proven is used (`FilterDate`). Until it is, the
    list of the days before (and where the days alone were asked for, of those after) is looked through: if the filter
    goes by `conversion_date`, it holds no row of these days. If it does, or if any other row shows it, the flow's list
    is read whole, without a filter.

    :param client: asks the account.
    :param flow_id: the flow.
    :param days: the UTC days.
    :param selection: which conversions.
    :param filter_date: what the run knows of the filter, shared by all of its flows.
    """

    def __init__(
        self, client: A360Client, flow_id: int, days: Days, selection: Selection, filter_date: FilterDate
    ) -> None:
        self._client, self._flow_id, self._days = client, flow_id, days
        self._selection, self._filter_date = selection, filter_date
        self._begin, self._end = midnight(days.first), midnight(days.last + DAY)
        self._seen: set[Hashable] = set()
        self._neighbours: list[_Neighbour] = []

    def open(self) -> Self:
        """Ask for what tells how to go on: the first page, and the first pages of the lists to look through."""
        days = self._days
        self._asked = days.widened(_WIDER)
        self._unfiltered = self._filter_date.disproven
        if self._unfiltered:
            self._listing = self._list(None)
            return self
        self._listing = self._list(self._asked)
        self._low, self._high = midnight(self._asked.first) - DAY, midnight(self._asked.last + DAY) + DAY
        self._filter_date.observe(self._listing.first.rows, self._low, self._high)
        alone = self._days_alone()
        if alone is not None:
            self._asked, self._listing, self._low, self._high = days, alone, self._begin, self._end
            self._filter_date.observe(self._listing.first.rows, self._low, self._high)
        if self._filter_date.unproven and not self._filter_date.disproven:
            self._open_neighbours()
        return self

    def _open_neighbours(self) -> None:
        """Ask for the lists to look through. They reach as far as the days that were asked for, or into them."""
        alone = self._asked == self._days
        before = Days(_EARLIEST, self._days.first - (1 if alone else _WIDER) * DAY)
        self._neighbours = [_Neighbour(self._try_list(before), _LONG_AGO, self._begin, "newest first")]
        if alone:
            after = Days(self._days.last + DAY, self._days.last + _WIDER * DAY)
            self._neighbours += [_Neighbour(self._try_list(after), self._end, _FAR_OFF, "oldest first")]

    def rows(self, findings: Findings) -> Iterator[DatedRows]:
        """Yield the rows, those of a day together where the service lists them together."""
        findings.requests_expected += self._listing.pages_ahead
        if not self._filter_date.disproven:
            yield from self._filtered(findings)
        if not self._filter_date.disproven:
            self._look_for_hidden_rows(findings)
        if self._filter_date.disproven:
            yield from self._whole(findings)

    def _filtered(self, findings: Findings) -> Iterator[DatedRows]:
        for page in self._listing.pages():
            self._filter_date.observe(page, self._low, self._high)
            yield from self._wanted(page)
            if self._filter_date.disproven:
                break
        else:
            self._note_shortfall(self._listing, self._asked, findings)
        # The list without a filter may follow: what has come is left out of it.
        self._seen = self._listing.seen

    def _whole(self, findings: Findings) -> Iterator[DatedRows]:
        """Yield the rows that the filter has hidden, from the list without a filter."""
        again = " Flows that were read before it may lack some." if self._filter_date.disproven_after_proof else ""
        note = (
            "The service's filter doesn't go by conversion_date, so lists of conversions were read whole, without it. "
            f"The days are exact all the same; it takes more requests.{again}"
        )
        if note not in findings.notes:
            findings.warn(note)
        listing = self._listing if self._unfiltered else self._list(None)
        findings.requests_expected += listing.pages_ahead
        for page in listing.pages():
            yield from self._wanted(page)
        self._note_shortfall(listing, None, findings)

    def _wanted(self, page: list[Conversion]) -> Iterator[DatedRows]:
        """Yield the rows of the days that have not come before."""
        for day, rows in itertools.groupby(page, key=lambda row: row.conversion_date.date()):
            if day in self._days:
                yield day, [row for row in rows if not (self._seen and conversion_identity(row) in self._seen)]

    def _days_alone(self) -> Listing[Conversion] | None:
        """Return the list of the days alone, where that saves pages and is seen to hold all of their rows."""
        share = 1 - len(self._days) / len(self._asked)
        if self._listing.pages_ahead * share <= _FEWEST_SAVED:
            return None
        listing = self._try_list(self._days)
        if listing is None or not begins_and_ends_with(self._days, listing.first.rows + listing.last_page()):
            return None
        return listing

    def _look_for_hidden_rows(self, findings: Findings) -> None:
        """Look through the neighbouring lists for rows of the days, unless no row could be hidden."""
        if not self._filter_date.unproven:
            return
        if not self._neighbours:
            # A kind that nobody expected has come on a later page.
            self._open_neighbours()
        settled = True
        for neighbour in self._neighbours:
            settled &= self._is_settled_by(*neighbour)
            if self._filter_date.disproven:
                return
        if not settled and (kinds := self._filter_date.unproven):
            findings.warn(
                f"By which date the service filters conversions ({' and '.join(kinds)}) could not be proven: none was "
                "seen that started long before the days that were asked for. One that did may be missing from its day."
            )

    def _is_settled_by(
        self, listing: Listing[Conversion] | None, low: datetime, high: datetime, days_first: Order
    ) -> bool:
        """Look through a list that should hold no row of the days; return whether that settles the matter.

        In the order of `conversion_date`, the page that lies next to the days is enough. Otherwise each page is looked
        at, as far as the run may; in an ambiguous order, no more of them than the days themselves have.
        """
        if listing is None:
            return False
        order = order_of_conversion(listing.first.rows)
        most = 1 + self._listing.pages_ahead if order == "ambiguous" else None
        try:
            for number, page in enumerate(listing.pages(at_once=1)):
                self._filter_date.observe(page, low, high)
                if self._filter_date.disproven or order == days_first:
                    return True
                if order in ("newest first", "oldest first") and (last := listing.last_page()):
                    self._filter_date.observe(last, low, high)
                    return True
                is_only_page = number == 0 and not listing.pages_ahead
                if not is_only_page and (number == most or not self._filter_date.take_page()):
                    return False
        except SKIPPABLE as error:
            log.info("Flow %d: the filter could not be looked into: %s", self._flow_id, error)
            return False
        return listing.shortfall is None

    def _note_shortfall(self, listing: Listing[Conversion], asked: Days | None, findings: Findings) -> None:
        """Note that a list came short of its total, or of the service's own count where its total says nothing."""
        span = "" if asked is None else f" of {asked}"
        what = f"conversions{span} could be read"
        if listing.shortfall is not None and listing.shortfall.total is not None:
            found, total = listing.shortfall
            count = self._count(asked)
            own = "could not be had" if count is None else f"is {count}"
            findings.warn(
                f"Flow {self._flow_id}: only {found} of {total} {what}; the service's own count {own}. "
                "The files hold what could be read."
            )
        elif not listing.total_is_confirmed:
            count = self._count(asked)
            if count is not None and count > len(listing.seen):
                findings.warn(
                    f"Flow {self._flow_id}: only {len(listing.seen)} {what}, while the service counts {count}. "
                    "The files hold what could be read."
                )
            elif count is None and listing.shortfall is not None:
                findings.warn(
                    f"Flow {self._flow_id}: {len(listing.seen)} {what}, then the service gave no others. "
                    "There may be more."
                )

    def _count(self, asked: Days | None) -> int | None:
        """Return the service's own count of what a list holds."""
        kind, goal_id = self._selection.kind, self._selection.goal_id
        first, last = (None, None) if asked is None else (asked.first, asked.last)
        try:
            counts = self._client.conversion_totals(self._flow_id, first, last)
        except SKIPPABLE:
            return None
        if goal_id is not None:
            return next((goal.conversions for goal in counts.goals if goal.id == goal_id), None)
        by_kind = {
            "all": counts.total_conversions,
            "maintrigger": counts.maintrigger_conversions,
            "goal": counts.goal_conversions,
        }
        return by_kind[kind]

    def _list(self, days: Days | None) -> Listing[Conversion]:
        """Return the list of the days, or the one without a filter."""
        first, last = (None, None) if days is None else (days.first, days.last)
        kind, goal_id = self._selection.kind, self._selection.goal_id
        return self._client.conversions(self._flow_id, first, last, kind=kind, goal_id=goal_id)

    def _try_list(self, days: Days) -> Listing[Conversion] | None:
        """Return the list of the days for a question that only improves the answer; None where the service refuses."""
        try:
            return self._list(days)
        except SKIPPABLE as error:
            log.info("Flow %d: conversions of %s could not be listed: %s", self._flow_id, days, error)
            return None
