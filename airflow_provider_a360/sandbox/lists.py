"""How a list becomes a page: one place for every list, and for every way in which a service may cut one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.queries import raise_no_data, validation_error

FIRST_GENERATED_ID = 10**12
"""The lowest id of the rows behind the end of an endless list: higher than any in an account."""


def is_visible(row: Any, drop_rows: float) -> bool:
    """Whether a row (a flow, contact or conversion) is served when that share is dropped. Its id alone decides."""
    if not drop_rows:
        return True
    return int.from_bytes(blake2b(str(row.id).encode(), digest_size=4).digest()) >= drop_rows * 2**32


def visible_rows(rows: Iterable[Any], drop_rows: float) -> list[Any]:
    """The rows that can be seen."""
    return [row for row in rows if is_visible(row, drop_rows)]


def select_page(
    rows: Sequence[Any],
    options: SandboxOptions,
    limit: int,
    offset: int,
    *,
    reverse: bool = False,
    endless: bool = False,
) -> list[Any]:
    """The rows of one page, cut from a list that is served as it stands or in `reverse`."""
    if options.most_offset and offset > options.most_offset:
        raise validation_error(offset=f"The offset may not be greater than {options.most_offset}.")
    endless = endless and bool(rows)
    served = min(len(rows), options.served_rows or len(rows))
    end = offset + min(limit, options.page_cap or limit)
    if offset >= served and not endless:
        raise_no_data(options.past_end if rows else options.empty_list)
    page = [rows[-1 - index] if reverse else rows[index] for index in range(offset, min(end, served))]
    if endless:
        last = rows[0] if reverse else rows[-1]
        page += [replace(last, id=FIRST_GENERATED_ID + index - served) for index in range(max(offset, served), end)]
    return visible_rows(page, options.drop_rows)


def claimed_total(options: SandboxOptions, *, page: int, seen: int, raw: int) -> int | None:
    """What a list says as its total, from the rows of this page, those that can be seen and all of them."""
    return {
        "right": seen,
        "raw": raw,
        "missing": None,
        "high": seen + seen // 2 + 1,
        "low": seen // 2,
        "page": page,
    }[options.total]


def list_body(
    rows: list[dict[str, Any]], options: SandboxOptions, key: str, total: int | None = None
) -> dict[str, Any]:
    """The answer that holds a page's rows under a key, with a total where there is one."""
    body: dict[str, Any] = {options.rows_key or key: rows}
    if total is not None:
        body["total"] = total
    return {"data": body} if options.nest_lists else body
