"""What an HTTP answer of the service means: its data, or one of the errors. Pure."""

from __future__ import annotations

import email.utils
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from airflow_provider_a360.api.errors import (
    NOT_FOUND,
    TOO_MANY,
    A360AuthError,
    A360ForbiddenError,
    A360NoDataError,
    A360RequestError,
    A360TransientError,
    A360UndecodableError,
)

# Seen on the service's host, whatever the status beside them.
_LIMIT_CODE = 2020202020
_TARIFF_CODE = 3030303030

_NO_CONTENT, _UNAUTHORISED, _FORBIDDEN = 204, 401, 403
# A request that timed out, or came too early, on its way is worth another.
_WORTH_ANOTHER_TRY = frozenset({408, 425, TOO_MANY})


def read(method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> Any:
    """Return the decoded JSON of a good answer.

    A 200 is an error when its top level says `"result": false` or has an `error_code`, as the service's host does.

    :raises A360AuthError: 401
    :raises A360ForbiddenError: 403
    :raises A360NoDataError: 204, and 404 with a JSON or an empty body
    :raises A360TransientError: 429, 5xx
    :raises A360UndecodableError: a body that is not JSON with a 2xx or a 404: it is not the service that answers so
    :raises A360RequestError: anything else that is not a 2xx
    """
    good = 200 <= status < 300  # noqa: PLR2004
    if status == _NO_CONTENT:
        raise A360NoDataError(method, path, status, "no content")
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        if good or (status == NOT_FOUND and body.strip()):
            raise A360UndecodableError(method, path, status, "answered with a body that is not JSON") from None
        data = None
    code = _error_code(data)
    if good and not code and not (isinstance(data, dict) and data.get("result") is False):
        return data

    reason = _reason(data) or f"without a message, error_code {code}" if code else _reason(data) or "no message"
    if 400 <= (code or 0) < 600:  # noqa: PLR2004
        status = code or status
    if code == _LIMIT_CODE or (status in _WORTH_ANOTHER_TRY and code != _TARIFF_CODE) or status >= 500:  # noqa: PLR2004
        retried = TOO_MANY if code == _LIMIT_CODE else status
        raise A360TransientError(method, path, retried, reason, retry_after=_retry_after(headers))
    if status == _FORBIDDEN or code == _TARIFF_CODE:
        raise A360ForbiddenError(method, path, status, reason)
    if status == _UNAUTHORISED:
        raise A360AuthError(method, path, status, reason)
    if status == NOT_FOUND:
        raise A360NoDataError(method, path, status, reason)
    raise A360RequestError(method, path, status, reason)


def _error_code(data: Any) -> int | None:
    code = str(data.get("error_code")) if isinstance(data, dict) else ""
    return int(code) if code.isdecimal() else None


def _reason(data: Any) -> str:
    """The service's own words: a message, the messages of fields, or a bare string."""
    if isinstance(data, str):
        return data
    if not isinstance(data, dict):
        return ""
    words = [str(data[key]) for key in ("message", "error", "error_description") if isinstance(data.get(key), str)]
    for key in ("messages", "errors"):
        words += _field_messages(data.get(key))
    return "; ".join(words)


def _field_messages(fields: Any) -> list[str]:
    if isinstance(fields, str):
        return [fields]
    if isinstance(fields, list):
        return [str(field) for field in fields if isinstance(field, str)]
    if not isinstance(fields, dict):
        return []
    return [
        f"{field}: {' '.join(str(message) for message in (messages if isinstance(messages, list) else [messages]))}"
        for field, messages in fields.items()
    ]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait as the header says, which may be a number of seconds or a date."""
    value = headers.get("Retry-After", "").strip()
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        at = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
