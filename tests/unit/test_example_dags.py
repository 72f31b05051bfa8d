"""The example DAGs as Airflow parses them: the destination of personal data, the pool, the params of manual runs."""

import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from airflow_provider_a360.airflow_compat import dag_bag
from airflow_provider_a360.export.publish import Destination

FILES = sorted((Path(__file__).parents[2] / "example_dags").glob("*.py"))


@pytest.fixture
def exports(monkeypatch):
    """Return a function that parses all examples with these environment variables and returns their export tasks."""

    def parse(**env):
        for name in ("A360_DESTINATION", "A360_POOL"):
            monkeypatch.delenv(name, raising=False)
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        bags = [dag_bag(path) for path in FILES]
        assert [bag.import_errors for bag in bags] == [{} for _ in FILES]
        tasks = [task for bag in bags for dag in bag.dags.values() for task in dag.tasks]
        found = [task for task in tasks if task.task_type.startswith("A360Export")]
        assert len(found) >= 5
        # A mapped task has its arguments in `partial_kwargs`.
        return [
            SimpleNamespace(**{**vars(task), **getattr(task, "partial_kwargs", {})}, dag=task.dag) for task in found
        ]

    return parse


def test_the_default_destination_is_below_the_home_directory(exports, monkeypatch, tmp_path):
    """By default, files aren't written to a folder that every user of the machine can read."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    for task in exports():
        assert Destination(task.destination).uri("x") == f"file://{tmp_path}/home/a360/x"


def test_tasks_run_in_the_pool_that_the_environment_names(exports):
    assert {task.pool for task in exports()} == {"default_pool"}
    pools = {(task.dag.dag_id, task.pool) for task in exports(A360_POOL="a360")}
    assert {dag_id for dag_id, pool in pools if pool == "a360"} == {"a360_daily_export", "a360_export_per_flow"}


def test_each_export_has_optional_params_for_its_days(exports):
    for task in exports():
        for name in ("first_day", "last_day"):
            assert getattr(task, name) == f"{{{{ params.{name} }}}}"
            param = task.dag.params.get_param(name)
            assert param.value is None
            assert (param.schema["type"], param.schema["format"]) == (["null", "string"], "date")
