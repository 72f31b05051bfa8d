"""Check the ids and days that a caller passes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from airflow_provider_a360.api.errors import A360ConfigError

EARLIEST = date(2000, 1, 1)
"""Earlier days are before the service existed, so they must be typing errors."""
_LATEST = date(2999, 12, 31)
_LARGEST_ID = (1 << 63) - 1
_LONGEST = 60


def identifier(value: Any, name: str) -> int:
    """Return an id as an integer.

    :param value: a positive integer, also as a float or a string of digits.
    :param name: the parameter's name, for the error.
    :return: the integer.
    :raises A360ConfigError: if the value isn't a positive integer.
    """
    text = value.strip() if isinstance(value, str) else value
    whole = (isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= _LONGEST) or (
        isinstance(text, (int, float)) and not isinstance(text, bool) and text == text // 1
    )
    if not whole or not 1 <= int(text) <= _LARGEST_ID:
        raise A360ConfigError(f"{name} is {shown(value)}; it must be an id of the service: a positive whole number.")
    return int(text)


def day(value: Any, name: str) -> date:
    """Return a UTC day.

    :param value: a date, a date and time, or either as an ISO 8601 string. A time zone is converted to UTC.
    :param name: the parameter's name, for the error.
    :return: the day.
    :raises A360ConfigError: for anything else, such as the string "None".
    """
    try:
        at = value if isinstance(value, date) else datetime.fromisoformat(str(value).strip())
        if isinstance(at, datetime) and at.tzinfo is not None:
            at = at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise A360ConfigError(f"{name} is {shown(value)}; it must be a day such as 2026-11-20.") from None
    # Airflow passes pendulum objects: make it a plain date.
    found = date(at.year, at.month, at.day)
    if not EARLIEST <= found <= _LATEST:
        raise A360ConfigError(f"{name} is {shown(value)}; it must be a day from {EARLIEST} to {_LATEST}.")
    return found


def shown(value: Any) -> str:
    """Return a value's repr for a message, shortened to 60 characters.

    :param value: any value.
    :return: the text.
    """
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print integers of over 4,300 digits
        text = "a number of over 4,300 digits"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
