"""Read what an author gives an operator: values, or the strings that a template renders."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any, Literal

from airflow_provider_a360.api.arguments import identifier
from airflow_provider_a360.api.errors import A360ConfigError

ALL: Literal["all"] = "all"


def identifiers(value: Any, name: str = "flow_ids") -> list[int] | Literal["all"]:
    """An id, a list of ids or "all"; a string may hold any of them, as templates render. Repeats are dropped.

    Raises: A360ConfigError for anything else, and for None: nothing given never means everything.
    """
    listed = _listed(value)
    if listed == ALL:
        return ALL
    if listed is None or isinstance(listed, (bytes, dict)):
        raise A360ConfigError(f'{name} is {value!r}; give an id, a list of ids, or "all" for every flow.')
    ids = listed if isinstance(listed, Iterable) and not isinstance(listed, str) else [listed]
    return list(dict.fromkeys(identifier(item, name) for item in ids))


def names(value: Any, name: str) -> list[str] | None:
    """A name or a list of names; None and an empty list mean no restriction.

    Raises: A360ConfigError for anything else.
    """
    listed = _listed(value)
    if isinstance(listed, str):
        listed = [listed]
    if listed is not None and not (isinstance(listed, Iterable) and all(isinstance(item, str) for item in listed)):
        raise A360ConfigError(f"{name} is {value!r}; give a name, a list of names, or None for all.")
    return sorted({item.strip() for item in listed or ()}) or None


def boolean(value: Any, name: str) -> bool:
    """True or False, also as a template renders them.

    Raises: A360ConfigError for anything else.
    """
    known = {"true": True, "false": False}
    if str(value).strip().lower() not in known:
        raise A360ConfigError(f"{name} is {value!r}; it must be True or False.")
    return known[str(value).strip().lower()]


def _listed(value: Any) -> Any:
    """A rendered list as a list, a rendered None as None; anything else as it came."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith(("[", "(")):
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text
    if text in ("", "None", "null"):
        return None
    return [part.strip() for part in text.split(",")] if "," in text else text
