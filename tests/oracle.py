"""The expected contents of exported files, computed from the sandbox's account without the package's export code."""

from collections.abc import Container, Iterable
from datetime import date, datetime
from typing import Any

from airflow_provider_a360.sandbox.account import Conversion, Flow
from airflow_provider_a360.sandbox.shapes import counters_of


def conversion_row(flow: Flow, row: Conversion) -> dict[str, Any]:
    """Return the expected row of a conversions file."""
    return {
        "flow_id": flow.id,
        "element_id": row.element_id,
        "conversion_id": row.id,
        "conversion_type": row.conversion_type,
        "email": row.email,
        "phone": row.phone,
        "conversion_date": _moment(row.conversion_date),
        "start_date": _moment(row.start_date),
        "extra": None,
    }


def statistics_are_right(
    rows: list[dict[str, Any]],
    flows: Iterable[Flow],
    day: date,
    *,
    null_without_data: bool,
    may_lack_deleted: Container[int] = (),
) -> bool:
    """Return whether each element has one row with the account's counters of the day.

    :param rows: The rows of a file.
    :param flows: The flows that the file must cover.
    :param day: The day of the file.
    :param null_without_data: The service answers 404 or 204 for statistics without data; the counters are then null.
    :param may_lack_deleted: Ids of flows whose deleted elements may all be missing.
    """
    found = {int(row["element_id"]) for row in rows}

    def may_be_missing(flow: Flow) -> bool:
        return flow.id in may_lack_deleted and not any(
            element.id in found for element in flow.elements if element.deleted
        )

    elements = sorted(
        ((flow.id, element.id), element)
        for flow in flows
        for element in flow.elements
        if not (element.deleted and may_be_missing(flow))
    )
    if [(int(row["flow_id"]), int(row["element_id"])) for row in rows] != [key for key, _ in elements]:
        return False
    for row, (_, element) in zip(rows, elements, strict=True):
        counted = {
            name: element.count(name) if (name, element.type in {"filter", "trigger"}) == ("executed", True)
            else element.counts_on(day)[name]
            for name in counters_of(element)
        }  # fmt: skip
        no_data = null_without_data and not any(element.counts_on(day)[name] for name in counters_of(element))
        found = {name: None if row[name] in (None, "") else int(row[name]) for name in counted}
        if found != (dict.fromkeys(counted) if no_data else counted):
            return False
    return True


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
