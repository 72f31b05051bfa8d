"""A list of the service as a stream of rows, checked while it is read."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from airflow_provider_a360.api.errors import A360ListMovedError
from airflow_provider_a360.api.idset import IdSet
from airflow_provider_a360.api.parallel import in_order

log = logging.getLogger(__name__)

READINGS = 4
"""How often a list that doesn't hold still is read before it is given up."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows of a list from an offset on, what tells them from others, and how many rows the service says there are in
    all, if it says so.
    """

    rows: list[T]
    ids: list[Hashable]
    total: int | None = None


class Listing(Generic[T]):
    """A list, its first page already read; iterating it yields each row once.

    Where the first page says how long the list is, the others are read side by side, and it held still if just as many
    rows came as were promised. Rows that are added meanwhile come at the head and push others back, so they only repeat
    rows (which are dropped by their identity), and no new one is seen unless they come faster than they are read. A row
    that is removed, or that moves past a reader unseen, is missing from the count.

    Otherwise the list is read again, page after page, each with a row of the one before: it must hold the row that the
    page before it ended with. As long as it does, no row is lost; where it doesn't, rows were removed and the ones
    behind moved up unseen. What was missed before is added. A total that two readings contradict in the same way counts
    something else than rows, and is left alone.

    `fetch(offset, limit)` returns a page, past the end an empty one.

    Raises (while iterating): A360ListMovedError after READINGS readings that did not hold together.
    """

    def __init__(
        self,
        fetch: Callable[[int, int], Page[T]],
        *,
        name: str,
        page_size: int,
        at_once: int = 1,
    ) -> None:
        self._fetch, self._name = fetch, name
        # A page of one row has none to share with its neighbour.
        self._size, self._at_once = max(2, page_size), at_once
        self.first = self._at(0)
        self.seen = IdSet()
        """The ids of the rows that have been yielded."""

    def __iter__(self) -> Iterator[T]:
        return itertools.chain.from_iterable(self.pages())

    def pages(self) -> Iterator[list[T]]:
        """The rows page by page; a page whose rows have all come before is empty."""
        seen = self.seen = IdSet()
        first, previous = self.first, None
        for reading in range(1, READINGS + 1):
            total = first.total
            abreast = reading == 1 and total is not None and total > len(first.rows)
            self._unbroken = True
            found = seen if reading == 1 else IdSet()
            for page in self._abreast(first, total or 0) if abreast else self._in_turn(first):
                yield list(itertools.compress(page.rows, seen.add(page.ids)))
                if found is not seen:
                    found.add(page.ids)
            outcome = total, len(found)
            if self._unbroken and (
                len(found) == total or (not abreast and (total is None or len(found) > total or outcome == previous))
            ):
                return
            log.info(
                "%s did not hold still: reading %d found %d rows of %s.",
                self._name, reading, len(found), "an unknown number" if total is None else total,
            )  # fmt: skip
            previous = outcome
            if reading < READINGS:
                first = self._at(0)
        raise A360ListMovedError(
            f"{self._name} changed each of the {READINGS} times that it was read, so no reading of it can be trusted. "
            "Nothing of it was published. Run the task again when fewer contacts are on the move."
        )

    @property
    def pages_ahead(self) -> int:
        """How many pages are still to be read, if the list says how long it is."""
        rows, total = len(self.first.rows), self.first.total or 0
        return total // rows if total > rows > 0 else 0

    def last_rows(self) -> list[T]:
        """The rows of the last page; none where the first is all there is."""
        rows, total = len(self.first.rows), self.first.total or 0
        return self._at(max(0, total - self._size)).rows if total > rows else []

    def _at(self, offset: int) -> Page[T]:
        return self._fetch(offset, self._size)

    def _abreast(self, first: Page[T], total: int) -> Iterator[Page[T]]:
        """The pages of a list of so many rows; `_unbroken` turns false where it has become shorter, or longer by as
        many rows as have been read.
        """
        yield first
        size = len(first.rows)
        if not size:
            return
        # Behind a last page that is full one more is read.
        known = range(size, total + 1, size)
        behind = itertools.count(size + len(known) * size, size)
        # A first page shorter than asked for shows the largest page that the service gives, or that the total counts
        # something else: then the second one is empty, and it is not worth the while to ask for more side by side.
        alone = 1 if size < self._size else 0
        abreast = in_order(self._at, known[alone:], self._at_once)
        pages = itertools.chain(map(self._at, known[:alone]), abreast, map(self._at, behind))
        longest = total
        for offset, page in zip(itertools.count(size, size), pages):
            self._unbroken &= page.total is None or longest <= page.total < total + offset
            longest = page.total or longest
            held = len(self.seen)
            yield page
            # Nothing is left behind a short page, before its time or not. What comes behind the total has been pushed
            # there, or the total is too low.
            if len(page.rows) < size or (offset >= total and not held < len(self.seen) <= total):
                return

    def _in_turn(self, first: Page[T]) -> Iterator[Page[T]]:
        """The pages, each with a row of the one before; `_unbroken` turns false where two neighbours share none."""
        yield first
        size, total = len(first.rows), first.total or 0
        # A first page shorter than asked for, of a list that is longer, shows the largest page that the service gives.
        if not size or (size < self._size and size >= total):
            return
        overlap = 1 if size > 1 else 0
        last, offset = first, size - overlap
        # Nothing is left behind a short page.
        while len(last.rows) >= size and (offset < total or (overlap and self._unbroken)):
            page = self._at(offset)
            if overlap:
                self._check(last, page)
            yield page
            last, offset = page, offset + size - overlap

    def _check(self, page: Page[T], following: Page[T]) -> None:
        """Whether `following` goes on where `page` ended, and gets anywhere: one that ends on the same row doesn't."""
        seam, ids = page.ids[-1], following.ids
        if seam not in ids or (seam == ids[-1] and len(ids) > 1):
            self._unbroken = False
