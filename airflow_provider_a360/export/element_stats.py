"""Export the statistics of elements, per day or for the whole span of days."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

import msgspec

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.parallel import in_order
from airflow_provider_a360.api.records import Record
from airflow_provider_a360.export import options
from airflow_provider_a360.export.datasets import Batch, Diagnostics, Step
from airflow_provider_a360.export.elements import ElementFinder, FlowElement
from airflow_provider_a360.export.options import Grain
from airflow_provider_a360.export.progress import format_estimate

log = logging.getLogger(__name__)

_REQUESTS_PER_FLOW = 3
"""Requests to find a flow's elements: its details, its deleted elements, and the names of its goals."""


class ElementRow(Record):
    """A row of the files: the element and the days, then the columns of `ElementStats`.

    Counters are null if the service has no statistics for the element and the days, or if its type doesn't have them.
    """

    first_day: date
    """The first UTC day of the statistics."""
    last_day: date
    """The last UTC day. The same as `first_day`, unless the export has grain="run"."""
    flow_id: int
    flow_name: str | None
    element_id: int
    element_type: str | None
    element_name: str | None
    """The subject of an email, the title of a push notification or the name of a goal; null for other types."""
    deleted_element: bool
    """Whether the element was deleted from the flow."""
    executed: int | None = None
    deleted: int | None = None
    positive: int | None = None
    negative: int | None = None
    stopped: int | None = None
    sent: int | None = None
    delivered: int | None = None
    opened: int | None = None
    clicked: int | None = None
    errors: int | None = None
    unsubscribed: int | None = None
    marked_as_spam: int | None = None
    last_send: datetime | None = None
    extra: str | None = None


@dataclass
class ElementStatistics:
    """The dataset of element statistics: one row per element and day, or per element with `grain="run"`.

    :param element_types: the element types to export, or None for all types.
    :param include_deleted: whether to include elements that were deleted from their flow.
    :param grain: "day" for one row per element and UTC day; "run" for one row per element over all days.
    :raises A360ConfigError: if an element type or the grain is unknown.
    """

    name: ClassVar[str] = "element_stats"
    row_type: ClassVar[type[Record]] = ElementRow

    element_types: Sequence[str] | None = None
    include_deleted: bool = True
    grain: Grain = "day"

    def __post_init__(self) -> None:
        for name in self.element_types or ():
            options.check("element_types", name)
        options.check("grain", self.grain)

    def folder(self, days: Days, *, by_flow: bool) -> str:
        """Return a folder such as `element_stats-email-by_flow/dt=2026-11-20`. See `Dataset.folder`.

        :param days: the days that the file covers.
        :param by_flow: whether each file holds the rows of one flow.
        """
        parts = [self.name, *(["run"] if self.grain == "run" else []), *(self.element_types or [])]
        parts += [] if self.include_deleted else ["without_deleted"]
        parts += ["by_flow"] if by_flow else []
        span = f"days={days.first}_{days.last}" if self.grain == "run" else f"dt={days.first}"
        return f"{'-'.join(parts)}/{span}"

    def sort_key(self, row: ElementRow) -> tuple[Any, ...]:
        """Sort by flow id, then by element id, both ascending: files are sorted by descending key.

        :param row: the row.
        """
        return -row.flow_id, -row.element_id

    def estimate(self, days: Days) -> tuple[int, str]:
        """Estimate the requests for one flow: three to find its elements, then one per element and file.

        :param days: the UTC days to export.
        """
        return _REQUESTS_PER_FLOW, f"{len(self._spans(days))} for each element"

    def plan(self, groups: Sequence[Sequence[int]], days: Days) -> list[Step]:
        """Plan one step per file, ordered by day.

        :param groups: the flows that share files.
        :param days: the UTC days to export.
        """
        return [Step(group, [span]) for span in self._spans(days) for group in groups]

    def batches(self, client: A360Client, plan: Sequence[Step], diagnostics: Diagnostics) -> Iterator[Batch]:
        """Find the elements of all flows, then yield their statistics step by step. Requests for later steps run ahead.

        :param client: the client for the account.
        :param plan: the steps to read.
        :param diagnostics: receives what the manifest reports about the rows.
        :raises A360FlowNotFoundError: if the account has no flow of an id that the DAG author gave.
        """
        groups = dict.fromkeys(step.flows for step in plan)
        results = ElementFinder(client, self.element_types, self.include_deleted).find(list(groups), diagnostics)
        work: list[tuple[Step, Days, list[FlowElement]]] = []
        for step in plan:
            (span,) = step.files
            found = [item for flow in step.flows for item in results[flow].elements]
            existing = [item for item in found if _may_have_existed(item, span)]
            diagnostics.requests_saved += len(found) - len(existing)
            work.append((step, span, existing))
        requests = sum(len(elements) for _, _, elements in work)
        diagnostics.requests_expected += _REQUESTS_PER_FLOW * len(results) + requests
        log.info("The statistics take %s.", format_estimate(requests, client.settings.requests_per_second))
        calls = ((item, span) for _, span, elements in work for item in elements)
        rows = in_order(lambda call: _read_row(client, *call), calls, client.settings.max_in_flight)
        for step, _, elements in work:
            skipped = bool(step.flows) and all(results[flow].skipped for flow in step.flows)
            yield Batch(step, _count_without_data(itertools.islice(rows, len(elements)), diagnostics), skipped=skipped)

    def _spans(self, days: Days) -> list[Days]:
        """Return the days of each file."""
        return [days] if self.grain == "run" else list(days.parts(1))


def _may_have_existed(item: FlowElement, span: Days) -> bool:
    """Return False if the element was created more than a day after the span: then it has no statistics.

    The day is a margin, because the service's creation dates may be some hours off.
    """
    created = item.element.created
    return created is None or created.date() <= span.last + timedelta(days=1)


def _read_row(client: A360Client, item: FlowElement, span: Days) -> tuple[ElementRow, bool]:
    """Return the element's row, and whether the service had statistics for it."""
    flow, element = item.flow, item.element
    stats = client.element_stats(element.id, element.type or "", span.first, span.last)
    counters = {} if stats is None else msgspec.structs.asdict(stats)
    keys = {
        "first_day": span.first,
        "last_day": span.last,
        "flow_id": flow.id,
        "flow_name": flow.name,
        "element_id": element.id,
        "element_type": element.type,
        "element_name": element.name,
        "deleted_element": item.deleted,
    }
    return ElementRow(**{**counters, **keys}), stats is not None


def _count_without_data(
    rows: Iterable[tuple[ElementRow, bool]], diagnostics: Diagnostics
) -> Iterator[tuple[date, Sequence[Record]]]:
    for row, has_data in rows:
        diagnostics.without_data += not has_data
        yield row.first_day, [row]
