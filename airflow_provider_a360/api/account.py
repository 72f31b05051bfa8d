"""Share credentials and rate limiters among all clients of an account in this process."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from collections import deque
from collections.abc import Callable, MutableMapping
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from airflow_provider_a360.api.auth import ClientCredentials, Credentials, StaticKey
from airflow_provider_a360.api.rate_limit import RateLimiter
from airflow_provider_a360.api.settings import Settings

T = TypeVar("T")

_shared_objects: MutableMapping[bytes, Any] = WeakValueDictionary()
# Keeps the latest alive, for hooks that are created one after the other, each for one request.
_latest: deque[Any] = deque(maxlen=64)
_lock = threading.Lock()
_KEY = secrets.token_bytes(32)


def credentials_of(settings: Settings) -> Credentials:
    """Return the credentials that all clients with the same base URL, client ID and secret share."""
    client_id, secret = settings.client_id, settings.secret
    return _shared(
        lambda: ClientCredentials(client_id, secret) if client_id else StaticKey(secret),
        *("credentials", settings.base_url, client_id, secret),
    )


def rate_limiter_of(settings: Settings) -> RateLimiter:
    """Return the rate limiter that all clients of the account share, also after its client secret has changed."""
    return _shared(
        lambda: RateLimiter(settings.requests_per_second),
        *("rate limiter", settings.base_url, settings.client_id or settings.secret),
    )


def _shared(make: Callable[[], T], *names: str) -> T:
    """Return the object with these names; make it if there is none."""
    # A keyed digest, so that the dictionary's keys reveal no secret.
    key = hashlib.blake2b(json.dumps(names).encode(), key=_KEY, digest_size=16).digest()
    with _lock:
        found: T | None = _shared_objects.get(key)
        if found is None:
            found = _shared_objects[key] = make()
        _latest.append(found)
        return found
