"""The replacements for what older versions of Airflow lack."""

import importlib
import logging
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from airflow_provider_a360 import airflow_compat
from airflow_provider_a360.get_provider_info import get_provider_info
from airflow_provider_a360.hooks.a360 import A360Hook

EXAMPLES = sorted((Path(__file__).parents[2] / "example_dags").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_every_example_imports(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


@pytest.mark.parametrize(("try_number", "messages"), [(1, 0), (2, 1)])
def test_a_retry_without_a_task_state_store_logs_that_it_starts_over(caplog, try_number, messages):
    with caplog.at_level(logging.INFO):
        assert airflow_compat.task_state_store({"ti": SimpleNamespace(try_number=try_number)}) is None
    assert len([line for line in caplog.messages if "Airflow 3.3 or later" in line]) == messages


def test_airflows_task_state_store_is_used_if_there_is_one(caplog):
    store = {}
    with caplog.at_level(logging.INFO):
        context = {"task_state_store": store, "ti": SimpleNamespace(try_number=2)}
        assert airflow_compat.task_state_store(context) is store
    assert caplog.messages == []


def test_a_context_without_a_run_has_no_partition():
    assert airflow_compat.partition_key({}) is None
    assert airflow_compat.partition_key({"partition_key": "2026-11-20"}) == "2026-11-20"


class Field:
    """A field of a form."""

    def __init__(self, label, validators, description):
        self.label, self.description = label, description


@pytest.fixture
def wtforms(monkeypatch):
    """Replace WTForms with the stand-in that Airflow 3.1 has for it."""
    module = ModuleType("wtforms")
    for name in ("IntegerField", "PasswordField", "StringField"):
        setattr(module, name, type(name, (Field,), {}))
    validators = ModuleType("wtforms.validators")
    validators.Optional = object
    monkeypatch.setitem(sys.modules, "wtforms", module)
    monkeypatch.setitem(sys.modules, "wtforms.validators", validators)


def test_the_hooks_form_has_the_fields_of_the_provider_info(wtforms):
    (connection_type,) = get_provider_info()["connection-types"]
    assert {"get_connection_form_widgets", "get_ui_field_behaviour"} <= vars(A360Hook).keys()
    widgets = A360Hook.get_connection_form_widgets()
    assert {name: field.label for name, field in widgets.items()} == {
        name: field["label"] for name, field in connection_type["conn-fields"].items()
    }
    kinds = {name: type(field).__name__ for name, field in widgets.items()}
    assert (kinds["page_size"], kinds["requests_per_second"], kinds["personal_data_secret"]) == (
        "IntegerField",
        "StringField",
        "PasswordField",
    )
    behaviour = A360Hook.get_ui_field_behaviour()
    assert behaviour["hidden_fields"] == ["schema", "port"]
    assert behaviour["relabeling"]["login"] == "Client ID"
    assert behaviour.keys() == {"hidden_fields", "relabeling", "placeholders"}
