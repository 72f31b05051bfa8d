"""Decode the service's objects into typed rows. Pure."""

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
    """A row of `kind` from what the service sent; `given` fills fields that the service doesn't send.

    Raises: A360FormatError where a field that must be there is not, or is of another type.
    """
    return records(kind, [raw], place, **{name: [value] for name, value in given.items()})[0]


def records(kind: type[R], rows: Sequence[Mapping[str, Any]], place: str, **given: Sequence[Any]) -> list[R]:
    """A row of `kind` from each that the service sent; `given` fills columns that the service doesn't send.

    Column by column: most hold what they should, which is seen faster of all values than of each.

    Raises: A360FormatError, as `record` does.
    """
    plan, known = _plan(kind, tuple(given))
    nowhere = [None] * len(rows)
    columns: dict[str, Sequence[Any]] = {name: given.get(name, nowhere) for name in kind.__struct_fields__}
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
        has_email = map(bool, columns.get("email", nowhere))
        columns["extra"] = [
            None if known.issuperset(raw) else _extra(raw, known, has_email=mailed)
            for raw, mailed in zip(rows, has_email, strict=True)
        ]
    return list(itertools.starmap(kind, zip(*columns.values(), strict=True)))


def _extra(raw: Mapping[str, Any], known: frozenset[str], *, has_email: bool) -> str | None:
    unknown = {name: value for name, value in raw.items() if name not in known}
    # The same address once more, in base64: worth keeping only where the plain one is missing.
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


_Step = tuple[str, str, list[str], type, Coerce, bool]


@functools.cache
def _plan(kind: type[Record], given: tuple[str, ...]) -> tuple[list[_Step], frozenset[str]]:
    """For each field that the service sends: its name, its name there and its other names there, its type, how to read
    what is of another, whether it must be there. And every name that this row holds or drops, if it keeps the rest.
    """
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
