"""The lists that are requested for a flow, and the rows that are selected from them."""

import pytest
from conversions_support import (
    BEFORE,
    DAY,
    EVE,
    HOUR,
    KINDS,
    MIDNIGHT,
    MINUTE,
    NEXT,
    NOON,
    ONE_DAY,
    SECOND,
    TODAY,
    WIDE,
    Client,
    busy,
    by_conversion,
    by_start,
    disproven,
    every,
    newest_first,
    oldest_first,
    proven,
    read,
    reader,
    row,
    start_of,
    wanted,
)

from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.settings import Settings
from airflow_provider_a360.export.conversion_lists import Selection
from airflow_provider_a360.export.conversions import Conversions
from airflow_provider_a360.export.datasets import Diagnostics
from airflow_provider_a360.export.filter_date import FilterDate

# Which lists are requested.


def test_two_more_days_on_both_sides_and_all_days_before_are_requested():
    client = Client(every(6 * HOUR, NOON - 2 * DAY, NOON + 2 * DAY, MINUTE))
    assert set(read(client)[0]) == wanted(client)
    assert client.requested == [WIDE, BEFORE]


def test_proven_filter_requests_one_list():
    client = Client(every(6 * HOUR, NOON - 2 * DAY, NOON + 2 * DAY, MINUTE))
    assert set(read(client, filter_date=proven())[0]) == wanted(client)
    assert client.requested == [WIDE]


def test_first_page_that_proves_the_filter_saves_the_days_before():
    client = Client([row(1, NOON, 30 * DAY, "goal"), row(2, NOON, 30 * DAY, "maintrigger")])
    assert read(client) == ([2, 1], Diagnostics())
    assert client.requested == [WIDE]


def test_later_page_that_proves_the_filter_saves_further_pages_of_the_days_before():
    """Their first page has been requested by then."""
    old = row(99, MIDNIGHT - DAY, 30 * DAY)
    rows = [
        *every(HOUR, MIDNIGHT, MIDNIGHT + DAY, MINUTE),
        old,
        *every(HOUR, NOON - 60 * DAY, NOON - 55 * DAY, number=100),
    ]
    client = Client(rows, order=by_start)
    filter_date = FilterDate(["goal"])
    found, diagnostics = read(client, filter_date=filter_date)
    assert set(found) == wanted(client)
    assert filter_date.unproven_kinds == []
    assert diagnostics.notes == []
    assert client.fetched.count(BEFORE) == 1


def test_disproven_filter_requests_only_the_unfiltered_list():
    client = Client(every(HOUR, NOON - 2 * DAY, NOON + 2 * DAY, 3 * DAY), start_of)
    found, diagnostics = read(client, filter_date=disproven())
    assert set(found) == wanted(client)
    assert client.requested == [None]
    (note,) = diagnostics.notes
    assert note.startswith("The service doesn't filter conversions by conversion_date")
    assert "may lack some conversions" not in note


def test_every_list_has_the_selection():
    client = Client(every(HOUR, NOON - 2 * DAY, NOON + 2 * DAY, 3 * DAY), start_of)
    read(client, selection=Selection("goal", 641435))
    assert set(client.requested) == {WIDE, BEFORE, None}
    assert client.selections == {(1, "goal", 641435)}


def test_further_pages_are_expected_requests():
    client = Client(every(HOUR, MIDNIGHT, MIDNIGHT + DAY, MINUTE))
    # 24 rows on pages of 10, which overlap by one row.
    assert read(client)[1].requests_expected == 2
    assert read(client, filter_date=disproven())[1].requests_expected == 2


# Which rows are selected.


@pytest.mark.parametrize("hours", range(-14, 15, 2))
@pytest.mark.parametrize("lte_includes_day", [True, False])
@pytest.mark.parametrize("date_of", [by_conversion, start_of])
@pytest.mark.parametrize("order", [newest_first, oldest_first, by_start])
@pytest.mark.parametrize("journey", [MINUTE, 30 * HOUR])
def test_every_row_is_read_however_the_service_cuts_days(hours, lte_includes_day, date_of, order, journey):
    rows = every(HOUR, MIDNIGHT - 4 * DAY, MIDNIGHT + 4 * DAY, journey)
    client = Client(rows, date_of, order, hours * HOUR, lte_includes_day, size=50)
    found, diagnostics = read(client)
    assert set(found) == wanted(client)
    if date_of is by_conversion:
        assert diagnostics.notes == []
        assert None not in client.requested


@pytest.mark.parametrize("date_of", [by_conversion, start_of])
@pytest.mark.parametrize("journey_days", [0, 1, 2, 3, 10])
def test_single_row_is_read_however_long_the_journey(date_of, journey_days):
    client = Client([row(1, NOON, journey_days * DAY + 13 * HOUR)], date_of)
    assert read(client)[0] == [1]


@pytest.mark.parametrize("ahead", [-12, 0, 14])
@pytest.mark.parametrize("started", range(12 * -24, 0, 6))
def test_no_start_date_falls_between_the_requested_lists(ahead, started):
    """Not even if the filter leaves out the last day."""
    journey = NOON - (MIDNIGHT + started * HOUR)
    client = Client([row(1, NOON, journey)], start_of, ahead=ahead * HOUR, lte_includes_day=False)
    assert read(client)[0] == [1]


def test_rows_read_before_the_filter_was_disproven_are_not_repeated():
    """The first page holds rows of the days; the second holds a row of another day."""
    days = [*every(10 * MINUTE, NOON, NOON + 5 * HOUR, MINUTE)]
    rows = [*days, row(90, NOON - 3 * HOUR, 60 * DAY), row(91, NOON + 20 * DAY, 20 * DAY)]
    client = Client(rows, start_of, order=lambda one: 11.5 if one.conversion_id == 91 else one.conversion_id)
    found, diagnostics = read(client)
    assert found == [*range(1, 31), 90]
    assert client.requested == [WIDE, BEFORE, None]
    assert len(diagnostics.notes) == 1
    # The first page disproves nothing, the second does, so no further page is read.
    assert client.fetched.count(WIDE) == 2
    assert client.fetched.count(BEFORE) == 1


@pytest.mark.parametrize(
    ("converted", "whole"),
    [
        (MIDNIGHT - 3 * DAY, False),
        (MIDNIGHT - 3 * DAY - SECOND, True),
        (MIDNIGHT + 4 * DAY - SECOND, False),
        (MIDNIGHT + 4 * DAY, True),
    ],
)
def test_row_disproves_the_filter_if_no_time_zone_explains_it(converted, whole):
    """A time zone may add up to one day before and after the requested days."""
    client = Client([row(1, NOON, MINUTE), row(2, converted, MINUTE)], lambda _: NOON)
    assert read(client)[0] == [1]
    assert (None in client.requested) == whole


def test_unfiltered_lists_are_noted_once_for_two_flows(caplog):
    filter_date, diagnostics = FilterDate(KINDS), Diagnostics()
    for _ in range(2):
        client = Client(every(HOUR, NOON - 2 * DAY, NOON + 2 * DAY, 3 * DAY), start_of)
        list(reader(client, filter_date=filter_date).open().rows(diagnostics))
    assert len(diagnostics.notes) == 1
    assert caplog.text.count("doesn't filter conversions by conversion_date") == 1
    assert client.requested == [None]


def test_reader_opened_before_another_flow_disproved_the_filter_reads_the_unfiltered_list():
    client, filter_date, diagnostics = Client([row(1, NOON, 9 * DAY)], start_of), FilterDate(KINDS), Diagnostics()
    first = reader(client, filter_date=filter_date).open()
    filter_date.observe([row(1, NOON)], MIDNIGHT + DAY, MIDNIGHT + 2 * DAY)
    fetched = len(client.fetched)
    assert [one.conversion_id for _, rows in first.rows(diagnostics) for one in rows] == [1]
    assert set(client.fetched[fetched:]) == {None}


def test_disproof_after_proof_is_noted_for_earlier_flows():
    rows = [row(1, NOON, MINUTE), row(2, NOON + 30 * DAY, 30 * DAY)]
    (note,) = read(Client(rows, start_of), filter_date=proven())[1].notes
    assert note.endswith("Flows that were read before this was known may lack some conversions.")


# The exact days.


def test_exact_days_of_a_busy_flow_are_requested():
    client = Client(busy())
    assert set(read(client)[0]) == wanted(client)
    assert client.requested == [WIDE, ONE_DAY, EVE, NEXT]
    assert client.fetched.count(WIDE) == 1


def test_busy_flow_with_proven_filter_takes_its_own_pages_only():
    client = Client(busy())
    assert set(read(client, filter_date=proven())[0]) == wanted(client)
    assert client.requested == [WIDE, ONE_DAY]
    # 144 rows on pages of 10, which overlap by one row; and the last page, to check the days.
    assert client.fetched == [WIDE, *[ONE_DAY] * (16 + 1)]


@pytest.mark.parametrize(("rows", "alone"), [(10 + 3 * 9, False), (10 + 3 * 9 + 1, True)])
def test_exact_days_are_requested_if_that_saves_more_than_three_pages(rows, alone):
    """Four of five days are saved: 2.4 of three further pages, 3.2 of four."""
    client = Client(every(SECOND, NOON, NOON + rows * SECOND, MINUTE))
    assert set(read(client)[0]) == wanted(client)
    assert (ONE_DAY in client.requested) == alone


@pytest.mark.parametrize(("pages", "alone"), [(12, False), (13, True)])
def test_exact_days_of_a_long_span_save_few_pages(pages, alone):
    """Four of 16 days are saved, a quarter of the pages: three of twelve are not enough."""
    days = Days(TODAY, TODAY + 11 * DAY)
    client = Client(every(SECOND, NOON, NOON + (10 + pages * 9) * SECOND, MINUTE))
    assert set(read(client, days)[0]) == wanted(client, days)
    assert (days in client.requested) == alone


@pytest.mark.parametrize("hours", [-14, -1, 1, 14])
@pytest.mark.parametrize("order", [newest_first, oldest_first, by_start])
def test_exact_days_cut_in_another_time_zone_are_not_used(hours, order):
    client = Client(busy(MIDNIGHT - 4 * DAY, MIDNIGHT + 5 * DAY), ahead=hours * HOUR, order=order)
    assert set(read(client)[0]) == wanted(client)
    assert client.requested == [WIDE, ONE_DAY, BEFORE]


def test_exact_days_without_the_last_one_are_not_used():
    client = Client(busy(), lte_includes_day=False)
    assert set(read(client)[0]) == wanted(client)
    assert client.requested == [WIDE, ONE_DAY, BEFORE]


def test_refused_exact_days_are_read_with_the_margin():
    client = Client(busy(), refused=(ONE_DAY,))
    assert set(read(client)[0]) == wanted(client)
    assert client.requested == [WIDE, ONE_DAY, BEFORE]


@pytest.mark.parametrize("order", [newest_first, oldest_first, by_start])
@pytest.mark.parametrize("date_of", [by_conversion, start_of])
@pytest.mark.parametrize("journey", [MINUTE, 2 * HOUR, 25 * HOUR, 5 * DAY])
def test_busy_flow_is_complete_or_noted_whatever_the_filter_goes_by(order, date_of, journey):
    client = Client(busy(MIDNIGHT - 4 * DAY, MIDNIGHT + 4 * DAY, journey), date_of, order)
    found, diagnostics = read(client)
    assert set(found) == wanted(client) or "could not be proven" in diagnostics.notes[0]
    assert set(found) == wanted(client) or journey > 4 * DAY


def test_exact_days_row_converted_on_an_adjacent_day_disproves_the_filter():
    """The filter goes by start date, and only a later page shows a journey over midnight."""
    rows = [*busy(journey=0 * HOUR), row(5000, NOON + 13 * HOUR, 14 * HOUR), row(5001, NOON - 11 * HOUR, 14 * HOUR)]
    client = Client(rows, start_of, by_start)
    assert set(read(client)[0]) == wanted(client)
    assert client.requested == [WIDE, ONE_DAY, EVE, NEXT, None]


@pytest.mark.parametrize("hours", [-13, 13])
def test_exact_days_row_of_another_day_disproves_the_filter_although_none_is_hidden(hours):
    rows = [*busy(journey=0 * HOUR), row(5000, NOON + hours * HOUR)]

    def shown_at(one):
        return NOON if one.conversion_id == 5000 else one.conversion_date

    client = Client(rows, shown_at, order=lambda one: (shown_at(one), one.conversion_id))
    assert set(read(client)[0]) == wanted(client)
    assert client.requested[:2] == [WIDE, ONE_DAY]
    assert client.requested[-1] is None


def test_exact_days_journey_from_more_than_a_day_before_proves_the_filter():
    """In the list with the margin, it would have to start before the margin."""
    client = Client(busy(journey=50 * HOUR))
    assert read(client, filter_date=FilterDate(["goal"]))[1].notes == []
    assert client.requested == [WIDE, ONE_DAY]


def test_exact_days_with_a_wrong_total_are_not_used():
    client = Client(busy(), totals={ONE_DAY: 150})
    found, diagnostics = read(client, filter_date=proven())
    assert (set(found), diagnostics.notes) == (wanted(client), [])
    assert client.requested == [WIDE, ONE_DAY]
    assert client.fetched.count(ONE_DAY) == 2


def test_exact_days_row_hidden_on_the_day_before_is_found():
    rows = [*busy(journey=0 * HOUR), row(5001, NOON - 11 * HOUR, 14 * HOUR)]
    client = Client(rows, start_of)
    assert set(read(client)[0]) == wanted(client)
    assert client.requested == [WIDE, ONE_DAY, EVE, NEXT, None]


def test_exact_days_row_hidden_on_the_day_after_is_found():
    """The filter goes by a date that is later than the conversion."""
    client = Client(busy(), lambda one: one.conversion_date + (one.conversion_id == 300) * DAY, oldest_first)
    assert client.rows[299].conversion_date.date() == TODAY
    assert set(read(client)[0]) == wanted(client)
    assert None in client.requested


# The dataset.


@pytest.mark.parametrize(
    ("dataset", "kinds"),
    [
        (Conversions(), "goal and maintrigger"),
        (Conversions("goal"), "goal"),
        (Conversions("maintrigger"), "maintrigger"),
        (Conversions(goal_id=3), "goal"),
    ],
)
def test_filter_must_be_proven_for_the_exported_kinds(dataset, kinds, monkeypatch):
    monkeypatch.setattr("airflow_provider_a360.export.conversions.check_goal", lambda *_: None)
    client = Client([], refused=(BEFORE,))
    client.settings = Settings(secret="s", max_in_flight=4)
    diagnostics = Diagnostics()
    for batch in dataset.batches(client, dataset.plan([[1], [2]], ONE_DAY), diagnostics):
        assert list(batch.rows) == []
    (note,) = diagnostics.notes
    assert f"filters conversions ({kinds}) by" in note
