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
    """A period from `first` to `last`, both included, as in the service's filter.

    :param first: the first UTC day.
    :param last: the last UTC day, included.
    :raises A360ConfigError: if the last day comes before the first.
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
        """Return the period extended on both sides.

        :param by: the number of days to add on each side.
        :return: the longer period.
        """
        return Days(self.first - timedelta(days=by), self.last + timedelta(days=by))

    def parts(self, longest: int) -> Iterator[Days]:
        """Split the period.

        :param longest: the most days that a part may have.
        :return: the parts, in order.
        """
        first = self.first
        while first <= self.last:
            last = min(self.last, first + timedelta(days=longest - 1))
            yield Days(first, last)
            first = last + timedelta(days=1)


def date_filter(first: date | None, last: date | None) -> str:
    """Return the `filter` parameter of a request ("Example of a filter parameter").

    :param first: the first UTC day, or None.
    :param last: the last UTC day, included, or None.
    :return: the filter as JSON.
    """
    fields = {
        field: {"name": "user_stat_date", "expression": expression, "value": day.isoformat()}
        for field, expression, day in (("send_date_from", "gte", first), ("send_date_to", "lte", last))
        if day is not None
    }
    return msgspec.json.encode({"type": "group", "expression": "and", "fields": fields}).decode()


def bounds(first_day: Day, last_day: Day) -> tuple[date | None, date | None]:
    """Check the bounds of a period.

    :param first_day: the first UTC day.
    :param last_day: the last UTC day, included.
    :return: both as dates; None for a bound that isn't given.
    :raises A360ConfigError: if one isn't a day, or the last comes before the first.
    """
    first = None if first_day is None else arguments.day(first_day, "first_day")
    last = None if last_day is None else arguments.day(last_day, "last_day")
    if first and last and last < first:
        raise A360ConfigError(f"last_day, {last}, comes before first_day, {first}: swap them.")
    return first, last


def filter_params(first_day: Day, last_day: Day) -> dict[str, str]:
    """Return the query parameter that limits a request to a period.

    :param first_day: the first UTC day.
    :param last_day: the last UTC day, included.
    :return: a dictionary with `filter`; an empty one if neither day is given.
    :raises A360ConfigError: if one isn't a day, or the last comes before the first.
    """
    first, last = bounds(first_day, last_day)
    return {"filter": date_filter(first, last)} if first or last else {}
