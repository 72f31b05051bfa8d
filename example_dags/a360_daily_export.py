"""Yesterday's statistics and conversions, every morning; last year's by a backfill of this DAG."""

from __future__ import annotations

# [START daily_export]
import os

import pendulum
from airflow.sdk import DAG, CronDataIntervalTimetable

from airflow_provider_a360.operators.export import A360ExportConversionsOperator, A360ExportElementStatsOperator

with DAG(
    "a360_daily_export",
    # A timetable with data intervals: in Airflow 3, schedule="@daily" gives runs an empty one.
    schedule=CronDataIntervalTimetable("0 6 * * *", timezone="UTC"),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3},
    tags=["a360"],
):
    A360ExportElementStatsOperator(
        task_id="element_stats",
        flow_ids="all",
        destination=os.environ.get("A360_DESTINATION", "/tmp/a360"),
    )
    A360ExportConversionsOperator(
        task_id="conversions",
        flow_ids="all",
        destination=os.environ.get("A360_DESTINATION", "/tmp/a360"),
        file_format="csv",
    )
# [END daily_export]
