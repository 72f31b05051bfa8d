"""Convert the service's values to Python's types: counters, times, texts, flags. Pure."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from airflow_provider_a360.api.errors import A360FormatError
from airflow_provider_a360.api.masking import scrub

# PHP prints a missing date as 0000-00-00 or, after a conversion, as -0001-11-30.
_NO_DATE = re.compile(r"(-\d{4,}|0{4,})-\d\d-\d\d($|[ T])", re.ASCII)
# Not with leading zeros, which a number would lose; a float is exact for 15 digits.
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})", re.ASCII)
_TEXT_FIELD = re.compile("name|title|subject|mail|phone", re.IGNORECASE)
_PRINTED = len("2026-11-20 10:00:00")


def integer(value: Any, place: str) -> int | None:
    """Convert a counter or an id.

    :param value: an integer, a float without a fraction, a string of digits, null or an empty string.
    :param place: what the value is, for the error.
    :return: the integer, or None.
    :raises A360FormatError: for anything else; a boolean isn't a number.
    """
    if type(value) is int or value is None:
        return value
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        if text.isascii() and text.removeprefix("-").isdigit():
            # Python refuses to parse more than 4,300 digits.
            with contextlib.suppress(ValueError):
                return int(text)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise A360FormatError(f"{place} is {scrub(repr(value))}, not a whole number.")


def moment(value: Any, place: str) -> datetime | None:
    """Convert a date and time ("All parameters with dates … GMT +00:00").

    :param value: a date and time as the service prints it, null, an empty string or a zero date of PHP.
    :param place: what the value is, for the error.
    :return: the date and time in UTC, or None.
    :raises A360FormatError: for anything else.
    """
    try:
        # The usual form. Parsing the time zone with the text takes a fifth of the time of adding it later.
        if len(value) == _PRINTED:
            return datetime.fromisoformat(value + "+00:00")
    except (TypeError, ValueError):
        pass
    if value is None or value == "" or (isinstance(value, str) and _NO_DATE.match(value)):
        return None
    try:
        at = datetime.fromisoformat(value)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise A360FormatError(f"{place} is {scrub(repr(value))}, not a date and time.") from None


def text(value: Any, place: str) -> str | None:  # noqa: ARG001
    """Convert a text.

    :param value: any value.
    :param place: not used; all converters have it.
    :return: a string as it is, a number as its digits, null as None, anything else as JSON.
    """
    if isinstance(value, str) or value is None:
        return value
    return str(value) if type(value) in (int, float) else json_text(value)


def flag(value: Any, place: str) -> bool | None:
    """Convert a flag.

    :param value: 0 or 1 in any form that `integer` takes, or a boolean.
    :param place: what the value is, for the error.
    :return: the boolean, or None.
    :raises A360FormatError: for anything else.
    """
    if isinstance(value, bool):
        return value
    number = integer(value, place)
    return None if number is None else number != 0


def mapping(value: Any, place: str) -> dict[str, Any]:
    """Check that a value is an object.

    :param value: an object, null or an empty list, which PHP prints for an empty object.
    :param place: what the value is, for the error.
    :return: the object; an empty one for null and the empty list.
    :raises A360FormatError: for anything else.
    """
    if isinstance(value, dict):
        return value
    if value is None or value == []:
        return {}
    raise A360FormatError(f"{place} is a {type(value).__name__}, not an object.")


def sequence(value: Any, place: str) -> list[dict[str, Any]]:
    """Check that a value is a list of objects.

    :param value: a list, null, or an object with numeric keys, which PHP prints for an array with gaps in its keys.
    :param place: what the value is, for the error.
    :return: the objects; none for null.
    :raises A360FormatError: for anything else.
    """
    if isinstance(value, dict) and all(key.isdigit() for key in value):
        value = list(value.values())
    if value is None:
        return []
    if not isinstance(value, list):
        raise A360FormatError(f"{place} is a {type(value).__name__}, not a list.")
    return [mapping(item, place) for item in value]


def with_numbers(value: Any, name: str = "") -> Any:
    """Return JSON in which strings of digits have become integers.

    :param value: decoded JSON.
    :param name: the field that holds it. A field that holds text, such as a name or a phone number, stays as it is.
    :return: the same with integers.
    """
    if _TEXT_FIELD.search(name):
        return value
    if isinstance(value, dict):
        return {key: with_numbers(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [with_numbers(item, name) for item in value]
    return int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else value


def json_text(value: Any) -> str:
    """Encode a value as JSON with sorted keys, so that equal values give equal texts.

    :param value: any JSON value.
    :return: the JSON.
    """
    return msgspec.json.encode(value, order="sorted").decode()
