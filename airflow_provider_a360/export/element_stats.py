"""Statistics of every element of a flow, day by day or for a run's whole span."""

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


class ElementRow(Record):
    """A row of the files: whose statistics they are, then those of `ElementStats`."""

    first_day: date
    last_day: date
    flow_id: int
    flow_name: str | None
    element_id: int
    element_type: str | None
    element_name: str | None
    """The e-mail's subject, the push's title, the goal's name."""
    deleted_element: bool
    """Whether the element has been deleted from the flow."""
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
    """A row for each element of the flows and day; with `grain="run"` for each element and the whole span."""

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
        """`element_stats`, with the grain, the types and the elements left out if not all are meant, and the days."""
        parts = [self.name, *(["run"] if self.grain == "run" else []), *(self.element_types or [])]
        parts += [] if self.include_deleted else ["without_deleted"]
        parts += ["by_flow"] if by_flow else []
        span = f"days={days.first}_{days.last}" if self.grain == "run" else f"dt={days.first}"
        return f"{'-'.join(parts)}/{span}"

    def sort_key(self, row: ElementRow) -> tuple[Any, ...]:
        """By flow, then by element."""
        return -row.flow_id, -row.element_id

    def estimate(self, days: Days) -> tuple[int, str]:
        """Three requests for the elements, then one for each element and day."""
        spans = len(list(self._parts(days)))
        return 3, f"{spans} for each element that they tell"

    def plan(self, groups: Sequence[Sequence[int]], days: Days) -> list[Step]:
        """A file at a time."""
        return [Step(group, [span]) for span in self._parts(days) for group in groups]

    def batches(self, client: A360Client, plan: Sequence[Step], diagnostics: Diagnostics) -> Iterator[Batch]:
        """Find the flows' elements first, then their statistics, day by day; requests of coming days run ahead."""
        groups = dict.fromkeys(part.flows for part in plan)
        elements = ElementFinder(client, self.element_types, self.include_deleted).find(list(groups), diagnostics)
        ahead: list[tuple[Step, Days, list[FlowElement]]] = []
        for part in plan:
            (span,) = part.files
            known = [one for flow in part.flows for one in elements[flow].known]
            asked = [one for one in known if _may_have_lived(one, span)]
            diagnostics.requests_saved += len(known) - len(asked)
            ahead.append((part, span, asked))
        requests = sum(len(asked) for _, _, asked in ahead)
        diagnostics.requests_expected += 3 * len(elements) + requests
        log.info("The statistics take %s.", format_estimate(requests, client.settings.requests_per_second))
        wanted = ((one, span) for _, span, asked in ahead for one in asked)
        rows = in_order(lambda one: _row(client, *one), wanted, client.settings.max_in_flight)
        for part, _, asked in ahead:
            nothing = bool(part.flows) and all(elements[flow].skipped for flow in part.flows)
            yield Batch(part, _counted(itertools.islice(rows, len(asked)), diagnostics), skipped=nothing)

    def _parts(self, days: Days) -> Iterable[Days]:
        return [days] if self.grain == "run" else days.parts(1)


def _may_have_lived(known: FlowElement, span: Days) -> bool:
    """False for an element created more than a day after the span, about which there is nothing to ask: the service's
    dates of elements may be some hours off.
    """
    created = known.element.created
    return created is None or created.date() <= span.last + timedelta(days=1)


def _row(client: A360Client, known: FlowElement, span: Days) -> tuple[ElementRow, bool]:
    """The element's row, and whether the service had statistics for it."""
    flow, element = known.flow, known.element
    stats = client.element_stats(element.id, element.type or "", span.first, span.last)
    counted = {} if stats is None else msgspec.structs.asdict(stats)
    whose = {
        "first_day": span.first,
        "last_day": span.last,
        "flow_id": flow.id,
        "flow_name": flow.name,
        "element_id": element.id,
        "element_type": element.type,
        "element_name": element.name,
        "deleted_element": known.deleted,
    }
    return ElementRow(**{**counted, **whose}), stats is not None


def _counted(
    rows: Iterable[tuple[ElementRow, bool]], diagnostics: Diagnostics
) -> Iterator[tuple[date, Sequence[Record]]]:
    for row, has_data in rows:
        diagnostics.without_data += not has_data
        yield row.first_day, [row]
