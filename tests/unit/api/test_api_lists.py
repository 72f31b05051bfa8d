"""Lists over HTTP that change while they are read, and wrong totals."""

import pytest
from api_support import asked, connect

from airflow_provider_a360.api.errors import (
    A360ForbiddenError,
    A360FormatError,
    A360ListMovedError,
    A360RequestError,
)
from airflow_provider_a360.sandbox import example


def conversion(number):
    return {"id": number, "flow_id": 1, "conversion_date": "2026-11-02 10:00:00"}


def read(sandbox, **settings):
    return [row.conversion_id for row in connect(sandbox, **settings).conversions(example.MAIN_FLOW)]


@pytest.mark.parametrize("at_once", [1, 8])
def test_rows_added_while_a_list_is_read_cause_no_loss_and_no_duplicate(serve, at_once):
    sandbox = serve(grow_every=3, grow_rows=2)
    before = {row.id for row in sandbox.account.flow(example.MAIN_FLOW).conversions}
    found = read(sandbox, page_size=25, max_in_flight=at_once)
    assert len(sandbox.account.flow(example.MAIN_FLOW).conversions) > len(before)
    assert before <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("at_once", [1, 8])
def test_a_list_that_loses_rows_while_it_is_read_is_read_again(serve, at_once):
    """It changes at its 50th and 100th request. A reading takes 32, and the first stops where it notices the change."""
    sandbox = serve(grow_every=50, grow_rows=0, remove_rows=12)
    flow = sandbox.account.flow(example.MAIN_FLOW)
    client = connect(sandbox, page_size=60, max_in_flight=at_once)
    for _ in range(25):
        client.conversions(example.MAIN_FLOW)
    before = len(flow.conversions)
    found = [row.conversion_id for row in client.conversions(example.MAIN_FLOW)]
    assert len(flow.conversions) == before - 12
    assert {row.id for row in flow.conversions} <= set(found)
    assert len(found) == len(set(found))
    assert len(asked(sandbox)) >= 25 + 25 + before // 59


def test_a_list_that_changes_at_every_reading_is_given_up(serve):
    sandbox = serve(grow_every=1, grow_rows=0, remove_rows=8)
    with pytest.raises(
        A360ListMovedError,
        match=f"of flow {example.MAIN_FLOW} changed while it was read: attempt 4 found .* None of 4 attempts found",
    ):
        read(sandbox, page_size=20, max_in_flight=1)


def test_a_page_that_came_twice_loses_no_row(sandbox):
    rows = [conversion(number) for number in range(300, 297, -1)]
    path = f"/a360/autoresponders/{example.MAIN_FLOW}/conversions/list/all"
    # A page of two rows begins with the last row of the page before it; after a full one, another is requested.
    for page in (rows[:2], rows[:2], rows[:2], rows[1:], rows[2:]):
        sandbox.answer_next(path, body={"total": 3, "items": page})
    assert read(sandbox, page_size=2, max_in_flight=1) == [300, 299, 298]
    assert len(asked(sandbox)) == 5


def test_rows_missing_from_a_total_that_is_too_high_are_a_shortfall_with_a_warning(serve, caplog):
    sandbox = serve(total="high")
    client = connect(sandbox)
    wanted = list(connect(serve()).contacts(example.START, "maintrigger"))
    listing = client.contacts(example.START, "maintrigger")
    assert listing.shortfall is None
    assert list(listing) == wanted
    assert listing.shortfall == (len(wanted), len(wanted) * 3 // 2 + 1)
    assert not listing.total_is_confirmed
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith(
        f"The list of contacts of element {example.START}: the service returns only {len(wanted)} of "
    )
    # Two readings, with some requests past the end of each.
    assert len(asked(sandbox)) <= 2 * (len(wanted) // 99 + 20)


def test_a_listing_reads_its_first_page_at_once_and_the_rest_when_iterated(sandbox):
    listing = connect(sandbox, page_size=20, max_in_flight=1).conversions(example.MAIN_FLOW)
    assert len(asked(sandbox)) == 1
    next(iter(listing))
    assert len(asked(sandbox)) <= 4


def test_max_in_flight_pages_are_requested_in_parallel(sandbox):
    sandbox.options.latency = 0.1
    client = connect(sandbox, page_size=20, max_in_flight=4)
    pages = client.conversions(example.MAIN_FLOW).pages()
    next(pages)
    next(pages)
    pages.close()
    assert 3 < len(asked(sandbox)) < 10


def test_a_failure_in_a_later_page_ends_the_list_with_its_error(sandbox):
    client = connect(sandbox, page_size=20, max_in_flight=4)
    listing = client.conversions(example.MAIN_FLOW)
    sandbox.answer_next("/a360/autoresponders/", status=403, body={"message": "No"})
    with pytest.raises(A360ForbiddenError, match="403 No"):
        list(listing)


@pytest.mark.parametrize("status", [400, 404])
def test_a_page_that_is_refused_once_loses_no_row(sandbox, status):
    client = connect(sandbox, page_size=20, max_in_flight=4)
    listing = client.conversions(example.MAIN_FLOW)
    sandbox.answer_next("/a360/autoresponders/", status=status, body={"message": "No"})
    found = [row.conversion_id for row in listing]
    assert sorted(found) == sorted(row.id for row in sandbox.account.flow(example.MAIN_FLOW).conversions)
    assert listing.shortfall is None
    assert listing.total_is_confirmed


@pytest.mark.parametrize("manner", ["empty", "404", "400", "204"])
@pytest.mark.parametrize("total", ["right", "missing"])
@pytest.mark.parametrize("size", [7, 100])
def test_any_response_to_an_offset_past_the_end_ends_the_list(serve, manner, total, size):
    sandbox = serve(past_end=manner, total=total)
    listing = connect(sandbox, page_size=size).conversions(example.PAUSED_FLOW)
    assert [row.conversion_id for row in listing] == [
        row.id for row in reversed(sandbox.account.flow(example.PAUSED_FLOW).conversions_of())
    ]
    assert listing.shortfall is None
    assert listing.total_is_confirmed == (total == "right")


def test_an_offset_that_is_refused_below_the_total_is_a_shortfall(serve):
    sandbox = serve(most_offset=200)
    listing = connect(sandbox, page_size=50).conversions(example.MAIN_FLOW)
    found = [row.conversion_id for row in listing]
    rows = sandbox.account.flow(example.MAIN_FLOW).conversions_of()[::-1]
    assert found == [row.id for row in rows[: len(found)]]
    assert listing.shortfall == (len(found), len(rows))
    assert len(found) >= 200


def test_an_offset_that_is_refused_without_a_total_is_an_error(serve):
    """The list may end at the refused offset or go on."""
    sandbox = serve(most_offset=200, total="missing")
    with pytest.raises(A360RequestError, match="may not be greater than 200"):
        read(sandbox, page_size=50)


def test_a_first_page_that_is_refused_is_an_error(sandbox):
    sandbox.answer_next("/a360/autoresponders/", status=400, body={"message": "No"})
    with pytest.raises(A360RequestError, match="400 No"):
        connect(sandbox).conversions(example.MAIN_FLOW)


@pytest.mark.parametrize("key", ["items", "data"])
def test_a_total_above_0_with_no_rows_on_the_first_page_is_an_error(sandbox, key):
    sandbox.answer_next("/a360/autoresponders/", body={"total": 12, key: []})
    with pytest.raises(A360FormatError, match="the total is 12, but the first page holds no rows"):
        connect(sandbox).conversions(example.MAIN_FLOW)


def test_a_list_with_fewer_rows_than_its_total_is_kept_with_a_warning(serve, caplog):
    sandbox = serve(served_rows=1050)
    listing = connect(sandbox).conversions(example.MAIN_FLOW)
    rows = sandbox.account.flow(example.MAIN_FLOW).conversions_of()[::-1]
    assert [row.conversion_id for row in listing] == [row.id for row in rows[:1050]]
    assert listing.shortfall == (1050, len(rows))
    assert f"returns only 1050 of {len(rows)} rows" in caplog.text


def test_conversions_with_the_same_id_are_distinguished_by_kind_and_element(sandbox):
    shared = {"id": 7, "conversion_date": "2026-11-02 10:00:00"}
    rows = [
        {**shared, "conversion_type": kind, "flow_id": element}
        for kind, element in [("maintrigger", 1), ("goal", 2), ("goal", 3), ("goal", 3), (None, 3)]
    ]
    for items in (rows, rows[-1:]):
        sandbox.answer_next("/a360/autoresponders/", body={"total": 4, "items": items})
    found = connect(sandbox).conversions(example.MAIN_FLOW)
    assert [(row.conversion_type, row.element_id) for row in found] == [
        ("maintrigger", 1), ("goal", 2), ("goal", 3), (None, 3),
    ]  # fmt: skip


@pytest.mark.parametrize("total", ["right", "missing"])
def test_ids_that_repeat_for_each_kind_lose_no_conversion(serve, total):
    sandbox = serve(ids_by_kind=True, total=total)
    found = list(connect(sandbox).conversions(example.MAIN_FLOW))
    assert len(found) == len(sandbox.account.flow(example.MAIN_FLOW).conversions)
    assert len({row.conversion_id for row in found}) < len(found)


def test_a_second_list_of_a_kind_that_fits_on_a_page_takes_one_request(sandbox):
    """The first list shows on its second page that totals count the whole list."""
    client = connect(sandbox)
    list(client.conversions(example.MAIN_FLOW))
    sandbox.requests.clear()
    assert list(client.conversions(example.PAUSED_FLOW))
    assert asked(sandbox) == [200]
    list(client.contacts(example.PAID, "goal"))
    assert len(asked(sandbox)) > 2
