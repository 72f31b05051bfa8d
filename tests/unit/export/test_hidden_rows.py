"""Rows that the filter hides are found in the lists of adjacent days, or a note says that they may be missing."""

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
    WIDE,
    Client,
    busy,
    by_start,
    every,
    newest_first,
    oldest_first,
    read,
    replace_start,
    row,
    start_of,
    wanted,
)

from airflow_provider_a360.api.errors import A360ForbiddenError
from airflow_provider_a360.export.conversion_lists import Selection
from airflow_provider_a360.export.datasets import Diagnostics
from airflow_provider_a360.export.filter_date import FilterDate
from airflow_provider_a360.export.flow_conversions import FlowConversions


@pytest.mark.parametrize("order", [newest_first, oldest_first])
def test_hidden_row_is_found_among_many_days_before(order):
    """If the list is sorted by conversion date, it is on the first or last page."""
    rows = [
        *every(HOUR, MIDNIGHT - 40 * DAY, MIDNIGHT - 3 * DAY, MINUTE),
        row(5000, NOON, 20 * DAY),
        row(5001, NOON, HOUR),
    ]
    rows[7] = replace_start(rows[7], 5 * HOUR)
    rows[-10] = replace_start(rows[-10], 5 * HOUR)
    client = Client(rows, start_of, order)
    found, diagnostics = read(client)
    assert set(found) == {5000, 5001}
    assert None in client.requested
    assert len(diagnostics.notes) == 1
    assert client.fetched.count(BEFORE) <= 2


@pytest.mark.parametrize("order", [newest_first, oldest_first])
def test_sorted_list_is_conclusive_after_one_or_two_pages(order):
    rows = every(HOUR, MIDNIGHT - 40 * DAY, MIDNIGHT + DAY, MINUTE)
    for at in range(3, len(rows), 8):
        rows[at] = replace_start(rows[at], 5 * HOUR)
    client = Client(rows, order=order)
    found, diagnostics = read(client)
    assert set(found) == wanted(client)
    assert diagnostics.notes == []
    assert client.fetched.count(BEFORE) == (1 if order is newest_first else 2)


@pytest.mark.parametrize("at_once", [1, 8])
def test_ambiguous_order_reads_as_many_pages_as_the_days_have(at_once):
    """Pages are requested one after the other, so none is requested in vain."""
    rows = every(HOUR, MIDNIGHT - 40 * DAY, MIDNIGHT + DAY, MINUTE)
    client = Client(rows, order=by_start, at_once=at_once)
    found, diagnostics = read(client)
    assert set(found) == wanted(client)
    # 72 rows on 8 pages, and one more page to see whether the list ends there.
    assert client.fetched.count(WIDE) == 8
    assert client.fetched.count(BEFORE) == 8 + 1
    (note,) = diagnostics.notes
    assert "filters conversions (goal and maintrigger) by conversion_date" in note


def by_neither(one):
    return one.conversion_id * 7919 % 1009


def test_unordered_lists_take_at_most_fifty_pages_per_run():
    rows = every(HOUR, MIDNIGHT - 40 * DAY, MIDNIGHT + DAY, MINUTE)
    client, filter_date = Client(rows, order=by_neither), FilterDate(KINDS)
    for flow, fetched in ((1, 51), (2, 1)):
        reader = FlowConversions(client, flow, ONE_DAY, Selection(), filter_date)
        diagnostics, before = Diagnostics(), client.fetched.count(BEFORE)
        list(reader.open().rows(diagnostics))
        assert client.fetched.count(BEFORE) - before == fetched
        assert len(diagnostics.notes) == 1


@pytest.mark.parametrize(("pages", "settled"), [(1, True), (2, True), (3, True), (4, False)])
def test_list_read_to_its_end_is_conclusive(pages, settled):
    """The list of the days has three pages, so three pages are read."""
    days = every(HOUR, MIDNIGHT, MIDNIGHT + 23 * HOUR, MINUTE)
    before = every(
        HOUR, MIDNIGHT - 30 * DAY, MIDNIGHT - 30 * DAY + (10 + (pages - 1) * 9 - 1) * HOUR, MINUTE, number=100
    )
    client = Client([*days, *before], order=by_start)
    found, diagnostics = read(client)
    assert set(found) == wanted(client)
    assert client.fetched.count(WIDE) == 3
    assert (diagnostics.notes == []) == settled


def test_hidden_row_on_the_last_page_read_is_found():
    rows = [
        *every(HOUR, MIDNIGHT, MIDNIGHT + 23 * HOUR, MINUTE),
        *every(HOUR, NOON - 60 * DAY, NOON - 59 * DAY, MINUTE, number=100),
    ]
    rows += [row(5000, NOON, 90 * DAY)]
    client = Client(rows, start_of, by_start)
    assert set(read(client)[0]) == wanted(client)
    assert client.fetched.count(BEFORE) == 3


def test_refused_adjacent_list_is_noted():
    client = Client([row(1, NOON, MINUTE)], refused=(BEFORE,))
    found, diagnostics = read(client)
    assert found == [1]
    (note,) = diagnostics.notes
    assert note.startswith("It could not be proven that the service filters conversions (goal and maintrigger) by ")


def test_adjacent_list_that_fails_later_is_noted():
    client = Client(every(HOUR, MIDNIGHT - 9 * DAY, MIDNIGHT + DAY, MINUTE), order=by_start)
    conversions = client.conversions

    def failing(*what, **more):
        listing = conversions(*what, **more)
        if what[2] == BEFORE.last:
            fetch = listing._fetch

            def refuse(offset, limit):
                if offset:
                    raise A360ForbiddenError("GET", "/list", 403, "no")
                return fetch(offset, limit)

            listing._fetch = refuse
        return listing

    client.conversions = failing
    found, diagnostics = read(client)
    assert set(found) == wanted(client)
    assert "could not be proven" in diagnostics.notes[0]


def test_note_names_unproven_kinds_only():
    rows = [row(1, NOON, MINUTE), row(2, NOON, 30 * DAY, "maintrigger")]
    diagnostics = read(Client(rows, refused=(BEFORE,)))[1]
    assert "filters conversions (goal) by" in diagnostics.notes[0]


def test_kinds_proven_by_an_adjacent_list_are_not_noted():
    """The days before can't be listed; the days after hold a long journey."""
    rows = [*busy(), row(5000, NOON + 2 * DAY, 9 * DAY), row(5001, NOON + 2 * DAY, 9 * DAY, "maintrigger")]
    client = Client(rows, refused=(EVE,))
    found, diagnostics = read(client)
    assert set(found) == wanted(client)
    assert client.requested == [WIDE, ONE_DAY, EVE, NEXT]
    assert diagnostics.notes == []


@pytest.mark.parametrize("refused", [EVE, NEXT])
def test_one_refused_adjacent_list_is_not_conclusive(refused):
    """The other list is conclusive by its order, but only for its own days."""
    rows = [replace_start(one, (1 + one.conversion_id % 2 * 60) * MINUTE) for one in busy()]
    assert read(Client(rows))[1].notes == []
    (note,) = read(Client(rows, refused=(refused,)))[1].notes
    assert "could not be proven" in note


def test_disproven_filter_is_not_noted_as_unproven_too():
    """The days before can't be listed; the days after hold a row of the days."""
    client = Client(busy(), lambda one: one.conversion_date + (one.conversion_id == 300) * DAY, oldest_first)
    client.refused = (EVE,)
    (note,) = read(client)[1].notes
    assert "doesn't filter conversions by conversion_date" in note


def test_check_stops_at_the_first_row_that_disproves_the_filter():
    rows = [*every(HOUR, MIDNIGHT, MIDNIGHT + DAY, MINUTE), *every(HOUR, NOON - 60 * DAY, NOON - 50 * DAY, number=100)]
    client = Client([*rows, row(5000, NOON, 3 * DAY)], start_of, by_start)
    assert set(read(client)[0]) == wanted(client)
    assert client.fetched.count(BEFORE) == 1


def test_unexpected_kind_on_a_later_page_is_checked_too():
    """The first page proves the filter for goals, so the adjacent list isn't requested until the other kind comes."""

    def date_of(one):
        return one.conversion_date if one.conversion_type == "goal" else one.start_date

    goals = every(MINUTE, NOON, NOON + 12 * MINUTE, 30 * DAY)
    others = [row(90, NOON - HOUR, MINUTE, "bonus"), row(91, NOON, 20 * DAY, "bonus")]
    client = Client([*goals, *others], date_of)
    assert set(read(client, filter_date=FilterDate(["goal"]))[0]) == wanted(client)
    assert client.requested == [WIDE, BEFORE, None]
