"""A list that is read page by page while it changes: every row that stood throughout comes once, or the reader is told.

The service here is a list in memory that may change before each fetch.
"""

from dataclasses import dataclass, field
from itertools import count
from random import Random
from threading import Lock
from time import sleep

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from airflow_provider_a360.api.errors import A360ListMovedError
from airflow_provider_a360.api.paging import READINGS, Listing, Page

MOST_FETCHES = 3_000


@dataclass
class Service:
    """Rows are numbers; a new one has the highest, or, where the list is not `numbered`, the lowest. `changes` says for
    each fetch how many are added at the head, how many are removed, and with which dice, over and over until fetch
    number `lively`. With `anywhere`, they are not added at the head: a list that is read by one date may get rows by
    another.
    """

    rows: list[int]
    changes: list[tuple[int, int, int]] = field(default_factory=list)
    total: str | int | None = "right"
    cap: int = 100
    ignores_offset: bool = False
    short: dict[int, int] = field(default_factory=dict)
    lively: int = 15
    anywhere: bool = False
    numbered: bool = True
    fetches: int = 0

    def __post_init__(self) -> None:
        self.stood = set(self.rows)
        self.ever = set(self.rows)
        self._new = count(10_000) if self.numbered else count(-1, -1)

    def fetch(self, offset: int, limit: int) -> Page:
        self.fetches += 1
        assert self.fetches <= MOST_FETCHES, "reads for ever"
        if self.fetches > 1:
            self._change()
        offset = 0 if self.ignores_offset else offset
        rows = self.rows[offset : offset + min(limit, self.cap)]
        rows = rows[: self.short.get(self.fetches, len(rows))]
        total = len(self.rows) if self.total == "right" else self.total
        return Page(list(rows), list(rows), total)

    def _change(self) -> None:
        if not self.changes or self.fetches > self.lively:
            return
        added, removed, seed = self.changes[(self.fetches - 2) % len(self.changes)]
        dice = Random(seed)
        for _ in range(min(removed, len(self.rows))):
            self.stood.discard(self.rows.pop(dice.randrange(len(self.rows))))
        for _ in range(added):
            new = next(self._new)
            self.rows.insert(dice.randint(0, len(self.rows)) if self.anywhere else 0, new)
            self.ever.add(new)


def listing(service, page_size, at_once=1):
    return Listing(service.fetch, name="The list", page_size=page_size, at_once=at_once, numbered=service.numbered)


def read(service, page_size):
    """The rows, and whether the reader was told that the list moved."""
    found = []
    try:
        found.extend(iter_into(found, listing(service, page_size)))
    except A360ListMovedError:
        return found, True
    return found, False


def iter_into(found, rows):
    for row in rows:
        found.append(row)
    return ()


sizes = st.integers(1, 100)
lengths = st.one_of(st.integers(0, 12), st.integers(0, 80))
seeds = st.integers(0, 50)
changes = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), seeds), max_size=6)
storms = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), seeds), min_size=1, max_size=4)
totals = st.sampled_from(["right", "right", None])


def rows_of(length):
    return list(range(length, 0, -1))


def some_order(length, seed):
    """Of some seeds the oldest first, of others without any order."""
    rows = list(range(1, length + 1))
    if seed % 2:
        Random(seed).shuffle(rows)
    return rows


orders = st.one_of(st.builds(rows_of, lengths), st.builds(some_order, lengths, seeds))


@given(
    rows=orders, size=sizes, total=totals, moves=st.one_of(changes, storms), anywhere=st.booleans(),
    numbered=st.booleans(),
)  # fmt: skip
def test_a_row_that_stood_throughout_comes_exactly_once_or_the_reader_is_told(
    rows, size, total, moves, anywhere, numbered
):
    service = Service(rows, moves, total, anywhere=anywhere, numbered=numbered)
    found, told = read(service, size)
    event("told" if told else "whole")
    assert len(found) == len(set(found))
    assert set(found) <= service.ever
    if not told:
        assert service.stood <= set(found)


@given(length=lengths, size=sizes, cap=st.integers(2, 99), moves=changes)
def test_a_server_that_gives_less_than_was_asked_for_loses_no_row(length, size, cap, moves):
    service = Service(rows_of(length), moves, cap=cap)
    found, told = read(service, size)
    event("told" if told else "whole")
    assert len(found) == len(set(found))
    if not told:
        assert service.stood <= set(found)


@given(length=st.integers(1, 80), size=sizes, cap=st.integers(2, 100), more=st.integers(0, 500))
def test_a_total_too_high_of_a_list_that_holds_still_is_left_alone(length, size, cap, more):
    service = Service(rows_of(length), total=length + more, cap=cap)
    assert read(service, size) == (rows_of(length), False)


@given(length=st.integers(1, 50), more=st.integers(1, 5000), at_once=st.integers(1, 8))
def test_a_total_that_counts_something_else_than_the_rows_of_a_short_page_costs_little(length, more, at_once):
    service = Service(rows_of(length), total=length + more)
    assert list(listing(service, 51, at_once)) == rows_of(length)
    assert service.fetches <= 4


@given(length=lengths, size=sizes, share=st.floats(0, 1))
def test_a_total_too_low_cuts_nothing_off(length, size, share):
    assert read(Service(rows_of(length), total=int(length * share)), size) == (rows_of(length), False)


@given(length=lengths, size=st.integers(2, 100))
def test_a_list_that_holds_still_comes_in_its_order_with_no_request_too_many(length, size):
    service = Service(rows_of(length))
    assert read(service, size) == (rows_of(length), False)
    # A last page that is full is followed by one more.
    assert service.fetches == length // size + 1


@given(length=lengths, size=sizes, total=totals)
def test_a_list_that_is_not_numbered_or_does_not_say_how_long_it_is_comes_in_its_order(length, size, total):
    service = Service(rows_of(length), total=total, numbered=total is None)
    assert read(service, size) == (rows_of(length), False)
    assert service.fetches <= length // (max(2, size) - 1) + 1


@given(length=lengths, size=sizes, seed=seeds, total=totals)
def test_a_list_of_another_order_that_holds_still_comes_in_it_with_few_requests_more(length, size, seed, total):
    service = Service(some_order(length, seed), total=total)
    found, told = read(service, size)
    assert (set(found), len(found), told) == (service.stood, length, False)
    if size > 9:
        # By chance, a few rows may stand the newest first.
        assert found == service.rows
        assert service.fetches <= length // (size - 1) + 1


@given(length=lengths, size=sizes, total=st.sampled_from(["right", None, 1, 400]), moves=changes)
def test_a_server_that_ignores_the_offset_is_found_out(length, size, total, moves):
    service = Service(rows_of(length), moves, total, ignores_offset=True)
    found, told = read(service, size)
    assert len(found) == len(set(found))
    assert told or service.stood <= set(found)


@given(length=lengths, size=sizes, total=st.one_of(totals, st.integers(0, 400)), moves=storms, cap=st.integers(0, 3))
def test_reading_ends_whatever_the_server_does(length, size, total, moves, cap):
    found, _ = read(Service(rows_of(length), moves, total, cap=cap), size)
    assert len(found) == len(set(found))


@given(length=st.integers(1, 80), size=st.integers(2, 60), nth=st.integers(1, 12), rows=st.integers(0, 59))
def test_a_page_that_came_short_once_is_put_right(length, size, nth, rows):
    service = Service(rows_of(length), short={nth: rows})
    found, told = read(service, size)
    assert not told
    assert sorted(found, reverse=True) == rows_of(length)


@given(length=st.integers(0, 80), size=st.integers(2, 60), at_once=st.integers(2, 8))
def test_pages_read_side_by_side_come_in_order(length, size, at_once):
    service = Service(rows_of(length))
    assert list(listing(service, size, at_once)) == rows_of(length)


@given(
    length=st.integers(0, 200), size=st.integers(7, 60), at_once=st.integers(2, 8), moves=changes, seed=seeds,
    order=st.sampled_from([lambda length, _: rows_of(length), some_order]), anywhere=st.booleans(),
    numbered=st.booleans(),
)  # fmt: skip
def test_side_by_side_a_row_that_stood_throughout_comes_once_or_the_reader_is_told(
    length, size, at_once, moves, seed, order, anywhere, numbered
):
    service = Service(order(length, seed), moves, lively=30, anywhere=anywhere, numbered=numbered)
    dice = Random(seed)
    turn = Lock()

    def fetch(offset, limit):
        # Whoever asked first may be answered last.
        sleep(dice.random() / 1000)
        with turn:
            return service.fetch(offset, limit)

    found = []
    try:
        found.extend(Listing(fetch, name="The list", page_size=size, at_once=at_once, numbered=numbered))
    except A360ListMovedError:
        event("told")
        return
    assert len(found) == len(set(found))
    event("again" if service.fetches > length // (size - 1) + 2 else "once")
    assert service.stood <= set(found) <= service.ever


@pytest.mark.parametrize(("numbered", "new"), [(True, 1_000), (False, 0)])
def test_a_row_that_goes_behind_the_reader_while_one_comes_ahead_of_it_hides_no_third(numbered, new):
    """Count and total agree all the while."""
    service = Service(rows_of(40), numbered=numbered)

    def fetch(offset, limit):
        if service.fetches == 1:
            service.rows.remove(40)
            service.rows.insert(30, new)
        return service.fetch(offset, limit)

    found = list(Listing(fetch, name="The list", page_size=10, numbered=numbered))
    assert len(found) == len(set(found))
    assert set(range(1, 40)) <= set(found)


@pytest.mark.parametrize("added", [1, 2, 3, 20])
@pytest.mark.parametrize("size", [1, 2, 3, 10])
@pytest.mark.parametrize("cap", [1, 100])
def test_a_list_that_grows_at_every_fetch_is_not_read_for_ever(added, size, cap):
    service = Service(rows_of(20), [(added, 0, 1)], None if cap > 1 else "right", cap=cap, lively=MOST_FETCHES)
    found, _ = read(service, size)
    assert len(found) == len(set(found))


def test_a_list_that_changes_all_the_time_is_given_up_with_a_reason():
    service = Service(rows_of(200), [(0, 7, 1)], lively=MOST_FETCHES)
    with pytest.raises(A360ListMovedError, match=f"The list changed each of the {READINGS} times"):
        list(listing(service, 20))


def test_a_row_added_before_the_look_behind_a_full_last_page_costs_no_further_reading():
    """That look shows the list's end once more, and more of it than the row that pages share."""
    rows = rows_of(7)
    service = Service(list(rows), changes=[(0, 0, 1), (1, 0, 1)], numbered=False)
    assert read(service, 4) == (rows, False)
    assert service.fetches == 3


def test_one_removal_costs_one_more_reading():
    service = Service(rows_of(200), [(0, 0, 1), (0, 1, 1), *[(0, 0, 1)] * 50])
    found, told = read(service, 20)
    assert not told
    assert sorted(found) == sorted(service.ever)
    assert service.fetches <= 2 * (200 // 19 + 1)


@given(length=st.integers(0, 80), size=st.integers(2, 60))
def test_newest_and_oldest_are_among_the_ends(length, size):
    service = Service(rows_of(length))
    found = listing(service, size)
    ends = found.first.rows + found.last_rows()
    assert set(ends) <= set(service.rows)
    assert not length or {1, length} <= set(ends)
    assert service.fetches <= 2
