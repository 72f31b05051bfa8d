"""What an export must hold, as the made-up account knows it: written apart from what exports."""

from collections.abc import Container, Iterable
from datetime import date, datetime
from typing import Any

from airflow_provider_a360.sandbox.account import Conversion, Flow
from airflow_provider_a360.sandbox.shapes import counters_of


def conversion_row(flow: Flow, row: Conversion) -> dict[str, Any]:
    """A line of a file of conversions."""
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
    rows: list[dict[str, Any]], flows: Iterable[Flow], day: date, *, silent: bool, untold: Container[int] = ()
) -> bool:
    """Whether each element has its row, with what the account counts; `silent`: the service says 404 for nothing. The
    deleted elements of the flows `untold` may be missing, all of a flow's together.
    """
    found = {int(row["element_id"]) for row in rows}

    def may_be_missing(flow: Flow) -> bool:
        return flow.id in untold and not any(element.id in found for element in flow.elements if element.deleted)

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
        nothing = silent and not any(element.counts_on(day)[name] for name in counters_of(element))
        found = {name: None if row[name] in (None, "") else int(row[name]) for name in counted}
        if found != (dict.fromkeys(counted) if nothing else counted):
            return False
    return True


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
