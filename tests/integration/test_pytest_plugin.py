"""The example in the docstring of the pytest plugin works as printed."""

import os
import re
import subprocess
import sys
from textwrap import dedent

import pytest

from airflow_provider_a360.sandbox import pytest_plugin

CODE = [dedent(block) for block in re.findall(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", pytest_plugin.__doc__)]
DAG = """
import os

import pendulum
from airflow.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_a360.operators.export import A360ExportConversionsOperator

with DAG(
    "my_dag",
    schedule=CronDataIntervalTimetable("0 6 * * *", timezone="UTC"),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
) as dag:
    A360ExportConversionsOperator(task_id="conversions", flow_ids="all", destination=os.environ["LAKE"])
"""


@pytest.fixture
def project(tmp_path):
    """A project with the documented conftest.py and test, and a DAG."""
    conftest, test = CODE
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "my_dag.py").write_text(DAG)
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "test_my_dag.py").write_text(test)
    return tmp_path


def run_tests(home, project):
    command = [sys.executable, "-m", "pytest", "-q", "--strict-markers", "-p", "no:cacheprovider", str(project)]
    paths = os.pathsep.join([str(project), home.env["PYTHONPATH"]])
    env = home.env | {
        "PYTHONPATH": paths,
        "AIRFLOW__CORE__DAGS_FOLDER": str(project / "dags"),
        "LAKE": str(project / "lake"),
    }
    return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False)


def test_the_documented_test_runs_a_dag_against_the_sandbox(home, project):
    result = run_tests(home, project)
    assert "1 passed" in result.stdout, result.stdout + result.stderr
    (exported,) = (project / "lake").rglob("*.jsonl")
    assert exported.parent.name == "dt=2026-11-20"
    assert exported.read_text().count("\n") > 0
