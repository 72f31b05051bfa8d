"""How the client asks: one answer, or a list of them."""

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
    import requests

RawRows = list[dict[str, Any]]
T = TypeVar("T")
C = TypeVar("C", bound="Calls")


class Calls:
    """Asks one account; a call is given up after `deadline` seconds, or when its answer is not wanted any more."""

    def __init__(
        self,
        settings: Settings,
        deadline: float,
        read_again: Callable[[], Settings] | None,
        announce: Callable[[str], object] | None,
    ) -> None:
        self.settings = settings
        self.unwanted = threading.Event()
        """Set where no answer is wanted any more: a call under way then neither waits nor tries again."""
        self._transport = Transport(settings, read_again=read_again, announce=announce)
        self._deadline = deadline
        self._totals: defaultdict[str, TotalMeaning] = defaultdict(TotalMeaning)

    @property
    def requests(self) -> int:
        """Requests that this client has sent, tries and token requests included."""
        return self._transport.requests

    @property
    def session(self) -> requests.Session:
        """The session that sends the requests, to mount an adapter of your own: `client.session.mount(…)`."""
        return self._transport.session

    def _list(
        self,
        kind: str,
        paths: Sequence[str],
        name: str,
        read: Callable[[RawRows], list[T]],
        identity: Callable[[T], Hashable],
        params: Mapping[str, str | int] | None = None,
    ) -> Listing[T]:
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

    def _get_first(self, paths: Sequence[str], params: Mapping[str, str | int]) -> Any:
        """Return what the first path answers that the service knows: it may answer 404 to the others.

        :raises A360UndecodableError: if none answered, and one with a proxy's page instead of a 404 of its own.
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

    def _get(self, path: str, params: Mapping[str, str | int] | None = None) -> Any:
        return self._call("GET", path, params=params)

    def _call(self, method: str, path: str, **what: Any) -> Any:
        return self._transport.call(method, path, deadline=self._deadline, unwanted=self.unwanted, **what)


@contextlib.contextmanager
def while_wanted(client: C) -> Iterator[C]:
    """The client for one piece of work. What its threads still ask when that is over, done or failed, would hold up the
    end of the process for as long as it was tried again.
    """
    client = copy.copy(client)
    client.unwanted = threading.Event()
    try:
        yield client
    finally:
        client.unwanted.set()
