"""How a list becomes a page: one place for every list, and for every way in which a service may cut one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from airflow_provider_a360.sandbox.asking import invalid, no_data
from airflow_provider_a360.sandbox.knobs import Knobs

FIRST_MADE_UP = 10**12
"""The lowest id of the rows behind the end of an endless list: higher than any in an account."""


def can_be_seen(row: Any, drop_rows: float) -> bool:
    """Whether a row (a flow, contact or conversion) is served when that share is dropped. Its id alone decides."""
    if not drop_rows:
        return True
    return int.from_bytes(blake2b(str(row.id).encode(), digest_size=4).digest()) >= drop_rows * 2**32


def seen_of(rows: Iterable[Any], drop_rows: float) -> list[Any]:
    """The rows that can be seen."""
    return [row for row in rows if can_be_seen(row, drop_rows)]


def page_of(
    rows: Sequence[Any], knobs: Knobs, limit: int, offset: int, *, reverse: bool = False, endless: bool = False
) -> list[Any]:
    """The rows of one page, cut from a list that is served as it stands or in `reverse`."""
    if knobs.most_offset and offset > knobs.most_offset:
        raise invalid(offset=f"The offset may not be greater than {knobs.most_offset}.")
    endless = endless and bool(rows)
    served = min(len(rows), knobs.served_rows or len(rows))
    end = offset + min(limit, knobs.page_cap or limit)
    if offset >= served and not endless:
        no_data(knobs.past_end if rows else knobs.empty_list)
    page = [rows[-1 - index] if reverse else rows[index] for index in range(offset, min(end, served))]
    if endless:
        last = rows[0] if reverse else rows[-1]
        page += [replace(last, id=FIRST_MADE_UP + index - served) for index in range(max(offset, served), end)]
    return seen_of(page, knobs.drop_rows)


def total_of(knobs: Knobs, *, page: int, seen: int, raw: int) -> int | None:
    """What a list says as its total, from the rows of this page, those that can be seen and all of them."""
    return {
        "right": seen,
        "raw": raw,
        "missing": None,
        "high": seen + seen // 2 + 1,
        "low": seen // 2,
        "page": page,
    }[knobs.total]


def answer_of(rows: list[dict[str, Any]], knobs: Knobs, key: str, total: int | None = None) -> dict[str, Any]:
    """The answer that holds a page's rows under a key, with a total where there is one."""
    body: dict[str, Any] = {knobs.rows_key or key: rows}
    if total is not None:
        body["total"] = total
    return {"data": body} if knobs.nest_lists else body
