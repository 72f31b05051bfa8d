"""Read a list page by page while it changes: each row that was in it throughout is read once, or an error is reported.

The service here is a list in memory that may change before each fetch.
"""

from dataclasses import dataclass, field
from itertools import count, groupby
from random import Random
from threading import Lock
from time import sleep

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from airflow_provider_a360.api.errors import A360FormatError, A360ListMovedError, A360RequestError
from airflow_provider_a360.api.paging import READINGS, Listing
from airflow_provider_a360.api.reading import Page, Reading, TotalMeaning

MOST_FETCHES = 3_000


@dataclass
class Service:
    """A list in memory whose rows are numbers.

    `changes` has for each fetch the number of added rows, the number of removed rows and a random seed. It repeats
    until fetch number `last_change`. Rows are added at the head, or `anywhere`, as in a list that is sorted by a date
    that isn't the date of addition. `dropped` rows are removed from a page after the page was cut, so it is short.
    `short` has the length of a page by the number of its fetch. `total` is the stated total: a number, None, "right",
    or "page" for the number of rows on the page.
    """

    rows: list[int]
    changes: list[tuple[int, int, int]] = field(default_factory=list)
    total: str | int | None = "right"
    cap: int = 100
    ignores_offset: bool = False
    short: dict[int, int] = field(default_factory=dict)
    last_change: int = 15
    anywhere: bool = False
    dropped: frozenset[int] = frozenset()
    past_end: str = "empty"
    fetches: int = 0

    def __post_init__(self) -> None:
        self.unchanged = set(self.rows) - self.dropped
        self.all_rows = set(self.rows)
        self._new = count(10_000)

    def fetch(self, offset: int, limit: int) -> Page:
        self.fetches += 1
        assert offset >= 0
        assert self.fetches <= MOST_FETCHES, "reading doesn't end"
        if self.fetches > 1:
            self._change()
        offset = 0 if self.ignores_offset else offset
        if offset >= len(self.rows) > 0 and self.past_end == "400":
            return Page([], [], refusal=A360RequestError("GET", "/list", 400, "no such page"))
        rows = self.rows[offset : offset + min(limit, self.cap)]
        rows = [row for row in rows if row not in self.dropped]
        rows = rows[: self.short.get(self.fetches, len(rows))]
        seen = len(self.rows) - len(self.dropped.intersection(self.rows))
        total = {"right": seen, "page": len(rows)}.get(self.total, self.total)
        return Page(rows, rows, total)

    def _change(self) -> None:
        if not self.changes or self.fetches > self.last_change:
            return
        added, removed, seed = self.changes[(self.fetches - 2) % len(self.changes)]
        rng = Random(seed)
        for _ in range(min(removed, len(self.rows))):
            self.unchanged.discard(self.rows.pop(rng.randrange(len(self.rows))))
        for _ in range(added):
            new = next(self._new)
            self.rows.insert(rng.randint(0, len(self.rows)) if self.anywhere else 0, new)
            self.all_rows.add(new)


def listing(service, page_size, at_once=1):
    return Listing(service.fetch, name="The list", page_size=page_size, at_once=at_once)


def read(service, page_size, at_once=1):
    """Return the rows, and whether an error or a shortfall reported that they are incomplete."""
    found = []
    try:
        rows = listing(service, page_size, at_once)
        found.extend(append_each(found, rows))
    except (A360ListMovedError, A360FormatError):
        return found, True
    return found, rows.shortfall is not None


def append_each(found, rows):
    """Append the rows one by one, so that those before an error are kept."""
    for row in rows:
        found.append(row)
    return ()


sizes = st.integers(1, 100)
lengths = st.one_of(st.integers(0, 12), st.integers(0, 80))
seeds = st.integers(0, 50)
changes = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), seeds), max_size=6)
storms = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), seeds), min_size=1, max_size=4)
totals = st.sampled_from(["right", "right", None])
caps = st.sampled_from([2, 3, 7, 50, 100])
# Rows are added, none is removed.
growth = st.lists(st.tuples(st.integers(0, 3), st.just(0), seeds), max_size=6)


def rows_of(length):
    """Return a list of rows, newest first; the last row is 1."""
    return list(range(length, 0, -1))


def some_order(length, seed):
    """Return a list of rows, oldest first for even seeds, shuffled for odd ones."""
    rows = list(range(1, length + 1))
    if seed % 2:
        Random(seed).shuffle(rows)
    return rows


orders = st.one_of(st.builds(rows_of, lengths), st.builds(some_order, lengths, seeds))


@given(
    rows=orders, size=sizes, total=st.sampled_from(["right", "right", "page", None]), cap=caps, anywhere=st.booleans(),
    moves=st.one_of(changes, storms), at_once=st.sampled_from([1, 1, 3]), past_end=st.sampled_from(["empty", "400"]),
)  # fmt: skip
def test_an_unchanged_row_is_read_exactly_once_or_an_error_is_reported(
    rows, size, total, cap, anywhere, moves, at_once, past_end
):
    if total == "page":
        # Such a list that also grows by a page at every request looks like one whose offset is ignored.
        cap = 100
    service = Service(rows, moves, total, cap=cap, anywhere=anywhere, past_end=past_end)
    found, reported = read(service, size, at_once)
    event("reported" if reported else "complete")
    assert len(found) == len(set(found))
    assert set(found) <= service.all_rows
    if not reported:
        assert service.unchanged <= set(found)


@given(
    length=st.integers(0, 120), size=sizes, share=st.sampled_from([0.1, 0.5, 0.9]), seed=seeds, cap=caps,
    total=st.sampled_from(["right", "page", None, "raw", "high"]), at_once=st.sampled_from([1, 3]),
)  # fmt: skip
def test_short_pages_lose_no_row_or_an_error_is_reported(length, size, share, seed, cap, total, at_once):
    rows, rng = rows_of(length), Random(seed)
    dropped = frozenset(row for row in rows if rng.random() < share)
    stated = {"raw": length, "high": length * 2 + 1}.get(total, total)
    service = Service(rows, total=stated, cap=cap, dropped=dropped)
    found, reported = read(service, size, at_once)
    assert len(found) == len(set(found))
    if (total == "raw" and dropped) or total == "high":
        assert reported or service.unchanged <= set(found)
    if total == "right":
        # The total shows that there are more rows after a gap, however long it is.
        assert reported or set(found) == service.unchanged
    if total in ("page", None) and not reported:
        # Without a total, a page without new rows is the end; a client can't know that there are more.
        assert set(found) == service.unchanged or longest_gap(rows, dropped) + 1 >= min(max(2, size), cap)


def longest_gap(rows, dropped):
    """Return the length of the longest run of dropped rows."""
    return max((len(list(group)) for gone, group in groupby(row in dropped for row in rows) if gone), default=0)


@given(length=lengths, size=sizes, cap=st.integers(2, 99), moves=changes)
def test_pages_smaller_than_requested_lose_no_row(length, size, cap, moves):
    service = Service(rows_of(length), moves, cap=cap)
    found, reported = read(service, size)
    event("reported" if reported else "complete")
    assert len(found) == len(set(found))
    if not reported:
        assert service.unchanged <= set(found)


@given(
    length=st.integers(1, 80), size=sizes, cap=st.integers(2, 100), more=st.integers(1, 500), at_once=st.integers(1, 8)
)  # fmt: skip
def test_a_total_too_high_returns_all_rows_and_reports_the_shortfall(length, size, cap, more, at_once):
    service = Service(rows_of(length), total=length + more, cap=cap)
    rows = listing(service, size, at_once)
    assert list(rows) == rows_of(length)
    assert rows.shortfall == (length, length + more)


def test_a_total_far_too_high_costs_few_requests():
    service = Service(rows_of(250), total=1_000_000)
    assert read(service, 100) == (rows_of(250), True)
    assert service.fetches < 60


@pytest.mark.parametrize("rows", [3, 100, 250])
def test_rows_after_a_gap_of_many_pages_are_read(rows):
    """The total shows that there are more rows, so the reader requests the pages after eight empty ones."""
    gap = range(10, 10 + 8 * 10)
    service = Service(list(range(10 + 80 + rows)), dropped=frozenset(gap))
    assert read(service, 10) == ([*range(10), *range(90, 90 + rows)], False)


@given(length=lengths, size=sizes, share=st.floats(0, 1))
def test_a_total_too_low_loses_no_row(length, size, share):
    assert read(Service(rows_of(length), total=int(length * share)), size) == (rows_of(length), False)


def allowed_requests(length, size, total):
    """Return the number of requests that an unchanging list may need."""
    size = max(2, size)
    pages = 1 + max(0, -(-(length - size) // (size - 1)))
    full = length >= size and (length - size) % (size - 1) == 0
    # One more request after a full last page, after a single page whose total isn't confirmed yet, or without a total.
    return pages + (full or length < size if total else 2)


@given(rows=orders, size=sizes, total=st.sampled_from(["right", None]))
def test_an_unchanging_list_is_read_in_order_without_needless_requests(rows, size, total):
    service = Service(list(rows), total=total)
    assert read(service, size) == (rows, False)
    assert service.fetches <= allowed_requests(len(rows), size, total)


def test_a_single_page_needs_one_request_once_totals_are_confirmed():
    meaning = TotalMeaning()
    for length, fetches in ((5, 2), (7, 1), (30, 4), (9, 1), (10, 2)):
        service = Service(rows_of(length))
        rows = Listing(service.fetch, name="The list", page_size=10, meaning=meaning)
        assert (list(rows), service.fetches) == (rows_of(length), fetches)


@given(length=lengths, size=sizes, total=st.sampled_from(["right", None, 1, 400]), moves=growth)
def test_a_server_that_ignores_the_offset_is_detected(length, size, total, moves):
    service = Service(rows_of(length), moves, total, ignores_offset=True)
    found, reported = read(service, size)
    assert len(found) == len(set(found))
    assert reported or service.unchanged <= set(found)


@given(length=lengths, size=sizes, total=st.one_of(totals, st.integers(0, 400)), moves=storms, cap=st.integers(0, 3))
def test_reading_ends_whatever_the_server_does(length, size, total, moves, cap):
    found, _ = read(Service(rows_of(length), moves, total, cap=cap), size)
    assert len(found) == len(set(found))


@given(
    length=st.integers(1, 80), size=st.integers(2, 60), nth=st.integers(1, 12), rows=st.integers(0, 59),
    total=st.sampled_from(["right", None]),
)  # fmt: skip
def test_a_page_that_was_short_once_loses_no_row(length, size, nth, rows, total):
    # Without a total, an empty page counts as the end.
    assume(rows > 0 or (nth > 1 and total))
    service = Service(rows_of(length), total=total, short={nth: rows})
    found, reported = read(service, size)
    assert not reported
    assert sorted(found, reverse=True) == rows_of(length)


@given(length=st.integers(0, 80), size=st.integers(2, 60), at_once=st.integers(2, 8))
def test_pages_read_in_parallel_are_in_order(length, size, at_once):
    service = Service(rows_of(length))
    assert list(listing(service, size, at_once)) == rows_of(length)


@given(
    length=st.integers(0, 200), size=st.integers(7, 60), at_once=st.integers(2, 8), moves=changes, seed=seeds,
    order=st.sampled_from([lambda length, _: rows_of(length), some_order]), anywhere=st.booleans(),
)  # fmt: skip
def test_an_unchanged_row_read_in_parallel_is_read_once_or_an_error_is_reported(
    length, size, at_once, moves, seed, order, anywhere
):
    service = Service(order(length, seed), moves, last_change=30, anywhere=anywhere)
    rng = Random(seed)
    turn = Lock()

    def fetch(offset, limit):
        # The first request may be answered last.
        sleep(rng.random() / 1000)
        with turn:
            return service.fetch(offset, limit)

    found = []
    try:
        rows = Listing(fetch, name="The list", page_size=size, at_once=at_once)
        found.extend(rows)
    except (A360ListMovedError, A360FormatError):
        event("reported")
        return
    assert rows.shortfall is None
    assert len(found) == len(set(found))
    event("again" if service.fetches > length // (size - 1) + 2 else "once")
    assert service.unchanged <= set(found) <= service.all_rows


def test_a_removal_and_an_addition_between_two_pages_lose_no_row():
    """The number of rows equals the total all the time."""
    service = Service(rows_of(40))

    def fetch(offset, limit):
        if service.fetches == 1:
            service.rows.remove(40)
            service.rows.insert(30, 0)
        return service.fetch(offset, limit)

    found = list(Listing(fetch, name="The list", page_size=10))
    assert len(found) == len(set(found))
    assert set(range(1, 40)) <= set(found)


@pytest.mark.parametrize("total", [None, 50])
def test_a_list_without_end_is_an_error(total):
    fetches = 0

    def fetch(offset, limit):
        nonlocal fetches
        fetches += 1
        rows = list(range(offset, offset + limit))
        return Page(rows, rows, total)

    with pytest.raises(A360ListMovedError, match="doesn't end"):
        for _ in Listing(fetch, name="The list", page_size=10, at_once=4):
            pass
    assert fetches <= 21_000


def test_an_offset_that_the_service_refuses_before_the_end_is_an_error():
    service = Service(rows_of(50), total=None)

    def fetch(offset, limit):
        if offset > 20:
            return Page([], [], refusal=A360RequestError("GET", "/list", 400, "the offset may not exceed 20"))
        return service.fetch(offset, limit)

    with pytest.raises(A360RequestError, match="may not exceed 20"):
        list(Listing(fetch, name="The list", page_size=10))


@pytest.mark.parametrize("added", [1, 2, 3, 20])
@pytest.mark.parametrize("size", [1, 2, 3, 10])
@pytest.mark.parametrize("cap", [1, 100])
def test_reading_a_list_that_grows_at_every_fetch_ends(added, size, cap):
    service = Service(rows_of(20), [(added, 0, 1)], None if cap > 1 else "right", cap=cap, last_change=MOST_FETCHES)
    found, _ = read(service, size)
    assert len(found) == len(set(found))


def test_a_list_that_changes_all_the_time_is_an_error():
    service = Service(rows_of(200), [(0, 7, 1)], last_change=MOST_FETCHES)
    with pytest.raises(A360ListMovedError, match=f"The list changed while it was read: attempt {READINGS} found"):
        list(listing(service, 20))


def test_a_row_added_before_the_request_after_a_full_last_page_needs_no_second_attempt():
    """That request returns the list's end again, with more rows than the one that pages share."""
    rows = rows_of(7)
    service = Service(list(rows), changes=[(0, 0, 1), (1, 0, 1), *[(0, 0, 1)] * 9])
    assert read(service, 4) == (rows, False)
    assert service.fetches == 3


def test_one_removal_needs_one_more_attempt():
    service = Service(rows_of(200), [(0, 0, 1), (0, 1, 1), *[(0, 0, 1)] * 50])
    found, reported = read(service, 20)
    assert not reported
    assert sorted(found) == sorted(service.all_rows)
    assert service.fetches <= 2 * (200 // 19 + 1)


@given(length=st.integers(0, 80), size=st.integers(2, 60), total=st.integers(0, 100))
def test_the_last_page_is_found_only_if_the_total_is_right(length, size, total):
    service = Service(rows_of(length), total=total if length else 0)
    last = listing(service, size).last_page()
    assert service.fetches <= (2 if max(2, size) <= length and total > max(2, size) else 1)
    assert not last or last[-1] == 1
    if total == length > max(2, size):
        assert last == rows_of(length)[-max(2, size) + 1 :]


def test_the_last_page_is_not_found_if_the_first_page_is_short():
    """The total counts only the visible rows, but the offsets count all."""
    service = Service(rows_of(60), dropped=frozenset(range(30, 60, 2)))
    assert (listing(service, 20).last_page(), service.fetches) == ([], 1)


@pytest.mark.parametrize(
    ("length", "size", "total", "ahead"),
    [
        (0, 10, "right", 0), (1, 10, "right", 0), (10, 10, "right", 0), (11, 10, "right", 1), (19, 10, "right", 1),
        (20, 10, "right", 2), (250, 10, "right", 27), (250, 10, None, 0), (250, 10, 5, 0), (1, 10, 5, 4),
        (3, 2, "right", 1), (9, 10, 20, 2),
    ],
)  # fmt: skip
def test_the_first_page_shows_how_many_pages_follow(length, size, total, ahead):
    assert max(0, listing(Service(rows_of(length), total=total), size).pages_ahead) == ahead


def test_a_listing_can_be_read_twice():
    service = Service(rows_of(25), total=30)
    rows = listing(service, 10)
    assert (list(rows), rows.shortfall) == (rows_of(25), (25, 30))
    service.total = "right"
    rows.first = Page(rows_of(25)[:10], rows_of(25)[:10], 25)
    assert (list(rows), rows.shortfall) == (rows_of(25), None)


@pytest.mark.parametrize("own", [1, 4])
def test_a_list_read_in_order_requests_no_page_ahead(own):
    service = Service(rows_of(100))
    pages = listing(service, 10, own).pages(at_once=1)
    for taken in range(1, 6):
        next(pages)
        assert service.fetches == taken


def test_no_request_follows_the_last_attempt():
    offsets = []

    def fetch(offset, limit):
        offsets.append(offset)
        rows = list(range(len(offsets) * 10, len(offsets) * 10 + limit))
        return Page(rows, rows, 100)

    with pytest.raises(A360ListMovedError, match=f"None of {READINGS} attempts"):
        list(Listing(fetch, name="The list", page_size=10))
    assert offsets == [0, 9] * READINGS
    assert READINGS == 4


def test_a_short_page_in_parallel_reading_needs_no_second_attempt():
    """Pages that were requested ahead are discarded; they don't count as a changed list."""
    offsets = []

    def fetch(offset, limit):
        offsets.append(offset)
        rows = rows_of(100)[offset : offset + (5 if offset == 27 else limit)]
        return Page(rows, rows, 100)

    assert list(Listing(fetch, name="The list", page_size=10, at_once=4)) == rows_of(100)
    assert offsets.count(0) == 1
    assert 31 in offsets


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_page_with_one_row_is_not_the_end(nth):
    """Its only row may be the one that it shares with the page before it."""
    service = Service(rows_of(50), total=None, short={nth: 1})
    assert read(service, 10) == (rows_of(50), False)


@pytest.mark.parametrize(
    ("total", "confirmed"), [("right", True), (None, False), ("page", False), (12, False), (29, False), (30, True)]
)
@pytest.mark.parametrize("cap", [3, 100])
def test_a_total_is_confirmed_only_by_an_equal_number_of_rows(total, confirmed, cap):
    rows = listing(Service(rows_of(30), total=total, cap=cap), 10)
    assert not rows.total_is_confirmed
    assert list(rows) == rows_of(30)
    assert rows.total_is_confirmed == confirmed


def test_a_total_that_grew_with_the_list_is_confirmed_without_the_new_rows():
    service = Service(rows_of(30), changes=[(0, 0, 1), (2, 0, 1), *[(0, 0, 1)] * 20])
    rows = listing(service, 10)
    assert list(rows) == rows_of(30)
    assert rows.total_is_confirmed
    assert service.fetches < 7


@pytest.mark.parametrize("total", ["right", None])
@pytest.mark.parametrize("length", [1, 2, 5, 9, 10])
def test_a_list_of_one_page_is_read_although_the_offset_is_ignored(length, total):
    service = Service(rows_of(length), total=total, ignores_offset=True)
    # Without a total, or with one that may count only the rows of a full page, there may be more rows.
    assert read(service, 10) == (rows_of(length), length == 10 or total is None)


def test_a_page_served_for_every_offset_does_not_confirm_the_total():
    """The totals of later lists aren't confirmed either."""
    meaning = TotalMeaning()
    for length in (40, 50, 41):
        page = rows_of(length)
        rows = Listing(lambda *_, page=page: Page(page, page, len(page)), name="It", page_size=100, meaning=meaning)
        assert list(rows) == page
        assert not rows.total_is_confirmed


@pytest.mark.parametrize("total", [None, 0, 500])
def test_an_empty_page_in_the_second_attempt_is_not_the_end_of_a_list_that_had_rows(total):
    """The list loses a row while it is read, and the first page of the second attempt is empty."""
    service = Service(rows_of(300), total=None if total is None else "right")
    fetches = []

    def fetch(offset, limit):
        fetches.append(offset)
        if len(fetches) == 3:
            service.rows.pop(0)
        if offset == 0 and fetches.count(0) == 2:
            return Page([], [], total)
        return service.fetch(offset, limit)

    rows = Listing(fetch, name="The list", page_size=100)
    assert set(rows) >= service.unchanged - {300}
    assert len(fetches) < 80


def test_a_long_list_whose_totals_count_the_rows_of_a_page_is_read_to_its_end():
    service = Service(rows_of(2_400), total="page")
    assert read(service, 2) == (rows_of(2_400), False)


def test_rows_that_any_attempt_returned_are_not_missing():
    """The first attempt misses one row, the others another row."""
    service = Service(rows_of(30), total=30, dropped=frozenset([25]))

    def fetch(offset, limit):
        if service.fetches and offset == 0:
            service.dropped = frozenset([15])
        return service.fetch(offset, limit)

    rows = Listing(fetch, name="The list", page_size=10)
    assert sorted(rows) == sorted(rows_of(30))
    assert rows.shortfall is None


def test_steps_through_a_gap_have_the_length_of_the_longest_page():
    service = Service(rows_of(60), cap=5, dropped=frozenset(range(40, 54)))
    assert read(service, 20) == ([row for row in rows_of(60) if row not in service.dropped], False)


def test_offsets_are_known_ahead_while_pages_have_equal_lengths():
    for total, last in ((100, 90), (101, 99), (102, 99)):
        reading = Reading("The list", 10, set(), TotalMeaning())
        reading.take(Page(rows_of(10), rows_of(10), total))
        assert reading.ahead() == range(9, total - 1, 9)
        assert reading.ahead()[-1] == last
    alike, short = list(range(10, 0, -1)), [1, 0, -1, -2]
    reading.take(Page(short, short, total))
    assert alike[-1] == short[0]
    assert (reading.offset, reading.ahead()) == (12, range(12, 13))
    again = [-2, -3, -4, -5]
    reading.take(Page(again, again, total))
    assert reading.ahead() == range(15, total - 1, 3)
    assert Reading("The list", 10, set(), TotalMeaning()).ahead() == range(1)


def test_rows_after_two_gaps_are_read():
    """The empty pages of the first gap don't increase the steps through the second."""
    gone = [*range(20, 90), *range(120, 190)]
    service = Service(list(range(200)), dropped=frozenset(gone))
    assert read(service, 10) == ([row for row in range(200) if row not in gone], False)


def test_reading_crosses_a_long_gap_up_to_the_total():
    service = Service(list(range(340)), dropped=frozenset(range(10, 140)))
    found, reported = read(service, 10)
    assert len(found) > 150
    assert reported


def test_a_short_page_is_not_the_end_after_more_rows_than_the_total():
    service = Service(rows_of(60), total=15, dropped=frozenset([22, 33]))
    assert read(service, 10) == ([row for row in rows_of(60) if row not in service.dropped], False)


def test_a_repeated_row_after_a_gap_is_not_the_end():
    reading = Reading("The list", 10, set(), TotalMeaning())
    for page in (rows_of(10), [1], [], [], [], [3, 2]):
        reading.take(Page(page, page, 100))
    assert reading.outcome.broken == ""
    assert reading.offset is not None


def test_a_row_that_pages_share_does_not_count_as_an_added_row():
    reading = Reading("The list", 10, set(), TotalMeaning())
    for rows, total in ((range(10), 20), (range(9, 19), 21), (range(18, 20), 21)):
        reading.take(Page(list(rows), list(rows), total))
    assert not reading.is_whole
    assert reading.offset is not None


def test_rows_removed_after_the_last_one_read_are_not_missing():
    reading = Reading("The list", 10, set(), TotalMeaning())
    for rows, total in ((range(10), 20), (range(9, 18), 18)):
        reading.take(Page(list(rows), list(rows), total))
    assert reading.is_whole


@pytest.mark.parametrize(("total", "length"), [("right", 2_100), (None, 1_500)])
def test_a_long_list_on_small_pages_is_read(total, length):
    assert read(Service(rows_of(length), total=total, cap=2), 100) == (rows_of(length), False)


def test_without_a_total_an_empty_page_is_the_end():
    service = Service(rows_of(50), total=None)

    def fetch(offset, limit):
        return Page([], []) if offset > 20 else service.fetch(offset, limit)

    rows = Listing(fetch, name="The list", page_size=10)
    assert list(rows) == rows_of(50)[:28]
    assert not rows.total_is_confirmed


def test_without_a_total_a_permanent_gap_between_two_pages_is_an_error():
    def fetch(offset, limit):
        rows = rows_of(50)[offset + 15 * (offset > 0) :][:limit]
        return Page(rows, rows)

    with pytest.raises(A360ListMovedError, match="found 20 of an unknown number of rows"):
        list(Listing(fetch, name="The list", page_size=10))


def test_a_service_that_ignores_the_offset_is_detected_once():
    """After the first list, no further request is made beyond the first page."""
    meaning, fetches = TotalMeaning(), []
    for _ in range(2):
        service = Service(rows_of(5), ignores_offset=True)
        assert list(Listing(service.fetch, name="The list", page_size=10, meaning=meaning)) == rows_of(5)
        fetches.append(service.fetches)
    assert fetches[0] > fetches[1] == 1


def test_without_a_total_only_the_next_offset_is_known_ahead():
    reading = Reading("The list", 10, set(), TotalMeaning())
    reading.take(Page(rows_of(10), rows_of(10), None))
    assert reading.ahead() == range(9, 10)
