"""Turn an Airflow connection into the settings of a client."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import Connection, mask_secret

from airflow_provider_a360.api.base_client import CALL_DEADLINE
from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.errors import A360ConfigError
from airflow_provider_a360.api.settings import Settings

log = logging.getLogger(__name__)

NUMBERS: Mapping[str, type[int | float]] = {
    "requests_per_second": float,
    "page_size": int,
    "max_in_flight": int,
    "connect_timeout": float,
    "read_timeout": float,
}
"""The numeric fields of `extra`."""
PERSONAL_DATA_SECRET = "personal_data_secret"  # noqa: S105  # the name of a field


def make_client(
    settings: Settings,
    *,
    deadline: float = CALL_DEADLINE,
    reload_settings: Callable[[], Settings] | None = None,
    on_new_token: Callable[[str], object] = mask_secret,
) -> A360Client:
    """Return a client for a connection's settings.

    :param settings: what the connection says.
    :param deadline: seconds after which a call that still fails is given up.
    :param reload_settings: reads the connection again after a 401.
    :param on_new_token: gets each access token before it is used. Airflow masks the connection's own fields in logs;
        the access token must be registered.
    :raises A360ConfigError: if the proxy of the environment isn't a URL or its certificate bundle doesn't exist.
    """
    return A360Client(settings, deadline=deadline, reload_settings=reload_settings, on_new_token=on_new_token)


def settings_of(connection: Connection) -> Settings:
    """Return the settings that a connection holds.

    Login is the client ID and password the client secret; if login is empty, password is a static API key. Host is the
    base URL. Only the fields of `extra` that the README lists are read.

    :param connection: a connection of the type `a360`.
    :raises A360ConfigError: if a value is invalid. The message doesn't show it: it may be a misplaced secret.
    """
    extra = extra_of(connection)
    if unknown := sorted({_printable(name) for name in extra.keys() - {*NUMBERS, PERSONAL_DATA_SECRET}}):
        log.warning(
            "Connection %s: ignoring the unknown fields %s of extra. Known fields: %s.",
            connection.conn_id,
            ", ".join(unknown),
            ", ".join([*NUMBERS, PERSONAL_DATA_SECRET]),
        )
    return Settings(
        client_id=(connection.login or "").strip(),
        secret=(connection.password or "").strip(),
        base_url=_base_url(connection),
        **{name: _number(name, extra[name]) for name in NUMBERS if extra.get(name) not in (None, "")},
    )


def extra_of(connection: Connection) -> Mapping[str, Any]:
    """Return a connection's `extra`.

    :raises A360ConfigError: if it isn't a JSON object.
    """
    # connection.extra_dejson would also register every value for masking, with a call that blocks the triggerer's loop.
    try:
        extra = json.loads(connection.extra or "{}")
    except ValueError:
        raise A360ConfigError("The connection's extra is not valid JSON; it must be a JSON object.") from None
    if not isinstance(extra, dict):
        raise A360ConfigError(f"The connection's extra is a {type(extra).__name__}; it must be a JSON object.")
    return extra


def _printable(name: str) -> str:
    """Return a field's name for the log. Hide what doesn't look like a name: it may be a misplaced secret."""
    return name if re.fullmatch(r"[A-Za-z_-]{1,30}", name) else "[not a name]"


def _number(name: str, value: Any) -> Any:
    kind = NUMBERS[name]
    wanted = "a whole number" if kind is int else "a number"
    # The value isn't shown: it may be a misplaced secret.
    invalid = A360ConfigError(f"{name} in the connection's extra must be {wanted}.")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise invalid from None
    if isinstance(value, bool) or (kind is int and not number.is_integer()):
        raise invalid
    return kind(number)


def _base_url(connection: Connection) -> str:
    """Build a URL from host, schema and port. The default scheme is https."""
    host = (connection.host or "").strip()
    if not host:
        return ""
    try:
        url = urlsplit(host if "://" in host else f"{connection.schema or 'https'}://{host}")
    except ValueError:
        return host  # Settings refuses it.
    if connection.port and url.netloc.rpartition("@")[2].rpartition("]")[2].count(":") == 0:
        url = url._replace(netloc=f"{url.netloc}:{connection.port}")
    return url.geturl()
