"""Define what a dataset provides, and what it passes to the export job."""

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
    """The ids of all flows that the account listed when the export began.

    A type of its own, because a flow of this list may be deleted before its elements are read. That flow is skipped,
    while an unknown id that the DAG author gave is an error.
    """

    __slots__ = ()


class Step(NamedTuple):
    """One step of an export: the flows to read, and the files to publish together."""

    flows: Sequence[int]
    files: Sequence[Days]
    """The days that each file covers. A file is published even if it has no rows."""


class Batch(NamedTuple):
    """The rows of one step."""

    step: Step
    rows: Iterator[tuple[date, Sequence[Record]]]
    """Rows in chunks, each with the first day of the file that it belongs to."""
    skipped: bool = False
    """Whether all flows of the step were skipped. Then no file is written, and existing files stay as they are."""


@dataclass
class Diagnostics:
    """Collect what the manifest reports in addition to rows and files.

    Not thread-safe: calls in worker threads return diagnostics of their own, and the thread that reads the rows merges
    them.
    """

    skipped: list[dict[str, Any]] = field(default_factory=list)
    """Flows and elements that have no rows, each with its ids and the reason."""
    without_data: int = 0
    """Number of rows for which the service had no statistics. Their counters are null."""
    requests_saved: int = 0
    """Number of requests that were not needed, because the element was created after the days."""
    requests_expected: int = 0
    """Estimated number of requests, as far as it is known now. It doesn't include retries."""
    notes: list[str] = field(default_factory=list)
    """Warnings for readers of the files."""

    def warn(self, note: str) -> None:
        """Add a note, and log it as a warning.

        :param note: what a reader of the files must know.
        """
        log.warning(note)
        self.merge(Diagnostics(notes=[note]))

    def merge(self, other: Diagnostics) -> None:
        """Add other diagnostics. Notes and skipped entries that are already here are not repeated.

        :param other: the diagnostics to add.
        """
        self.skipped += [entry for entry in other.skipped if entry not in self.skipped]
        self.notes += [note for note in other.notes if note not in self.notes]
        self.without_data += other.without_data
        self.requests_saved += other.requests_saved
        self.requests_expected += other.requests_expected


class Dataset(Protocol):
    """A kind of rows to export, with its options."""

    name: ClassVar[str]
    row_type: ClassVar[type[Record]]

    def folder(self, days: Days, *, by_flow: bool) -> str:
        """Return the folder of a file, as a path below the destination.

        A folder is a table: a reader may read all files in it without reading a row twice. So the name contains every
        option that changes which rows there are.

        :param days: the days that the file covers.
        :param by_flow: whether each file holds the rows of one flow, rather than of all flows.
        """

    def sort_key(self, row: Any) -> tuple[Any, ...]:
        """Return the sort key of a row. Files are sorted by it in descending order, so that their bytes don't depend on
        the order in which the service lists the rows.

        :param row: a row of type `row_type`.
        """

    def estimate(self, days: Days) -> tuple[int, str]:
        """Estimate the requests for one flow.

        :param days: the UTC days to export.
        :return: the number of requests that are known to be needed, and a description of those that will follow.
        """

    def plan(self, groups: Sequence[Sequence[int]], days: Days) -> list[Step]:
        """Divide the export into steps. The same arguments always give the same steps, so that a retry can resume.

        :param groups: the flows that share files: one flow each, or `AllFlows`.
        :param days: the UTC days to export.
        :return: steps that cover each group and day once, in the order in which they are published.
        """

    def batches(self, client: A360Client, plan: Sequence[Step], diagnostics: Diagnostics) -> Iterator[Batch]:
        """Yield the rows of each step, in order. Read the rows of a batch before you request the next batch.

        :param client: the client for the account.
        :param plan: the steps to read.
        :param diagnostics: receives what the manifest reports about the rows.
        """
