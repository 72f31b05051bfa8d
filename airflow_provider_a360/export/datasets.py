"""What can be exported: flows and days become rows."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, ClassVar, NamedTuple, Protocol

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.records import Record

log = logging.getLogger(__name__)


class AllFlows(tuple[int, ...]):
    """The flows that the account listed when the export began; one may be deleted before it is asked for."""

    __slots__ = ()


class Step(NamedTuple):
    """Files that are published together: some flows' rows of some days."""

    flows: Sequence[int]
    files: Sequence[Days]
    """The days of each file; a file without rows is a file too."""


class Batch(NamedTuple):
    """The rows of a part; they come some at a time, with the first day of their file."""

    part: Step
    rows: Iterator[tuple[date, Sequence[Record]]]
    skipped: bool = False
    """Whether all of its flows were skipped: no file is written then, and what was there before stays."""


@dataclass
class Diagnostics:
    """What an export learns besides rows; it ends up in the manifest.

    A call that runs in a thread of its own returns its diagnostics; only the thread that reads the rows merges them.
    """

    skipped: list[dict[str, Any]] = field(default_factory=list)
    """Elements and flows without statistics, and why."""
    without_data: int = 0
    """Elements and days for which the service had no statistics: their counters are null."""
    requests_saved: int = 0
    requests_expected: int = 0
    """As far as is known by now; a retry needs more."""
    notes: list[str] = field(default_factory=list)

    def warn(self, note: str) -> None:
        """Say in the log and in the manifest what the reader of the files must know."""
        log.warning(note)
        self.merge(Diagnostics(notes=[note]))

    def merge(self, other: Diagnostics) -> None:
        """Add what another has found; the same note or skipped element is kept once."""
        self.skipped += [one for one in other.skipped if one not in self.skipped]
        self.notes += [note for note in other.notes if note not in self.notes]
        self.without_data += other.without_data
        self.requests_saved += other.requests_saved
        self.requests_expected += other.requests_expected


class Dataset(Protocol):
    """A kind of rows, and which of them are wanted."""

    name: ClassVar[str]
    row_type: ClassVar[type[Record]]

    def folder(self, days: Days, *, by_flow: bool) -> str:
        """Name the folder of these days' files, below the destination. It is one table that can be read whole: every
        option that changes which rows there are is in its name, and so is whether a file holds one flow's rows
        (`by_flow`, the last part) or all flows'.
        """

    def sort_key(self, row: Any) -> tuple[Any, ...]:
        """The order of rows in a file, largest first, whatever order the service gave them in."""

    def estimate(self, days: Days) -> tuple[int, str]:
        """The requests that a flow takes at first, and in words those that follow."""

    def plan(self, groups: Sequence[Sequence[int]], days: Days) -> list[Step]:
        """The parts that cover each group and day once, always the same and in the same order. A group is one flow, or
        AllFlows.
        """

    def batches(self, client: A360Client, plan: Sequence[Step], diagnostics: Diagnostics) -> Iterator[Batch]:
        """Yield the rows of each part, in order."""
