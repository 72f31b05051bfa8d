"""A task for each flow: one that fails is run again by itself, and each has its own row in the grid."""

from __future__ import annotations

# [START export_per_flow]
import os

import pendulum
from airflow.sdk import DAG, Param, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_a360.hooks.a360 import A360Hook
from airflow_provider_a360.operators.export import A360ExportConversionsOperator

DAYS = {
    "first_day": Param(
        None, type=["null", "string"], format="date", description="The first UTC day; empty for the run's interval."
    ),
    "last_day": Param(None, type=["null", "string"], format="date", description="The last UTC day, included."),
}

with DAG(
    "a360_export_per_flow",
    schedule=CronDataIntervalTimetable("0 6 * * *", timezone="UTC"),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params=DAYS,
    tags=["a360"],
):

    @task
    def active_flows() -> list[int]:
        return [flow.id for flow in A360Hook().flows() if flow.status == 1]

    A360ExportConversionsOperator.partial(
        task_id="conversions",
        destination=os.environ.get("A360_DESTINATION", "~/a360"),
        first_day="{{ params.first_day }}",
        last_day="{{ params.last_day }}",
        file_format="jsonl.gz",
        personal_data="drop",
        # Conversions that the service reports late: each scheduled run exports the last three days anew.
        lookback_days="{{ none if params.first_day else 3 }}",
        max_active_tis_per_dag=2,
        # All DAGs that ask the account may share a pool: see the README.
        pool=os.environ.get("A360_POOL", "default_pool"),
    ).expand(flow_ids=active_flows())
# [END export_per_flow]
