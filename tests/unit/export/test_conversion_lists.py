"""A list with fewer rows than its total, or than the service's own count, is noted."""

import pytest
from conversions_support import DAY, HOUR, MINUTE, NOON, WIDE, Client, disproven, every, proven, read, row, start_of

from airflow_provider_a360.api.records import ConversionCount, ConversionTotals
from airflow_provider_a360.export.conversion_lists import Selection


def counts(total=9, start=4, goals=5, **of_goals):
    listed = [
        ConversionCount(int(number[1:]), "goal", None, None, None, count, None) for number, count in of_goals.items()
    ]
    return ConversionTotals(total, start, goals, None, listed)


@pytest.mark.parametrize(
    ("selection", "own"),
    [
        (Selection(), "is 9"),
        (Selection("maintrigger"), "is 4"),
        (Selection("goal"), "is 5"),
        (Selection("goal", 7), "is 3"),
        (Selection("goal", 8), "is not available"),
    ],
)
def test_shortfall_is_noted_with_the_services_own_count(selection, own):
    client = Client([row(1, NOON, MINUTE)], totals={WIDE: 12}, counts=counts(_6=2, _7=3))
    found, diagnostics = read(client, filter_date=proven(), selection=selection)
    assert found == [1]
    (note,) = diagnostics.notes
    assert note.startswith(f"Flow 1: only 1 of 12 conversions of {WIDE} could be read; the service's own count {own}. ")
    assert client.counted == [(1, WIDE.first, WIDE.last)]


def test_shortfall_is_noted_without_a_count_too():
    client = Client([row(1, NOON, MINUTE)], totals={WIDE: 12})
    assert "own count is not available" in read(client, filter_date=proven())[1].notes[0]


@pytest.mark.parametrize(
    ("total", "count", "noted"), [(None, 9, True), (None, 3, False), (None, 2, False), (3, 9, False)]
)
def test_list_without_a_total_is_compared_with_the_services_own_count(total, count, noted):
    rows = every(HOUR, NOON, NOON + 3 * HOUR, MINUTE)
    client = Client(rows, totals={WIDE: total}, counts=counts(total=count))
    diagnostics = read(client, filter_date=proven())[1]
    said = f"Flow 1: only 3 conversions of {WIDE} could be read, while the service counts {count}."
    assert diagnostics.notes == ([f"{said} The files hold the conversions that could be read."] if noted else [])
    assert client.counted == ([] if total else [(1, WIDE.first, WIDE.last)])


def test_list_without_total_and_count_is_not_noted():
    client = Client([row(1, NOON, MINUTE)], totals={WIDE: None})
    assert read(client, filter_date=proven())[1].notes == []
    client.counts = counts(total=None)
    assert read(client, filter_date=proven())[1].notes == []


def test_shortfall_of_the_unfiltered_list_is_noted_with_the_count_of_all_days():
    client = Client([row(1, NOON, MINUTE)], totals={None: 12}, counts=counts())
    notes = read(client, filter_date=disproven())[1].notes
    assert notes[1].startswith("Flow 1: only 1 of 12 conversions could be read; the service's own count is 9. ")
    assert client.counted == [(1, None, None)]


def test_shortfall_of_an_abandoned_list_is_not_noted():
    client = Client([row(1, NOON, MINUTE), row(2, NOON + 30 * DAY, 30 * DAY)], start_of, totals={WIDE: 12})
    assert len(read(client)[1].notes) == 1
