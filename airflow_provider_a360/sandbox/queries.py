"""What a caller asked for: paging, filters and sorting, read and refused as the page says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from airflow_provider_a360.sandbox.flow import Span
from airflow_provider_a360.sandbox.options import SandboxOptions

MAX_LIMIT = 100
"""The page's maximum for `limit`, everywhere but in the flow list."""


class StatusError(Exception):
    """A request that the service answers with a status of its own instead of data. A 204 goes out without the body."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def validation_error(**messages: str) -> StatusError:
    """The 400 that the page shows under "Request errors"."""
    return StatusError(400, {"type": "validation_error", "messages": {name: [text] for name, text in messages.items()}})


def not_found() -> StatusError:
    """404: an unknown id, or no data. The page doesn't show its body."""
    return StatusError(404, {"message": "Not found", "error_code": 404})


def raise_no_data(manner: str) -> None:
    """Refuse a request for which there is no data, in the manner that a knob says; "empty" and "zeros" let it pass."""
    if manner == "404":
        raise not_found()
    if manner == "400":
        raise validation_error(offset="The offset is beyond the last record.")
    if manner == "204":
        raise StatusError(204, {})


def parse_paging(
    query: Mapping[str, str], *, required: bool = True, maximum: int | None = MAX_LIMIT
) -> tuple[int, int]:
    """`limit` and `offset`; both missing ones are named at once, as in the page's sample."""
    messages: dict[str, str] = {}
    numbers = {"limit": MAX_LIMIT, "offset": 0}
    for name, least in (("limit", 1), ("offset", 0)):
        text = query.get(name, "")
        if not text:
            if required:
                messages[name] = f"The {name} field is required."
        elif len(text) > len("1000000000") or not text.removeprefix("-").isdecimal():
            messages[name] = f"The {name} must be an integer."
        elif int(text) < least:
            messages[name] = f"The {name} must be at least {least}."
        elif name == "limit" and maximum is not None and int(text) > maximum:
            messages[name] = f"The limit may not be greater than {maximum}."
        else:
            numbers[name] = int(text)
    if messages:
        raise validation_error(**messages)
    return numbers["limit"], numbers["offset"]


def parse_filter(query: Mapping[str, str], options: SandboxOptions) -> Span:
    """The moments that the `filter` parameter means, by the service's own idea of a day."""
    text = query.get("filter", "")
    if not text:
        raise validation_error(filter="The filter field is required.")
    try:
        since, until = _bounds(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise validation_error(filter="The filter must be a valid JSON string.") from None
    if not options.one_bound and None in {since, until}:
        raise validation_error(filter="The filter must have both dates.")
    midnight = timedelta(hours=-options.day_offset_hours)
    beyond = timedelta(days=1) if options.lte_includes_day else timedelta(seconds=1)
    return (
        None if since is None else datetime.combine(since, time(), UTC) + midnight,
        None if until is None else datetime.combine(until, time(), UTC) + midnight + beyond,
    )


def _bounds(form: dict[str, Any]) -> tuple[date | None, date | None]:
    """The two dates of a filter in the page's form; ValueError for any other."""
    bounds: list[date | None] = []
    fields = dict(form["fields"])
    for name, expression in (("send_date_from", "gte"), ("send_date_to", "lte")):
        wanted = fields.pop(name, None)
        if wanted is None:
            bounds.append(None)
            continue
        if (
            wanted["name"] != "user_stat_date"
            or wanted["expression"] != expression
            or len(wanted["value"]) != len("2020-10-01")
        ):
            raise ValueError(name)
        bounds.append(datetime.strptime(wanted["value"], "%Y-%m-%d").date())  # noqa: DTZ007  (a bare date)
    if form["type"] != "group" or form["expression"] != "and" or fields or bounds == [None, None]:
        raise ValueError(form)
    return bounds[0], bounds[1]


def parse_sorting(query: Mapping[str, str], fields: set[str]) -> tuple[str | None, bool]:
    """The field to sort by (None: by time) and whether the highest comes first.

    The page's words are odd: "asc - from highest to lowest, desc - from lowest to highest".
    """
    field = query.get("sortField") or None
    direction = query.get("sortDirection") or "asc"
    if direction not in {"asc", "desc"}:
        raise validation_error(sortDirection="The selected sort direction is invalid.")
    if field is not None and field not in fields:
        raise validation_error(sortField="The selected sort field is invalid.")
    return field, direction == "asc"
