"""The README's statements about the code are true."""

import importlib
import inspect
import pkgutil
import re
import typing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

import airflow_provider_a360
from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.records import Conversion
from airflow_provider_a360.export import formats
from airflow_provider_a360.export.element_stats import ElementRow
from airflow_provider_a360.export.job import Manifest, PublishedFile
from airflow_provider_a360.hooks import connection
from airflow_provider_a360.hooks.a360 import A360Hook
from airflow_provider_a360.operators.export import A360ExportConversionsOperator, A360ExportElementStatsOperator

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def section(start, end):
    """Return the README's text between two markers."""
    return README[README.index(start) : README.index(end, README.index(start))]


def code(text):
    """Return the names in backquotes."""
    return [name.strip() for quoted in re.findall(r"`([^`]+)`", text) for name in quoted.split(",")]


def table(text):
    """Return the cells of a table's rows, without its header."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


CONVERSIONS = section("**`conversions`**", "**`element_stats`**")
ELEMENT_STATS = section("**`element_stats`**", "A task returns a **manifest**")


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 345
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    assert [line for line in prose.splitlines() if len(line) > 120 and not line.startswith("|")] == []


def test_the_daily_dag_is_quoted_exactly():
    quoted = re.search(r"<!-- (example_dags/\S+) (\w+) -->\n```python\n(.*?)\n```", README, re.DOTALL)
    path, marker, quote = quoted.groups()
    source = (ROOT / path).read_text()
    assert quote == source.split(f"# [START {marker}]\n")[1].split(f"# [END {marker}]")[0].strip()


def test_every_link_and_picture_leads_to_a_file():
    paths = {path for path in re.findall(r"\]\(([^)#]+)\)", README.replace("\n", " ")) if "://" not in path}
    assert {str(path.relative_to(ROOT)) for path in ROOT.glob("example_dags/*.py")} <= paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize(("text", "row_type"), [(CONVERSIONS, Conversion), (ELEMENT_STATS, ElementRow)])
def test_columns_types_and_nulls_are_those_of_the_files(text, row_type, tmp_path):
    lines, target = tmp_path / "rows.jsonl", tmp_path / "rows.parquet"
    lines.touch()
    formats.write(lines, target, "parquet", row_type)
    names = {pa.int64(): "int64", pa.string(): "string", pa.bool_(): "bool", pa.date32(): "date"}
    names[pa.timestamp("us", tz="UTC")] = "timestamp, UTC"
    hints = typing.get_type_hints(row_type)
    written = {
        field.name: (names[field.type], "yes" if type(None) in typing.get_args(hints[field.name]) else "no")
        for field in pa.parquet.read_schema(target)
    }
    documented = {name: (kind, null) for cell, kind, null, _ in table(text) for name in code(cell)}
    assert documented == written


@pytest.mark.parametrize(
    ("text", "row_type", "key"),
    [
        (CONVERSIONS, Conversion, ["flow_id", "conversion_type", "element_id", "conversion_id"]),
        (ELEMENT_STATS, ElementRow, ["first_day", "last_day", "element_id"]),
    ],
)
def test_the_key_is_named(text, row_type, key):
    assert code(text.split("\n\n")[0])[1 : len(key) + 1] == key
    assert set(key) <= set(row_type.__struct_fields__)


def test_the_manifests_keys_are_documented():
    named = set(code(section("A task returns a **manifest**", "say what may be missing")))
    assert named == {*Manifest.__annotations__, *PublishedFile.__annotations__}


def test_the_operators_parameters_are_documented():
    named = {
        name
        for cell, _ in table(section("| parameter | meaning |", "All parameters are templates"))
        for name in code(cell)
    }
    operators = (A360ExportConversionsOperator, A360ExportElementStatsOperator)
    taken = {name for operator in operators for name in inspect.signature(operator.__init__).parameters}
    assert named == taken - {"self", "kwargs", "a360_conn_id"}


def test_the_hooks_methods_are_documented():
    endpoints = {name for name, _ in inspect.getmembers(A360Client, callable) if not name.startswith("_")}
    named = set(code(section("call the hook:", "Lists are streams")))
    assert named == endpoints
    assert all(callable(getattr(A360Hook, name)) for name in named)


def test_the_connections_fields_are_documented():
    cells = [cell for cell, *_ in table(section("| field | meaning | default |", "The same as an environment"))]
    extra = {name for cell in cells if cell.startswith("extra") for name in code(cell)}
    assert extra == {*connection.NUMBERS, connection.PERSONAL_DATA_SECRET}


def test_every_error_of_the_table_exists():
    named = set(code(section("| error | cause |", "## Limits"))) & set(re.findall(r"`(A360\w+Error)`", README))
    defined = {
        name
        for module in pkgutil.walk_packages(airflow_provider_a360.__path__, "airflow_provider_a360.")
        if not module.name.endswith("__main__")
        for name in vars(importlib.import_module(module.name))
    }
    assert len(named) == 15
    assert named <= defined
