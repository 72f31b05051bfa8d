"""Decode the service's objects into records. Pure."""

from __future__ import annotations

import functools
import itertools
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from airflow_provider_a360.api import values
from airflow_provider_a360.api.errors import A360FormatError
from airflow_provider_a360.api.records import Record

R = TypeVar("R", bound=Record)


def record(kind: type[R], raw: Mapping[str, Any], place: str, **given: Any) -> R:
    """Decode one object.

    :param kind: the class of the record.
    :param raw: the object that the service sent.
    :param place: what the object is, for errors.
    :param given: values of fields that the service doesn't send.
    :return: the record.
    :raises A360FormatError: if a required field is missing, or a field has the wrong type.
    """
    return records(kind, [raw], place, **{name: [value] for name, value in given.items()})[0]


def records(kind: type[R], rows: Sequence[Mapping[str, Any]], place: str, **given: Sequence[Any]) -> list[R]:
    """Decode a list of objects.

    Works column by column, because checking the types of a whole column at once is faster than value by value.

    :param kind: the class of the records.
    :param rows: the objects that the service sent.
    :param place: what an object is, for errors.
    :param given: columns of fields that the service doesn't send, with a value for each row.
    :return: the records.
    :raises A360FormatError: if a required field is missing, or a field has the wrong type.
    """
    plan, known = _plan(kind, tuple(given))
    nulls = [None] * len(rows)
    columns: dict[str, Sequence[Any]] = {name: given.get(name, nulls) for name in kind.__struct_fields__}
    for name, source, others, plain, coerce, required in plan:
        column = [raw.get(source) for raw in rows]
        for other in others:
            column = [raw.get(other) if value is None else value for raw, value in zip(rows, column, strict=True)]
        if set(map(type, column)) != {plain}:
            try:
                column = [coerce(value, name) for value in column]
            except A360FormatError as error:
                raise A360FormatError(f"{place}: {error}") from None
            if required and None in column:
                raise A360FormatError(f"{place}: {name} is missing.")
        columns[name] = column
    if known:
        has_email = map(bool, columns.get("email", nulls))
        columns["extra"] = [
            None if known.issuperset(raw) else _extra(raw, known, has_email=mailed)
            for raw, mailed in zip(rows, has_email, strict=True)
        ]
    return list(itertools.starmap(kind, zip(*columns.values(), strict=True)))


def _extra(raw: Mapping[str, Any], known: frozenset[str], *, has_email: bool) -> str | None:
    unknown = {name: value for name, value in raw.items() if name not in known}
    # The e-mail address in base64. Keep it only if the plain one is missing.
    if has_email or not unknown.get("email_b64"):
        unknown.pop("email_b64", None)
    return values.json_text(unknown) if unknown else None


Coerce = Callable[[Any, str], Any]
_COERCE: dict[type, Coerce] = {
    int: values.integer,
    str: values.text,
    datetime: values.moment,
    bool: values.flag,
}


# Field, its name at the service, other names there, its type, how to convert other types, whether it is required.
_Step = tuple[str, str, list[str], type, Coerce, bool]


@functools.cache
def _plan(kind: type[Record], given: tuple[str, ...]) -> tuple[list[_Step], frozenset[str]]:
    """Return how to decode each field, and the names that don't go to `extra`; none if the record has no `extra`."""
    plan: list[_Step] = []
    known = set(kind.DROPPED)
    for name, hint in typing.get_type_hints(kind).items():
        first, *others = kind.SOURCES.get(name, (name,)) or (None,)
        parts = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        if first and name != "extra" and name in kind.__struct_fields__ and parts[0] in _COERCE:
            known.update((first, *others))
            if name not in given:
                plan.append((name, first, others, parts[0], _COERCE[parts[0]], type(None) not in parts))
    keeps_rest = "extra" in kind.__struct_fields__ and "extra" not in given
    return plan, frozenset(known) if keeps_rest else frozenset()
