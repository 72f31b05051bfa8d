"""Read a list once: decide which offset comes next, and whether the list is complete. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from airflow_provider_a360.api.errors import A360ListMovedError, A360RequestError

_MOST_PAGES = 20_000
"""The most pages of a list without a reliable total."""
_EMPTY_IN_STEPS = 8
"""After so many empty pages in a row, if the total states more rows, the steps between offsets double."""

Broken = Literal["", "moved", "stopped"]
"""Why a reading may have missed rows.

"moved": the row that two pages share is missing, or a full page has no new row. "stopped": a page is empty, or has no
new row, although the page before it had rows.
"""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of a list.

    :param rows: the rows at the requested offset; none past the end.
    :param ids: the identity of each row.
    :param total: the number of rows in the list, if the service states it.
    :param refusal: the service's error, if it refused the offset.
    """

    rows: list[T]
    ids: list[Hashable]
    total: int | None = None
    refusal: A360RequestError | None = None


@dataclass
class TotalMeaning:
    """What is known of the totals of one kind of list. All lists of the kind share it.

    :param counts_the_list: the total is known to count the whole list: it was once higher than the number of rows on
        its page.
    :param offset_is_ignored: another offset returned the same rows, so the next page can't show whether there are more.
    """

    counts_the_list: bool = False
    offset_is_ignored: bool = False


class Outcome(NamedTuple):
    """How a reading ended. Two equal outcomes show that the list didn't change.

    :param found: the number of distinct rows.
    :param total: the last total that the service stated.
    :param broken: why the reading may have missed rows, if so.
    :param fingerprint: a hash of the rows' identities, in any order.
    """

    found: int
    total: int | None
    broken: Broken
    fingerprint: int

    def __str__(self) -> str:
        return f"found {self.found} of {'an unknown number of' if self.total is None else self.total} rows"


class Reading:
    """One pass over a list: takes each page and decides which offset comes next.

    Each page begins with the last row of the page before it. If a page lacks that row, the list has changed; if it is
    empty, the service stopped too early. Either way the reading is broken. Where pages can't overlap (with one row a
    page, or after a gap), the reading isn't linked, and only a second reading with the same rows shows that nothing
    changed.

    Where the reading ends depends on how many distinct rows have come:

    - Too few rows (see `_needed`): a short page is a gap, read on, past the total if need be.
    - Enough rows: the reading ends at the next short or empty page, because after a full page the total may be too low.
    - More rows than the total states, or no total: the reading ends at an empty page.

    :param name: what the list holds, for messages.
    :param size: the limit of each page.
    :param found: the set to which the identities of the rows are added.
    :param meaning: what is known of the totals of lists of this kind.
    :param again: whether an earlier reading found rows, so that an empty list isn't plausible.
    """

    def __init__(
        self, name: str, size: int, found: set[Hashable], meaning: TotalMeaning, *, again: bool = False
    ) -> None:
        self.found = found
        self.new: list[bool] = []
        """For each row of the last page, whether it is new."""
        self.offset: int | None = 0
        """The offset of the next page; None when the reading has ended."""
        self.refusal: A360RequestError | None = None
        self._name, self._size, self._meaning, self._again = name, size, meaning, again
        self._total: int | None = None
        self._first_total: int | None = None
        self._broken: Broken = ""
        self._last: Hashable = None
        self._expects_last = False
        self._pages = self._rows = self._longest = 0
        """The number of pages, the rows of the last one and of the longest one."""
        self._empty = self._idle = 0
        """The number of empty pages, and of pages without new rows, in a row."""
        self._repeated = 0
        """How often a row came again, not counting the overlap of pages."""
        self._is_steady = self._is_linked = True

    @property
    def is_whole(self) -> bool:
        """Whether the list is complete, as far as one reading can show it."""
        return not self._broken and self._is_linked and len(self.found) >= self._needed

    @property
    def total_is_confirmed(self) -> bool:
        """Whether the total is reliable, and no more rows have come than it states."""
        known = self._total is not None and self._meaning.counts_the_list
        return known and len(self.found) <= (self._total or 0)

    @property
    def outcome(self) -> Outcome:
        """How an incomplete reading ended."""
        return Outcome(len(self.found), self._total, self._broken, hash(frozenset(self.found)))

    def take(self, page: Page[Any]) -> None:
        """Take a page, and set `new` and `offset`.

        :param page: the page at `offset`.
        :raises A360ListMovedError: if the list has far more pages than its total allows.
        """
        ids, rows = page.ids, len(page.ids)
        self.new = add_new(ids, self.found)
        self.refusal = page.refusal
        brought_rows = any(self.new)
        # After a gap or a page of one row, only another reading can show whether the list has changed.
        self._is_linked &= self._expects_last or not self._pages or not brought_rows
        self._count(page, rows, brought_rows=brought_rows)
        self._broken = self._break(ids, brought_rows=brought_rows)
        if self._broken or self._is_end(rows):
            self.offset = None
            return
        if self._pages >= self._most_pages:
            raise A360ListMovedError(
                f"{self._name} doesn't end: {self._pages} pages had {len(self.found)} rows, and the service states "
                f"{'no total' if self._total is None else f'a total of {self._total}'}. Nothing of it was published."
            )
        self._expects_last = rows > 1 and (brought_rows or rows == self._longest)
        if self._expects_last:
            self._last = ids[-1]
            self._advance(rows - 1)
        elif rows:
            # A page of one row, or a page without new rows after a gap: no overlap with the next page.
            self._advance(rows)
        else:
            # A gap. Skip the length of the longest page, and ever more later on.
            self._advance(max(1, self._longest) << max(0, self._empty - _EMPTY_IN_STEPS))

    def ahead(self) -> range:
        """Return the offsets that can be requested in parallel.

        :return: the next offset alone, unless it is known where later pages begin.
        """
        offset = self.offset or 0
        if not (self._is_steady and self._expects_last and self._total):
            return range(offset, offset + 1)
        return range(offset, max(offset + 1, self._total - 1), self._rows - 1)

    def _advance(self, by: int) -> None:
        self.offset = (self.offset or 0) + by

    def _count(self, page: Page[Any], rows: int, *, brought_rows: bool) -> None:
        self._pages += 1
        self._idle = self._idle + 1 if rows and not brought_rows else 0
        self._empty = 0 if rows else self._empty + 1
        if rows:
            shared = int(self._expects_last)
            self._repeated += rows - sum(self.new) - shared
        # If a page is full, or as long as the one before it, expect the same of the next.
        self._is_steady = rows >= self._size or rows == self._rows
        self._rows, self._longest = rows, max(self._longest, rows)
        if page.total is not None:
            self._total = page.total
            self._first_total = page.total if self._first_total is None else self._first_total
            self._meaning.counts_the_list |= page.total > rows

    def _break(self, ids: list[Hashable], *, brought_rows: bool) -> Broken:
        """Return why the reading may have missed rows."""
        if self._expects_last and self._last not in ids:
            return "moved" if ids else "stopped"
        if self._again and self._pages == 1 and not ids:
            return "stopped"
        if brought_rows or not ids:
            return ""
        if self._expects_last and len(ids) >= self._size:
            return "moved"  # rows were added while reading, or the service ignores the offset
        # After a gap, old rows may come again, but not for longer than a page.
        if self._idle > self._size // max(1, self._longest - 1) + 1:
            self._meaning.offset_is_ignored = True
            return "stopped"
        return ""

    def _is_end(self, rows: int) -> bool:
        total, offset = self._total, self.offset or 0
        if total is None or len(self.found) > total:
            # There is no total, or it isn't reliable: more rows have come than it states.
            return not rows
        if len(self.found) < self._needed:
            return not rows and offset >= total and self._empty > _EMPTY_IN_STEPS
        # After a full page, the total may be too low; at the first page, it may count only the rows of the page.
        is_full = rows >= self._size or (self._pages > 1 and rows == self._longest)
        is_believed = self._meaning.counts_the_list or self._meaning.offset_is_ignored
        return not rows or (not is_full and is_believed)

    @property
    def _needed(self) -> int:
        """How many rows are enough: the total, less the rows that were added before the current offset while reading.

        Each of those shifts a row to the next page, so that it comes twice: there are at most as many as repeated rows.
        """
        if self._total is None or self._first_total is None:
            return 0
        return self._total - max(0, min(self._repeated, self._total - self._first_total))

    @property
    def _most_pages(self) -> int:
        if self._first_total is None or len(self.found) > (self._total or 0):
            return _MOST_PAGES
        return 1_000 + 4 * self._first_total // max(1, self._longest)


def add_new(ids: Iterable[Hashable], to: set[Hashable]) -> list[bool]:
    """Add identities to a set.

    :param ids: the identities.
    :param to: the set.
    :return: for each identity, whether it is new.
    """
    new = []
    for identity in ids:
        new.append(identity not in to)
        to.add(identity)
    return new
