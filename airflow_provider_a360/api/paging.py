"""Read a list of the service page by page, and notice when it changes or comes short."""

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
"""How often a list is read before it is given up."""
T = TypeVar("T")


class Shortfall(NamedTuple):
    """A list whose total promises more rows than can be read."""

    found: int
    total: int


class Listing(Generic[T]):
    """A list as a stream of rows: the first page is read at once, the others while it is iterated. Each row comes once.

    When is a list complete? When as many distinct rows have come as its total says or, without a total, when a page
    comes empty. A page shorter than asked for is only short.

    What if it changes meanwhile? Each page begins with the last row of the page before it. Where that row is missing,
    rows were removed and later ones moved up unread. Then, and when fewer rows came than the total says, the list is
    read again, and the rows that were missed are added. Two readings that agree show that the list stands still: its
    rows are kept, and `shortfall` says what is missing.

    :param fetch: returns the page from an offset on, with at most so many rows.
    :param name: what is listed, for messages.
    :param page_size: how many rows to ask for.
    :param at_once: how many pages to ask for side by side.
    :param meaning: what is known of the totals of such lists.
    :raises A360FormatError: if the first page is empty, but not by its total.
    :raises A360ListMovedError: while it is iterated, if no reading was complete, or if the list never ends.
    """

    def __init__(
        self,
        fetch: Callable[[int, int], Page[T]],
        *,
        name: str,
        page_size: int,
        at_once: int = 1,
        meaning: TotalMeaning | None = None,
    ) -> None:
        self._fetch, self._name, self._at_once = fetch, name, at_once
        # A page of one row has none to share with the next.
        self._size = max(2, page_size)
        self._meaning = meaning or TotalMeaning()
        self.first = self._page(0)
        if self.first.total and not self.first.rows:
            raise A360FormatError(f"{name}: the total is {self.first.total}, but the first page holds no rows.")
        self.seen: set[Hashable] = set()
        """The ids of the rows that have come."""
        self.shortfall: Shortfall | None = None
        """Set at the end, where the total promises more rows than there are."""
        self.total_is_confirmed = False
        """Whether, at the end, as many rows have come as the total says."""

    def __iter__(self) -> Iterator[T]:
        return itertools.chain.from_iterable(self.pages())

    def pages(self, *, at_once: int | None = None) -> Iterator[list[T]]:
        """Yield the rows page by page; a page whose rows have all come before is empty.

        :param at_once: how many pages to ask for side by side, instead of the list's own number.
        """
        self.seen, self.shortfall = set(), None
        first = self.first
        outcome: Outcome | None = None
        for attempt in range(1, READINGS + 1):
            found = self.seen if attempt == 1 else set()
            reading = Reading(self._name, self._size, found, self._meaning)
            # Read side by side, a page may be older than the one before it. A list that changes is read in order.
            for page in self._read(reading, first, (at_once or self._at_once) if attempt == 1 else 1):
                new = reading.new if found is self.seen else add_new(page.ids, self.seen)
                yield list(itertools.compress(page.rows, new))
            if reading.is_whole:
                # An empty reading behind one with rows confirms nothing.
                self.total_is_confirmed = reading.total_is_confirmed and len(reading.found) == len(self.seen)
                return
            previous, outcome = outcome, reading.outcome
            if outcome == previous and self._is_all_there_is(outcome, reading.refusal):
                return
            log.info("%s: attempt %d %s.", self._name, attempt, outcome)
            if attempt < READINGS:
                first = self._page(0)
        raise A360ListMovedError(
            f"{self._name} changed while it was read: attempt {READINGS} {outcome}. None of {READINGS} attempts gave a "
            "complete list, so nothing of it was published. Run the task again when fewer contacts are on the move."
        )

    @property
    def pages_ahead(self) -> int:
        """About how many pages follow the first, as far as its total tells."""
        rows = len(self.first.rows)
        return -(-((self.first.total or rows) - rows) // max(1, rows - 1))

    def last_page(self) -> list[T]:
        """Read the rows at the list's end, without the others; none where the total doesn't tell where that is."""
        rows, total = len(self.first.rows), self.first.total or 0
        if rows < self._size or total <= rows:
            return []
        # One row less than a page has: a page that is full shows that more follow.
        last = self._page(total - rows + 1).rows
        return last if len(last) < rows else []

    def _page(self, offset: int) -> Page[T]:
        return self._fetch(offset, self._size)

    def _read(self, reading: Reading, first: Page[T], at_once: int) -> Iterator[Page[T]]:
        """Yield the pages of one reading."""
        reading.take(first)
        yield first
        while reading.offset is not None:
            offsets = reading.ahead() if at_once > 1 else range(reading.offset, reading.offset + 1)
            pages = in_order(self._page, offsets, at_once) if len(offsets) > 1 else map(self._page, offsets)
            for offset in offsets:
                if offset != reading.offset:
                    break  # a page came short, so the offsets that were asked for ahead of it are wrong
                page = next(pages)
                reading.take(page)
                yield page

    def _is_all_there_is(self, outcome: Outcome, refusal: A360RequestError | None) -> bool:
        """Whether a list that was read twice with the same outcome can be taken as it is."""
        if outcome.total is not None and outcome.found <= outcome.total:
            if len(self.seen) < outcome.total:
                self.shortfall = Shortfall(len(self.seen), outcome.total)
                log.warning("%s: only %d of %d rows can be read.", self._name, *self.shortfall)
            return True
        if refusal is not None and outcome.broken:
            raise refusal
        return outcome.broken != "moved"
