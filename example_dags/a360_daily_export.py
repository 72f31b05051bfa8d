"""Export yesterday's element statistics and conversions every morning.

To export other days, start a run with `first_day` and `last_day`, or create a backfill. If both are empty, a run
exports the days of its data interval.
"""

from __future__ import annotations

# [START daily_export]
import os

import pendulum
from airflow.sdk import DAG, Param
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_a360.operators.export import A360ExportConversionsOperator, A360ExportElementStatsOperator

DESTINATION = os.environ.get("A360_DESTINATION", "~/a360")

with DAG(
    "a360_daily_export",
    description="Export yesterday's A360 statistics and conversions",
    doc_md=__doc__,
    # This timetable gives each run a data interval. In Airflow 3, schedule="@daily" doesn't.
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
        "first_day": "{{ params.first_day }}",
        "last_day": "{{ params.last_day }}",
    },
    tags=["a360"],
):
    A360ExportElementStatsOperator(task_id="element_stats", flow_ids="all", destination=DESTINATION)
    A360ExportConversionsOperator(task_id="conversions", flow_ids="all", destination=DESTINATION, file_format="csv")
# [END daily_export]
