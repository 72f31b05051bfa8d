"""Turn an HTTP response of the service into its data or an error. Pure."""

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

# Error codes of the service, sent with various statuses.
_LIMIT_CODE = 2020202020
_PLAN_CODE = 3030303030

_NO_CONTENT, _UNAUTHORISED, _FORBIDDEN = 204, 401, 403
# 408 and 425: a proxy timed out, or wants the request to be repeated.
_RETRYABLE = frozenset({408, 425, TOO_MANY})


def read(method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> Any:
    """Return the decoded JSON of a successful response.

    A 200 is an error too if its top level has `"result": false` or an `error_code`.

    :param method: the request's method, for errors.
    :param path: the request's path, for errors.
    :param status: the HTTP status.
    :param headers: the response's headers.
    :param body: the response's decoded body.
    :return: the decoded JSON.
    :raises A360AuthError: for a 401.
    :raises A360ForbiddenError: for a 403.
    :raises A360NoDataError: for a 204, and for a 404 with a JSON or an empty body.
    :raises A360TransientError: for a 408, a 425, a 429 and a 5xx.
    :raises A360UndecodableError: if the body of a 2xx or a 404 isn't JSON, so that it can't be the service's.
    :raises A360RequestError: for all other statuses.
    """
    good = 200 <= status < 300  # noqa: PLR2004
    if status == _NO_CONTENT:
        raise A360NoDataError(method, path, status, "no content")
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        if good or (status == NOT_FOUND and body.strip()):
            raise A360UndecodableError(method, path, status, "the response is not JSON") from None
        data = None
    code = _error_code(data)
    if good and not code and not (isinstance(data, dict) and data.get("result") is False):
        return data

    reason = _reason(data) or f"without a message, error_code {code}" if code else _reason(data) or "no message"
    if 400 <= (code or 0) < 600:  # noqa: PLR2004
        status = code or status
    if code == _LIMIT_CODE or (status in _RETRYABLE and code != _PLAN_CODE) or status >= 500:  # noqa: PLR2004
        as_status = TOO_MANY if code == _LIMIT_CODE else status
        raise A360TransientError(method, path, as_status, reason, retry_after=_retry_after(headers))
    if status == _FORBIDDEN or code == _PLAN_CODE:
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
    """Return the service's own message: a message, the messages of fields, or a bare string."""
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
    """Return the seconds that the Retry-After header asks to wait; it holds seconds or a date."""
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
