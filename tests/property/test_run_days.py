"""The runs of any schedule export each UTC day once, without gap or overlap, in any time zone and at any hour."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from types import SimpleNamespace
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_a360.operators.run_days import NoWholeDay, run_days

DAY = timedelta(days=1)
ZONES = st.sampled_from(
    ["UTC", "Europe/Kyiv", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "Africa/Cairo"]
).map(ZoneInfo)
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31), timezones=ZONES)  # noqa: DTZ001


def exported(start, end, lookback=None):
    """Return the days that a run with this interval exports; none if it crosses no midnight."""
    try:
        return list(run_days({"data_interval_start": start, "data_interval_end": end}, lookback_days=lookback))
    except NoWholeDay:
        return []


def utc_day(at):
    return at.astimezone(UTC).date()


def whole_days(first, last):
    """Return the days from the first to the one before the last."""
    return [first + n * DAY for n in range((last - first).days)]


def exported_between(bounds):
    """Return the days that runs between consecutive bounds export."""
    assert len(bounds) > 1
    return [day for start, end in pairwise(bounds) for day in exported(start, end)]


@given(st.lists(MOMENTS, min_size=2, max_size=40, unique_by=lambda at: at.astimezone(UTC)))
def test_neighbouring_intervals_of_any_length_export_each_day_once(moments):
    bounds = sorted(moments, key=lambda at: at.astimezone(UTC))
    assert exported_between(bounds) == whole_days(utc_day(bounds[0]), utc_day(bounds[-1]))


@given(MOMENTS, st.timedeltas(timedelta(seconds=1), timedelta(days=40)), st.integers(1, 60))
def test_a_schedule_by_period_exports_each_day_once(start, period, runs):
    begin = start.astimezone(UTC)
    bounds = [(begin + n * period).astimezone(start.tzinfo) for n in range(runs + 1)]
    assert exported_between(bounds) == whole_days(utc_day(bounds[0]), utc_day(bounds[-1]))


@given(st.dates(date(2024, 1, 1), date(2027, 12, 31)), st.times(), ZONES, st.integers(1, 60))
def test_a_daily_run_at_a_local_time_exports_each_day_once_across_dst_changes(first, hour, zone, runs):
    bounds = [datetime.combine(first + n * DAY, hour, zone) for n in range(runs + 1)]
    bounds = sorted({at.astimezone(UTC) for at in bounds})
    if len(bounds) > 1:
        assert exported_between(bounds) == whole_days(bounds[0].date(), bounds[-1].date())


@given(st.dates(date(2024, 1, 1), date(2027, 12, 31)), st.integers(0, 59), ZONES, st.integers(24, 100))
def test_hourly_runs_export_a_day_in_exactly_one_run_and_only_once_it_is_over(first, minute, zone, hours):
    begin = datetime.combine(first, time(0, minute), zone).astimezone(UTC)
    runs = Counter()
    for n in range(hours):
        start, end = ((begin + (n + k) * timedelta(hours=1)).astimezone(zone) for k in (0, 1))
        found = exported(start, end)
        assert len(found) <= 1
        for day in found:
            midnight = datetime.combine(day + DAY, time(), UTC)
            assert start < midnight <= end
        runs.update(found)
    assert dict(runs) == dict.fromkeys(whole_days(utc_day(begin), utc_day(begin + timedelta(hours=hours))), 1)


@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(days=40)))
def test_no_run_exports_a_day_that_is_not_over_at_its_intervals_end(start, length):
    end = (start.astimezone(UTC) + length).astimezone(start.tzinfo)
    if length:
        for day in exported(start, end):
            assert datetime.combine(day + DAY, time(), UTC) <= end


@given(MOMENTS, st.timedeltas(timedelta(days=1), timedelta(days=40)), st.integers(1, 400))
def test_a_lookback_has_the_given_length_and_ends_on_the_runs_last_day(start, period, lookback):
    end = (start.astimezone(UTC) + period).astimezone(start.tzinfo)
    own, window = exported(start, end), exported(start, end, lookback)
    assert window[-1] == own[-1]
    assert window == [own[-1] - n * DAY for n in range(lookback)][::-1]


@given(MOMENTS, st.integers(1, 30), st.sampled_from(["empty", "absent"]))
def test_a_lookback_without_an_interval_ends_on_the_day_before_the_run(moment, lookback, interval):
    context = {"dag_run": SimpleNamespace(run_after=moment)}
    if interval == "empty":
        context |= {"data_interval_start": moment, "data_interval_end": moment}
    found = run_days(context, lookback_days=lookback)
    assert found.last == utc_day(moment) - DAY
    assert len(found) == lookback


@given(MOMENTS)
def test_a_partition_exports_its_own_utc_day(moment):
    assert list(run_days({"partition_date": moment})) == [utc_day(moment)]


@given(st.dates(date(2024, 1, 1), date(2027, 12, 31)), st.integers(0, 100))
def test_given_days_are_exported_in_every_notation(first, more):
    last = first + more * DAY
    for write in (
        str,
        lambda day: day,
        lambda day: datetime.combine(day, time(23, 59), UTC),
        lambda day: f" {day}T12:00Z ",
    ):
        found = run_days({}, write(first), write(last))
        assert (found.first, found.last, len(found)) == (first, last, more + 1)
