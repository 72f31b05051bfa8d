"""What an earlier try of the same export has published, so that the next goes on behind it."""

from __future__ import annotations

import hashlib
from typing import Any, Protocol, TypedDict

from airflow_provider_a360.export.datasets import Findings


class PublishedFile(TypedDict):
    """A file as it landed."""

    day: str
    """Its first day; its only one, but with grain="run"."""
    last_day: str
    rows: int
    uri: str


class Published(TypedDict):
    """A batch of files as it landed, and what the export had learnt by then (`Findings`)."""

    files: list[PublishedFile]
    skipped: list[dict[str, Any]]
    without_data: int
    notes: list[str]


class Store(Protocol):
    """Keys and values that outlive a try: Airflow's task state store."""

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key."""

    def set(self, key: str, value: Any) -> None:
        """Give a key a value."""


class Ledger:
    """The batches that were published, in order. Without a store, it remembers nothing.

    A batch is a key of its own, so that no value grows with the export. `export` says what is exported and how: what
    was published for another export is no part of this one.
    """

    def __init__(self, store: Store | None = None, export: str = "") -> None:
        self._store, self._export = store, export
        self._prefix = ""
        self._batches = 0

    def open(self, scope: str) -> list[Published]:
        """What earlier tries of this export published, for this scope of flows and days."""
        self._prefix = hashlib.sha256(f"{self._export} {scope}".encode()).hexdigest()[:16]
        published: list[Published] = []
        while self._store is not None and (batch := self._store.get(self._key(len(published)))):
            published.append(batch)
        self._batches = len(published)
        return published

    def add(self, files: list[PublishedFile], findings: Findings) -> None:
        """Remember a batch that has been published, and the findings so far: what a file lacks, the manifest of the try
        that goes on behind it must say too.
        """
        if self._store is not None:
            batch = Published(
                files=files,
                skipped=findings.skipped,
                without_data=findings.without_data,
                notes=findings.notes,
            )
            self._store.set(self._key(self._batches), batch)
            self._batches += 1

    def _key(self, batch: int) -> str:
        return f"batch-{self._prefix}-{batch}"
