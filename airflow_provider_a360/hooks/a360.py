"""A connection becomes a client."""

from __future__ import annotations

import functools
import json
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook, Connection, mask_secret

from airflow_provider_a360 import airflow_compat
from airflow_provider_a360.api.base_client import CALL_DEADLINE
from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.errors import A360ConfigError, A360Error, A360TransientError
from airflow_provider_a360.api.settings import Settings
from airflow_provider_a360.hooks import DEFAULT_CONN_ID

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

_NUMBERS: Mapping[str, type[int | float]] = {
    "requests_per_second": float,
    "page_size": int,
    "max_in_flight": int,
    "connect_timeout": float,
    "read_timeout": float,
}
PATIENCE = 15.0
"""Seconds for which a request is tried again where a person waits for its answer."""
_SECRET = "personal_data_secret"  # noqa: S105  # the name of a field


def settings_of(connection: Connection) -> Settings:
    """What a connection says of its account.

    Login is the client ID and password the client secret; with an empty login, the password is a static API key. Host
    is the base URL. Of `extra`, the fields named in the README are read and no others.

    Raises: A360ConfigError for a value that can't be used.
    """
    extra = _extra(connection)
    if unknown := sorted({_shown(name) for name in extra.keys() - {*_NUMBERS, _SECRET}}):
        known = ", ".join([*_NUMBERS, _SECRET])
        log.warning(
            "Connection %s: the fields %s of extra are not known and not used; known are %s.",
            connection.conn_id,
            ", ".join(unknown),
            known,
        )
    return Settings(
        client_id=(connection.login or "").strip(),
        secret=(connection.password or "").strip(),
        base_url=_base_url(connection),
        **{name: _number(name, extra[name]) for name in _NUMBERS if extra.get(name) not in (None, "")},
    )


def _extra(connection: Connection) -> Mapping[str, Any]:
    # Not extra_dejson: that tells Airflow what to mask, by a call that would hold the triggerer's loop.
    try:
        extra = json.loads(connection.extra or "{}")
    except ValueError:
        raise A360ConfigError("The connection's extra is not valid JSON; it must be a JSON object.") from None
    if not isinstance(extra, dict):
        raise A360ConfigError(f"The connection's extra is a {type(extra).__name__}; it must be a JSON object.")
    return extra


def _shown(name: str) -> str:
    """A field's name for the log, if it is one: somebody may have typed the secret in its place."""
    return name if re.fullmatch(r"[A-Za-z_-]{1,30}", name) else "[not a name]"


def _number(name: str, value: Any) -> Any:
    kind = _NUMBERS[name]
    wanted = "a whole number" if kind is int else "a number"
    # Not shown: somebody may have typed the secret there.
    wrong = A360ConfigError(f"{name} in the connection's extra must be {wanted}.")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise wrong from None
    if isinstance(value, bool) or (kind is int and not number.is_integer()):
        raise wrong
    return kind(number)


def _base_url(connection: Connection) -> str:
    """The host as a URL; one without a scheme gets https, or what the connection's schema says, and one without a port
    the connection's.
    """
    host = (connection.host or "").strip()
    if not host:
        return ""
    try:
        url = urlsplit(host if "://" in host else f"{connection.schema or 'https'}://{host}")
    except ValueError:
        return host  # Settings refuses it
    if connection.port and url.netloc.rpartition("@")[2].rpartition("]")[2].count(":") == 0:
        url = url._replace(netloc=f"{url.netloc}:{connection.port}")
    return url.geturl()


def trouble(error: A360Error) -> str:
    """What is wrong, for a person who waits for the answer: there is no task to be run again."""
    if not isinstance(error, A360TransientError):
        return str(error)
    limit = "The account's limit of requests is used up, maybe by others who use the account. " * error.limited
    return f"{str(error).removesuffix(error.remedy)}{limit}Try again later."


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
    default_conn_name = DEFAULT_CONN_ID
    conn_type = "a360"
    hook_name = "SendPulse Automation 360"
    get_connection_form_widgets = staticmethod(airflow_compat.connection_form_widgets)
    get_ui_field_behaviour = staticmethod(airflow_compat.ui_field_behaviour)

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
        """The key with which addresses and numbers are hashed.

        Raises: A360ConfigError for one that is no text.
        """
        secret = _extra(self._connection).get(_SECRET)
        if not isinstance(secret, str | None):
            raise A360ConfigError(f"{_SECRET} is no text in the connection's extra: put it in quotes.")
        if secret:
            mask_secret(secret)
        return secret or None

    @functools.cached_property
    def _connection(self) -> Connection:
        return self._look_up()

    def _look_up(self) -> Connection:
        try:
            return self.get_connection(self.a360_conn_id)
        except AirflowNotFoundException:
            raise A360ConfigError(
                f"The connection {self.a360_conn_id!r} isn't defined: add one of type {self.conn_type} under that id, "
                "or name another as a360_conn_id."
            ) from None

    @functools.cached_property
    def _client(self) -> A360Client:
        return self.client()

    def client(self, *, deadline: float = CALL_DEADLINE) -> A360Client:
        """Return a client of its own. It goes on with what has changed in the connection when its credentials are
        refused, and Airflow masks its tokens in logs.

        :param deadline: seconds after which a call that still fails is given up.
        :raises A360ConfigError: for a connection that can't be used, before anything is sent.
        """
        connection = self._connection
        try:
            return A360Client(
                settings_of(connection),
                deadline=deadline,
                reload_settings=lambda: settings_of(self._look_up()),
                on_new_token=mask_secret,
            )
        except A360ConfigError as error:
            raise A360ConfigError(f"Connection {self.a360_conn_id}: {error}") from None

    def test_connection(self) -> tuple[bool, str]:
        """Whether the account can be asked, and what it says: the button on Airflow's connection page."""
        try:
            # The page's connection has a random id that no message should name.
            client = A360Client(settings_of(self._connection), deadline=PATIENCE, on_new_token=mask_secret)
            number = sum(1 for _ in client.flows())
        except A360Error as error:
            return False, trouble(error)
        return True, f"The account answers; its flows: {number}."

    flows = _of_client(A360Client.flows)
    flow = _of_client(A360Client.flow)
    flow_stats = _of_client(A360Client.flow_stats)
    element_totals = _of_client(A360Client.element_totals)
    element_stats = _of_client(A360Client.element_stats)
    contacts = _of_client(A360Client.contacts)
    conversion_totals = _of_client(A360Client.conversion_totals)
    conversions = _of_client(A360Client.conversions)
    delete_event_logs = _of_client(A360Client.delete_event_logs)
