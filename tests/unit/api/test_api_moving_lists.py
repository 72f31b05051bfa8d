"""Lists that change although pages don't overlap: only a second reading shows it."""

import pytest

from airflow_provider_a360.api.errors import A360ListMovedError
from airflow_provider_a360.api.paging import Listing, Page


class Service:
    """A list of numbers, of which one is removed at some of the requests."""

    def __init__(self, rows, *, cap=100, removed_at=(), with_total=True):
        self.rows, self._cap, self._removed_at, self._with_total = list(range(rows)), cap, removed_at, with_total
        self.asked = 0

    def fetch(self, offset, limit):
        self.asked += 1
        if self.asked in self._removed_at:
            self.rows.pop(0)
        page = self.rows[offset:][: min(limit, self._cap)]
        return Page(page, page, len(self.rows) if self._with_total else None)

    def listing(self):
        return Listing(self.fetch, name="A list", page_size=3)


@pytest.mark.parametrize("with_total", [True, False])
def test_a_row_removed_between_two_pages_of_one_row_loses_no_other_row(with_total):
    service = Service(6, cap=1, removed_at=[4], with_total=with_total)
    listing = service.listing()
    assert set(listing) >= set(service.rows)
    assert listing.shortfall is None


def test_a_list_of_one_row_pages_that_keeps_changing_is_given_up():
    with pytest.raises(A360ListMovedError):
        list(Service(200, cap=1, removed_at=range(2, 9_999, 3)).listing())


@pytest.mark.parametrize("with_total", [True, False])
def test_a_list_of_one_row_pages_that_does_not_change_is_read_twice(with_total):
    service = Service(6, cap=1, with_total=with_total)
    assert list(service.listing()) == service.rows
    assert service.asked == 2 * 7


def test_a_list_of_one_row_is_read_once():
    service = Service(1)
    assert list(service.listing()) == [0]
    assert service.asked <= 2


def test_a_second_reading_that_is_empty_confirms_nothing():
    """The second page shows that the list moved; then the first page is empty."""
    nothing = Page([], [], 0)
    service = Service(60, removed_at=[2])
    listing = Listing(
        lambda offset, limit: nothing if service.asked == 2 and not offset else service.fetch(offset, limit),
        name="A list",
        page_size=3,
    )
    assert set(listing) == {0, 1, 2, 3, 4, 5}
    assert not listing.total_is_confirmed
