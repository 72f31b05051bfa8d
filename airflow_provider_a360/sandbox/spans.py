"""Spans of time, and the part of a sorted list that lies in one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

Span = tuple[datetime | None, datetime | None]
"""The time from one moment (included) to another (excluded). None leaves that side open."""

ALWAYS: Span = (None, None)


def utc_days(first_day: date, last_day: date | None = None) -> Span:
    """Return the span of whole UTC days.

    :param first_day: the first day
    :param last_day: the last day, included; None for one day
    :return: the span
    """
    last = last_day or first_day
    return datetime.combine(first_day, time(), UTC), datetime.combine(last, time(), UTC) + timedelta(days=1)


def slice_bounds(rows: Sequence[Any], span: Span, key: Callable[[Any], datetime] | None = None) -> tuple[int, int]:
    """Return where a span begins and ends in a sorted list.

    :param rows: the list, sorted by time
    :param span: the span
    :param key: returns the time of a row; None if the rows are times
    :return: the bounds of the slice with the rows in the span
    """
    since, until = span
    low = 0 if since is None else bisect_left(rows, since, key=key)
    high = len(rows) if until is None else bisect_left(rows, until, key=key)
    return low, max(low, high)
