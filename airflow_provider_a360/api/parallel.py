"""Calls side by side, results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(call: Callable[[T], R], items: Iterable[T], at_once: int) -> Iterator[R]:
    """What `call` returns for each item, in the items' order, with at most `at_once` calls under way.

    Runs ahead of its reader by twice that number and no further, so memory stays bounded. The first call that fails
    ends it with its error.
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
