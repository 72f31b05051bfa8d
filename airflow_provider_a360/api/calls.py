"""How the client asks: one answer, or a list of them."""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from airflow_provider_a360.api import values
from airflow_provider_a360.api.errors import A360NoDataError, A360RequestError
from airflow_provider_a360.api.paging import Listing, Page
from airflow_provider_a360.api.settings import Settings
from airflow_provider_a360.api.transport import Transport

RawRows = list[dict[str, Any]]
T = TypeVar("T")
C = TypeVar("C", bound="Calls")


class Calls:
    """Asks one account; a call is given up after `deadline` seconds, or when its answer is not wanted any more."""

    def __init__(self, settings: Settings, deadline: float) -> None:
        self.settings = settings
        self.unwanted = threading.Event()
        """Set where no answer is wanted any more: a call under way then neither waits nor tries again."""
        self._transport = Transport(settings)
        self._deadline = deadline

    @property
    def requests(self) -> int:
        """Requests that this client has sent, tries and token requests included."""
        return self._transport.requests

    def _list(
        self,
        paths: Sequence[str],
        name: str,
        read: Callable[[RawRows], list[T]],
        identity: Callable[[T], Hashable],
        params: Mapping[str, str | int] | None = None,
        *,
        numbered: bool = False,
    ) -> Listing[T]:
        def fetch(offset: int, limit: int) -> Page[T]:
            try:
                answer = self._get_first(paths, {**(params or {}), "limit": limit, "offset": offset})
            except A360NoDataError:
                answer = []
            if isinstance(answer, list):
                answer = {"data": answer}
            data = values.mapping(answer, name)
            # Lists of conversions call their rows `items`, all others `data`.
            rows = read(values.sequence(data["items"] if "items" in data else data.get("data"), name))
            return Page(rows, list(map(identity, rows)), values.integer(data.get("total"), f"{name}: total"))

        settings = self.settings
        return Listing(
            fetch, name=name, page_size=settings.page_size, at_once=settings.max_in_flight, numbered=numbered
        )

    def _get_first(self, paths: Sequence[str], params: Mapping[str, str | int]) -> Any:
        """What the first path answers; where that is a 404, the next one."""
        for path in paths[:-1]:
            with contextlib.suppress(A360NoDataError):
                return self._get(path, params)
        try:
            return self._get(paths[-1], params)
        except A360RequestError as error:
            if len(paths) == 1:
                raise
            # The other spelling may be none that the service has.
            raise A360NoDataError(error.method, error.path, error.status, error.reason) from None

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
