"""Check the ids and days that a caller passes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from airflow_provider_a360.api.errors import A360ConfigError

EARLIEST = date(2000, 1, 1)
"""Before the service: an earlier day is a slip."""
_LATEST = date(2999, 12, 31)
_LARGEST_ID = (1 << 63) - 1
_LONGEST = 60


def identifier(value: Any, name: str) -> int:
    """A positive whole number, also as a string of digits.

    Raises: A360ConfigError, which names the value and the parameter.
    """
    text = value.strip() if isinstance(value, str) else value
    whole = (isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= _LONGEST) or (
        isinstance(text, (int, float)) and not isinstance(text, bool) and text == text // 1
    )
    if not whole or not 1 <= int(text) <= _LARGEST_ID:
        raise A360ConfigError(f"{name} is {shown(value)}; it must be an id of the service, a positive whole number.")
    return int(text)


def day(value: Any, name: str) -> date:
    """A UTC day: a date, a date and time (taken in UTC), or either as an ISO 8601 string.

    Raises: A360ConfigError for anything else; "None" is an error, not a day.
    """
    try:
        at = value if isinstance(value, date) else datetime.fromisoformat(str(value).strip())
        if isinstance(at, datetime) and at.tzinfo is not None:
            at = at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise A360ConfigError(f"{name} is {shown(value)}; it must be a day such as 2026-11-20.") from None
    # Airflow's own moments are pendulum's, whose dates are not plain ones.
    found = date(at.year, at.month, at.day)
    if not EARLIEST <= found <= _LATEST:
        raise A360ConfigError(f"{name} is {shown(value)}; it must be a day from {EARLIEST} to {_LATEST}.")
    return found


def shown(value: Any) -> str:
    """A value as a message quotes it, cut short where it is very long."""
    try:
        text = repr(value)
    except ValueError:  # Python prints no integer of more than some thousand digits
        text = "a number of thousands of digits"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
