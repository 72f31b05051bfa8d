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
T_co = TypeVar("T_co", covariant=True)


class Shortfall(NamedTuple):
    """A list of which the service seems to keep rows back, twice alike."""

    found: int
    total: int | None
    """How many rows its total promises; None where the list has no total that can be relied on."""


class Listing(Generic[T_co]):
    """A list as a stream of rows: the first page is read at once, the others while it is iterated. Each row comes once.

    When is a list complete? When as many distinct rows have come as its total says (less those added meanwhile) or,
    without a total, when a page comes empty. A page shorter than asked for is only short.

    What if it changes meanwhile? Each page begins with the last row of the page before it. Where that row is missing,
    rows were removed and later ones moved up unread. Then, and when fewer rows came than the total says, the list is
    read again, and the rows that were missed are added. Two readings that agree are taken for all there is to get:
    the rows are kept, and `shortfall` says what may be missing.

    Iterate it once.

    :param fetch: returns the page from an offset on, with at most so many rows.
    :param name: what is listed, for messages.
    :param page_size: how many rows to ask for.
    :param at_once: how many pages to ask for side by side.
    :param meaning: what is known of the totals of such lists.
    :raises A360FormatError: if the first page is empty although the total is not 0.
    :raises A360ListMovedError: while it is iterated, if no reading was complete, or if the list never ends.
    :raises A360RequestError: while it is iterated, if the service refuses an offset below the list's end.
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
        # A page of one row has none to share with the next.
        self._size = max(2, page_size)
        self._meaning = meaning or TotalMeaning()
        self.first = self._page(0)
        if self.first.total and not self.first.rows:
            raise A360FormatError(f"{name}: the total is {self.first.total}, but the first page holds no rows.")
        self.seen: set[Hashable] = set()
        """The ids of the rows that have come."""
        self.shortfall: Shortfall | None = None
        """Set at the end, where rows may be missing."""
        self.total_is_confirmed = False
        """Whether, at the end, as many rows have come as a total says that is known to count the list."""

    def __iter__(self) -> Iterator[T_co]:
        return itertools.chain.from_iterable(self.pages())

    def pages(self, *, at_once: int | None = None) -> Iterator[list[T_co]]:
        """Yield the rows page by page; a page whose rows have all come before is empty.

        :param at_once: how many pages to ask for side by side, instead of the list's own number.
        """
        self.seen, self.shortfall = set(), None
        first = self.first
        outcome: Outcome | None = None
        for attempt in range(1, READINGS + 1):
            found = self.seen if attempt == 1 else set()
            reading = Reading(self._name, self._size, found, self._meaning, again=bool(self.seen))
            # Read side by side, a page may be older than the one before it. A list that changes is read in order.
            for page in self._read(reading, first, (at_once or self._at_once) if attempt == 1 else 1):
                new = reading.new if found is self.seen else add_new(page.ids, self.seen)
                yield list(itertools.compress(page.rows, new))
            if reading.is_whole:
                # An empty reading behind one with rows confirms nothing.
                self.total_is_confirmed = reading.total_is_confirmed and len(reading.found) == len(self.seen)
                return
            previous, outcome = outcome, reading.outcome
            if outcome == previous and self._accepts(outcome, reading.refusal):
                return
            log.info("%s: attempt %d %s.", self._name, attempt, outcome)
            if attempt < READINGS:
                first = self._page(0)
        raise A360ListMovedError(
            f"{self._name} changed while it was read: attempt {READINGS} {outcome}. None of {READINGS} attempts gave a "
            "complete list, so nothing of it was published. Run the task again in a quieter hour."
        )

    @property
    def pages_ahead(self) -> int:
        """About how many pages follow the first, as far as its total tells."""
        rows = len(self.first.rows)
        return -(-((self.first.total or rows) - rows) // max(1, rows - 1))

    def last_page(self) -> list[T_co]:
        """Read the rows at the list's end, without the others; none where the total doesn't tell where that is."""
        rows, total = len(self.first.rows), self.first.total or 0
        if rows < self._size or total <= rows:
            return []
        # Ask so that the last page has one row less than a full one: any other number shows that it isn't the end.
        last = self._page(total - rows + 1).rows
        return last if len(last) == rows - 1 else []

    def _page(self, offset: int) -> Page[T_co]:
        return self._fetch(offset, self._size)

    def _read(self, reading: Reading, first: Page[T_co], at_once: int) -> Iterator[Page[T_co]]:
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

    def _accepts(self, outcome: Outcome, refusal: A360RequestError | None) -> bool:
        """Whether a list that was read twice with the same outcome is taken as it is.

        :raises A360RequestError: if nothing but a refused offset ended it.
        """
        total = outcome.total if self._meaning.counts_the_list else None
        if total is not None and outcome.found <= total:
            if len(self.seen) >= total:
                return True
            self.shortfall = Shortfall(len(self.seen), total)
            log.warning("%s: only %d of %d rows can be read.", self._name, len(self.seen), total)
            return True
        if not outcome.broken:
            return True
        if refusal is not None:
            raise refusal
        if outcome.broken == "moved":
            return False
        self.shortfall = Shortfall(len(self.seen), None)
        log.warning("%s: the service gave %d rows and then no others. There may be more.", self._name, len(self.seen))
        return True
