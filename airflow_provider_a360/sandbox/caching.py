"""A cache for results that are computed from a list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def cached(cache: dict[Any, Any], length: int, key: Any, make: Callable[[], T]) -> T:
    """Return a cached result. Clear the cache first if the length of its list has changed.

    :param cache: the cached results of one list
    :param length: the current length of the list
    :param key: identifies the result
    :param make: computes the result if it isn't cached
    :return: the result
    """
    if cache.get("length") != length:
        cache.clear()
        cache["length"] = length
    if key not in cache:
        cache[key] = make()
    result: T = cache[key]
    return result
