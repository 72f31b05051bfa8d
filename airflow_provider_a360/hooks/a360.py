"""A connection becomes a client."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook, Connection

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.errors import A360ConfigError
from airflow_provider_a360.api.settings import Settings

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

_NUMBERS: Mapping[str, Callable[[Any], float]] = {
    "requests_per_second": float,
    "page_size": int,
    "max_in_flight": int,
    "connect_timeout": float,
    "read_timeout": float,
}
_SECRET = "personal_data_secret"  # noqa: S105  # the name of a field


def settings_of(connection: Connection) -> Settings:
    """What a connection says of its account.

    Login is the client ID and password the client secret; with an empty login, the password is a static API key. Host
    is the base URL. Of `extra`, the fields named in the README are read and no others.

    Raises: A360ConfigError for a value that can't be used.
    """
    extra = connection.extra_dejson
    if unknown := sorted(extra.keys() - {*_NUMBERS, _SECRET}):
        log.warning("Connection %s: the fields %s of extra are not known and not used.", connection.conn_id, unknown)
    return Settings(
        client_id=(connection.login or "").strip(),
        secret=(connection.password or "").strip(),
        base_url=_base_url(connection),
        **{name: _number(name, extra[name]) for name in _NUMBERS if extra.get(name) not in (None, "")},
    )


def _number(name: str, value: Any) -> Any:
    try:
        return _NUMBERS[name](value)
    except (TypeError, ValueError):
        raise A360ConfigError(f"{name} is {value!r} in the connection's extra; it must be a number.") from None


def _base_url(connection: Connection) -> str:
    """The host as a URL; one without a scheme gets https, or what the connection's schema says."""
    host = (connection.host or "").strip()
    if not host or "://" in host:
        return host
    port = f":{connection.port}" if connection.port else ""
    return f"{connection.schema or 'https'}://{host}{port}"


def _of_client(method: Callable[Concatenate[A360Client, P], R]) -> Callable[Concatenate[A360Hook, P], R]:
    """The client's method as the hook's."""

    @functools.wraps(method)
    def call(self: A360Hook, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return method(self.get_conn(), *args, **kwargs)

    return call


class A360Hook(BaseHook):
    """SendPulse Automation 360 through an Airflow connection: every endpoint of its page is a method.

    The methods are those of `A360Client`, where each is described. Token and pace are shared by all that use the same
    account in this process.

    :param a360_conn_id: the connection's id.
    """

    conn_name_attr = "a360_conn_id"
    default_conn_name = "a360_default"
    conn_type = "a360"
    hook_name = "SendPulse Automation 360"

    def __init__(self, a360_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.a360_conn_id = a360_conn_id

    def get_conn(self) -> A360Client:
        """The client of the connection's account.

        Raises: A360ConfigError for a connection that can't be used, before anything is sent.
        """
        return self._client

    @property
    def personal_data_secret(self) -> str | None:
        """The key with which addresses and numbers are hashed."""
        return self._connection.extra_dejson.get(_SECRET) or None

    @functools.cached_property
    def _connection(self) -> Connection:
        try:
            return self.get_connection(self.a360_conn_id)
        except AirflowNotFoundException:
            raise A360ConfigError(
                f"The connection {self.a360_conn_id!r} isn't defined: add one of type {self.conn_type} under that id, "
                "or name another as a360_conn_id."
            ) from None

    @functools.cached_property
    def _client(self) -> A360Client:
        return A360Client(settings_of(self._connection))

    flows = _of_client(A360Client.flows)
    flow = _of_client(A360Client.flow)
    flow_stats = _of_client(A360Client.flow_stats)
    element_totals = _of_client(A360Client.element_totals)
    element_stats = _of_client(A360Client.element_stats)
    contacts = _of_client(A360Client.contacts)
    conversion_totals = _of_client(A360Client.conversion_totals)
    conversions = _of_client(A360Client.conversions)
    delete_event_logs = _of_client(A360Client.delete_event_logs)
