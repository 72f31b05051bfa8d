"""Export a flow's statistics as soon as its last contact has left the queue. Needs the extra `parquet`."""

from __future__ import annotations

import os

import pendulum
from airflow.sdk import DAG, Param
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_a360.operators.export import A360ExportElementStatsOperator
from airflow_provider_a360.sensors.flow_queue import A360FlowQueueSensor

FLOW_ID = 292692

with DAG(
    "a360_wait_then_export",
    description="Wait until a flow's queue is empty, then export its statistics",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("0 6 * * *", timezone="UTC"),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params={
        "first_day": Param(None, type=["null", "string"], format="date", description="First UTC day to export"),
        "last_day": Param(None, type=["null", "string"], format="date", description="Last UTC day to export"),
    },
    default_args={"owner": "marketing", "retries": 3},
    tags=["a360"],
):
    drained = A360FlowQueueSensor(
        task_id="drained",
        flow_id=FLOW_ID,
        # A flow that was just started may show an empty queue for a moment.
        settle_polls=2,
        poke_interval=60,
        timeout=6 * 60 * 60,
        mode="reschedule",
    )
    drained >> A360ExportElementStatsOperator(
        task_id="element_stats",
        flow_ids=FLOW_ID,
        destination=os.environ.get("A360_DESTINATION", "~/a360"),
        first_day="{{ params.first_day }}",
        last_day="{{ params.last_day }}",
        file_format="parquet",
    )
