"""Export the conversions of each active flow by a task of its own.

A flow that fails is retried alone, and each flow has its own row in the grid.
"""

from __future__ import annotations

import os

import pendulum
from airflow.sdk import DAG, Param, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_a360.hooks.a360 import A360Hook
from airflow_provider_a360.operators.export import A360ExportConversionsOperator

with DAG(
    "a360_export_per_flow",
    description="Export the conversions of each active flow by a task of its own",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("0 6 * * *", timezone="UTC"),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params={
        "first_day": Param(None, type=["null", "string"], format="date", description="First UTC day to export"),
        "last_day": Param(None, type=["null", "string"], format="date", description="Last UTC day to export"),
    },
    default_args={
        "owner": "marketing",
        "retries": 3,
        # To avoid 429s, limit the tasks that use the account at once: see "Rate limit" in the README.
        "pool": os.environ.get("A360_POOL", "default_pool"),
    },
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
        # Some conversions arrive late, so a scheduled run exports the last three days again.
        lookback_days="{{ none if params.first_day else 3 }}",
        max_active_tis_per_dag=2,
        # All DAGs that ask the account may share a pool: see the README.
        pool=os.environ.get("A360_POOL", "default_pool"),
    ).expand(flow_ids=active_flows())
