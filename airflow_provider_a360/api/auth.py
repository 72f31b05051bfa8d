"""Where the bearer comes from: client credentials, or a static API key. Knows no socket."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from airflow_provider_a360.api.errors import A360AuthError

TOKEN_PATH = "/oauth/access_token"  # noqa: S105
# The service's own SDK refreshes five minutes before the hour is over; a shorter life gets the same share.
_EARLIEST, _SHARE = 300.0, 1 / 12
_USUAL_LIFE = 3600.0
_HOPELESS = 2


class Credentials(Protocol):
    """What proves to the service who asks."""

    def bearer(self, ask: Callable[[dict[str, str]], Any]) -> str:
        """The token to send; `ask` posts a body to the token endpoint and returns what it answers."""

    def accepted(self) -> None:
        """The service has answered to one of these."""

    def renew(self, refused: str) -> bool:
        """Whether it is worth asking with another token now that this one was refused."""


class StaticKey:
    """An API key that the account's owner made: it doesn't expire, and no login comes before it."""

    def __init__(self, key: str) -> None:
        self._key = key

    def bearer(self, ask: Callable[[dict[str, str]], Any]) -> str:  # noqa: ARG002
        """The key itself."""
        return self._key

    def accepted(self) -> None:
        """Nothing follows from it."""

    def renew(self, refused: str) -> bool:  # noqa: ARG002
        """Never: a key that is refused stays refused."""
        return False


class ClientCredentials:
    """A client's id and secret, exchanged for a token that is renewed before it expires, by one thread at a time."""

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

    def bearer(self, ask: Callable[[dict[str, str]], Any]) -> str:
        """The token in hand, or a new one where that is about to expire."""
        with self._lock:
            if self._token is None or self._clock() >= self._renew_at:
                asked = self._clock()
                token, life = _token(ask(self._body))
                self._token, self._renew_at = token, asked + life - min(_EARLIEST, life * _SHARE)
            return self._token

    def accepted(self) -> None:
        """A refusal to come is then the token's age, not the credentials'."""
        self._refusals = 0

    def renew(self, refused: str) -> bool:
        """Drop the refused token, unless another thread has already put a new one in its place. Where the next is
        refused too, before it was ever accepted, new tokens don't help.
        """
        with self._lock:
            if self._token != refused:
                return True
            self._token = None
            self._refusals += 1
            return self._refusals < _HOPELESS


def _token(answer: Any) -> tuple[str, float]:
    """The token and its life in seconds, which may come as a string of digits."""
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token:
        raise A360AuthError("POST", TOKEN_PATH, None, "the answer holds no access_token")
    try:
        life = float(answer.get("expires_in") or _USUAL_LIFE)
    except (TypeError, ValueError):
        life = _USUAL_LIFE
    return token, life
