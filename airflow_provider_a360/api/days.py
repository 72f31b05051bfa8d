"""A period of whole UTC days, and the service's filter for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import msgspec

from airflow_provider_a360.api import arguments
from airflow_provider_a360.api.errors import A360ConfigError

Day = date | str | None
"""A bound of a period: a UTC day as a date or an ISO 8601 string; None if it isn't given."""


@dataclass(frozen=True, slots=True)
class Days:
    """From `first` to `last`, both included, as in the service's filter.

    Raises: A360ConfigError where the last day comes before the first.
    """

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise A360ConfigError(f"The last day, {self.last}, comes before the first, {self.first}: swap them.")

    def __len__(self) -> int:
        return (self.last - self.first).days + 1

    def __iter__(self) -> Iterator[date]:
        return (self.first + timedelta(days=n) for n in range(len(self)))

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"

    def widened(self, by: int = 1) -> Days:
        """The span with so many days more on both sides."""
        return Days(self.first - timedelta(days=by), self.last + timedelta(days=by))

    def parts(self, longest: int) -> Iterator[Days]:
        """The span in parts of at most so many days, in order."""
        first = self.first
        while first <= self.last:
            last = min(self.last, first + timedelta(days=longest - 1))
            yield Days(first, last)
            first = last + timedelta(days=1)


def date_filter(first: date | None, last: date | None) -> str:
    """The `filter` parameter for days from `first`, to `last`, or both ("Example of a filter parameter").

    The service takes one of its two fields or both; no other field or operator is known.
    """
    fields = {
        field: {"name": "user_stat_date", "expression": expression, "value": day.isoformat()}
        for field, expression, day in (("send_date_from", "gte", first), ("send_date_to", "lte", last))
        if day is not None
    }
    return msgspec.json.encode({"type": "group", "expression": "and", "fields": fields}).decode()


def bounds(first_day: Day, last_day: Day) -> tuple[date | None, date | None]:
    """Return the first and the last day of a period; None for a bound that isn't given.

    :raises A360ConfigError: if one isn't a day, or the last comes before the first.
    """
    first = None if first_day is None else arguments.day(first_day, "first_day")
    last = None if last_day is None else arguments.day(last_day, "last_day")
    if first and last and last < first:
        raise A360ConfigError(f"last_day, {last}, comes before first_day, {first}: swap them.")
    return first, last


def filter_params(first_day: Day, last_day: Day) -> dict[str, str]:
    """Return the query parameter that limits a request to a period; none without a day.

    :raises A360ConfigError: if one isn't a day, or the last comes before the first.
    """
    first, last = bounds(first_day, last_day)
    return {"filter": date_filter(first, last)} if first or last else {}
