"""Read operator parameters, which may be strings that a template rendered."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from airflow_provider_a360.api.arguments import identifier, shown
from airflow_provider_a360.api.errors import A360ConfigError
from airflow_provider_a360.export import options

if TYPE_CHECKING:
    from airflow.sdk.definitions.xcom_arg import XComArg

Template: TypeAlias = "str | XComArg"
"""A Jinja template, or another task's output, in place of a value."""
ALL: Literal["all"] = "all"


def given(value: Any, default: Any = None) -> Any:
    """Return the value of an optional parameter, or the default.

    None, and a template that renders to None or to an empty string, mean that the parameter isn't given.

    :param value: the parameter's value after rendering.
    :param default: the value of a parameter that isn't given.
    """
    if isinstance(value, str):
        value = value.strip()
    return default if value in (None, "", "None", "null") else value


def check_literal(name: str, value: Any) -> None:
    """Refuse an unknown literal while the DAG is parsed. Templates are checked when they are rendered.

    :param name: the parameter.
    :param value: the literal, a list of them, a template or another task's output.
    :raises A360ConfigError: if a literal isn't one of the parameter's values.
    """
    for word in value if isinstance(value, (list, tuple, set)) else [value]:
        if isinstance(word, str) and "{{" not in word and "{%" not in word:
            for one in (names(word, name) or []) if name == "element_types" else filter(None, [given(word)]):
                options.check(name, one)


def identifiers(value: Any, name: str = "flow_ids") -> list[int] | Literal["all"]:
    """Read an ID, a list of IDs or `"all"`, also from a string. Repeated IDs are dropped.

    :param value: the parameter's value after rendering.
    :param name: the parameter, for the error message.
    :raises A360ConfigError: for anything else. None is an error too: it never means all flows.
    """
    listed = _listed(value)
    if listed == ALL:
        return ALL
    if listed is None or isinstance(listed, (bytes, dict)):
        raise A360ConfigError(f'{name} is {shown(value)}; set an ID, a list of IDs, or "all" for every flow.')
    ids = listed if isinstance(listed, Iterable) and not isinstance(listed, str) else [listed]
    return list(dict.fromkeys(identifier(item, name) for item in ids))


def names(value: Any, name: str) -> list[str] | None:
    """Read a name or a list of names.

    :param value: the parameter's value after rendering.
    :param name: the parameter, for the error message.
    :return: the names, sorted; None (no restriction) for None and for an empty list.
    :raises A360ConfigError: for anything else.
    """
    listed = _listed(value)
    if isinstance(listed, str):
        listed = [listed]
    if listed is not None and not (isinstance(listed, Iterable) and all(isinstance(item, str) for item in listed)):
        raise A360ConfigError(f"{name} is {shown(value)}; set a name, a list of names, or None for all.")
    return sorted({item.strip() for item in listed or ()}) or None


def boolean(value: Any, name: str) -> bool:
    """Read True or False, also from a string.

    :param value: the parameter's value after rendering.
    :param name: the parameter, for the error message.
    :raises A360ConfigError: for anything else.
    """
    known = {"true": True, "false": False}
    if str(value).strip().lower() not in known:
        raise A360ConfigError(f"{name} is {shown(value)}; it must be True or False.")
    return known[str(value).strip().lower()]


def _listed(value: Any) -> Any:
    """Turn a string that holds a list into a list, and one that holds None into None. Return other values unchanged."""
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
