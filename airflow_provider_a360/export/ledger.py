"""Record published files so that a retry can resume."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypedDict

from airflow_provider_a360 import __version__
from airflow_provider_a360.export.datasets import Diagnostics

_PAGE_SIZE = 8_000
"""Maximum size of a stored value, in bytes of JSON; about 500 files. Airflow warns about values above 65,535 bytes, and
each batch writes one value again.
"""


class PublishedFile(TypedDict):
    """A published file, as the manifest lists it."""

    day: str
    """The first UTC day that the file covers, in ISO 8601."""
    last_day: str
    """The last UTC day. The same as `day`, unless the export has grain="run"."""
    rows: int
    size: int
    """Size in bytes."""
    uri: str


class Store(Protocol):
    """A key-value store that outlives an attempt of a task, such as Airflow's task state store."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key.

        :param key: the key.
        :param default: the value to return if the key is not set.
        """

    def set(self, key: str, value: Any) -> None:
        """Set the value of a key.

        :param key: the key.
        :param value: a value that JSON can represent.
        """


@dataclass
class PublishedBatch:
    """A batch as it was recorded."""

    files: list[tuple[int, int]]
    """The rows and the size in bytes of each file, in the order of the step's files. Empty for a skipped batch."""
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    """What the manifest must report about these files."""


class Ledger:
    """Record the batches that an export has published, in order.

    The ledger is a list of entries that only grows. There are three kinds:

    - a list: a published batch, with the rows and size of each file. The export's plan gives the rest.
    - a dict with "export" and "kept": the start of an attempt, with a hash of what is exported and the number of
      earlier batches that it keeps. Later batches of earlier attempts are void.
    - any other dict: diagnostics of the batch that follows.

    Entries are stored in pages of limited size, one key each.

    :param store: where to keep the entries. Without a store, nothing is recorded.
    :param parameters: describes the export. Batches that were recorded with other parameters are ignored.
    """

    def __init__(self, store: Store | None = None, parameters: str = "") -> None:
        self._store, self._parameters = store, parameters
        self._export = ""
        self._pages: list[list[Any]] = []
        self._recorded = Diagnostics()

    def load(self, scope: str) -> list[PublishedBatch]:
        """Return the batches that earlier attempts of this export have published.

        :param scope: describes the flows and days. Batches of another scope are ignored.
        """
        self._export = hashlib.sha256(f"{__version__} {self._parameters} {scope}".encode()).hexdigest()[:16]
        while self._store is not None and (page := self._store.get(self._key(len(self._pages)))):
            self._pages.append(page)
        batches: list[PublishedBatch] = []
        export, diagnostics = "", Diagnostics()
        for entry in itertools.chain.from_iterable(self._pages):
            if isinstance(entry, list):
                batches.append(PublishedBatch([(rows, size) for rows, size in entry], diagnostics))
                diagnostics = Diagnostics()
            elif "export" in entry:
                export, batches, diagnostics = entry["export"], batches[: entry["kept"]], Diagnostics()
            else:
                diagnostics.merge(Diagnostics(**entry))
        return batches if export == self._export else []

    def start_attempt(self, kept: int, diagnostics: Diagnostics) -> None:
        """Record the start of this attempt. Call it before anything is published: later batches of earlier attempts
        don't count any more.

        :param kept: the number of earlier batches that this attempt keeps.
        :param diagnostics: the diagnostics of those batches, which are not recorded again.
        """
        self._append([{"export": self._export, "kept": kept}], diagnostics)

    def record(self, files: Sequence[PublishedFile], diagnostics: Diagnostics) -> None:
        """Record a published batch, with the diagnostics that were added since the last one: the manifest of a retry
        must report them too.

        :param files: the files of the batch; empty for a skipped batch.
        :param diagnostics: all diagnostics so far.
        """
        recorded = self._recorded
        entries: list[Any] = [
            *({"skipped": [entry]} for entry in diagnostics.skipped[len(recorded.skipped) :]),
            *({"notes": [note]} for note in diagnostics.notes[len(recorded.notes) :]),
        ]
        if without_data := diagnostics.without_data - recorded.without_data:
            entries.append({"without_data": without_data})
        entries.append([[file["rows"], file["size"]] for file in files])
        self._append(entries, diagnostics)

    def _append(self, entries: Iterable[Any], diagnostics: Diagnostics) -> None:
        self._recorded = Diagnostics(list(diagnostics.skipped), diagnostics.without_data, notes=list(diagnostics.notes))
        if self._store is None:
            return
        for entry in entries:
            if not self._pages or len(json.dumps([*self._pages[-1], entry])) > _PAGE_SIZE:
                self._write_last_page()
                self._pages.append([])
            self._pages[-1].append(entry)
        self._write_last_page()

    def _write_last_page(self) -> None:
        if self._pages and self._store is not None:
            self._store.set(self._key(len(self._pages) - 1), self._pages[-1])

    def _key(self, page: int) -> str:
        return f"published-{page}"
