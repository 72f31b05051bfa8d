"""Parallel calls: their order, and that none begins after the reader has stopped."""

import threading
from contextlib import closing

import pytest

from airflow_provider_a360.api.parallel import in_order


class Calls:
    """Calls of which the first ends at once and the others when the gate is opened; `begun` are those that began."""

    def __init__(self, *, first_fails=False):
        self.begun = set()
        self.gate = threading.Event()
        self.first_fails = first_fails

    def __call__(self, item):
        self.begun.add(item)
        if item and not self.gate.wait(10):
            raise TimeoutError
        if self.first_fails:
            raise ValueError(item)
        return item

    def let_all_end(self):
        self.gate.set()
        for thread in threading.enumerate():
            if thread.name.startswith("a360_"):
                thread.join(10)


def test_results_come_in_the_order_of_the_items():
    assert list(in_order(str, range(50), 4)) == [str(number) for number in range(50)]


def test_no_call_begins_after_the_iterator_is_closed():
    calls = Calls()
    with closing(in_order(calls, range(100), 2)) as results:
        assert next(results) == 0
    calls.let_all_end()
    assert calls.begun <= {0, 1, 2}


def test_no_call_begins_after_one_has_failed():
    calls = Calls(first_fails=True)
    with pytest.raises(ValueError, match="0"):
        list(in_order(calls, range(100), 2))
    calls.let_all_end()
    assert calls.begun <= {0, 1, 2}
