"""What earlier tries of the same export have published, so that the next goes on behind it."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypedDict

from airflow_provider_a360 import __version__
from airflow_provider_a360.export.datasets import Diagnostics

_PAGE = 8_000
"""Bytes of a page, as JSON: some 500 files. Airflow warns of values beyond 65,535, and each batch writes one anew."""


class PublishedFile(TypedDict):
    """A file as it landed."""

    day: str
    """Its first day; its only one, but with grain="run"."""
    last_day: str
    rows: int
    size: int
    """In bytes."""
    uri: str


class Store(Protocol):
    """Keys and values that outlive a try: Airflow's task state store."""

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key."""

    def set(self, key: str, value: Any) -> None:
        """Give a key a value."""


@dataclass
class PublishedBatch:
    """A batch as it was published, and what the export learnt with it."""

    files: list[tuple[int, int]]
    """The rows and bytes of each file; none for a batch that was skipped."""
    diagnostics: Diagnostics = field(default_factory=Diagnostics)


class Ledger:
    """A journal of the batches that were published, in order. Without a store, it remembers nothing.

    A batch is an entry that holds no more than the numbers of its files: the plan of the export knows the rest. What
    the export learnt with a batch comes ahead of it, and each try begins with an entry of its own, which says what is
    exported and how many batches stand. Entries are only ever added, and are packed into pages of bounded size, each a
    key of the store.

    `export` says what is exported and how: what was published for another export is no part of this one.
    """

    def __init__(self, store: Store | None = None, export: str = "") -> None:
        self._store, self._export = store, export
        self._pages: list[list[Any]] = []
        self._written = Diagnostics()

    def load(self, scope: str) -> list[PublishedBatch]:
        """What earlier tries of this export published, for this scope of flows and days."""
        self._export = hashlib.sha256(f"{__version__} {self._export} {scope}".encode()).hexdigest()[:16]
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
        """Go on behind the first `kept` batches, with what was learnt by then. Nothing may be published before: what
        follows those batches is void from now on.
        """
        self._add([{"export": self._export, "kept": kept}], diagnostics)

    def record(self, files: Sequence[PublishedFile], diagnostics: Diagnostics) -> None:
        """Record a batch that has been published, and what was learnt since the one before: what a file lacks, the
        manifest of the try that goes on behind it must say too.
        """
        known = self._written
        learnt = [
            *({"skipped": [one]} for one in diagnostics.skipped[len(known.skipped) :]),
            *({"notes": [one]} for one in diagnostics.notes[len(known.notes) :]),
        ]
        if without_data := diagnostics.without_data - known.without_data:
            learnt.append({"without_data": without_data})
        self._add([*learnt, [[file["rows"], file["size"]] for file in files]], diagnostics)

    def _add(self, entries: Iterable[Any], diagnostics: Diagnostics) -> None:
        self._written = Diagnostics(list(diagnostics.skipped), diagnostics.without_data, notes=list(diagnostics.notes))
        if self._store is None:
            return
        for entry in entries:
            if not self._pages or len(json.dumps([*self._pages[-1], entry])) > _PAGE:
                self._write()
                self._pages.append([])
            self._pages[-1].append(entry)
        self._write()

    def _write(self) -> None:
        if self._pages and self._store is not None:
            self._store.set(self._key(len(self._pages) - 1), self._pages[-1])

    def _key(self, page: int) -> str:
        return f"published-{page}"
