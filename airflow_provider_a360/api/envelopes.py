"""Unwrap responses: the service wraps objects in `data`, and rows in `data` or `items`. Pure.

A response without any known field is an error, never an empty result.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from airflow_provider_a360.api import values
from airflow_provider_a360.api.errors import A360FormatError
from airflow_provider_a360.api.masking import scrub

_ROWS = ("items", "data")
"""`items` in lists of conversions, `data` in all others."""
_DEEPEST = 3
"""The most nested wrappers: one more than we have seen."""


def find_rows(answer: Any, place: str) -> tuple[list[dict[str, Any]], int | None]:
    """Return the rows of a list and its total.

    :param answer: the decoded response: a list, or rows under `items` or `data`, wrapped or not.
    :param place: what the response is, for errors.
    :return: the rows, and the total or None.
    :raises A360FormatError: if no known key holds rows.
    """
    total: int | None = None
    for _ in range(_DEEPEST + 1):
        if isinstance(answer, list) or _is_php_list(answer):
            return values.sequence(answer, place), total
        if not isinstance(answer, dict):
            break
        stated = values.integer(answer.get("total"), f"{place}: total")
        # Ignore a negative total.
        total = stated if stated is not None and stated >= 0 else total
        key = next((key for key in _ROWS if key in answer), None)
        if key is None:
            break
        answer = answer[key]
        if answer is None:
            return [], total
    raise _unknown(answer, place, f"rows under {' or '.join(map(repr, _ROWS))}")


def find_object(answer: Any, known: Collection[str], place: str) -> dict[str, Any]:
    """Return the object that has one of the known fields.

    :param answer: the decoded response: the object itself, or under `data`, wrapped once or several times.
    :param known: the fields that distinguish the object from its wrappers.
    :param place: what the response is, for errors.
    :return: the object; an empty one if the service sent an empty one.
    :raises A360FormatError: if an object has none of the known fields.
    """
    for _ in range(_DEEPEST + 1):
        if answer is None or answer in ([], {}):
            # PHP encodes an empty object as an empty array.
            return {}
        if isinstance(answer, list) and len(answer) == 1:
            answer = answer[0]
        if not isinstance(answer, dict):
            break
        if not answer.keys().isdisjoint(known):
            return answer
        if "data" not in answer:
            break
        answer = answer["data"]
    raise _unknown(answer, place, f"any of the fields {', '.join(sorted(known))}")


def _is_php_list(value: Any) -> bool:
    """Return whether this is a list: PHP encodes an array with gaps in its keys as an object with numeric keys."""
    return isinstance(value, Mapping) and bool(value) and all(key.isdigit() for key in value)


def _unknown(answer: Any, place: str, expected: str) -> A360FormatError:
    found = (
        f"an object with the keys {', '.join(map(str, answer)) or '(none)'}"
        if isinstance(answer, dict)
        else (f"a {type(answer).__name__}")
    )
    return A360FormatError(f"{place}: the response has {scrub(found)}, not {expected}.")
