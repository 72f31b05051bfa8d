"""Yesterday's statistics and conversions, every morning; last year's by a backfill of this DAG."""

from __future__ import annotations

# [START daily_export]
import os

import pendulum
from airflow.sdk import DAG, Param
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_a360.operators.export import A360ExportConversionsOperator, A360ExportElementStatsOperator

# The form of a run by hand. In a scheduled run both are empty, and the days are those of its interval.
DAYS = {
    "first_day": Param(
        None, type=["null", "string"], format="date", description="The first UTC day; empty for the run's interval."
    ),
    "last_day": Param(None, type=["null", "string"], format="date", description="The last UTC day, included."),
}

with DAG(
    "a360_daily_export",
    # A timetable with data intervals: in Airflow 3, schedule="@daily" gives runs an empty one.
    schedule=CronDataIntervalTimetable("0 6 * * *", timezone="UTC"),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params=DAYS,
    # A pool of few slots keeps tasks that run at once within the account's limit of requests: see the README.
    default_args={"retries": 3, "pool": os.environ.get("A360_POOL", "default_pool")},
    tags=["a360"],
):
    A360ExportElementStatsOperator(
        task_id="element_stats",
        flow_ids="all",
        destination=os.environ.get("A360_DESTINATION", "~/a360"),
        first_day="{{ params.first_day }}",
        last_day="{{ params.last_day }}",
    )
    A360ExportConversionsOperator(
        task_id="conversions",
        flow_ids="all",
        destination=os.environ.get("A360_DESTINATION", "~/a360"),
        first_day="{{ params.first_day }}",
        last_day="{{ params.last_day }}",
        file_format="csv",
    )
# [END daily_export]
