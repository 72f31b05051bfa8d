"""Which days a run exports. Pure."""

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
    'Give the DAG a timetable with an interval, such as schedule=CronDataIntervalTimetable("0 6 * * *", '
    'timezone="UTC") or, since Airflow 3.2, CronPartitionTimetable(…, run_offset=-1); or set lookback_days=1 (or more) '
    "for the days before the run; or give first_day and last_day."
)


class NoWholeDay(Exception):  # noqa: N818  # it is no error
    """The run's interval crosses no UTC midnight, so another run of the DAG exports the day."""


def run_days(
    context: Mapping[str, Any],
    first_day: Any = None,
    last_day: Any = None,
    lookback_days: Any = None,
) -> Days:
    """The whole UTC days that a run exports: those the author gave, else those of the run's data interval, else the day
    of its partition. With `lookback_days`, so many days up to the last of those.

    An interval's ends are both moved back to a UTC midnight, so neighbouring intervals still meet without gap or
    overlap, at whatever hour and in whatever zone a DAG runs.

    Raises: NoWholeDay; A360ConfigError where no day can be found, or what was given contradicts itself.
    """
    lookback = None if lookback_days is None else arguments.identifier(lookback_days, "lookback_days")
    given = _given(first_day, last_day, lookback)
    own = given or _of_interval(context) or _of_partition(context)
    if own is None:
        if lookback is None:
            raise A360ConfigError(f"{_why_none(context)} {_REMEDIES}")
        yesterday = _before(context.get("data_interval_end") or context["dag_run"].run_after)
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
        raise A360ConfigError("first_day is given without last_day: give both, they are included in the export.")
    last = arguments.day(last_day, "last_day")
    if first_day is None and lookback is None:
        raise A360ConfigError("last_day is given without first_day: give both, or last_day with lookback_days.")
    if first_day is not None and lookback is not None:
        raise A360ConfigError("first_day and lookback_days contradict each other: give one of them with last_day.")
    return Days(last if first_day is None else arguments.day(first_day, "first_day"), last)


def _of_interval(context: Mapping[str, Any]) -> Days | None:
    """The days of the run's data interval; None where it has none, or an empty one."""
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    # In UTC: on the wall, the hour that summer time's end repeats looks empty.
    if start is None or end is None or start.astimezone(UTC) == end.astimezone(UTC):
        return None
    first, last = _midnight(start), _before(end)
    if last < first:
        raise NoWholeDay(
            f"The interval from {start} to {end} ends on the UTC day on which it began: the run whose interval crosses "
            f"midnight exports {first}."
        )
    return Days(first, last)


def _of_partition(context: Mapping[str, Any]) -> Days | None:
    """The day of a partitioned run: its date, or its key where that is one."""
    if (at := context.get("partition_date")) is not None:
        return Days(_midnight(at), _midnight(at))
    key = airflow_compat.partition_key(context)
    if key is None:
        return None
    day = arguments.day(key, "The run's partition key")
    return Days(day, day)


def _why_none(context: Mapping[str, Any]) -> str:
    if (at := context.get("data_interval_start")) is not None:
        return (
            f'The run\'s data interval is empty: it starts and ends at {at}, as every run of schedule="@daily" or of a '
            "plain cron expression does in Airflow 3. An empty interval doesn't mean that there are no rows."
        )
    dag_id = getattr(context["dag_run"], "dag_id", "DAG_ID")
    return (
        "The run has no data interval: it was started by hand, by an asset or through the API. For the days of the "
        f"timetable's last interval, type `airflow dags trigger {dag_id} --logical-date $(date -u +%FT%T)`. "
        f"For other days, where they are params as in the example DAGs, type `airflow dags trigger {dag_id} --conf "
        """'{"first_day": "2026-11-20", "last_day": "2026-11-20"}'`."""
    )


def _midnight(at: datetime) -> date:
    return arguments.day(pendulum.instance(at, tz="UTC"), "a moment")


def _before(at: datetime) -> date:
    """The last day that is over at that moment."""
    return _midnight(at) - timedelta(days=1)
