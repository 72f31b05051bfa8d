"""Every format holds the same rows, and the same rows always give the same bytes."""

import csv
import gzip
import io
import json
from datetime import UTC, date, datetime

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from airflow_provider_a360.api.errors import A360ConfigError, A360FormatError
from airflow_provider_a360.api.records import Conversion
from airflow_provider_a360.export import formats, stage
from airflow_provider_a360.export.element_stats import ElementRow
from airflow_provider_a360.export.stage import StagedFile

FORMATS = ["jsonl", "jsonl.gz", "csv", "csv.gz", "parquet"]
NASTY = [
    "plain",
    'says "hello", twice',
    "two\nlines",
    "old\rlines",
    "both\r\nlines",
    "comma, semicolon; tab\t",
    "née Žížala 🎉 \U0001f469\u200d\U0001f680",
    "\u2028\u2029\x85",
    "'=1+1",
    "[1, 2]",
    "null",
    "2026-11-20",
    "12345678901234567890",
    " spaces ",
]
AT = datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC)
CONVERSIONS = [
    Conversion(
        flow_id=1,
        element_id=None if number % 3 else 2,
        conversion_id=1000 - number,
        conversion_type="goal",
        email=None,
        phone="15550100",
        conversion_date=AT,
        start_date=None if number % 2 else AT,
        extra=text,
    )
    for number, text in enumerate(NASTY)
]
STATS = [
    ElementRow(
        sent=2**53 + 1,
        last_send=AT,
        first_day=date(2026, 2, 28),
        last_day=date(2028, 2, 29),
        flow_id=1,
        flow_name=text,
        element_id=number + 1,
        element_type="email",
        element_name=text[::-1],
        deleted_element=number % 2 == 0,
    )
    for number, text in enumerate(NASTY)
]


@pytest.fixture
def write(tmp_path):
    """Return a function that writes rows in a format and returns the path."""

    def written(rows, file_format, name="rows", kind=None):
        lines = tmp_path / "lines"
        lines.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
        target = tmp_path / f"{name}.{file_format}"
        formats.write(lines, target, file_format, kind or type(rows[0]))
        return target

    return written


def plain(path):
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def records(rows):
    return [msgspec.structs.asdict(row) for row in rows]


@pytest.mark.parametrize("rows", [CONVERSIONS, STATS], ids=["conversions", "stats"])
def test_jsonl_and_parquet_hold_every_value(write, rows):
    for file_format in ("jsonl", "jsonl.gz"):
        lines = plain(write(rows, file_format)).decode().removesuffix("\n").split("\n")
        assert [msgspec.json.decode(line, type=type(rows[0])) for line in lines] == rows
        assert [list(json.loads(line)) for line in lines] == [list(type(rows[0]).__struct_fields__)] * len(rows)
    assert pyarrow.parquet.read_table(write(rows, "parquet")).to_pylist() == records(rows)


@pytest.mark.parametrize("file_format", ["csv", "csv.gz"])
@pytest.mark.parametrize("rows", [CONVERSIONS, STATS], ids=["conversions", "stats"])
def test_csv_holds_every_value_and_null_as_an_empty_field(write, rows, file_format):
    text = plain(write(rows, file_format)).decode()
    header, *found = csv.reader(io.StringIO(text, newline=""))

    def field(value):
        if value is None or isinstance(value, bool):
            return "" if value is None else str(value).lower()
        return f"{value:%Y-%m-%dT%H:%M:%SZ}" if isinstance(value, datetime) else str(value)

    assert header == list(type(rows[0]).__struct_fields__)
    assert text.endswith("\n")
    assert not text.endswith("\r\n")
    assert found == [[field(value) for value in row.values()] for row in records(rows)]


def test_csv_is_readable_by_pyarrow(write):
    table = pyarrow.csv.read_csv(
        write(STATS, "csv"),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(column_types={"flow_name": pa.string()}),
    )
    assert table["flow_name"].to_pylist() == NASTY
    assert table["deleted_element"].type == pa.bool_()


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("kind", [Conversion, ElementRow])
def test_no_rows_give_a_valid_file(write, file_format, kind):
    path = write([], file_format, kind=kind)
    columns = list(kind.__struct_fields__)
    if file_format == "parquet":
        table = pyarrow.parquet.read_table(path)
        assert (table.num_rows, table.column_names) == (0, columns)
    else:
        assert plain(path).decode() == (",".join(columns) + "\n" if "csv" in file_format else "")


@pytest.mark.parametrize("rows", [[], STATS], ids=["empty", "full"])
def test_parquet_types(write, rows):
    schema = pyarrow.parquet.read_schema(write(rows, "parquet", kind=ElementRow))
    types = {field.name: field.type for field in schema}
    assert types["first_day"] == types["last_day"] == pa.date32()
    assert types["last_send"] == pa.timestamp("us", tz="UTC")
    assert types["deleted_element"] == pa.bool_()
    assert {types[name] for name in ("flow_name", "element_name", "element_type", "extra")} == {pa.string()}
    counters = [name for name in types if name not in {"first_day", "last_day", "last_send", "deleted_element"}]
    counters = [name for name in counters if types[name] != pa.string()]
    assert len(counters) == 14
    assert {types[name] for name in counters} == {pa.int64()}
    other = pyarrow.parquet.read_schema(write([], "parquet", kind=Conversion))
    assert other.field("conversion_date").type == other.field("start_date").type == pa.timestamp("us", tz="UTC")
    assert other.field("conversion_id").type == pa.int64()
    assert other.field("phone").type == pa.string()


@pytest.mark.parametrize("column", ["extra", "email", "element_id"])
def test_a_column_of_nulls_keeps_its_type_in_parquet(write, column):
    rows = [msgspec.structs.replace(row, extra=None, email=None, element_id=None) for row in CONVERSIONS]
    schema = pyarrow.parquet.read_schema(write(rows, "parquet"))
    assert schema.field(column).type == (pa.int64() if column == "element_id" else pa.string())


def test_parquet_of_many_blocks_is_complete(write, monkeypatch):
    monkeypatch.setattr(formats, "_PARQUET_BLOCK", 2_000)
    path = write(STATS * 20, "parquet")
    assert pyarrow.parquet.ParquetFile(path).num_row_groups > 3
    assert pyarrow.parquet.read_table(path).to_pylist() == records(STATS * 20)


@pytest.mark.parametrize("file_format", FORMATS)
def test_bytes_do_not_depend_on_time_or_name(write, file_format, time_machine):
    time_machine.move_to(datetime(2026, 11, 20, tzinfo=UTC))
    first = write(STATS, file_format, name="one").read_bytes()
    time_machine.move_to(datetime(2027, 5, 1, tzinfo=UTC))
    assert write(STATS, file_format, name="another").read_bytes() == first


@pytest.mark.parametrize("file_format", ["jsonl.gz", "csv.gz"])
def test_gzip_header_has_no_name_and_no_time(write, file_format):
    head = write(STATS, file_format).read_bytes()[:10]
    assert head[:2] == b"\x1f\x8b"
    assert head[3:8] == bytes(5)


@pytest.mark.parametrize("file_format", ["", "json", "JSONL", "xlsx", None])
def test_unknown_format_is_refused(file_format):
    with pytest.raises(A360ConfigError, match="file_format"):
        formats.check(file_format)


def test_known_formats_are_accepted():
    for file_format in FORMATS:
        formats.check(file_format)


@pytest.mark.parametrize("at_once", [1, 4, 14, 50_000])
@pytest.mark.parametrize("order", [[3, 1, 4, 0, 2], [0, 1, 2, 3, 4], [4, 3, 2, 1, 0]])
def test_rows_are_sorted_whatever_order_they_are_added_in(tmp_path, monkeypatch, at_once, order):
    monkeypatch.setattr(stage, "_SORTED_AT_ONCE", at_once)
    staged = StagedFile(tmp_path / "2026-11-20", Conversion, lambda row: (row.conversion_id,))
    for residue in order:
        rows = CONVERSIONS[residue::5]
        staged.add(rows[:1])
        staged.add(rows[1:])
    found = [msgspec.json.decode(line, type=Conversion) for line in staged.finish().read_bytes().split(b"\n")[:-1]]
    assert found == CONVERSIONS
    assert staged.rows == len(CONVERSIONS)
    assert [path.name for path in tmp_path.iterdir()] == ["2026-11-20"]


NUMBERS = [2**63, 2**64, -(2**63) - 1, 10**30]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("column", ["sent", "element_id"])
def test_number_too_large_for_parquet_is_named_by_column_only(write, number, column):
    rows = [*STATS, msgspec.structs.replace(STATS[0], **{column: number})]
    with pytest.raises(A360FormatError, match=f"integer beyond 64 bits as {column}") as caught:
        write(rows, "parquet")
    assert 'file_format="jsonl" can hold it' in str(caught.value)
    assert str(abs(number)) not in str(caught.value)
    for file_format in ("jsonl", "jsonl.gz"):
        lines = plain(write(rows, file_format)).splitlines()
        assert [msgspec.json.decode(line, type=ElementRow) for line in lines] == rows
    assert str(number) in plain(write(rows, "csv")).decode()


def test_parquet_holds_smallest_and_largest_values(write):
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    rows = [
        msgspec.structs.replace(STATS[0], sent=2**63 - 1, first_day=date.min, last_send=first),
        msgspec.structs.replace(STATS[0], sent=-(2**63), first_day=date.max, last_send=last),
    ]
    assert pyarrow.parquet.read_table(write(rows, "parquet")).to_pylist() == records(rows)


def test_parquet_holds_a_row_longer_than_a_block(write, monkeypatch):
    monkeypatch.setattr(formats, "_PARQUET_BLOCK", 1_000)
    rows = [STATS[0], msgspec.structs.replace(STATS[0], extra="x" * 9_000), *STATS]
    assert pyarrow.parquet.read_table(write(rows, "parquet")).to_pylist() == records(rows)


@pytest.mark.parametrize(("column", "row"), [("flow_name", STATS[0]), ("email", CONVERSIONS[0]), ("extra", STATS[0])])
def test_unpaired_surrogate_is_named_by_column_only(tmp_path, column, row):
    staged = StagedFile(tmp_path / "2026-11-20", type(row), lambda _: (0,))
    broken = msgspec.structs.replace(row, **{column: "ada\ud83d@example.com"})
    with pytest.raises(A360FormatError, match=rf"surrogate pair in {column}") as caught:
        staged.add([row, broken])
    assert "ada" not in str(caught.value)
    staged.close()
