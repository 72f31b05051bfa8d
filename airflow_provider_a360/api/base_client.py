"""The client without its endpoints: send one request, or read a list page by page."""

from __future__ import annotations

import contextlib
import copy
import threading
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_a360.api import envelopes
from airflow_provider_a360.api.errors import NOT_FOUND, A360NoDataError, A360RequestError, A360UndecodableError
from airflow_provider_a360.api.paging import Listing
from airflow_provider_a360.api.reading import Page, TotalMeaning
from airflow_provider_a360.api.settings import Settings
from airflow_provider_a360.api.transport import Transport

if TYPE_CHECKING:
    from requests import Session

CALL_DEADLINE = 300.0
"""Seconds after which a call that keeps failing is given up, retries and waits included."""

RawRows = list[dict[str, Any]]
Params = Mapping[str, str | int]
T = TypeVar("T")
C = TypeVar("C", bound="BaseClient")


class BaseClient:
    """Sends requests to one account. Safe to share among threads.

    :param settings: the account's credentials, base URL and limits.
    :param deadline: seconds after which a call that keeps failing is given up, retries and waits included.
    :param reload_settings: reads the settings again. Called after a 401 that a new token doesn't fix; if the
        credentials have changed, the client continues with the new ones.
    :param on_new_token: called with each access token before it is sent for the first time, so that it can be masked
        in logs.
    :raises A360ConfigError: if a proxy of the environment isn't a valid URL, or the CA bundle doesn't exist.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        deadline: float = CALL_DEADLINE,
        reload_settings: Callable[[], Settings] | None = None,
        on_new_token: Callable[[str], object] | None = None,
    ) -> None:
        self.settings = settings
        self.cancelled = threading.Event()
        """Once set, calls don't wait for the rate limit and aren't retried."""
        self._transport = Transport(settings, reload_settings=reload_settings, on_new_token=on_new_token)
        self._deadline = deadline
        self._known_flows: set[int] = set()
        self._totals: defaultdict[str, TotalMeaning] = defaultdict(TotalMeaning)

    @property
    def requests(self) -> int:
        """The number of requests that this client has sent, retries and token requests included."""
        return self._transport.requests

    @property
    def session(self) -> Session:
        """The session that sends the requests. Mount an adapter on it to intercept them."""
        return self._transport.session

    def _list(
        self,
        kind: str,
        paths: Sequence[str],
        name: str,
        read: Callable[[RawRows], list[T]],
        identity: Callable[[T], Hashable],
        params: Params | None = None,
    ) -> Listing[T]:
        """Return a list, its first page read.

        :param kind: lists of the same kind share what is known of their totals.
        :param paths: the path, or several spellings of it, in the order in which to try them.
        :param name: what the list holds, for messages.
        :param read: turns raw rows into records.
        :param identity: returns a key that is unique within the list.
        :param params: the query, without limit and offset.
        """

        def fetch(offset: int, limit: int) -> Page[T]:
            try:
                answer = self._get_first(paths, {**(params or {}), "limit": limit, "offset": offset})
            except A360NoDataError:
                return Page([], [])
            except A360RequestError as refusal:
                if offset == 0:
                    raise
                return Page([], [], refusal=refusal)
            raw, total = envelopes.find_rows(answer, name)
            rows = read(raw)
            return Page(rows, list(map(identity, rows)), total)

        return Listing(
            fetch,
            name=name,
            page_size=self.settings.page_size,
            at_once=self.settings.max_in_flight,
            meaning=self._totals[kind],
        )

    def _get_first(self, paths: Sequence[str], params: Params) -> Any:
        """Return the response of the first path that the service knows: it may answer 404 to the others.

        :raises A360UndecodableError: if no path answered, and one gave a 404 that isn't JSON, such as a proxy's page.
        """
        unclear: A360UndecodableError | None = None
        for path in paths[:-1]:
            try:
                return self._get(path, params)
            except A360UndecodableError as error:
                if error.status != NOT_FOUND:
                    raise
                unclear = error
            except A360NoDataError:
                continue
        try:
            return self._get(paths[-1], params)
        except A360RequestError as error:
            if len(paths) == 1:
                raise
            # The service may not have this path.
            raise unclear or A360NoDataError(error.method, error.path, error.status, error.reason) from None
        except A360NoDataError as error:
            raise unclear or error from None

    def _get(self, path: str, params: Params | None = None) -> Any:
        return self._call("GET", path, params=params)

    def _call(self, method: str, path: str, *, params: Params | None = None, body: Params | None = None) -> Any:
        return self._transport.call(
            method, path, params=params, body=body, deadline=self._deadline, cancelled=self.cancelled
        )

    @property
    def _paging_params(self) -> dict[str, int]:
        """The query parameters limit and offset for statistics.

        The documentation calls them optional, but its sample error says they are required.
        """
        return {"limit": self.settings.page_size, "offset": 0}


@contextlib.contextmanager
def cancel_on_exit(client: C) -> Iterator[C]:
    """Give a copy of the client, and cancel its calls when the block ends, with or without an error.

    Threads may still be calling then, and the process couldn't exit until their retries end.

    :param client: the client to copy; its own calls aren't cancelled.
    :return: a context manager that gives the copy, which shares session, access token and rate limit.
    """
    client = copy.copy(client)
    client.cancelled = threading.Event()
    try:
        yield client
    finally:
        client.cancelled.set()
