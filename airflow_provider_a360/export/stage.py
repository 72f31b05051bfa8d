"""Rows on their way to a file: on local disk, a file a day, in the file's own order."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import operator
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from airflow_provider_a360.api.errors import A360FormatError
from airflow_provider_a360.api.records import Record

_SORTED_AT_ONCE = 50_000
"""Rows in memory while a file is sorted."""
_BUFFER = 1 << 17
"""Bytes until a file is written to: each time, the threads that read pages ahead take the interpreter for a while."""


def create_private(path: Path) -> Path:
    """The file, which nobody else can read, empty until it is written to."""
    path.touch(0o600)
    return path


class StagedFile:
    """One file's rows as JSON lines, largest sort key first.

    Rows that come in that order, as they do from the service, are written once. Others are sorted on disk.
    """

    def __init__(self, path: Path, row_type: type[Record], sort_key: Callable[[Any], tuple[Any, ...]]) -> None:
        self.rows = 0
        self._path, self._row_type, self._sort_key = path, row_type, sort_key
        self._out: IO[bytes] = create_private(path).open("wb", buffering=_BUFFER)
        self._encode = msgspec.json.Encoder().encode_lines
        self._last: list[tuple[Any, ...]] = []
        self._in_order = True

    def add(self, rows: Sequence[Record]) -> None:
        """Append rows.

        Raises: A360FormatError for text that no file can hold.
        """
        if self._in_order:
            keys = [*self._last, *map(self._sort_key, rows)]
            self._in_order = all(map(operator.ge, keys, keys[1:]))
            self._last = keys[-1:]
        try:
            self._out.write(self._encode(rows))
        except UnicodeEncodeError:
            raise A360FormatError(
                f"The service sent half of a surrogate pair in {_unfit(rows)}, which no file of text can hold, in "
                "whatever format. Correct that text in SendPulse, then run the task again."
            ) from None
        self.rows += len(rows)

    def close(self) -> None:
        """No row comes any more."""
        self._out.close()

    def finish(self) -> Path:
        """The finished file."""
        self.close()
        if not self._in_order:
            self._sort()
            self._in_order = True
        return self._path

    def _sort(self) -> None:
        decode = msgspec.json.Decoder(self._row_type).decode

        def key(line: Any) -> Any:
            return self._sort_key(decode(line))

        runs: list[Path] = []
        with self._path.open("rb") as lines:
            while run := list(itertools.islice(lines, _SORTED_AT_ONCE)):
                runs.append(create_private(self._path.with_suffix(f".{len(runs)}")))
                runs[-1].write_bytes(b"".join(sorted(run, key=key, reverse=True)))
        with contextlib.ExitStack() as stack, self._path.open("wb") as out:
            files: list[Iterable[bytes]] = [stack.enter_context(path.open("rb")) for path in runs]
            out.writelines(heapq.merge(*files, key=key, reverse=True))
        for path in runs:
            path.unlink()


def _unfit(rows: Sequence[Record]) -> str:
    """The column whose text can't be encoded."""
    for row in rows:
        for name, value in msgspec.structs.asdict(row).items():
            if isinstance(value, str) and value.encode(errors="replace").decode() != value:
                return name
    return "a column"
