"""Learn from listed conversions by which date the service filters them. Sends no requests."""

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
_SMALLEST_UTC_OFFSET = timedelta(minutes=15)
"""UTC offsets are multiples of this. Days cut in another time zone miss at least this much of a UTC day."""
_PAGE_BUDGET = 50
"""Pages that a run may read to look for hidden rows: five seconds at the account's rate limit."""


class FilterDate:
    """What a run knows about the date by which the service filters conversions. Thread-safe.

    The service's documentation doesn't say whether the filter goes by `conversion_date` or `start_date`. If it goes by
    `start_date`, a filtered list lacks rows. Rows are evidence:

    - A row whose `conversion_date` is outside the requested days disproves `conversion_date`, for all kinds.
    - A row whose `start_date` is before the requested days disproves `start_date`, and so proves `conversion_date`, for
      its kind.

    :param kinds: the kinds of conversions that will be listed, such as "goal".
    """

    def __init__(self, kinds: Collection[str]) -> None:
        self._kinds: set[str | None] = set(kinds)
        self._proven: set[str | None] = set()
        self._lock = threading.Lock()
        self.disproven = False
        """Whether the filter doesn't go by `conversion_date`, for at least one kind."""
        self.disproven_after_proof = False
        """Whether earlier rows of the same kind had proven `conversion_date`."""
        self._pages_left = _PAGE_BUDGET

    @property
    def unproven_kinds(self) -> list[str]:
        """The kinds for which no row has proven that the filter goes by `conversion_date`, sorted."""
        with self._lock:
            return sorted(kind or "without a kind" for kind in self._kinds - self._proven)

    def spend_page(self) -> bool:
        """Take one page from the run's budget for looking for hidden rows.

        :return: whether there was a page left.
        """
        with self._lock:
            self._pages_left -= 1
            return self._pages_left >= 0

    def observe(self, rows: Sequence[Conversion], low: datetime, high: datetime) -> None:
        """Learn from rows of a filtered list.

        :param rows: the rows.
        :param low: the earliest `conversion_date` (UTC) that the filter allows, if it goes by that date.
        :param high: the end of the allowed time (UTC), exclusive.
        """
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
    """Return the time at which a UTC day begins.

    :param day: the day.
    """
    return datetime.combine(day, time(), UTC)


def covers_whole_days(days: Days, rows: Sequence[Conversion]) -> bool:
    """Return whether rows prove that a filter for these days covers whole UTC days, if it goes by `conversion_date`.

    They do if the first row comes right after the midnight at which the days begin, and the last row right before the
    midnight at which they end. A service that cuts days in another time zone, or leaves out the last day, would have
    hidden one of these rows.

    :param days: the days that the filter was given.
    :param rows: the rows of the filtered list. Those at both ends are enough.
    """
    begin, end = midnight(days.first), midnight(days.last + DAY)
    times = [row.conversion_date for row in rows]
    return (
        bool(times)
        and begin <= min(times) < begin + _SMALLEST_UTC_OFFSET
        and end - _SMALLEST_UTC_OFFSET <= max(times) < end
    )


Order = Literal["newest first", "oldest first", "ambiguous", "unordered"]


def detect_order(rows: Sequence[Conversion]) -> Order:
    """Detect whether rows are sorted by `conversion_date`.

    :param rows: the rows in the order in which the service lists them.
    :return: the order, or "ambiguous" if the rows may be sorted by `start_date` instead.
    """
    converted = [row.conversion_date for row in rows]
    started = [row.start_date or row.conversion_date for row in rows]
    descending, ascending = _is_sorted(converted, operator.ge), _is_sorted(converted, operator.le)
    if not (descending or ascending):
        return "unordered"
    if (descending and ascending) or _is_sorted(started, operator.ge) or _is_sorted(started, operator.le):
        return "ambiguous"
    return "newest first" if descending else "oldest first"


def _is_sorted(times: Sequence[datetime], compare: Callable[[datetime, datetime], bool]) -> bool:
    return all(itertools.starmap(compare, itertools.pairwise(times)))
