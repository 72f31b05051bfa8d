"""Write rows as JSON lines, CSV or Parquet. The same rows always give the same bytes."""

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

_INT64_LIMIT = 1 << 63
_PARQUET_BLOCK = 1 << 21
"""Bytes of JSON lines per row group."""
_CSV_LINE_END = "\r\n"
"""Line end for csv.writer, so that it quotes fields that contain either character. The file gets a line feed only."""


def check(file_format: str) -> None:
    """Check that a file format is known and can be written in this environment.

    :param file_format: the format, such as "jsonl.gz".
    :raises A360ConfigError: if the format is unknown, or if it is "parquet" and pyarrow is not installed.
    """
    options.check("file_format", file_format)
    if file_format == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise A360ConfigError('file_format="parquet" needs pyarrow: pip install "airflow-provider-a360[parquet]".')


def write(lines: Path, target: Path, file_format: str, row_type: type[Record]) -> None:
    """Convert a file of JSON lines to a file format. Memory use doesn't depend on the number of rows.

    :param lines: the file with one row per line, all columns in order.
    :param target: the file to write.
    :param file_format: a format that `check` accepts.
    :param row_type: the type of the rows, which gives the columns and their types.
    :raises A360FormatError: if Parquet can't hold a value. The message names the column, not the value.
    """
    if file_format == "parquet":
        _write_parquet(lines, target, row_type)
    elif file_format.startswith("csv"):
        _write_csv(lines, target, row_type)
    else:
        with lines.open("rb") as source, _open_output(target) as out:
            shutil.copyfileobj(source, out)


def _write_csv(lines: Path, target: Path, row_type: type[Record]) -> None:
    """Write a header, then one line per row. Null is an empty field; booleans are "true" and "false"."""
    with lines.open("rb") as source, _open_output(target) as out:
        writer = csv.writer(_Utf8Output(out), lineterminator=_CSV_LINE_END)
        writer.writerow(row_type.__struct_fields__)
        decode = msgspec.json.Decoder().decode
        for line in source:
            writer.writerow([_csv_field(value) for value in decode(line).values()])


def _csv_field(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


class _Utf8Output:
    """Encode the lines of csv.writer."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out

    def write(self, text: str) -> None:
        self._out.write(text.removesuffix(_CSV_LINE_END).encode() + b"\n")


@contextmanager
def _open_output(target: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing, and compress it if its name ends in ".gz"."""
    with target.open("wb") as plain:
        if ".gz" not in target.suffixes:
            yield plain
        else:
            # Without a file name and a time in the header, the same rows give the same bytes.
            with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=plain, mtime=0) as compressed:
                yield typing.cast("IO[bytes]", compressed)


def _write_parquet(lines: Path, target: Path, row_type: type[Record]) -> None:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.json  # noqa: PLC0415
    import pyarrow.parquet  # noqa: PLC0415

    schema = pa.schema([(name, _arrow_type(pa, hint)) for name, hint in _columns(row_type)])
    # Arrow's JSON reader can't read dates, so read strings and cast them.
    as_read = pa.schema([(field.name, pa.string() if field.type == pa.date32() else field.type) for field in schema])
    parse = pa.json.ParseOptions(explicit_schema=as_read, unexpected_field_behavior="error")
    # Read block by block: Arrow's own streaming reader reads ahead of the writer without a limit.
    with pa.parquet.ParquetWriter(target, schema) as writer, lines.open("rb") as source:
        while block := b"".join(source.readlines(_PARQUET_BLOCK)):
            # A row may be longer than a block, and Arrow refuses a row that doesn't fit into its block size.
            read = pa.json.ReadOptions(use_threads=False, block_size=max(2 * _PARQUET_BLOCK, len(block)))
            try:
                rows = pa.json.read_json(pa.BufferReader(block), read_options=read, parse_options=parse).cast(schema)
            except pa.ArrowInvalid:
                # Arrow's message quotes the value, which may be personal data.
                raise A360FormatError(
                    f"The service sent {_describe_bad_value(block)}, which Parquet can't hold, so the file is not "
                    'published. file_format="jsonl" can hold it: export these days again in that format.'
                ) from None
            writer.write_table(rows)


def _describe_bad_value(block: bytes) -> str:
    """Describe the value that Parquet can't hold by its kind and column, without the value itself."""
    decode = msgspec.json.Decoder().decode
    for line in block.splitlines():
        for name, value in decode(line).items():
            if type(value) is int and not -_INT64_LIMIT <= value < _INT64_LIMIT:
                return f"an integer beyond 64 bits as {name}"
    return "a value"


def _columns(row_type: type[Record]) -> Iterator[tuple[str, type]]:
    """Yield each column and its type, without "or None"."""
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
