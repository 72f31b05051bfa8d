"""Pages of a list: their rows, their total and their response, for every list of the service."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.queries import raise_no_data, validation_error

FIRST_GENERATED_ID = 10**12
"""The lowest id of the rows that continue an endless list. It is higher than every id in an account."""


def is_visible(row: Any, drop_rows: float) -> bool:
    """Check whether pages contain a row under the option `drop_rows`. Only the row's id decides.

    :param row: a flow, an event of an element, or a conversion
    :param drop_rows: the share of rows that pages leave out, from 0 to 1
    :return: whether pages contain the row
    """
    if not drop_rows:
        return True
    return int.from_bytes(blake2b(str(row.id).encode(), digest_size=4).digest()) >= drop_rows * 2**32


def visible_rows(rows: Iterable[Any], drop_rows: float) -> list[Any]:
    """Return the rows that pages contain under the option `drop_rows`.

    :param rows: flows, events of an element, or conversions
    :param drop_rows: the share of rows that pages leave out, from 0 to 1
    :return: the other rows, in the same order
    """
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
    """Return the rows of one page.

    :param rows: the whole list
    :param options: the sandbox's options
    :param limit: the page size that the client asks for
    :param offset: the position of the first row, from 0
    :param reverse: whether the list starts with the last of `rows`
    :param endless: whether copies of the list's last row, with new ids, continue the list without end
    :return: the rows that the page contains
    :raises StatusError: the offset is too high, or there are no rows and the options ask for an error then
    """
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


def claimed_total(options: SandboxOptions, *, page: int, visible: int, raw: int) -> int | None:
    """Return the `total` of a list under the option `total`.

    :param options: the sandbox's options
    :param page: the number of rows in this page
    :param visible: the number of rows without those of the option `drop_rows`
    :param raw: the number of all rows
    :return: the total; None if the response has none
    """
    return {
        "right": visible,
        "raw": raw,
        "missing": None,
        "high": visible + visible // 2 + 1,
        "low": visible // 2,
        "page": page,
    }[options.total]


def list_body(
    rows: list[dict[str, Any]], options: SandboxOptions, key: str, total: int | None = None
) -> dict[str, Any]:
    """Return the response body of a page.

    :param rows: the rows of the page
    :param options: the sandbox's options
    :param key: the documented key of the rows, which the option `rows_key` replaces
    :param total: the list's total, or None for a response without one
    :return: the body
    """
    body: dict[str, Any] = {options.rows_key or key: rows}
    if total is not None:
        body["total"] = total
    return {"data": body} if options.nest_lists else body
