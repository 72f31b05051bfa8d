"""A report that starts when the export has landed: the asset's event says how many rows there are, and where."""

from __future__ import annotations

# [START report_on_export]
import logging
import os

import pendulum
from airflow.sdk import DAG, Asset, Param, get_current_context, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_a360.operators.export import A360ExportConversionsOperator

log = logging.getLogger(__name__)
conversions = Asset("a360_conversions")
DAYS = {
    "first_day": Param(
        None, type=["null", "string"], format="date", description="The first UTC day; empty for the run's interval."
    ),
    "last_day": Param(None, type=["null", "string"], format="date", description="The last UTC day, included."),
}

with DAG(
    "a360_export_for_report",
    schedule=CronDataIntervalTimetable("0 6 * * *", timezone="UTC"),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params=DAYS,
    tags=["a360"],
):
    A360ExportConversionsOperator(
        task_id="conversions",
        flow_ids="all",
        destination=os.environ.get("A360_DESTINATION", "~/a360"),
        first_day="{{ params.first_day }}",
        last_day="{{ params.last_day }}",
        outlets=[conversions],
    )

with DAG("a360_report", schedule=[conversions], tags=["a360"]):

    @task
    def report() -> None:
        # More than one where exports have ended faster than reports.
        for event in get_current_context()["triggering_asset_events"][conversions]:
            log.info("%d conversions of %s:", event.extra["rows"], ", ".join(event.extra["days"]))
            for uri in event.extra["uris"]:
                log.info("%s", uri)

    report()
# [END report_on_export]
