"""Decide at which offset the reading of a list goes on, and when it is whole. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from airflow_provider_a360.api.errors import A360ListMovedError, A360RequestError

_MOST_PAGES = 20_000
"""Pages of one reading of a list without a total that can be relied on."""
_EMPTY_IN_STEPS = 8
"""Empty pages that are asked for one behind the other where the total promises more; behind those, the steps double."""

Broken = Literal["", "moved", "stopped"]
"""Why a reading can't be trusted. "moved": the row that two pages share is missing, or a full page brought old rows
only. "stopped": there are no rows, or no others, where the shared row was.
"""

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


@dataclass
class TotalMeaning:
    """What the totals of one kind of list have been seen to mean, shared by all lists of the kind."""

    counts_the_list: bool = False
    """A page had fewer rows than its total, so totals don't count the rows of a page."""
    offset_is_ignored: bool = False
    """Another offset gave the same rows, so a look behind a page tells nothing."""


class Outcome(NamedTuple):
    """How a reading ended; two that are equal show that the list stands still."""

    found: int
    total: int | None
    broken: Broken
    fingerprint: int
    """The same for the same rows, in whatever order."""

    def __str__(self) -> str:
        return f"found {self.found} of {'an unknown number of' if self.total is None else self.total} rows"


class Reading:
    """One pass over a list: is told of each page, and decides at which offset to go on.

    The next page begins with the last row of this one. A page without that row shows that the list has moved, and an
    empty one that it stopped short: the reading is broken. Where no row can be shared (pages of one row, or behind a
    gap), the reading is not linked, and only another one that finds the same rows shows that the list held still.

    The reading ends when as many distinct rows have come as are needed (see `_needed`), on a page that had room for
    more. Below that, a page without new rows is a gap, and the reading goes on behind it, past the total. Without a
    total, or where more rows have come than it says, the reading ends with an empty page.

    :param name: what is listed, for messages.
    :param size: how many rows each page is asked for.
    :param found: takes the ids of the rows.
    :param meaning: what is known of the totals of such lists.
    :param again: whether rows have come in an earlier reading, so that an empty list is no plausible answer.
    """

    def __init__(
        self, name: str, size: int, found: set[Hashable], meaning: TotalMeaning, *, again: bool = False
    ) -> None:
        self.found = found
        self.new: list[bool] = []
        """Of each row of the last page, whether it is new."""
        self.offset: int | None = 0
        """Where the next page begins; None when the reading is over."""
        self.refusal: A360RequestError | None = None
        self._name, self._size, self._meaning, self._again = name, size, meaning, again
        self._total: int | None = None
        self._first_total: int | None = None
        self._broken: Broken = ""
        self._last: Hashable = None
        self._expects_last = False
        self._pages = self._rows = self._longest = 0
        """How many pages have come, and the rows of the last and of the longest one."""
        self._empty = self._idle = 0
        """How many empty pages, or pages of old rows only, have come in a row."""
        self._repeated = 0
        """How often a row came again, shared rows aside."""
        self._is_steady = self._is_linked = True

    @property
    def is_whole(self) -> bool:
        """Whether each row of the list has come, as far as one reading can show it."""
        return not self._broken and self._is_linked and len(self.found) >= self._needed

    @property
    def total_is_confirmed(self) -> bool:
        """Whether as many rows have come as a total says that is known to count the list."""
        known = self._total is not None and self._meaning.counts_the_list
        return known and len(self.found) <= (self._total or 0)

    @property
    def outcome(self) -> Outcome:
        """How a reading ended that is not whole."""
        return Outcome(len(self.found), self._total, self._broken, hash(frozenset(self.found)))

    def take(self, page: Page[Any]) -> None:
        """Count a page."""
        ids, rows = page.ids, len(page.ids)
        self.new = add_new(ids, self.found)
        self.refusal = page.refusal
        brought_rows = any(self.new)
        # Behind a gap or a page of one row, nothing shows whether the list has moved: only another reading does.
        self._is_linked &= self._expects_last or not self._pages or not brought_rows
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
        self._expects_last = rows > 1 and (brought_rows or rows == self._longest)
        if self._expects_last:
            self._last = ids[-1]
            self._advance(rows - 1)
        elif rows:
            # A page too short to share a row with the next, or one that has come before behind a gap.
            self._advance(rows)
        else:
            # A gap. It is at least as long as the longest page, so that many places are skipped, later ever more.
            self._advance(max(1, self._longest) << max(0, self._empty - _EMPTY_IN_STEPS))

    def ahead(self) -> range:
        """Return the offsets to ask for side by side: the next alone, unless it can be told where later pages begin."""
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
        # A page that is as long as asked for, or as the one before it, lets the next be expected as long.
        self._is_steady = rows >= self._size or rows == self._rows
        self._rows, self._longest = rows, max(self._longest, rows)
        if page.total is not None:
            self._total = page.total
            self._first_total = page.total if self._first_total is None else self._first_total
            self._meaning.counts_the_list |= page.total > rows

    def _break(self, ids: list[Hashable], *, brought_rows: bool) -> Broken:
        """Return what is wrong with a page."""
        if self._expects_last and self._last not in ids:
            return "moved" if ids else "stopped"
        if self._again and self._pages == 1 and not ids:
            return "stopped"
        if brought_rows or not ids:
            return ""
        if self._expects_last and len(ids) >= self._size:
            return "moved"  # as many rows were added meanwhile, or the offset is ignored
        # Behind a gap, old rows may come again, but for no more places than a page has.
        if self._idle > self._size // max(1, self._longest - 1) + 1:
            self._meaning.offset_is_ignored = True
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
        is_believed = self._meaning.counts_the_list or self._meaning.offset_is_ignored
        return not rows or (not is_full and is_believed)

    @property
    def _needed(self) -> int:
        """How many rows make the list: its total, less those added since the first page at places that have been read.
        Each of these makes a row come again, so there are no more of them than repeated rows.
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
    """Add ids to a set; return of each whether it is new."""
    new = []
    for identity in ids:
        new.append(identity not in to)
        to.add(identity)
    return new
