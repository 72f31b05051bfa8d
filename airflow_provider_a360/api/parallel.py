"""Run calls in parallel and yield their results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(call: Callable[[T], R], items: Iterable[T], at_once: int) -> Iterator[R]:
    """Call a function for each item in parallel, and yield the results in the order of the items.

    Starts at most `2 * at_once` calls before their results are consumed, so that memory stays bounded.

    :param call: the function.
    :param items: its arguments.
    :param at_once: how many calls run at the same time.
    :return: an iterator of results; it raises the error of the first call that fails.
    """
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="a360")
    ahead: deque[Future[R]] = deque()
    try:
        for item in items:
            ahead.append(pool.submit(call, item))
            if len(ahead) >= 2 * at_once:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
