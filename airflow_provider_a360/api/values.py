"""The service's values as Python's: counters, moments, texts, whatever type they came in. Pure."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from airflow_provider_a360.api.errors import A360FormatError
from airflow_provider_a360.api.masking import scrub

# PHP prints a date that it doesn't have as 0000-00-00 or, once it has passed through its calendar, -0001-11-30.
_NO_DATE = re.compile(r"(-\d{4,}|0{4,})-\d\d-\d\d($|[ T])", re.ASCII)
# Not with leading zeros, which a number would lose; a float is exact for 15 digits.
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})", re.ASCII)
_DECIMAL = re.compile(r"-?(0|[1-9]\d{0,8})\.\d{1,6}", re.ASCII)
_TEXT_FIELDS = frozenset({"name", "title", "message_title", "subject", "email", "phone"})
_PRINTED = len("2026-11-20 10:00:00")


def integer(value: Any, place: str) -> int | None:
    """A whole number, also as a string of digits; null and an empty string are null. True is no number.

    Raises: A360FormatError, which names the value and `place`.
    """
    if type(value) is int or value is None:
        return value
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        if text.isascii() and text.removeprefix("-").isdigit():
            # Python reads no number of more than 4,300 digits.
            with contextlib.suppress(ValueError):
                return int(text)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise A360FormatError(f"{place} is {scrub(repr(value))}, not a whole number.")


def moment(value: Any, place: str) -> datetime | None:
    """A date and time in UTC ("All parameters with dates … GMT +00:00"); null, an empty string and PHP's zero dates, of
    the year 0 or an earlier one, are null.

    Raises: A360FormatError, which names the value and `place`.
    """
    try:
        # As the service prints them: a zone read from the text costs a fifth of one put in afterwards.
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
    """A string; a number as its digits, anything else as JSON."""
    if isinstance(value, str) or value is None:
        return value
    return str(value) if type(value) in (int, float) else json_text(value)


def flag(value: Any, place: str) -> bool | None:
    """One of the service's 0 and 1, as a boolean.

    Raises: A360FormatError, which names the value and `place`.
    """
    if isinstance(value, bool):
        return value
    number = integer(value, place)
    return None if number is None else number != 0


def mapping(value: Any, place: str) -> dict[str, Any]:
    """An object; null and the empty list, PHP's empty array, count as an empty one.

    Raises: A360FormatError, which names `place` and what stands there.
    """
    if isinstance(value, dict):
        return value
    if value is None or value == []:
        return {}
    raise A360FormatError(f"{place} is a {type(value).__name__}, not an object.")


def sequence(value: Any, place: str) -> list[dict[str, Any]]:
    """A list of objects; null counts as an empty one, and PHP's array with gaps in its keys as its values.

    Raises: A360FormatError, which names `place` and what stands there.
    """
    if isinstance(value, dict) and all(key.isdigit() for key in value):
        value = list(value.values())
    if value is None:
        return []
    if not isinstance(value, list):
        raise A360FormatError(f"{place} is a {type(value).__name__}, not a list.")
    return [mapping(item, place) for item in value]


def with_numbers(value: Any, name: str = "") -> Any:
    """Return JSON in which strings that are plain numbers have become numbers.

    :param value: decoded JSON.
    :param name: the field that holds it; the string of one that holds text, such as a name or a phone number, stays.
    :return: the same with integers and floats.
    """
    if isinstance(value, dict):
        return {key: with_numbers(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [with_numbers(item, name) for item in value]
    if isinstance(value, str) and name not in _TEXT_FIELDS:
        if _INTEGER.fullmatch(value):
            return int(value)
        if _DECIMAL.fullmatch(value):
            return float(value)
    return value


def json_text(value: Any) -> str:
    """The same value always as the same JSON."""
    return msgspec.json.encode(value, order="sorted").decode()
