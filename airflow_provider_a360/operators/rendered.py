"""Read what an author gives an operator: values, or the strings that a template renders."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any, Literal

from airflow_provider_a360.api.arguments import identifier, shown
from airflow_provider_a360.api.errors import A360ConfigError
from airflow_provider_a360.export import options

ALL: Literal["all"] = "all"


def given(value: Any, default: Any = None) -> Any:
    """The value of an optional parameter, or its default: None, and a template that renders to None or to nothing, mean
    that the parameter is not given.
    """
    if isinstance(value, str):
        value = value.strip()
    return default if value in (None, "", "None", "null") else value


def check_literal(name: str, value: Any) -> None:
    """While a DAG is parsed, refuse a word that the option doesn't know. A template's, or another task's, is checked in
    the run.

    Raises: A360ConfigError, which names the words that the option knows.
    """
    for word in value if isinstance(value, (list, tuple, set)) else [value]:
        if isinstance(word, str) and "{{" not in word and "{%" not in word:
            for one in (names(word, name) or []) if name == "element_types" else filter(None, [given(word)]):
                options.check(name, one)


def identifiers(value: Any, name: str = "flow_ids") -> list[int] | Literal["all"]:
    """An id, a list of ids or "all"; a string may hold any of them, as templates render. Repeats are dropped.

    Raises: A360ConfigError for anything else, and for None: nothing given never means everything.
    """
    listed = _listed(value)
    if listed == ALL:
        return ALL
    if listed is None or isinstance(listed, (bytes, dict)):
        raise A360ConfigError(f'{name} is {shown(value)}; give an id, a list of ids, or "all" for every flow.')
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
        raise A360ConfigError(f"{name} is {shown(value)}; give a name, a list of names, or None for all.")
    return sorted({item.strip() for item in listed or ()}) or None


def boolean(value: Any, name: str) -> bool:
    """True or False, also as a template renders them.

    Raises: A360ConfigError for anything else.
    """
    known = {"true": True, "false": False}
    if str(value).strip().lower() not in known:
        raise A360ConfigError(f"{name} is {shown(value)}; it must be True or False.")
    return known[str(value).strip().lower()]


def _listed(value: Any) -> Any:
    """A rendered list as a list, a rendered None as None; anything else as it came."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith(("[", "(")):
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return text
    if given(text) is None:
        return None
    return [part.strip() for part in text.split(",")] if "," in text else text
