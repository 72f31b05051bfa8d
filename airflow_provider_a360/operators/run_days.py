"""Decide which days a run exports. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pendulum

from airflow_provider_a360 import airflow_compat
from airflow_provider_a360.api import arguments
from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.errors import A360ConfigError

_REMEDIES = (
    'Use a timetable with intervals, such as schedule=CronDataIntervalTimetable("0 6 * * *", timezone="UTC") or '
    "(since Airflow 3.2) CronPartitionTimetable(…, run_offset=-1); or set lookback_days=1 (or more) to export the days "
    "before the run; or set first_day and last_day."
)


class NoWholeDay(Exception):  # noqa: N818  # not an error: the task is skipped
    """The run's interval crosses no midnight UTC, so another run of the DAG exports the day."""


def run_days(
    context: Mapping[str, Any],
    first_day: Any = None,
    last_day: Any = None,
    lookback_days: Any = None,
) -> Days:
    """Return the whole UTC days that a run exports.

    These are the days that the DAG's author gave, else the days of the run's data interval, else the day of the run's
    partition. Both ends of the interval are rounded down to midnight UTC, so that consecutive intervals cover each day
    once, at whatever hour and in whatever time zone the DAG runs.

    :param context: the task's context.
    :param first_day: the first day, or None.
    :param last_day: the last day, included, or None.
    :param lookback_days: export this many days up to the last of the days above; or None.
    :raises NoWholeDay: if the interval starts and ends within one UTC day.
    :raises A360ConfigError: if there is no day to export, or if the parameters contradict each other.
    """
    lookback = None if lookback_days is None else arguments.identifier(lookback_days, "lookback_days")
    given = _given(first_day, last_day, lookback)
    own = given or _of_interval(context) or _of_partition(context)
    if own is None:
        if lookback is None:
            raise A360ConfigError(f"{_why_none(context)} {_REMEDIES}")
        yesterday = _day_before(context.get("data_interval_end") or context["dag_run"].run_after)
        own = Days(yesterday, yesterday)
    if lookback is None:
        return own
    if lookback > len(Days(arguments.EARLIEST, own.last)):
        raise A360ConfigError(
            f"lookback_days is {lookback}: the days to export would begin before {arguments.EARLIEST}."
        )
    return Days(own.last - timedelta(days=lookback - 1), own.last)


def _given(first_day: Any, last_day: Any, lookback: int | None) -> Days | None:
    if first_day is None and last_day is None:
        return None
    if last_day is None:
        raise A360ConfigError("first_day is set without last_day. Set both; both days are exported.")
    last = arguments.day(last_day, "last_day")
    if first_day is None and lookback is None:
        raise A360ConfigError("last_day is set without first_day. Set both, or last_day with lookback_days.")
    if first_day is not None and lookback is not None:
        raise A360ConfigError("first_day and lookback_days contradict each other. Set one of them with last_day.")
    return Days(last if first_day is None else arguments.day(first_day, "first_day"), last)


def _of_interval(context: Mapping[str, Any]) -> Days | None:
    """Return the days of the run's data interval; None if there is no interval or an empty one."""
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    # Compare in UTC: in local time, the hour that is repeated at the end of summer time looks like an empty interval.
    if start is None or end is None or start.astimezone(UTC) == end.astimezone(UTC):
        return None
    first, last = _utc_day(start), _day_before(end)
    if last < first:
        raise NoWholeDay(
            f"The interval from {start} to {end} starts and ends on the same UTC day. The run whose interval crosses "
            f"midnight UTC exports {first}."
        )
    return Days(first, last)


def _of_partition(context: Mapping[str, Any]) -> Days | None:
    """Return the day of a partitioned run: its date, or its key if the key is a date."""
    if (at := context.get("partition_date")) is not None:
        return Days(_utc_day(at), _utc_day(at))
    key = airflow_compat.partition_key(context)
    if key is None:
        return None
    day = arguments.day(key, "The run's partition key")
    return Days(day, day)


def _why_none(context: Mapping[str, Any]) -> str:
    if (at := context.get("data_interval_start")) is not None:
        return (
            f"The run's data interval is empty: it starts and ends at {at}. In Airflow 3, every run of "
            'schedule="@daily" or of a plain cron expression has such an interval. An empty interval doesn\'t mean '
            "that there are no rows."
        )
    dag_id = getattr(context["dag_run"], "dag_id", "DAG_ID")
    return (
        "The run has no data interval: it was started by an asset, or without a logical date by hand or through the "
        f"API. To export the timetable's last interval, run `airflow dags trigger {dag_id} "
        "--logical-date $(date -u +%FT%T)`. "
        "To export other days, if the DAG has them as params like the example DAGs, run "
        f"`airflow dags trigger {dag_id} --conf "
        """'{"first_day": "2026-11-20", "last_day": "2026-11-20"}'`."""
    )


def _utc_day(at: datetime) -> date:
    return arguments.day(pendulum.instance(at, tz="UTC"), "a moment")


def _day_before(at: datetime) -> date:
    """Return the last UTC day that is over at this moment."""
    return _utc_day(at) - timedelta(days=1)
