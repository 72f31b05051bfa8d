"""Read one flow's conversions of some days, each exactly once."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Sequence
from datetime import date, datetime
from typing import NamedTuple, Self

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.conversions import conversion_identity
from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.paging import Listing
from airflow_provider_a360.api.records import Conversion
from airflow_provider_a360.export.conversion_lists import ConversionLists, Selection
from airflow_provider_a360.export.datasets import Diagnostics
from airflow_provider_a360.export.filter_date import DAY, FilterDate, covers_whole_days, midnight
from airflow_provider_a360.export.hidden_rows import MARGIN_DAYS, HiddenRowCheck

_MIN_PAGES_SAVED = 3
"""Request the list of the exact days only if it saves more pages than this, because checking it takes two requests."""

DatedRows = tuple[date, list[Conversion]]


class _FilteredList(NamedTuple):
    """A list that the service filtered by days."""

    listing: Listing[Conversion]
    days: Days
    low: datetime
    """The earliest `conversion_date` that the list may hold if the filter goes by that date."""
    high: datetime
    """The end of the allowed time, exclusive."""


class FlowConversions:
    """Read one flow's conversions of some days, each exactly once.

    The service's documentation leaves open in which time zone the service cuts days, whether its filter includes the
    last day, and by which date it filters. Each row is therefore selected by its own `conversion_date`, and:

    - The reader requests two more days on both sides. It requests the exact days only if that saves many pages, and
      uses that list only if its rows prove that it covers whole UTC days (`covers_whole_days`).
    - Unless rows prove that the filter goes by `conversion_date` (`FilterDate`), the reader looks for hidden rows in
      the lists of adjacent days (`HiddenRowCheck`).
    - If any row disproves it, the reader reads the unfiltered list.

    Call `open` once, from any thread, then iterate `rows` once.

    :param client: the client for the account.
    :param flow_id: the flow.
    :param days: the UTC days to read.
    :param selection: which conversions to read.
    :param filter_date: what the run knows about the filter; shared by all flows.
    """

    def __init__(
        self, client: A360Client, flow_id: int, days: Days, selection: Selection, filter_date: FilterDate
    ) -> None:
        self._lists = ConversionLists(client, flow_id, selection)
        self._days, self._filter_date = days, filter_date
        self._filtered: _FilteredList | None = None
        """The list to read first; None if it is already known that the filter doesn't go by `conversion_date`."""
        self._unfiltered: Listing[Conversion] | None = None
        self._seen: set[Hashable] = set()

    def open(self) -> Self:
        """Request the first pages of the lists to read.

        :return: this reader.
        """
        if self._filter_date.disproven:
            self._unfiltered = self._lists.request(None)
            return self
        wide_days = self._days.widened(MARGIN_DAYS)
        wide = _FilteredList(
            self._lists.request(wide_days),
            wide_days,
            midnight(wide_days.first) - DAY,
            midnight(wide_days.last + DAY) + DAY,
        )
        self._observe(wide, wide.listing.first.rows)
        exact = self._request_exact_days(wide)
        if exact is not None:
            self._observe(exact, exact.listing.first.rows)
        self._filtered = exact or wide
        self._check = HiddenRowCheck(self._lists, self._days, self._filtered.days, self._filter_date)
        if self._filter_date.unproven_kinds and not self._filter_date.disproven:
            self._check.request()
        return self

    def rows(self, diagnostics: Diagnostics) -> Iterator[DatedRows]:
        """Yield the rows in chunks of one day, each with its day. A day may come in several chunks.

        :param diagnostics: receives notes about rows that may be missing.
        """
        if self._filtered is not None and not self._filter_date.disproven:
            yield from self._read_filtered(self._filtered, diagnostics)
            if not self._filter_date.disproven:
                self._check.run(1 + self._filtered.listing.pages_ahead, diagnostics)
        if self._filter_date.disproven:
            yield from self._read_unfiltered(diagnostics)

    def _request_exact_days(self, wide: _FilteredList) -> _FilteredList | None:
        """Return the list of the exact days, if it saves pages and is proven to cover whole UTC days."""
        share_saved = 1 - len(self._days) / len(wide.days)
        if wide.listing.pages_ahead * share_saved <= _MIN_PAGES_SAVED:
            return None
        listing = self._lists.try_request(self._days)
        if listing is None or not covers_whole_days(self._days, listing.first.rows + listing.last_page()):
            return None
        return _FilteredList(listing, self._days, midnight(self._days.first), midnight(self._days.last + DAY))

    def _read_filtered(self, filtered: _FilteredList, diagnostics: Diagnostics) -> Iterator[DatedRows]:
        listing = filtered.listing
        diagnostics.requests_expected += listing.pages_ahead
        for page in listing.pages():
            self._observe(filtered, page)
            yield from self._select(page)
            if self._filter_date.disproven:
                break
        else:
            self._lists.note_shortfall(listing, filtered.days, diagnostics)
        # The unfiltered list may follow, and must not repeat these rows.
        self._seen = listing.seen

    def _read_unfiltered(self, diagnostics: Diagnostics) -> Iterator[DatedRows]:
        """Yield the rows that the filter has hidden, from the unfiltered list."""
        note = (
            "The service doesn't filter conversions by conversion_date, so whole lists were read, without a filter. "
            "Each conversion is still in the file of its own day; only the number of requests is higher."
        )
        if self._filter_date.disproven_after_proof:
            note += " Flows that were read before this was known may lack some conversions."
        if note not in diagnostics.notes:
            diagnostics.warn(note)
        listing = self._lists.request(None) if self._unfiltered is None else self._unfiltered
        diagnostics.requests_expected += listing.pages_ahead
        for page in listing.pages():
            yield from self._select(page)
        self._lists.note_shortfall(listing, None, diagnostics)

    def _select(self, page: list[Conversion]) -> Iterator[DatedRows]:
        """Yield the rows of the days, without those that were yielded before."""
        for day, rows in itertools.groupby(page, key=lambda row: row.conversion_date.date()):
            if day in self._days:
                yield day, [row for row in rows if not (self._seen and conversion_identity(row) in self._seen)]

    def _observe(self, filtered: _FilteredList, rows: Sequence[Conversion]) -> None:
        self._filter_date.observe(rows, filtered.low, filtered.high)
