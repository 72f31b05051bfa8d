"""Read a list page by page, and notice if it changes meanwhile or has fewer rows than its total."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, NamedTuple, TypeVar

from airflow_provider_a360.api.errors import A360FormatError, A360ListMovedError, A360RequestError
from airflow_provider_a360.api.parallel import in_order
from airflow_provider_a360.api.reading import Outcome, Page, Reading, TotalMeaning, add_new

log = logging.getLogger(__name__)

READINGS = 4
"""How often a list is read before giving up."""
T_co = TypeVar("T_co", covariant=True)


class Shortfall(NamedTuple):
    """A list that had too few rows twice, with the same rows each time.

    :param found: the number of rows found.
    :param total: the number of rows that the service states; None without a reliable total.
    """

    found: int
    total: int | None


class Listing(Generic[T_co]):
    """A list as a stream of rows. The first page is read at once, the others while iterating. Each row comes once.

    A list is complete when as many distinct rows have come as its total states (less those added while reading) or,
    without a total, at an empty page. While rows are missing, a page with fewer rows than its limit
    doesn't end the list.

    To notice changes, each page begins with the last row of the page before it. If that row is missing, rows were
    removed, and others may have moved to an offset that was already read. Then, and if fewer rows came than the total
    states, the list is read again, and the rows that were missed are added. If two readings find the same rows, they
    are accepted, and `shortfall` says how many may be missing.

    Iterate it once.

    :param fetch: returns the page at an offset with a limit.
    :param name: what the list holds, for messages.
    :param page_size: the limit of each page.
    :param at_once: how many pages to request in parallel.
    :param meaning: what is known of the totals of lists of this kind.
    :raises A360FormatError: if the first page is empty although the total is not 0.
    :raises A360ListMovedError: while iterating, if no reading was complete, or the list doesn't end.
    :raises A360RequestError: while iterating, if the service refuses an offset before the end of the list.
    """

    def __init__(
        self,
        fetch: Callable[[int, int], Page[T_co]],
        *,
        name: str,
        page_size: int,
        at_once: int = 1,
        meaning: TotalMeaning | None = None,
    ) -> None:
        self._fetch, self._name, self._at_once = fetch, name, at_once
        # With one row a page, pages can't overlap.
        self._size = max(2, page_size)
        self._meaning = meaning or TotalMeaning()
        self.first = self._page(0)
        if self.first.total and not self.first.rows:
            raise A360FormatError(f"{name}: the total is {self.first.total}, but the first page holds no rows.")
        self.seen: set[Hashable] = set()
        """The identities of the rows that have come."""
        self.shortfall: Shortfall | None = None
        """Set at the end if rows may be missing."""
        self.total_is_confirmed = False
        """Set at the end if the number of rows equals a total that is known to be reliable."""

    def __iter__(self) -> Iterator[T_co]:
        return itertools.chain.from_iterable(self.pages())

    def pages(self, *, at_once: int | None = None) -> Iterator[list[T_co]]:
        """Yield the new rows of each page; none for a page whose rows have all come before.

        :param at_once: how many pages to request in parallel, instead of the list's own number.
        :return: an iterator of lists of rows.
        """
        self.seen, self.shortfall = set(), None
        first = self.first
        outcome: Outcome | None = None
        for attempt in range(1, READINGS + 1):
            found = self.seen if attempt == 1 else set()
            reading = Reading(self._name, self._size, found, self._meaning, again=bool(self.seen))
            # Requested in parallel, a page can be older than the one before it: read a list that changes in order.
            for page in self._read(reading, first, (at_once or self._at_once) if attempt == 1 else 1):
                new = reading.new if found is self.seen else add_new(page.ids, self.seen)
                yield list(itertools.compress(page.rows, new))
            if reading.is_whole:
                # A reading without rows, after one with rows, confirms nothing.
                self.total_is_confirmed = reading.total_is_confirmed and len(reading.found) == len(self.seen)
                return
            previous, outcome = outcome, reading.outcome
            if outcome == previous and self._accepts(outcome, reading.refusal):
                return
            log.info("%s: attempt %d %s.", self._name, attempt, outcome)
            if attempt < READINGS:
                first = self._page(0)
        raise A360ListMovedError(
            f"{self._name} changed while it was read: attempt {READINGS} {outcome}. None of {READINGS} attempts found "
            "the complete list, so nothing of it was published. Run the task again at a quieter time."
        )

    @property
    def pages_ahead(self) -> int:
        """Estimate from the total how many pages follow the first."""
        rows = len(self.first.rows)
        return -(-((self.first.total or rows) - rows) // max(1, rows - 1))

    def last_page(self) -> list[T_co]:
        """Read only the last page.

        :return: its rows; none if the total doesn't tell where the list ends.
        """
        rows, total = len(self.first.rows), self.first.total or 0
        if rows < self._size or total <= rows:
            return []
        # Request a page that has one row less than a full one if the total is right.
        last = self._page(total - rows + 1).rows
        return last if len(last) == rows - 1 else []

    def _page(self, offset: int) -> Page[T_co]:
        return self._fetch(offset, self._size)

    def _read(self, reading: Reading, first: Page[T_co], at_once: int) -> Iterator[Page[T_co]]:
        """Read the list once, and yield its pages."""
        reading.take(first)
        yield first
        while reading.offset is not None:
            offsets = reading.ahead() if at_once > 1 else range(reading.offset, reading.offset + 1)
            pages = in_order(self._page, offsets, at_once) if len(offsets) > 1 else map(self._page, offsets)
            for offset in offsets:
                if offset != reading.offset:
                    break  # a page was shorter than expected, so the next offsets are wrong
                page = next(pages)
                reading.take(page)
                yield page

    def _accepts(self, outcome: Outcome, refusal: A360RequestError | None) -> bool:
        """Return whether to accept a list that was read twice with the same outcome.

        :raises A360RequestError: if the service refused an offset, and no reliable total says that the list ends there.
        """
        total = outcome.total if self._meaning.counts_the_list else None
        if total is not None and outcome.found <= total:
            if len(self.seen) >= total:
                return True
            self.shortfall = Shortfall(len(self.seen), total)
            log.warning("%s: the service returns only %d of %d rows.", self._name, len(self.seen), total)
            return True
        if not outcome.broken:
            return True
        if refusal is not None:
            raise refusal
        if outcome.broken == "moved":
            return False
        self.shortfall = Shortfall(len(self.seen), None)
        log.warning(
            "%s: the service returned %d rows and then no others. There may be more.", self._name, len(self.seen)
        )
        return True
