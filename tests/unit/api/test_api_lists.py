"""Lists over HTTP that don't hold still, and totals that count something else."""

import pytest
from api_support import asked, connect

from airflow_provider_a360.api.errors import A360ListMovedError, A360NoDataError
from airflow_provider_a360.sandbox import example


def conversion(number):
    return {"id": number, "flow_id": 1, "conversion_date": "2026-11-02 10:00:00"}


def read(sandbox, **settings):
    return [row.conversion_id for row in connect(sandbox, **settings).conversions(example.MAIN_FLOW)]


@pytest.mark.parametrize("at_once", [1, 8])
def test_rows_added_while_a_list_is_read_lose_and_repeat_none(serve, at_once):
    sandbox = serve(grow_every=3, grow_rows=2)
    before = {row.id for row in sandbox.account.flow(example.MAIN_FLOW).conversions}
    found = read(sandbox, page_size=25, max_in_flight=at_once)
    assert len(sandbox.account.flow(example.MAIN_FLOW).conversions) > len(before)
    assert before <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("at_once", [1, 8])
def test_a_list_that_loses_rows_while_it_is_read_is_read_again(serve, at_once):
    """It changes at its 50th request and then at the 100th; a reading takes 32."""
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
    assert len(asked(sandbox)) > 25 + before / 59 * 1.9


def test_a_list_that_never_holds_still_is_given_up(serve):
    sandbox = serve(grow_every=1, grow_rows=0, remove_rows=8)
    with pytest.raises(
        A360ListMovedError, match=f"conversions of flow {example.MAIN_FLOW} changed each of the 4 times"
    ):
        read(sandbox, page_size=20, max_in_flight=1)


def test_a_page_that_came_twice_is_put_right(sandbox):
    rows = [conversion(number) for number in range(300, 297, -1)]
    path = f"/a360/autoresponders/{example.MAIN_FLOW}/conversions/list/all"
    for page in (rows[:2], rows[:2], rows[2:], rows[:2], rows[1:], rows[2:]):
        sandbox.answer_next(path, body={"total": 3, "items": page})
    assert read(sandbox, page_size=2, max_in_flight=1) == [300, 299, 298]


def test_a_total_that_counts_something_else_is_left_alone(sandbox):
    path = f"/a360/stats/main-trigger/{example.START}/addresses"
    rows = [{"event_id": f"{number:032x}", "execution_date": "2026-11-02 10:00:00"} for number in range(120)]
    for _ in range(2):
        sandbox.answer_next(path, body={"total": 150, "data": rows[:100]})
        sandbox.answer_next(path, body={"total": 150, "data": rows[99:]})
    found = list(connect(sandbox, max_in_flight=1).contacts(example.START, "maintrigger"))
    assert [row.event_id for row in found] == [row["event_id"] for row in rows]
    assert asked(sandbox) == [200] * 4


def test_a_listing_reads_its_first_page_at_once_and_the_rest_when_iterated(sandbox):
    listing = connect(sandbox, page_size=20, max_in_flight=1).conversions(example.MAIN_FLOW)
    assert len(asked(sandbox)) == 1
    next(iter(listing))
    assert len(asked(sandbox)) <= 4


def test_a_failure_in_a_later_page_ends_the_list_with_its_error(sandbox):
    client = connect(sandbox, page_size=20, max_in_flight=4)
    listing = client.conversions(example.MAIN_FLOW)
    sandbox.answer_next("/a360/autoresponders/", status=400, body={"message": "No"})
    with pytest.raises(Exception, match="400 No") as caught:
        list(listing)
    assert not isinstance(caught.value, A360NoDataError)
