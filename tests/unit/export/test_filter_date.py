"""Rows as evidence: the date that the filter goes by, the days that it covers, and the order of the list."""

from datetime import UTC, date, datetime, timedelta

import pytest

from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.records import Conversion
from airflow_provider_a360.export.filter_date import FilterDate, covers_whole_days, detect_order, midnight

FIRST = date(2026, 11, 10)
LOW, HIGH = datetime(2026, 11, 10, tzinfo=UTC), datetime(2026, 11, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = (timedelta(**{name: 1}) for name in ("seconds", "minutes", "hours", "days"))
KINDS = ["maintrigger", "goal"]


def row(converted, started=None, kind="goal", number=1):
    return Conversion(1, 3, number, kind, None, None, converted, started, None)


def seen(*rows, kinds=KINDS):
    filter_date = FilterDate(kinds)
    filter_date.observe(rows, LOW, HIGH)
    return filter_date


@pytest.mark.parametrize(
    ("converted", "disproven"),
    [(LOW - SECOND, True), (LOW, False), (LOW + DAY, False), (HIGH - SECOND, False), (HIGH, True), (HIGH + DAY, True)],
)
def test_row_converted_outside_disproves_conversion_date(converted, disproven):
    filter_date = seen(row(converted))
    assert filter_date.disproven == disproven
    assert filter_date.unproven_kinds == ["goal", "maintrigger"]
    assert not filter_date.disproven_after_proof


@pytest.mark.parametrize(
    ("started", "proven"),
    [
        (LOW - DAY - SECOND, True),
        (LOW - 30 * DAY, True),
        # The service may cut its days up to one day away from UTC.
        (LOW - DAY, False),
        (LOW - SECOND, False),
        (LOW, False),
        (HIGH, False),
        (None, False),
    ],
)
def test_row_started_long_before_proves_conversion_date(started, proven):
    filter_date = seen(row(LOW + HOUR, started))
    assert not filter_date.disproven
    assert filter_date.unproven_kinds == (["maintrigger"] if proven else ["goal", "maintrigger"])


def test_row_converted_outside_never_proves_conversion_date():
    filter_date = seen(row(LOW - SECOND, LOW - 30 * DAY))
    assert filter_date.disproven
    assert filter_date.unproven_kinds == ["goal", "maintrigger"]


def test_every_row_is_evidence():
    rows = [row(LOW, LOW, number=1), row(LOW, LOW - 2 * DAY, number=2), row(LOW, LOW, number=3)]
    assert seen(*rows).unproven_kinds == ["maintrigger"]
    assert seen(*rows, row(HIGH)).disproven
    assert seen(row(HIGH), *rows).disproven


def test_each_kind_is_proven_by_its_own_rows():
    filter_date = FilterDate(KINDS)
    filter_date.observe([row(LOW, LOW - 2 * DAY, "goal")], LOW, HIGH)
    assert filter_date.unproven_kinds == ["maintrigger"]
    filter_date.observe([row(LOW, LOW - 2 * DAY, "maintrigger")], LOW, HIGH)
    assert filter_date.unproven_kinds == []


def test_unexpected_kinds_must_be_proven_too():
    filter_date = seen(row(LOW, LOW, "bonus"), row(LOW, LOW - 2 * DAY, "goal"), row(LOW, LOW, None), kinds=["goal"])
    assert filter_date.unproven_kinds == ["bonus", "without a kind"]
    filter_date.observe([row(LOW, LOW - 2 * DAY, "bonus"), row(LOW, LOW - 2 * DAY, None)], LOW, HIGH)
    assert filter_date.unproven_kinds == []


def test_disproven_after_proof():
    goal, start = row(LOW, LOW - 2 * DAY, "goal"), row(HIGH, LOW, "maintrigger")
    assert not seen(goal, start).disproven_after_proof
    assert seen(goal, row(HIGH, LOW, "goal")).disproven_after_proof
    # The filter was disproven before the proof, so later flows were read from unfiltered lists.
    assert not seen(start, goal, row(HIGH, LOW, "goal")).disproven_after_proof
    filter_date = seen(goal, row(HIGH, LOW, "goal"))
    filter_date.observe([row(HIGH, LOW, "maintrigger")], LOW, HIGH)
    assert filter_date.disproven_after_proof


BEGIN, END = midnight(FIRST), midnight(FIRST) + 2 * DAY
QUARTER = 15 * MINUTE


@pytest.mark.parametrize(
    ("moments", "whole"),
    [
        ([BEGIN, END - SECOND], True),
        ([END - SECOND, BEGIN + DAY, BEGIN], True),
        ([BEGIN + QUARTER - SECOND, END - QUARTER], True),
        ([], False),
        ([BEGIN], False),
        ([END - SECOND], False),
        ([BEGIN - SECOND, BEGIN, END - SECOND], False),
        ([BEGIN + QUARTER, END - SECOND], False),
        ([BEGIN, END - QUARTER - SECOND], False),
        ([BEGIN, END - SECOND, END], False),
        ([BEGIN + DAY], False),
    ],
)
def test_rows_next_to_both_midnights_prove_whole_days(moments, whole):
    assert covers_whole_days(Days(FIRST, FIRST + DAY), [row(moment) for moment in moments]) == whole


@pytest.mark.parametrize("minutes", [*range(-14 * 60, 0, 15), *range(15, 14 * 60 + 1, 15)])
def test_days_cut_in_another_time_zone_never_look_whole(minutes):
    """With a row each minute, another time zone hides the rows of at least 15 minutes."""
    shift = minutes * MINUTE
    rows = [row(BEGIN + minute * MINUTE) for minute in range(-24 * 60, 3 * 24 * 60)]
    shown = [one for one in rows if BEGIN + shift <= one.conversion_date < END + shift]
    inside = [one for one in shown if BEGIN <= one.conversion_date < END]
    assert not covers_whole_days(Days(FIRST, FIRST + DAY), inside)
    assert covers_whole_days(Days(FIRST, FIRST + DAY), [one for one in rows if BEGIN <= one.conversion_date < END])


def of(*pairs):
    """Return rows that converted and started this many hours after midnight."""
    return [row(LOW + hours * HOUR, None if start is None else LOW + start * HOUR) for hours, start in pairs]


@pytest.mark.parametrize(
    ("rows", "order"),
    [
        (of((3, 1), (2, 2), (1, 0)), "newest first"),
        (of((1, 0), (2, 2), (3, 1)), "oldest first"),
        (of((3, 1), (3, 2), (2, 0)), "newest first"),
        (of((2, 0), (3, 2), (3, 1)), "oldest first"),
        (of((1, 2), (3, 1), (2, 0)), "unordered"),
        (of((1, 0), (3, 2), (2, 1)), "unordered"),
        # Sorted by start date as well, in either direction.
        (of((3, 2), (2, 1), (1, 0)), "ambiguous"),
        (of((3, 0), (2, 1), (1, 1)), "ambiguous"),
        (of((1, 0), (2, 1), (3, 2)), "ambiguous"),
        (of((1, 1), (2, 0), (3, 0)), "ambiguous"),
        # All converted at the same time.
        (of((3, 1), (3, 2), (3, 0)), "ambiguous"),
        # A row without a start date counts with its conversion date.
        (of((4, 1), (3, None), (2, 0)), "newest first"),
        (of((2, 0), (3, None), (4, 1)), "oldest first"),
        (of((3, None), (2, None)), "ambiguous"),
        (of((2, 2)), "ambiguous"),
        ([], "ambiguous"),
    ],
)
def test_order_is_ambiguous_if_start_dates_are_sorted_too(rows, order):
    assert detect_order(rows) == order
