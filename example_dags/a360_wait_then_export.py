"""A campaign's statistics, once its last contact has left the flow."""

from __future__ import annotations

# [START wait_then_export]
import os

import pendulum
from airflow.sdk import DAG, Param
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_a360.operators.export import A360ExportElementStatsOperator
from airflow_provider_a360.sensors.flow_queue import A360FlowQueueSensor

DAYS = {
    "first_day": Param(
        None, type=["null", "string"], format="date", description="The first UTC day; empty for the run's interval."
    ),
    "last_day": Param(None, type=["null", "string"], format="date", description="The last UTC day, included."),
}

with DAG(
    "a360_wait_then_export",
    schedule=CronDataIntervalTimetable("0 6 * * *", timezone="UTC"),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params=DAYS,
    tags=["a360"],
):
    drained = A360FlowQueueSensor(
        task_id="drained",
        flow_id=292692,
        settle_polls=2,
        poke_interval=60,
        timeout=6 * 60 * 60,
        mode="reschedule",
    )
    drained >> A360ExportElementStatsOperator(
        task_id="element_stats",
        flow_ids=292692,
        destination=os.environ.get("A360_DESTINATION", "~/a360"),
        first_day="{{ params.first_day }}",
        last_day="{{ params.last_day }}",
        file_format="parquet",
    )
# [END wait_then_export]
