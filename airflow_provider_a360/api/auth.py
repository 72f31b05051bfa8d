"""Access tokens: fetch one with client credentials, or use a static API key. Sends nothing itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from airflow_provider_a360.api.errors import A360AuthError

TOKEN_PATH = "/oauth/access_token"  # noqa: S105
# Like the service's own SDK, refresh five minutes before an hour is over; refresh a shorter-lived token after 11/12.
_LONGEST_MARGIN, _MARGIN_SHARE = 300.0, 1 / 12
_DEFAULT_LIFETIME = 3600.0
_MOST_REFUSALS = 2

RequestToken = Callable[[dict[str, str]], Any]
"""Posts a body to the token endpoint and returns the decoded response."""


class Credentials(Protocol):
    """Credentials of an account."""

    def access_token(self, request_token: RequestToken) -> str:
        """Return the access token to send; fetch one if needed."""

    def accepted(self) -> None:
        """Note that the service has accepted a request with the access token."""

    def renew(self, refused: str) -> bool:
        """Discard an access token that was answered with 401.

        :return: whether a retry with another token may succeed.
        """


class StaticKey:
    """A static API key: it is sent as it is and doesn't expire."""

    def __init__(self, key: str) -> None:
        self._key = key

    def access_token(self, request_token: RequestToken) -> str:  # noqa: ARG002
        """Return the key."""
        return self._key

    def accepted(self) -> None:
        """Do nothing."""

    def renew(self, refused: str) -> bool:  # noqa: ARG002
        """Return False: there is no other token to try."""
        return False


class ClientCredentials:
    """A client ID and secret. Thread-safe: one thread at a time fetches a token, the others wait for it."""

    def __init__(self, client_id: str, client_secret: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._body = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
        }
        self._token: str | None = None
        self._renew_at = 0.0
        self._refusals = 0
        self._lock = threading.Lock()
        self._clock = clock

    def access_token(self, request_token: RequestToken) -> str:
        """Fetch an access token and reuse it until shortly before it expires."""
        with self._lock:
            if self._token is None or self._clock() >= self._renew_at:
                # Count the lifetime from before the request: the service may have issued the token at its start.
                requested_at = self._clock()
                token, lifetime = _token_and_lifetime(request_token(self._body))
                margin = min(_LONGEST_MARGIN, lifetime * _MARGIN_SHARE)
                self._token, self._renew_at = token, requested_at + lifetime - margin
            return self._token

    def accepted(self) -> None:
        """Reset the count of refusals: the next 401 means that the token is too old, not that the secret is wrong."""
        self._refusals = 0

    def renew(self, refused: str) -> bool:
        """Discard the refused token, unless another thread has already replaced it.

        :return: False if two tokens in a row were refused without any being accepted.
        """
        with self._lock:
            if self._token != refused:
                return True
            self._token = None
            self._refusals += 1
            return self._refusals < _MOST_REFUSALS


def _token_and_lifetime(answer: Any) -> tuple[str, float]:
    """Return the token and its lifetime in seconds, which may be a string of digits."""
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token:
        raise A360AuthError("POST", TOKEN_PATH, None, "the response has no access_token")
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise A360AuthError("POST", TOKEN_PATH, None, "the response has an access_token that no header can hold")
    try:
        lifetime = float(answer.get("expires_in") or _DEFAULT_LIFETIME)
    except (TypeError, ValueError):
        lifetime = _DEFAULT_LIFETIME
    return token, lifetime
