"""By which date the service filters conversions: what the rows of its answers show. Pure."""

from __future__ import annotations

import itertools
import operator
import threading
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.records import Conversion

DAY = timedelta(days=1)
_EDGE = timedelta(minutes=15)
"""Every time zone is a multiple of this away from UTC, so another one hides at least so much of a day's edge."""


_PAGE_BUDGET = 50
"""Pages that a run looks through for rows that the filter has hidden: five seconds at the account's limit."""


class FilterDate:
    """What a run has learned of the date by which the service filters each kind of conversion. Safe to share among
    threads.

    The service's page doesn't say which of a row's dates the filter means: `conversion_date` or `start_date`. A row
    that was converted outside the days that were asked for shows that it isn't `conversion_date`. A row that started
    outside them shows that it isn't `start_date`. Other rows show nothing.

    :param kinds: the kinds of conversion that the lists may hold.
    """

    def __init__(self, kinds: Collection[str]) -> None:
        self._kinds: set[str | None] = set(kinds)
        self._proven: set[str | None] = set()
        self._lock = threading.Lock()
        self.disproven = False
        """Whether the filter of some kind doesn't go by `conversion_date`."""
        self.disproven_after_proof = False
        """Whether rows had shown before that it does."""
        self._pages_left = _PAGE_BUDGET

    @property
    def unproven_kinds(self) -> list[str]:
        """The kinds for which no row has shown that the filter goes by `conversion_date`."""
        with self._lock:
            return sorted(kind or "without a kind" for kind in self._kinds - self._proven)

    def spend_page(self) -> bool:
        """Return whether the run may look through one more page, as long as nothing is proven."""
        with self._lock:
            self._pages_left -= 1
            return self._pages_left >= 0

    def observe(self, rows: Sequence[Conversion], low: datetime, high: datetime) -> None:
        """Learn from rows of a list, filtered so that by `conversion_date` none can lie outside `low` to `high`."""
        with self._lock:
            for row in rows:
                kind = row.conversion_type
                self._kinds.add(kind)
                if not low <= row.conversion_date < high:
                    self.disproven_after_proof |= kind in self._proven and not self.disproven
                    self.disproven = True
                elif row.start_date is not None and row.start_date < low - DAY:
                    self._proven.add(kind)


def midnight(day: date) -> datetime:
    """Return the moment at which a UTC day begins."""
    return datetime.combine(day, time(), UTC)


def covers_whole_days(days: Days, rows: Sequence[Conversion]) -> bool:
    """Whether rows that a filter for `days` let through show that it lets all of these days through, if it goes by
    `conversion_date`: the first lies right behind the midnight with which they begin, the last right before the one
    with which they end. A service that cut its days in another time zone, or left out the last day, would have hidden
    one of the two.
    """
    begin, end = midnight(days.first), midnight(days.last + DAY)
    moments = [row.conversion_date for row in rows]
    return bool(moments) and begin <= min(moments) < begin + _EDGE and end - _EDGE <= max(moments) < end


Order = Literal["newest first", "oldest first", "ambiguous", "unordered"]


def detect_order(rows: Sequence[Conversion]) -> Order:
    """Return whether rows stand in the order of `conversion_date`. It is ambiguous where they stand in an order of
    `start_date` as well.
    """
    converted = [row.conversion_date for row in rows]
    started = [row.start_date or row.conversion_date for row in rows]
    falls, rises = _is_sorted(converted, operator.ge), _is_sorted(converted, operator.le)
    if not (falls or rises):
        return "unordered"
    if (falls and rises) or _is_sorted(started, operator.ge) or _is_sorted(started, operator.le):
        return "ambiguous"
    return "newest first" if falls else "oldest first"


def _is_sorted(moments: Sequence[datetime], pair: Callable[[datetime, datetime], bool]) -> bool:
    return all(itertools.starmap(pair, itertools.pairwise(moments)))
