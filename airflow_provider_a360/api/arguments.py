"""Check the ids and days that a caller passes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from airflow_provider_a360.api.errors import A360ConfigError


def identifier(value: Any, name: str) -> int:
    """A positive whole number, also as a string of digits.

    Raises: A360ConfigError, which names the value and the parameter.
    """
    text = value.strip() if isinstance(value, str) else value
    whole = (isinstance(text, str) and text.isascii() and text.isdigit()) or (
        isinstance(text, (int, float)) and not isinstance(text, bool) and text == text // 1
    )
    if not whole or int(text) < 1:
        raise A360ConfigError(f"{name} is {value!r}; it must be an id of the service, a positive whole number.")
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
        raise A360ConfigError(f"{name} is {value!r}; it must be a day such as 2026-11-20.") from None
    # Airflow's own moments are pendulum's, whose dates are not plain ones.
    return date(at.year, at.month, at.day)
