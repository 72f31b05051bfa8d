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

    In a `numbered` list, a row that is added has a higher id than all before it. So where the first page's ids fall
    from row to row, as long as none higher than its first comes, and as many rows come as its total promised, they are
    the list as it stood when that page was read, whatever was added or removed since.

    Any other list, and one for which that did not come true, is read with pages that overlap by a row: each must hold
    the row that the page before it ended with. As long as they do, rows that were added only repeat others (they are
    dropped by their identity) and no row is lost; where they don't, rows were removed and the ones behind moved up
    unseen. Then, or when fewer rows came than the total promised, the list is read again and what was missed is added.
    A total that two readings contradict in the same way counts something else than rows, and is left alone.

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
        numbered: bool = False,
    ) -> None:
        self._fetch, self._name, self._numbered = fetch, name, numbered
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
        self._unbroken = True
        for reading in range(1, READINGS + 1):
            total, counted = first.total, reading == 1 and self._is_counted(first)
            found = seen if reading == 1 else IdSet()
            # Read side by side, a page may come before the one in front of it, and a row added in between parts the
            # two. One after the other, they bear any rows that are added.
            at_once, self._unbroken = self._at_once if self._unbroken else 1, True
            for page in self._pages(first, at_once, counted=counted):
                yield list(itertools.compress(page.rows, seen.add(page.ids)))
                if found is not seen:
                    found.add(page.ids)
            outcome = total, len(found)
            if counted:
                whole = len(found) == total
            else:
                whole = total is None or len(found) >= total or outcome == previous
            if whole and self._unbroken:
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
        return 0 if self._is_all(self.first) else len(_offsets(self.first, counted=self._is_counted(self.first)))

    def last_rows(self) -> list[T]:
        """The rows of the last page; none where the first is all there is."""
        rows, total = len(self.first.rows), self.first.total or 0
        return self._at(max(0, total - self._size)).rows if total > rows else []

    def _at(self, offset: int) -> Page[T]:
        return self._fetch(offset, self._size)

    def _is_all(self, first: Page[T]) -> bool:
        """Whether there is nothing behind this page. One shorter than asked for, of a list that is longer, shows the
        largest page that the service gives.
        """
        rows = len(first.rows)
        return not rows or (rows < self._size and rows >= (first.total or 0))

    def _is_counted(self, first: Page[T]) -> bool:
        """Whether a list is one that a count can vouch for: it is numbered downwards, and says how long it is."""
        ids = [one for one in first.ids if isinstance(one, int)]
        falling = len(ids) == len(first.ids) and all(higher > lower for higher, lower in itertools.pairwise(ids))
        return self._numbered and falling and first.total is not None and first.total >= len(ids) > 0

    def _pages(self, first: Page[T], at_once: int, *, counted: bool) -> Iterator[Page[T]]:
        """The pages of one reading, up to one that does not go on from the others: then `_unbroken` turns false."""
        yield first
        if self._is_all(first):
            return
        size = len(first.rows)
        offsets = _offsets(first, counted=counted)
        # With a short first page, either that is the largest the service gives, or the total counts something else: the
        # second page tells, before more are asked for side by side.
        alone = 1 if size < self._size else 0
        ahead = itertools.chain(map(self._at, offsets[:alone]), in_order(self._at, offsets[alone:], at_once))
        # How a list that is counted goes on behind its total, the count tells; any other ends with a short page.
        behind = itertools.count(offsets.start + len(offsets) * offsets.step, offsets.step)
        last = first
        for page in itertools.chain(ahead, () if offsets.step == size else map(self._at, behind)):
            if counted:
                self._unbroken = _none_newer(first, page)
            elif offsets.step < size:
                self._unbroken = _goes_on(last, page, size)
            yield page
            last = page
            # Nothing is left behind a short page: the total counts something else than rows, or rows were removed.
            if len(page.rows) < size or not self._unbroken:
                return


def _offsets(first: Page[T], *, counted: bool) -> range:
    """Where the pages behind the first begin, as far as its total tells.

    Where a count vouches for the list, a last page that is full is followed by one more.
    """
    size = len(first.rows)
    # Pages of one row have none to share.
    overlap = 0 if counted or size == 1 else 1
    return range(size - overlap, (first.total or 0) + 1 - overlap, size - overlap)


def _none_newer(first: Page[T], page: Page[T]) -> bool:
    newest = first.ids[0]
    return isinstance(newest, int) and all(isinstance(one, int) and one <= newest for one in page.ids)


def _goes_on(page: Page[T], following: Page[T], size: int) -> bool:
    """Whether `following` goes on where `page` ended, and gets anywhere: a full one that ends on the same row doesn't,
    a short one shows that this was the last.
    """
    seam, ids = page.ids[-1], following.ids
    return seam in ids and (seam != ids[-1] or len(ids) < size)
