"""What the README says of the code is what the code is."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import airflow_provider_a360
from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.records import Conversion
from airflow_provider_a360.export.element_stats import ElementRow
from airflow_provider_a360.export.job import Manifest, PublishedFile
from airflow_provider_a360.hooks.a360 import A360Hook

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
QUOTES = re.findall(r"<!-- (example_dags/\S+) (\w+) -->\n```python\n(.*?)\n```", README, re.DOTALL)


def words_after(start, end):
    """The names in backquotes between two pieces of the README."""
    text = README[README.index(start) : README.index(end, README.index(start))]
    return [name.strip() for quoted in re.findall(r"`([^`]+)`", text) for name in quoted.split(",")]


def test_every_example_dag_is_quoted():
    assert {path for path, _, _ in QUOTES} == {str(path.relative_to(ROOT)) for path in ROOT.glob("example_dags/*.py")}


@pytest.mark.parametrize(("path", "marker", "quote"), QUOTES, ids=[marker for _, marker, _ in QUOTES])
def test_examples_are_quoted_as_they_stand(path, marker, quote):
    source = (ROOT / path).read_text()
    assert quote == source.split(f"# [START {marker}]\n")[1].split(f"# [END {marker}]")[0].strip()


def test_columns_of_conversions():
    assert words_after("**Conversions**:", "Each conversion is in the file") == list(Conversion.__struct_fields__)


def test_columns_of_element_statistics():
    assert words_after("**Element statistics**:", "One table for all") == list(ElementRow.__struct_fields__)


def test_keys_of_the_manifest():
    named = set(words_after("its **manifest**", "### People's data"))
    assert named == {*Manifest.__annotations__, *PublishedFile.__annotations__}


def test_methods_of_the_hook():
    members = {name: getattr(A360Client, name) for name in dir(A360Client) if not name.startswith("_")}
    endpoints = {name for name, value in members.items() if callable(value)}
    named = set(words_after("Every endpoint of the service's page is a method of", "Lists are streams")) - {"A360Hook"}
    assert named == endpoints
    assert all(callable(getattr(A360Hook, name)) for name in named)


def test_fields_of_the_connection():
    named = set(words_after("extra: `requests", "Client ID and secret are"))
    hook = importlib.import_module("airflow_provider_a360.hooks.a360")
    assert {*hook._NUMBERS, hook._SECRET} <= named


def test_every_error_in_the_table_exists():
    table = README[README.index("| error | means |") : README.index("## The sandbox")]
    defined = {
        name
        for module in pkgutil.walk_packages(airflow_provider_a360.__path__, "airflow_provider_a360.")
        if not module.name.endswith("__main__")
        for name in vars(importlib.import_module(module.name))
    }
    named = set(re.findall(r"`(A360\w+)`", table))
    assert len(named) == 12
    assert named <= defined
