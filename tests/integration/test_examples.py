"""Run the example DAGs unchanged, and the README's sensor."""

import itertools
import json
import re
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from airflow_harness import NOW, ROOT, connection

from airflow_provider_a360.sandbox.example import MAIN_FLOW
from airflow_provider_a360.sandbox.shapes import flow_detail

README = (ROOT / "README.md").read_text()
RUN = """
import json, os
from datetime import datetime
from unittest.mock import patch
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from airflow_provider_a360.airflow_compat import dag_bag

with patch.dict(os.environ, {env!r}):
    dag = dag_bag({path!r}).dags[{name!r}]
    for task in dag.tasks:
        if hasattr(task, "poke_interval"):
            task.poke_interval = 0.1
    run = dag.test(logical_date=datetime.fromisoformat({at!r}))
with create_session() as session:
    found = session.query(XComModel).filter_by(dag_id=dag.dag_id, run_id=run.run_id, key="return_value").all()
    returned = [[row.task_id, row.value] for row in found]
print()
print(json.dumps([str(run.state), returned]))
"""


@pytest.fixture
def run_example(home, airflow, sandbox, tmp_path):
    """Return a function that runs an example DAG for 11 November and returns its tasks' XComs by task."""

    def run(name, account=sandbox, **env):
        path = home.folder / "dags" / f"{name}.py"
        shutil.copy(ROOT / "example_dags" / f"{name}.py", path)
        env = {"AIRFLOW_CONN_A360_DEFAULT": connection(account), **(env or {"A360_DESTINATION": str(tmp_path)})}
        state, returned = airflow.evaluate(
            RUN.format(env=env, path=str(path), name=name, at="2026-11-12T06:00:00+00:00")
        )
        path.unlink()
        assert state == "success"
        return [(task, json.loads(value) if isinstance(value, str) else value) for task, value in returned]

    return run


def test_the_daily_export_writes_a_file_of_each_dataset(run_example, sandbox, tmp_path):
    manifests = dict(run_example("a360_daily_export"))
    assert {name: manifest["first_day"] for name, manifest in manifests.items()} == {
        "element_stats": "2026-11-11",
        "conversions": "2026-11-11",
    }
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == [
        "conversions/dt=2026-11-11/all.csv",
        "element_stats/dt=2026-11-11/all.jsonl",
    ]
    assert manifests["conversions"]["flows"] == sorted(flow.id for flow in sandbox.account.flows)


def test_an_example_without_a_destination_writes_below_the_home_directory(run_example, tmp_path):
    manifests = dict(run_example("a360_daily_export", HOME=str(tmp_path)))
    uris = [file["uri"] for manifest in manifests.values() for file in manifest["files"]]
    assert sorted(uris) == [
        f"file://{tmp_path}/a360/conversions/dt=2026-11-11/all.csv",
        f"file://{tmp_path}/a360/element_stats/dt=2026-11-11/all.jsonl",
    ]
    assert all(Path(uri.removeprefix("file://")).is_file() for uri in uris)


def test_the_readmes_mapped_sensor_waits_for_each_flow(airflow, serve):
    (mapped,) = re.findall(r"^A360FlowQueueSensor\.partial.+$", README, re.MULTILINE)
    sandbox = serve()
    for flow in sandbox.account.flows:
        drained = {**flow_detail(flow), "in_queue": 0}
        sandbox.answer_next(f"/a360/autoresponders/{flow.id}", body=drained, times=99)
    result = airflow.test(
        mapped.replace("settle_polls=2", "settle_polls=2, poke_interval=0.1"), a360=connection(sandbox)
    )
    assert [(task.state, task.returned["in_queue"]) for task in result.tasks] == [("success", 0)] * 2


def test_the_export_waits_for_the_queue(run_example, serve, tmp_path):
    mtimes = itertools.chain([NOW] * 3, itertools.repeat(NOW + timedelta(minutes=5)))
    returned = dict(run_example("a360_wait_then_export", serve(clock=lambda: next(mtimes))))
    assert returned["drained"]["in_queue"] == 0
    assert (tmp_path / f"element_stats-by_flow/dt=2026-11-11/flow-{MAIN_FLOW}.parquet").is_file()


def test_each_active_flow_has_its_own_task(run_example, sandbox, tmp_path):
    returned = run_example("a360_export_per_flow")
    active = sorted(flow.id for flow in sandbox.account.flows if flow.status == 1)
    assert len(active) > 1
    assert sorted(value["flows"][0] for task, value in returned if task == "conversions") == active
    days = {path.parent.name for path in tmp_path.rglob("*.jsonl.gz")}
    assert days == {"dt=2026-11-09", "dt=2026-11-10", "dt=2026-11-11"}


def test_the_taskflow_example_counts_the_outcome_of_each_email(run_example, sandbox):
    returned = run_example("a360_taskflow")
    counted = [sum(value.values()) for task, value in returned if task == "delivery"]
    emails = [
        element
        for element in sandbox.account.flow(MAIN_FLOW).elements
        if element.type == "email" and not element.deleted
    ]
    assert counted == [len(element.events) for element in emails] != []


def test_the_commands_work_without_airflows_command_line(home):
    printed = home.run("python", "-m", "airflow_provider_a360", "--help")
    assert "demo" in printed
    assert "sandbox" in printed
