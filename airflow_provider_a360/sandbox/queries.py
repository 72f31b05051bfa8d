"""Parse the parameters of requests: forms, paging, filters and sorting. Invalid ones raise the documented errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.spans import Span

MAX_LIMIT = 100
"""The documented maximum of `limit`. The flow list has none."""


class StatusError(Exception):
    """Answer a request with this status instead of data.

    :param status: the HTTP status
    :param body: the JSON body; a response with status 204 has none
    """

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def validation_error(**messages: str) -> StatusError:
    """Return the error that the documentation shows under "Request errors", with status 400.

    :param messages: a message for each invalid parameter
    :return: the error, to be raised
    """
    return StatusError(400, {"type": "validation_error", "messages": {name: [text] for name, text in messages.items()}})


def not_found() -> StatusError:
    """Return the error for an unknown id or for no data, with status 404. Its body isn't documented.

    :return: the error, to be raised
    """
    return StatusError(404, {"message": "Not found", "error_code": 404})


def raise_no_data(how: str) -> None:
    """Raise the error with which an option answers requests for which there is no data.

    :param how: the value of the option; with "empty" and "zeros" there is no error
    :raises StatusError: the value is a status
    """
    if how == "404":
        raise not_found()
    if how == "400":
        raise validation_error(offset="The offset is beyond the last record.")
    if how == "204":
        raise StatusError(204, {})


async def parse_form(request: Request) -> dict[str, Any]:
    """Read the fields of a POST request, sent as JSON or as a form.

    :param request: the request
    :return: the fields; empty if the JSON isn't an object
    :raises StatusError: the JSON is invalid
    """
    body = await request.body()
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            fields = json.loads(body or b"{}")
        except ValueError:
            raise StatusError(400, {"message": "Invalid JSON", "error_code": 400}) from None
        return fields if isinstance(fields, dict) else {}
    return dict(parse_qsl(body.decode(errors="replace")))


def parse_paging(
    query: Mapping[str, str], *, required: bool = True, maximum: int | None = MAX_LIMIT
) -> tuple[int, int]:
    """Parse `limit` and `offset`. Like the documented sample, one error names both if both are missing.

    :param query: the query parameters of the request
    :param required: whether both must be given; otherwise the defaults are 100 and 0
    :param maximum: the highest `limit`; None for any
    :return: the limit and the offset
    :raises StatusError: a parameter is missing or invalid
    """
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
    """Parse the `filter` parameter.

    :param query: the query parameters of the request
    :param options: the sandbox's options, which say where a day begins and ends
    :return: the span that the filter selects, in UTC
    :raises StatusError: the filter is missing or invalid
    """
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
    """Return the two dates of a filter. Any form other than the documented one is a ValueError."""
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
        bounds.append(datetime.strptime(wanted["value"], "%Y-%m-%d").date())  # noqa: DTZ007  (a date without time)
    if form["type"] != "group" or form["expression"] != "and" or fields or bounds == [None, None]:
        raise ValueError(form)
    return bounds[0], bounds[1]


def parse_sorting(query: Mapping[str, str], fields: set[str]) -> tuple[str | None, bool]:
    """Parse `sortField` and `sortDirection`.

    The documentation has the directions the other way round than usual: "asc - from highest to lowest, desc - from
    lowest to highest".

    :param query: the query parameters of the request
    :param fields: the fields that the list can be sorted by
    :return: the field to sort by (None to sort by time), and whether the highest value comes first
    :raises StatusError: the field or the direction is invalid
    """
    field = query.get("sortField") or None
    direction = query.get("sortDirection") or "asc"
    if direction not in {"asc", "desc"}:
        raise validation_error(sortDirection="The selected sort direction is invalid.")
    if field is not None and field not in fields:
        raise validation_error(sortField="The selected sort field is invalid.")
    return field, direction == "asc"
