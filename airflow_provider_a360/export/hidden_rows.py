"""Check that the filter by days has hidden no rows: look for rows of the days in the lists of adjacent days."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.errors import SKIPPABLE
from airflow_provider_a360.api.paging import Listing
from airflow_provider_a360.api.records import Conversion
from airflow_provider_a360.export.conversion_lists import ConversionLists
from airflow_provider_a360.export.datasets import Diagnostics
from airflow_provider_a360.export.filter_date import DAY, FilterDate, Order, detect_order, midnight

log = logging.getLogger(__name__)

MARGIN_DAYS = 2
"""Days to request on both sides of the wanted days: one because the service may cut its days in another time zone, one
because it may leave out the last day of a filter.
"""
_EARLIEST_DAY = date(2010, 1, 1)
"""A day before any conversion. The service may refuse a filter with one bound only."""
_NO_LOW, _NO_HIGH = midnight(date(1, 1, 3)), midnight(date.max)
"""Bounds that exclude no row. Not date.min, because `FilterDate.observe` subtracts a day."""


class AdjacentList(NamedTuple):
    """The list of the days before or after the wanted days.

    If the filter goes by `conversion_date`, it holds no row of the wanted days.
    """

    listing: Listing[Conversion] | None
    """None if the service didn't return it."""
    low: datetime
    """The earliest `conversion_date` that the list may hold if the filter goes by that date."""
    high: datetime
    """The end of the allowed time, exclusive."""
    nearest_first: Order
    """The order in which the rows nearest to the wanted days come first."""


@dataclass
class HiddenRowCheck:
    """Look through the lists of adjacent days for rows that belong to the wanted days.

    :param lists: requests the lists.
    :param days: the wanted UTC days.
    :param requested: the days that the flow's list was filtered by: the wanted days, or more.
    :param filter_date: what the run knows about the filter.
    """

    lists: ConversionLists
    days: Days
    requested: Days
    filter_date: FilterDate

    def __post_init__(self) -> None:
        self._adjacent: list[AdjacentList] | None = None

    def request(self) -> None:
        """Request the first page of each adjacent list."""
        begin, end = midnight(self.days.first), midnight(self.days.last + DAY)
        # The list before the days reaches to the requested days or into them, so that no row falls in between.
        before = Days(_EARLIEST_DAY, min(self.requested.first, self.days.first - DAY))
        self._adjacent = [AdjacentList(self.lists.try_request(before), _NO_LOW, begin, "newest first")]
        if self.requested == self.days:
            after = Days(self.days.last + DAY, self.days.widened(MARGIN_DAYS).last)
            self._adjacent.append(AdjacentList(self.lists.try_request(after), end, _NO_HIGH, "oldest first"))

    def run(self, page_limit: int, diagnostics: Diagnostics) -> None:
        """Read the adjacent lists as far as needed, unless `conversion_date` is proven already.

        :param page_limit: the number of further pages to read if the order of a list is ambiguous.
        :param diagnostics: receives a note if the check is not conclusive.
        """
        if not self.filter_date.unproven_kinds:
            return
        if self._adjacent is None:
            # A later page of the flow's list had a conversion of an unexpected kind.
            self.request()
        conclusive = True
        for adjacent in self._adjacent or ():
            conclusive &= self._is_conclusive(adjacent, page_limit)
            if self.filter_date.disproven:
                return
        if not conclusive and (kinds := self.filter_date.unproven_kinds):
            diagnostics.warn(
                f"It could not be proven that the service filters conversions ({' and '.join(kinds)}) by "
                "conversion_date: no conversion was listed that started long before the exported days. A conversion "
                "that did may be missing from its day."
            )

    def _is_conclusive(self, adjacent: AdjacentList, page_limit: int) -> bool:
        """Read an adjacent list as far as needed; return whether it proves or disproves that rows are hidden.

        If the list is sorted by `conversion_date`, the page nearest to the wanted days is enough. Otherwise it has to
        be read to its end.
        """
        listing = adjacent.listing
        if listing is None:
            return False
        order = detect_order(listing.first.rows)
        try:
            self._observe(adjacent, listing.first.rows)
            if self.filter_date.disproven or order == adjacent.nearest_first:
                return True
            if order in ("newest first", "oldest first") and (last := listing.last_page()):
                self._observe(adjacent, last)
                return True
            return self._read_to_end(adjacent, listing, page_limit if order == "ambiguous" else None)
        except SKIPPABLE as error:
            log.info("Flow %d: the check for hidden conversions failed: %s", self.lists.flow_id, error)
            return False

    def _read_to_end(self, adjacent: AdjacentList, listing: Listing[Conversion], page_limit: int | None) -> bool:
        """Read a list to its end or to the limit of pages; return whether that is conclusive."""
        for number, page in enumerate(listing.pages(at_once=1)):
            self._observe(adjacent, page)
            if self.filter_date.disproven:
                return True
            is_only_page = number == 0 and not listing.pages_ahead
            if not is_only_page and (number == page_limit or not self.filter_date.spend_page()):
                return False
        return listing.shortfall is None

    def _observe(self, adjacent: AdjacentList, rows: Sequence[Conversion]) -> None:
        self.filter_date.observe(rows, adjacent.low, adjacent.high)
