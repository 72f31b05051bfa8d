"""Unwrap the service's answers: the page wraps an object in `data`, and rows in `data` or `items`. Pure.

An answer without anything that is known is an error, never an empty result.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from airflow_provider_a360.api import values
from airflow_provider_a360.api.errors import A360FormatError
from airflow_provider_a360.api.masking import scrub

_ROWS = ("items", "data")
"""Lists of conversions call their rows `items`, all others `data`."""
_DEEPEST = 3
"""Wrappers around each other: one more than has been seen anywhere."""


def find_rows(answer: Any, place: str) -> tuple[list[dict[str, Any]], int | None]:
    """Return the rows of a list, and the total that it states: None where it states none.

    :param answer: the decoded answer: a list, or rows under `items` or `data`, wrapped or not.
    :param place: what the answer is, for errors.
    :raises A360FormatError: if no known key holds rows.
    """
    total: int | None = None
    for _ in range(_DEEPEST + 1):
        if isinstance(answer, list) or _is_php_list(answer):
            return values.sequence(answer, place), total
        if not isinstance(answer, dict):
            break
        stated = values.integer(answer.get("total"), f"{place}: total")
        # A negative total is no count.
        total = stated if stated is not None and stated >= 0 else total
        key = next((key for key in _ROWS if key in answer), None)
        if key is None:
            break
        answer = answer[key]
        if answer is None:
            return [], total
    raise _unknown(answer, place, f"rows under {' or '.join(map(repr, _ROWS))}")


def find_object(answer: Any, known: Collection[str], place: str) -> dict[str, Any]:
    """Return the object that holds one of the `known` fields; an empty one where the service sent an empty one.

    :param answer: the decoded answer: the object itself, or under `data`, wrapped once or several times.
    :param known: the fields that tell the object from its wrappers.
    :param place: what the answer is, for errors.
    :raises A360FormatError: if there is an object, but without any of the known fields.
    """
    for _ in range(_DEEPEST + 1):
        if answer is None or answer in ([], {}):
            # PHP prints an object without members as an empty array.
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
    """PHP prints an array with gaps in its keys as an object with numbers as keys."""
    return isinstance(value, Mapping) and bool(value) and all(key.isdigit() for key in value)


def _unknown(answer: Any, place: str, wanted: str) -> A360FormatError:
    found = (
        f"an object with the keys {', '.join(map(str, answer)) or '(none)'}"
        if isinstance(answer, dict)
        else (f"a {type(answer).__name__}")
    )
    return A360FormatError(f"{place}: the answer holds {scrub(found)}, not {wanted}.")
