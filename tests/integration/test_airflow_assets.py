"""Asset events of exports on a real scheduler, and the DAGs that are scheduled on them."""

import json
import shutil
from datetime import UTC, date, datetime, timedelta

import pytest
from airflow_harness import AIRFLOW, ROOT, AirflowHome, Standalone, connection, needs_airflow
from airflow_rest import Rest

EXAMPLE = "a360_report_on_export"
PARTITIONED = """
import pendulum
from airflow.sdk import DAG, Asset, CronPartitionTimetable, PartitionedAssetTimetable

from airflow_provider_a360.operators.export import A360ExportConversionsOperator, A360ExportElementStatsOperator

exported = Asset("exported")
start = pendulum.datetime(2026, 9, 1, tz="UTC")

with DAG(
    "partitioned", start_date=start, catchup=False,
    schedule=CronPartitionTimetable("0 6 * * *", timezone="UTC", run_offset=-1),
):
    A360ExportConversionsOperator(task_id="export", flow_ids="all", destination={lake!r}, outlets=[exported])

with DAG("downstream", schedule=PartitionedAssetTimetable(assets=exported)):
    A360ExportElementStatsOperator(task_id="export", flow_ids="all", destination={lake!r})
"""
HAS_PARTITIONS = AIRFLOW >= (3, 2)
# Collect lineage when a task ends, as OpenLineage's provider does.
LINEAGE = """
import os
import sys
from pathlib import Path

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin
from airflow.providers.common.compat.sdk import HookLineageReader

@hookimpl
def on_task_instance_success(previous_state, task_instance):
    with Path(os.environ["AIRFLOW_HOME"], "lineage.txt").open("a") as out:
        for output in HookLineageReader().retrieve_hook_lineage().outputs:
            out.write(f"{task_instance.dag_id} {output.asset.uri}\\n")

class Lineage(AirflowPlugin):
    name = "lineage"
    hook_lineage_readers = [HookLineageReader]
    listeners = [sys.modules[__name__]]
"""
LAST = datetime.now(UTC).date() - timedelta(days=3)
DAYS = [LAST - timedelta(days=back) for back in (2, 1, 0)]


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return tmp_path_factory.mktemp("lake")


@pytest.fixture(scope="module")
def account(sandboxes):
    return sandboxes.start(clock=None)


@pytest.fixture(scope="module")
def responses():
    """Return the list of the REST API's responses about all runs; `standalone` fills it."""
    return []


@pytest.fixture(scope="module")
def standalone(homes, home, account, lake, responses):
    """Return an Airflow that has run the example once and the DAG that its asset event triggers.

    If Airflow supports partitions, it has also run a backfill of a partitioned DAG, its latest partition, and the DAG
    that those events trigger.
    """
    home = AirflowHome(homes / "assets", home.fresh_database)
    dags = home.folder / "dags"
    shutil.copy(ROOT / "example_dags" / f"{EXAMPLE}.py", dags)
    if HAS_PARTITIONS:
        (dags / "partitioned.py").write_text(PARTITIONED.format(lake=str(lake / "parts")))
    (home.folder / "plugins").mkdir()
    (home.folder / "plugins" / "lineage.py").write_text(LINEAGE)
    home.run("airflow", "dags", "reserialize")
    ends = {"a360_report": 1}
    if HAS_PARTITIONS:
        # Before 3.3, a backfill's dates are those of its runs, each a day after its partition.
        first, last = (day + timedelta(days=AIRFLOW < (3, 3)) for day in (DAYS[0], DAYS[-1]))
        span = ("--from-date", f"{first}T00:00:00", "--to-date", f"{last}T23:00:00")
        home.run("airflow", "backfill", "create", "--dag-id", "partitioned", *span)
        ends |= {"partitioned": len(DAYS) + 1, "downstream": len(DAYS) + 1}
    env = {
        "AIRFLOW_CONN_A360_DEFAULT": connection(account),
        "A360_DESTINATION": str(lake / "example"),
    }
    airflow = Standalone(home, env)
    with airflow:
        airflow.until(lambda: all(airflow.ended(dag_id, runs) for dag_id, runs in ends.items()))
        rest = Rest(airflow)
        for dag_id in ("a360_export_for_report", *ends):
            rest.read_runs(dag_id)
        rest.request("/assets/events")
    responses += rest.responses
    return airflow


def event_of(airflow, dag_id):
    """Return the extra of a DAG's only asset event."""
    ((extra,),) = airflow.query("SELECT extra FROM asset_event WHERE source_dag_id = ?", dag_id)
    return json.loads(extra)


def test_an_asset_event_has_the_exports_rows_days_and_uris(standalone, account, lake):
    manifest = standalone.task("a360_export_for_report", "conversions").returned
    (file,) = [path for path in (lake / "example").rglob("*") if path.is_file()]
    day = file.parent.name.removeprefix("dt=")
    rows = len(file.read_text().splitlines())
    assert event_of(standalone, "a360_export_for_report") == {"rows": rows, "days": [day], "uris": [f"file://{file}"]}
    counted = sum(len(flow.conversions_on(date.fromisoformat(day))) for flow in account.account.flows)
    assert manifest["rows"] == rows == counted > 0


def lineage_of(airflow, dag_id):
    """Return the output URIs that the lineage reader saw for a DAG."""
    outputs = [line.split(" ", 1) for line in (airflow.home.folder / "lineage.txt").read_text().splitlines()]
    return [uri for name, uri in outputs if name == dag_id]


def test_lineage_names_the_files(standalone):
    assert lineage_of(standalone, "a360_export_for_report") == event_of(standalone, "a360_export_for_report")["uris"]


def test_a_dag_scheduled_on_the_asset_reads_the_event(standalone):
    event = event_of(standalone, "a360_export_for_report")
    assert standalone.task("a360_report", "report").state == "success"
    log = standalone.log("a360_report", "report")
    assert f"{event['rows']} conversions of {event['days'][0]}:" in log
    assert event["uris"][0] in log


@needs_airflow("3.2", "partitions")
def test_a_partitioned_dag_and_the_dag_scheduled_on_it_export_the_partitions_day(standalone, lake):
    exported = {}
    for dag_id in ("partitioned", "downstream"):
        returned = standalone.query(
            "SELECT run.partition_key, xcom.value FROM dag_run run JOIN xcom USING (dag_id, run_id)"
            " WHERE dag_id = ? AND key = 'return_value'",
            dag_id,
        )
        exported[dag_id] = {key: [file["day"] for file in json.loads(value)["files"]] for key, value in returned}
    assert exported["partitioned"] == exported["downstream"]
    assert exported["partitioned"].keys() > {f"{day}T06:00:00" for day in DAYS}
    assert all(days == [key[:10]] for key, days in exported["partitioned"].items())
    assert len(lineage_of(standalone, "partitioned")) == len(DAYS) + 1
    for dataset in ("conversions", "element_stats"):
        landed = {path.name for path in (lake / "parts" / dataset).iterdir()}
        assert landed == {f"dt={key[:10]}" for key in exported["partitioned"]}


def test_the_rest_api_shows_no_personal_data_or_secret_of_an_export(standalone, responses, sandboxes):
    uri = event_of(standalone, "a360_export_for_report")["uris"][0]
    # The URI is in the log, the XCom, the event and the upstream events of the report.
    assert sum(uri in response for response in responses) >= 4
    assert any('"rendered_fields":{"flow_ids":"all"' in response for response in responses)
    assert not [secret for secret in sandboxes.secrets for response in responses if secret in response]
