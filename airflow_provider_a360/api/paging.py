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

    Pages overlap by a row: each must hold the row that the page before it ended with. As long as they do, rows that
    were added meanwhile only repeat others (they are dropped by their identity) and no row is lost; where they don't,
    rows were removed and the ones behind moved up unseen. Then, or when fewer rows came than the first page's total
    promised, the list is read again and what was missed is added. A total that two readings contradict in the same way
    counts something else than rows, and is left alone.

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
            self._unbroken = True
            found = seen if reading == 1 else IdSet()
            # Read side by side, a page may come before the one in front of it, and a row added in between parts the
            # two. One after the other, they bear any rows that are added.
            for page in self._pages(first, self._at_once if reading == 1 else 1):
                yield list(itertools.compress(page.rows, seen.add(page.ids)))
                if found is not seen:
                    found.add(page.ids)
            outcome = first.total, len(found)
            if self._unbroken and (first.total is None or len(found) >= first.total or outcome == previous):
                return
            log.info(
                "%s did not hold still: reading %d found %d rows of %s.",
                self._name, reading, len(found), "an unknown number" if first.total is None else first.total,
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
        rows = len(self.first.rows)
        return 0 if rows < 2 else max(0, -(-((self.first.total or 0) - rows) // (rows - 1)))  # noqa: PLR2004

    def last_rows(self) -> list[T]:
        """The rows of the last page; none where the first is all there is."""
        rows, total = len(self.first.rows), self.first.total or 0
        return self._at(max(0, total - self._size)).rows if total > rows else []

    def _at(self, offset: int) -> Page[T]:
        return self._fetch(offset, self._size)

    def _pages(self, first: Page[T], at_once: int) -> Iterator[Page[T]]:
        """The pages of one reading; `_unbroken` turns false where two neighbours share no row."""
        yield first
        size, total = len(first.rows), first.total
        if size < self._size and size >= (total or 0):
            return
        if not size:
            return
        # A first page shorter than asked for, of a list that is longer, shows the largest page that the service gives.
        overlap = 1 if size > 1 else 0
        step = size - overlap
        known = range(step, total or 0, step) if (total or 0) > size else range(0)
        last, offset = first, step
        # With a short first page, either that is the largest the service gives, or the total counts something else: the
        # second page tells, before more are asked for side by side.
        alone = 1 if size < self._size else 0
        pages = itertools.chain(map(self._at, known[:alone]), in_order(self._at, known[alone:], at_once))
        for page in pages:
            self._check(last, page, overlap)
            yield page
            last, offset = page, offset + step
            # Nothing is left behind a short page: the total counts something else than rows, or rows were removed.
            if len(page.rows) < size:
                break
        while overlap and len(last.rows) >= size and self._unbroken:
            last, before = self._at(offset), last
            self._check(before, last, overlap)
            yield last
            offset += step

    def _check(self, page: Page[T], following: Page[T], overlap: int) -> None:
        """Whether `following` goes on where `page` ended, and gets anywhere: one that ends on the same row doesn't."""
        if not overlap:
            return
        seam = page.ids[-1] if page.ids else None
        ids = following.ids
        if seam not in ids or (seam == ids[-1] and len(ids) > overlap):
            self._unbroken = False
