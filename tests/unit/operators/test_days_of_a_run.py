"""The days that a run exports, for each kind of Airflow run and for the days that an author gives."""

from datetime import UTC, date, datetime, timedelta, timezone
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pendulum
import pytest
from airflow.timetables.base import TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable, DeltaDataIntervalTimetable
from airflow.timetables.trigger import CronTriggerTimetable

from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.errors import A360ConfigError
from airflow_provider_a360.operators.run_days import NoWholeDay, run_days

KYIV = ZoneInfo("Europe/Kyiv")
DAY = timedelta(days=1)


def at(text, zone=UTC):
    """Return the time in a time zone."""
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def run(start=None, end=None, *, run_after="2026-11-21T06:00", **more):
    """Return a run's context. As in Airflow 3, the keys of the interval are missing if there is none."""
    context = {"dag_run": SimpleNamespace(run_after=at(run_after)), **more}
    if start is not None:
        context |= {"data_interval_start": start, "data_interval_end": end}
    return context


def days(first, last=None):
    """Return a span of days."""
    return Days(date.fromisoformat(first), date.fromisoformat(last or first))


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [
        (at("2026-11-20"), at("2026-11-21"), days("2026-11-20")),
        (at("2026-11-20T06:00"), at("2026-11-21T06:00"), days("2026-11-20")),
        (at("2026-11-20", KYIV), at("2026-11-21", KYIV), days("2026-11-19")),
        (at("2026-11-20T02:00", KYIV), at("2026-11-21T02:00", KYIV), days("2026-11-20")),
        (at("2026-11-01"), at("2026-12-01"), days("2026-11-01", "2026-11-30")),
        (at("2026-11-16T05:00"), at("2026-11-23T05:00"), days("2026-11-16", "2026-11-22")),
        (at("2026-11-20T23:00"), at("2026-11-21T00:00"), days("2026-11-20")),
        (at("2026-11-20T23:59:59"), at("2026-11-21T00:00:01"), days("2026-11-20")),
        (at("2026-11-20", timezone(-5 * timedelta(hours=1))), at("2026-11-21T05:00"), days("2026-11-20")),
        (pendulum.datetime(2026, 11, 20, tz="Asia/Kolkata"), pendulum.datetime(2026, 11, 21, tz="Asia/Kolkata"),
         days("2026-11-19")),
    ],
)  # fmt: skip
def test_an_intervals_ends_are_moved_back_to_utc_midnight(start, end, wanted):
    assert run_days(run(start, end)) == wanted


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-11-20T00:00", "2026-11-20T01:00"),
        ("2026-11-20T22:00", "2026-11-20T23:59:59"),
        ("2026-11-20T06", "2026-11-20T18"),
    ],
)
@pytest.mark.parametrize("lookback", [None, 7])
def test_a_run_whose_interval_crosses_no_midnight_exports_no_day(start, end, lookback):
    with pytest.raises(NoWholeDay, match="2026-11-20"):
        run_days(run(at(start), at(end)), lookback_days=lookback)


def test_the_hour_repeated_at_the_end_of_dst_is_not_an_empty_interval():
    start = at("2026-10-25T03:30", KYIV)
    with pytest.raises(NoWholeDay):
        run_days(run(start, start.replace(fold=1)))


@pytest.mark.parametrize(
    "context",
    [
        run(at("2026-11-21"), at("2026-11-21")),
        run(),
        run(None, None, data_interval_start=None, data_interval_end=None),
        run(partition_key=None, partition_date=None),
    ],
    ids=["empty", "absent", "none", "unpartitioned"],
)
def test_a_run_without_an_interval_fails_and_names_the_remedies(context):
    with pytest.raises(A360ConfigError) as caught:
        run_days(context)
    for remedy in ("CronDataIntervalTimetable", "CronPartitionTimetable", "lookback_days", "first_day and last_day"):
        assert remedy in str(caught.value)


def test_the_message_distinguishes_an_empty_interval_from_a_missing_one():
    with pytest.raises(A360ConfigError, match=r"is empty.*2026-11-21.*@daily"):
        run_days(run(at("2026-11-21"), at("2026-11-21")))
    with pytest.raises(A360ConfigError, match="no data interval"):
        run_days(run())


def test_the_error_for_a_missing_interval_prints_commands_to_use():
    context = {"dag_run": SimpleNamespace(dag_id="a360_daily_export")}
    with pytest.raises(A360ConfigError) as caught:
        run_days(context)
    assert "`airflow dags trigger a360_daily_export --logical-date $(date -u +%FT%T)`" in str(caught.value)
    conf = '--conf \'{"first_day": "2026-11-20", "last_day": "2026-11-20"}\'`'
    assert f"`airflow dags trigger a360_daily_export {conf}" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("0001-01-01", "2026-11-20"), "first_day is '0001-01-01'; it must be a day from 2000-01-01"),
        (("2026-11-20", "9999-12-31"), "last_day is '9999-12-31'"),
        ((None, "2026-11-20", 10**9), "lookback_days is 1000000000: the days to export would begin before 2000-01-01"),
        ((None, "2026-11-20", "9" * 5000), "lookback_days is '999"),
    ],
)
def test_days_out_of_range_are_refused(given, named):
    with pytest.raises(A360ConfigError, match=named) as caught:
        run_days(run(), *given)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("context", "wanted"),
    [
        (run(partition_key="2026-11-20T00:00:00", partition_date=at("2026-11-20")), days("2026-11-20")),
        (run(partition_key="2026-11-20T00:00:00", partition_date=None), days("2026-11-20")),
        (run(partition_key="2026-11-20"), days("2026-11-20")),
        # Airflow 3.2 has the key only in the DAG run.
        ({"dag_run": SimpleNamespace(partition_key="2026-11-20T00:00:00")}, days("2026-11-20")),
        (run(partition_key="eu", partition_date=at("2026-11-20T06:00")), days("2026-11-20")),
        (run(partition_date=at("2026-11-20", KYIV)), days("2026-11-19")),
        (run(at("2026-11-21"), at("2026-11-21"), partition_date=at("2026-11-18")), days("2026-11-18")),
    ],
)
def test_a_partitioned_run_exports_its_partitions_day(context, wanted):
    assert run_days(context) == wanted


def test_a_partition_key_that_is_not_a_day_is_named():
    with pytest.raises(A360ConfigError, match="partition key is 'europe'"):
        run_days(run(partition_key="europe"))


@pytest.mark.parametrize(
    ("context", "lookback", "wanted"),
    [
        (run(at("2026-11-20"), at("2026-11-21")), 1, days("2026-11-20")),
        (run(at("2026-11-20"), at("2026-11-21")), "7", days("2026-11-14", "2026-11-20")),
        (run(at("2026-11-01"), at("2026-12-01")), 3, days("2026-11-28", "2026-11-30")),
        (run(at("2026-11-20", KYIV), at("2026-11-21", KYIV)), 2, days("2026-11-18", "2026-11-19")),
        (run(at("2026-11-21T06:00"), at("2026-11-21T06:00")), 2, days("2026-11-19", "2026-11-20")),
        (run(at("2026-11-15"), at("2026-11-15"), run_after="2026-11-21T06:00"), 1, days("2026-11-14")),
        (run(run_after="2026-11-21T00:00"), 1, days("2026-11-20")),
        (run(run_after="2026-11-20T23:59"), 1, days("2026-11-19")),
        (run(run_after="2026-11-21T06:00"), 7, days("2026-11-14", "2026-11-20")),
        (run(partition_date=at("2026-11-10")), 3, days("2026-11-08", "2026-11-10")),
    ],
)
def test_lookback_exports_so_many_days_up_to_the_runs_last(context, lookback, wanted):
    assert run_days(context, lookback_days=lookback) == wanted


@pytest.mark.parametrize("lookback", [0, -1, "0", "None", "", 1.5, True, "seven"])
def test_an_invalid_lookback_is_named(lookback):
    with pytest.raises(A360ConfigError, match="lookback_days"):
        run_days(run(at("2026-11-20"), at("2026-11-21")), lookback_days=lookback)


@pytest.mark.parametrize(
    "context", [run(), run(at("2026-11-20"), at("2026-11-21")), run(partition_date=at("2026-11-20"))]
)
def test_given_days_override_everything_else(context):
    wanted = days("2026-10-01", "2026-10-31")
    assert run_days(context, "2026-10-01", "2026-10-31") == wanted
    assert run_days(context, date(2026, 10, 1), at("2026-10-31T23:00")) == wanted
    assert run_days(context, None, "2026-10-31", 31) == wanted


def test_given_times_are_converted_to_utc():
    assert run_days(run(), "2026-11-20T00:00:00+02:00", at("2026-11-21", KYIV)) == days("2026-11-19", "2026-11-20")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("2026-11-20", None), "last_day"),
        ((None, "2026-11-20"), "first_day"),
        (("2026-11-20", None, 3), "last_day"),
        (("2026-11-19", "2026-11-20", 3), "lookback_days"),
        (("2026-11-21", "2026-11-20"), "before"),
        (("None", "2026-11-20"), "first_day"),
        (("2026-11-20", "None"), "last_day"),
        (("", "2026-11-20"), "first_day"),
        (("20.11.2026", "2026-11-20"), "first_day"),
        (("2026-11-31", "2026-12-01"), "first_day"),
    ],
)
def test_contradictory_or_invalid_days_are_named(given, named):
    with pytest.raises(A360ConfigError, match=named):
        run_days(run(at("2026-11-20"), at("2026-11-21")), *given)


def intervals(timetable, first, last):
    """Return the data intervals of the runs that a timetable schedules between two times."""
    restriction = TimeRestriction(pendulum.instance(first), pendulum.instance(last), catchup=True)
    found = []
    previous = None
    while info := timetable.next_dagrun_info(last_automated_data_interval=previous, restriction=restriction):
        previous = info.data_interval
        found.append((info.data_interval.start, info.data_interval.end))
    return found


def exported(timetable, first, last):
    """Return the days that each run of a timetable exports, without the runs that export nothing."""
    spans = []
    for start, end in intervals(timetable, first, last):
        try:
            spans.append(run_days(run(start, end)))
        except NoWholeDay:
            continue
    return spans


@pytest.mark.parametrize(
    "timetable",
    [
        CronDataIntervalTimetable("0 6 * * *", timezone="UTC"),
        CronDataIntervalTimetable("0 0 * * *", timezone="Europe/Kyiv"),
        CronDataIntervalTimetable("30 3 * * *", timezone="Europe/Kyiv"),
        CronDataIntervalTimetable("0 * * * *", timezone="Europe/Kyiv"),
        CronDataIntervalTimetable("45 */5 * * *", timezone="UTC"),
        CronDataIntervalTimetable("0 0 * * *", timezone="Pacific/Auckland"),
        CronDataIntervalTimetable("15 9 * * 1", timezone="America/New_York"),
        CronDataIntervalTimetable("0 0 1 * *", timezone="Asia/Kolkata"),
        DeltaDataIntervalTimetable(timedelta(hours=6)),
        DeltaDataIntervalTimetable(timedelta(hours=36)),
        CronTriggerTimetable("0 6 * * *", timezone="UTC", interval=timedelta(days=1)),
    ],
    ids=lambda timetable: timetable.summary,
)
@pytest.mark.parametrize("month", [10, 3], ids=["autumn", "spring"])
def test_runs_of_airflows_timetables_export_every_utc_day_once(timetable, month):
    spans = exported(timetable, datetime(2026, month, 10, tzinfo=UTC), datetime(2026, month + 1, 20, tzinfo=UTC))
    found = [day for span in spans for day in span]
    assert len(found) >= 28
    assert found == [found[0] + n * DAY for n in range(len(found))]


def test_an_hourly_dag_exports_a_day_in_the_run_that_ends_at_midnight():
    timetable = CronDataIntervalTimetable("0 * * * *", timezone="UTC")
    ends = {}
    for start, end in intervals(timetable, datetime(2026, 11, 18, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC)):
        try:
            ends[end] = run_days(run(start, end))
        except NoWholeDay:
            continue
    assert ends == {at("2026-11-19"): days("2026-11-18"), at("2026-11-20"): days("2026-11-19")}
