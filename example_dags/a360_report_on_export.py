"""Start a DAG when an export is done: the asset's event says how many rows there are, and in which files."""

from __future__ import annotations

import logging
import os

import pendulum
from airflow.sdk import DAG, Asset, Param, get_current_context, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_a360.operators.export import A360ExportConversionsOperator

log = logging.getLogger(__name__)
conversions = Asset("a360_conversions")

with DAG(
    "a360_export_for_report",
    description="Export yesterday's conversions and update the asset a360_conversions",
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
    A360ExportConversionsOperator(
        task_id="conversions",
        flow_ids="all",
        destination=os.environ.get("A360_DESTINATION", "~/a360"),
        first_day="{{ params.first_day }}",
        last_day="{{ params.last_day }}",
        outlets=[conversions],
    )

with DAG(
    "a360_report",
    description="Log the files of each export of conversions",
    doc_md=__doc__,
    schedule=[conversions],
    default_args={"owner": "marketing"},
    tags=["a360"],
):

    @task
    def report() -> None:
        # There is more than one event if several exports ended before this run started.
        for event in get_current_context()["triggering_asset_events"][conversions]:
            log.info("%d conversions of %s:", event.extra["rows"], ", ".join(event.extra["days"]))
            for uri in event.extra["uris"]:
                log.info("%s", uri)

    report()
