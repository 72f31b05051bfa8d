"""Read a list of the service page by page, and notice when it changes or comes short."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeVar

from airflow_provider_a360.api.errors import A360FormatError, A360ListMovedError, A360RequestError
from airflow_provider_a360.api.parallel import in_order

log = logging.getLogger(__name__)

READINGS = 4
"""How often a list is read before it is given up."""
_MOST_PAGES = 20_000
"""Pages of one reading of a list that states no total."""
_EMPTY_IN_STEPS = 8
"""Empty pages that are asked for one behind the other where the total promises more; behind those, the steps double."""

Broken = Literal["", "moved", "stopped"]
"""Why a reading can't be trusted: rows are where others were before, or there are none where some were before."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows of a list from an offset on; past the end, none."""

    rows: list[T]
    ids: list[Hashable]
    """What tells each row from the others."""
    total: int | None = None
    """How many rows the list has in all, if the service says so."""
    refusal: A360RequestError | None = None
    """The service's error, where it refused the offset."""


class Shortfall(NamedTuple):
    """A list whose total promises more rows than can be read."""

    found: int
    total: int


@dataclass
class TotalMeaning:
    """What the totals of one kind of list have been seen to mean, shared by all lists of the kind."""

    counts_the_list: bool = False
    """A page with fewer rows than its total has shown that the total doesn't count the rows of the page."""


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
        outcome: _Outcome | None = None
        for attempt in range(1, READINGS + 1):
            found = self.seen if attempt == 1 else set()
            reading = _Reading(self._name, self._size, found, self._meaning)
            # Read side by side, a page may be older than the one before it. A list that changes is read in order.
            for page in self._read(reading, first, (at_once or self._at_once) if attempt == 1 else 1):
                new = reading.new if found is self.seen else _add(page.ids, self.seen)
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

    def _read(self, reading: _Reading, first: Page[T], at_once: int) -> Iterator[Page[T]]:
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

    def _is_all_there_is(self, outcome: _Outcome, refusal: A360RequestError | None) -> bool:
        """Whether a list that was read twice with the same outcome can be taken as it is."""
        if outcome.total is not None and outcome.found <= outcome.total:
            if len(self.seen) < outcome.total:
                self.shortfall = Shortfall(len(self.seen), outcome.total)
                log.warning("%s: only %d of %d rows can be read.", self._name, *self.shortfall)
            return True
        if refusal is not None and outcome.broken:
            raise refusal
        return outcome.broken != "moved"


class _Outcome(NamedTuple):
    """How a reading ended; two that are equal show that the list stands still."""

    found: int
    total: int | None
    broken: Broken
    fingerprint: int
    """The same for the same rows, in whatever order."""

    def __str__(self) -> str:
        return f"found {self.found} of {'an unknown number of' if self.total is None else self.total} rows"


class _Reading:
    """One pass over a list: is told of each page, and decides at which offset to go on. Pure."""

    def __init__(self, name: str, size: int, found: set[Hashable], meaning: TotalMeaning) -> None:
        self.found = found
        self.new: list[bool] = []
        """Of each row of the last page, whether it is new."""
        self.offset: int | None = 0
        """Where the next page begins; None when the reading is over."""
        self.refusal: A360RequestError | None = None
        self._name, self._size, self._meaning = name, size, meaning
        self._total: int | None = None
        self._first_total: int | None = None
        self._broken: Broken = ""
        self._last: Hashable = None
        self._overlaps = False
        self._rows = self._longest = self._pages = self._idle = self._empty = self._repeated = 0
        self._is_steady = self._is_linked = True

    @property
    def is_whole(self) -> bool:
        """Whether each row of the list has come, as far as one reading can show it."""
        return not self._broken and self._is_linked and len(self.found) >= self._needed

    @property
    def total_is_confirmed(self) -> bool:
        """Whether as many rows have come as the total says; if it counts the rows of a page, none says that."""
        return self._total is not None and self._needed <= len(self.found) <= self._total

    @property
    def outcome(self) -> _Outcome:
        """How a reading ended that is not whole."""
        return _Outcome(len(self.found), self._total, self._broken, hash(frozenset(self.found)))

    def take(self, page: Page[T]) -> None:
        """Count a page."""
        ids, rows = page.ids, len(page.ids)
        self.new = _add(ids, self.found)
        self.refusal = page.refusal
        brought_rows = any(self.new)
        # Behind a gap or a page of one row, nothing shows whether the list has moved: only another reading does.
        self._is_linked &= self._overlaps or not self._pages or not brought_rows
        self._count(page, rows, brought_rows=brought_rows)
        self._broken = self._break(ids, brought_rows=brought_rows)
        if self._broken or self._is_end(rows):
            self.offset = None
            return
        if self._pages >= self._most_pages:
            raise A360ListMovedError(
                f"{self._name} has no end: {len(self.found)} rows came on {self._pages} pages, and the service says "
                f"that there are {'more' if self._total is None else self._total}. Nothing of it was published."
            )
        self._overlaps = rows > 1 and (brought_rows or rows == self._longest)
        if self._overlaps:
            self._last = ids[-1]
            self._advance(rows - 1)
        elif brought_rows:
            self._advance(1)
        else:
            # A gap. No page is longer than those that have come, so there is nothing in so many places.
            self._advance(self._longest << max(0, self._empty - _EMPTY_IN_STEPS))

    def ahead(self) -> range:
        """Return the offsets to ask for side by side: the next alone, unless it can be told where later pages begin."""
        offset = self.offset or 0
        if not (self._is_steady and self._overlaps and self._total):
            return range(offset, offset + 1)
        return range(offset, max(offset + 1, self._total - 1), self._rows - 1)

    def _advance(self, by: int) -> None:
        self.offset = (self.offset or 0) + by

    def _count(self, page: Page[T], rows: int, *, brought_rows: bool) -> None:
        self._pages += 1
        self._idle = self._idle + 1 if rows and not brought_rows else 0
        self._empty = 0 if rows else self._empty + 1
        self._repeated += rows - sum(self.new) - self._overlaps if rows else 0
        # A page that is as long as asked for, or as the one before it, lets the next be expected as long.
        self._is_steady = rows >= self._size or rows == self._rows
        self._rows, self._longest = rows, max(self._longest, rows)
        if page.total is not None:
            self._total = page.total
            self._first_total = page.total if self._first_total is None else self._first_total
            self._meaning.counts_the_list |= page.total > rows

    def _break(self, ids: list[Hashable], *, brought_rows: bool) -> Broken:
        """Return what is wrong with a page."""
        if self._overlaps and self._last not in ids:
            return "moved" if ids else "stopped"
        if brought_rows or not ids:
            return ""
        if self._overlaps and len(ids) >= self._size:
            return "moved"  # a full page of rows that have come: as many were added meanwhile, or the offset is ignored
        if self._idle > self._size // max(1, self._longest - 1) + 1:
            # Old rows may come again behind a gap, but not at so many places: the service ignores the offset. Then no
            # look behind the first page of a list tells more than its total.
            self._meaning.counts_the_list = True
            return "stopped"
        return ""

    def _is_end(self, rows: int) -> bool:
        total, offset = self._total, self.offset or 0
        if total is None or len(self.found) > total:
            # There is no total, or it can't be relied on: more rows have come than it says.
            return not rows
        if len(self.found) < self._needed:
            return not rows and offset >= total and self._empty > _EMPTY_IN_STEPS
        # A full page may hide that the total is too low, and a first page that it counts only the rows of the page.
        is_full = rows >= self._size or (self._pages > 1 and rows == self._longest)
        return not rows or (not is_full and self._meaning.counts_the_list)

    @property
    def _needed(self) -> int:
        """How many rows make the list: its total, less those added since the first page at places that have been read.
        Each of these makes a row come once more.
        """
        if self._total is None or self._first_total is None:
            return 0
        return self._total - max(0, min(self._repeated, self._total - self._first_total))

    @property
    def _most_pages(self) -> int:
        if self._first_total is None:
            return _MOST_PAGES
        return 1_000 + 4 * self._first_total // max(1, self._longest)


def _add(ids: Iterable[Hashable], to: set[Hashable]) -> list[bool]:
    """Add ids to a set; return of each whether it is new."""
    new = []
    for identity in ids:
        new.append(identity not in to)
        to.add(identity)
    return new
