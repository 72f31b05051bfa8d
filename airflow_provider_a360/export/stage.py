"""Stage rows on local disk, one file per day, sorted for publishing."""

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
"""Bytes to buffer before a write. A write releases the interpreter lock, and the threads that read pages ahead may hold
it for a while.
"""


def create_private(path: Path) -> Path:
    """Create an empty file that only its owner can read.

    :param path: the file.
    :return: the same path.
    """
    path.touch(0o600)
    return path


class StagedFile:
    """One file's rows as JSON lines, sorted by descending key.

    Rows that are added in this order, which is the service's usual order, are written once. Others are sorted on disk.

    :param path: the file to create. While it is sorted, files of the same name with numbers as suffixes exist too.
    :param row_type: the type of the rows.
    :param sort_key: returns the sort key of a row.
    """

    def __init__(self, path: Path, row_type: type[Record], sort_key: Callable[[Any], tuple[Any, ...]]) -> None:
        self.rows = 0
        """Number of rows added."""
        self._path, self._row_type, self._sort_key = path, row_type, sort_key
        self._out: IO[bytes] = create_private(path).open("wb", buffering=_BUFFER)
        self._encode = msgspec.json.Encoder().encode_lines
        self._last_key: list[tuple[Any, ...]] = []
        """The last row's key, or nothing before the first row."""
        self._is_sorted = True

    def add(self, rows: Sequence[Record]) -> None:
        """Append rows.

        :param rows: the rows, in any order.
        :raises A360FormatError: if a text can't be encoded in UTF-8.
        """
        if self._is_sorted:
            keys = [*self._last_key, *map(self._sort_key, rows)]
            self._is_sorted = all(map(operator.ge, keys, keys[1:]))
            self._last_key = keys[-1:]
        try:
            self._out.write(self._encode(rows))
        except UnicodeEncodeError:
            raise A360FormatError(
                f"The service sent half of a surrogate pair in {_find_bad_column(rows)}, which no file format can "
                "hold. Correct that text in SendPulse, then run the task again."
            ) from None
        self.rows += len(rows)

    def close(self) -> None:
        """Close the file; no more rows may be added."""
        self._out.close()

    def finish(self) -> Path:
        """Close the file, and sort it if its rows were added in another order.

        :return: the path of the sorted file.
        """
        self.close()
        if not self._is_sorted:
            self._sort()
            self._is_sorted = True
        return self._path

    def _sort(self) -> None:
        """Sort the file by merging sorted runs, so that memory use doesn't depend on the number of rows."""
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


def _find_bad_column(rows: Sequence[Record]) -> str:
    """Return the name of the column whose text can't be encoded."""
    for row in rows:
        for name, value in msgspec.structs.asdict(row).items():
            if isinstance(value, str) and value.encode(errors="replace").decode() != value:
                return name
    return "a column"
