"""JSON lines, CSV, Parquet: the same rows in each, the same bytes each time."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import shutil
import types
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any

import msgspec

from airflow_provider_a360.api.errors import A360ConfigError, A360FormatError
from airflow_provider_a360.api.records import Record
from airflow_provider_a360.export import options

_BEYOND_64_BITS = 1 << 63
_PARQUET_BLOCK = 1 << 21
"""Bytes of JSON lines in a row group."""


def check(file_format: str) -> None:
    """Refuse a format that can't be written here.

    Raises: A360ConfigError for one that isn't known, and for Parquet without pyarrow.
    """
    options.check("file_format", file_format)
    if file_format == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise A360ConfigError('file_format="parquet" needs pyarrow: pip install "airflow-provider-a360[parquet]".')


def write(lines: Path, target: Path, file_format: str, row_type: type[Record]) -> None:
    """Write the rows of `lines`, a file of JSON lines, to `target`; no more than a block of them is in memory.

    Raises: A360FormatError for a value that Parquet can't hold.
    """
    if file_format == "parquet":
        _write_parquet(lines, target, row_type)
    elif file_format.startswith("csv"):
        _write_csv(lines, target, row_type)
    else:
        with lines.open("rb") as source, _binary(target) as out:
            shutil.copyfileobj(source, out)


def _write_csv(lines: Path, target: Path, row_type: type[Record]) -> None:
    """A header, then a row a line; null is an empty field, true and false are words."""
    with lines.open("rb") as source, _binary(target) as out:
        writer = csv.writer(_Encoded(out), lineterminator=_LINE_END)
        writer.writerow(row_type.__struct_fields__)
        decode = msgspec.json.Decoder().decode
        for line in source:
            writer.writerow([_csv_field(value) for value in decode(line).values()])


def _csv_field(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


_LINE_END = "\r\n"
"""Ends csv.writer's lines, so that it quotes a field that holds either; the line feed is what goes into the file."""


class _Encoded:
    """What csv.writer writes its lines to: text in, UTF-8 out."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out

    def write(self, text: str) -> None:
        self._out.write(text.removesuffix(_LINE_END).encode() + b"\n")


@contextmanager
def _binary(target: Path) -> Iterator[IO[bytes]]:
    """The file to write to, compressed if its format says so. No name and no time go into it: they would differ each
    time.
    """
    with target.open("wb") as plain:
        if ".gz" not in target.suffixes:
            yield plain
        else:
            with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=plain, mtime=0) as packed:
                yield typing.cast("IO[bytes]", packed)


def _write_parquet(lines: Path, target: Path, row_type: type[Record]) -> None:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.json  # noqa: PLC0415
    import pyarrow.parquet  # noqa: PLC0415

    schema = pa.schema([(name, _arrow_type(pa, hint)) for name, hint in _columns(row_type)])
    # Arrow's reader takes no days, only strings that can be cast to them.
    as_read = pa.schema([(field.name, pa.string() if field.type == pa.date32() else field.type) for field in schema])
    parse = pa.json.ParseOptions(explicit_schema=as_read, unexpected_field_behavior="error")
    # Block by block: Arrow's own stream of a file reads ahead of the writer without a bound.
    with pa.parquet.ParquetWriter(target, schema) as writer, lines.open("rb") as source:
        while block := b"".join(source.readlines(_PARQUET_BLOCK)):
            # A row may be longer than a block, and Arrow splits none.
            read = pa.json.ReadOptions(use_threads=False, block_size=max(2 * _PARQUET_BLOCK, len(block)))
            try:
                rows = pa.json.read_json(pa.BufferReader(block), read_options=read, parse_options=parse).cast(schema)
            except pa.ArrowInvalid:
                # Arrow's own message quotes the value, which may be somebody's number.
                raise A360FormatError(
                    f"The service sent {_unfit(block)}, which Parquet can't hold, so the file is not published. "
                    'file_format="jsonl" can hold it: export these days again with that.'
                ) from None
            writer.write_table(rows)


def _unfit(block: bytes) -> str:
    """The column whose value Parquet can't hold, and why."""
    decode = msgspec.json.Decoder().decode
    for line in block.splitlines():
        for name, value in decode(line).items():
            if type(value) is int and not -_BEYOND_64_BITS <= value < _BEYOND_64_BITS:
                return f"an integer beyond 64 bits as {name}"
    return "a value"


def _columns(row_type: type[Record]) -> Iterator[tuple[str, type]]:
    """Each column with its type, null aside."""
    hints = typing.get_type_hints(row_type)
    for name in row_type.__struct_fields__:
        hint = hints[name]
        yield name, typing.get_args(hint)[0] if isinstance(hint, types.UnionType) else hint


def _arrow_type(pa: Any, hint: type) -> Any:
    by_type: dict[type, Callable[[], Any]] = {
        int: pa.int64,
        str: pa.string,
        bool: pa.bool_,
        date: pa.date32,
        datetime: lambda: pa.timestamp("us", tz="UTC"),
    }
    return by_type[hint]()
