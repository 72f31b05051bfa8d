"""What all users of an account in this process share: its token and its pace."""

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
from airflow_provider_a360.api.pace import Pace
from airflow_provider_a360.api.settings import Settings

T = TypeVar("T")

_accounts: MutableMapping[bytes, Any] = WeakValueDictionary()
# Hooks that are made one after the other, each for one request, share a token and a pace too.
_latest: deque[Any] = deque(maxlen=64)
_lock = threading.Lock()
_KEY = secrets.token_bytes(32)


def credentials_of(settings: Settings) -> Credentials:
    """Return what proves to the service who asks: one for each secret of an account."""
    client_id, secret = settings.client_id, settings.secret
    return _shared(
        lambda: ClientCredentials(client_id, secret) if client_id else StaticKey(secret),
        *("credentials", settings.base_url, client_id, secret),
    )


def pace_of(settings: Settings) -> Pace:
    """Return the pace of the account, which outlives a change of the client's secret."""
    return _shared(
        lambda: Pace(settings.requests_per_second), "pace", settings.base_url, settings.client_id or settings.secret
    )


def _shared(make: Callable[[], T], *names: str) -> T:
    """Return the one that goes by these names; made anew where nobody has used it for long."""
    # A digest with a key of this process only: whatever shows the registry shows no secret.
    key = hashlib.blake2b(json.dumps(names).encode(), key=_KEY, digest_size=16).digest()
    with _lock:
        found: T | None = _accounts.get(key)
        if found is None:
            found = _accounts[key] = make()
        _latest.append(found)
        return found
