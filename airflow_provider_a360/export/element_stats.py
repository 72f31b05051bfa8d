"""Statistics of every element of a flow, day by day or for a run's whole span."""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar, Literal, NamedTuple

from airflow_provider_a360.api import endpoints
from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.decoding import record
from airflow_provider_a360.api.errors import A360ConfigError
from airflow_provider_a360.api.parallel import in_order
from airflow_provider_a360.api.records import Element, ElementStats, FlowDetails, Record
from airflow_provider_a360.export.datasets import Batch, Findings

log = logging.getLogger(__name__)

Grain = Literal["day", "run"]


@dataclass
class ElementStatistics:
    """A row for each element of the flows and day; with `grain="run"` for each element and the whole span."""

    name: ClassVar[str] = "element_stats"
    row_type: ClassVar[type[Record]] = ElementStats

    element_types: Sequence[str] | None = None
    include_deleted: bool = True
    grain: Grain = "day"

    def __post_init__(self) -> None:
        for name in self.element_types or ():
            if name not in endpoints.ELEMENT_TYPES:
                known = ", ".join(endpoints.ELEMENT_TYPES)
                raise A360ConfigError(f"element_types names {name!r}; the service has statistics for {known}.")
        if self.grain not in ("day", "run"):
            raise A360ConfigError(f'grain is {self.grain!r}; it must be "day" or "run".')

    def folder(self, days: Days) -> str:
        """`element_stats`, with the grain, the types and the elements left out if not all are meant, and the days."""
        parts = [self.name, *(["run"] if self.grain == "run" else []), *(self.element_types or [])]
        parts += [] if self.include_deleted else ["without_deleted"]
        span = f"days={days.first}_{days.last}" if self.grain == "run" else f"dt={days.first}"
        return f"{'-'.join(parts)}/{span}"

    def sort_key(self, row: ElementStats) -> tuple[Any, ...]:
        """By flow, then by element."""
        return -(row.flow_id or 0), -row.element_id

    def outlook(self, days: Days) -> tuple[int, str]:
        """Two or three requests for the elements, then one for each element and day."""
        spans = len(list(self._parts(days)))
        return 2 + spans, f"2 or 3 requests a flow, then {spans} for each of its elements"

    def batches(
        self, client: A360Client, groups: Sequence[Sequence[int]], days: Days, findings: Findings, skip: int = 0
    ) -> Iterator[Batch]:
        """The flows' elements first, then their statistics, day by day; requests of coming days run ahead."""
        flows = [flow for group in groups for flow in group]
        at_once = client.settings.max_in_flight
        find = functools.partial(self._elements, client, findings)
        elements = dict(zip(flows, in_order(find, flows, at_once), strict=True))
        parts = [(span, group) for span in self._parts(days) for group in groups][skip:]
        plan = [
            (group, span, [one for flow in group for one in self._alive(elements[flow], span, findings)])
            for span, group in parts
        ]
        requests = sum(len(asked) for _, _, asked in plan)
        findings.requests_expected += 3 * len(flows) + requests
        minutes = requests / client.settings.requests_per_second / 60
        log.info("Statistics: %d requests ahead, %.1f minutes at the account's pace.", requests, minutes)
        wanted = ((one, span) for _, span, asked in plan for one in asked)
        rows = in_order(lambda one: self._row(client, *one), wanted, at_once)
        for group, span, asked in plan:
            yield Batch(group, [span], self._counted(span, itertools.islice(rows, len(asked)), findings))

    def _counted(
        self, span: Days, rows: Iterable[tuple[ElementStats, bool]], findings: Findings
    ) -> Iterator[tuple[date, Sequence[Record]]]:
        for row, has_data in rows:
            findings.without_data += not has_data
            yield span.first, [row]

    def _parts(self, days: Days) -> Iterable[Days]:
        return [days] if self.grain == "run" else days.parts(1)

    def _elements(self, client: A360Client, findings: Findings, flow: int) -> list[_Known]:
        """The flow's elements, by id, also those deleted from it."""
        details = client.flow(flow)
        elements = {element.id: element for element in details.elements}
        known = [_Known(details, element, deleted=False) for element in details.elements]
        if self.include_deleted:
            known += [
                _Known(details, _deleted(totals), deleted=True)
                for totals in client.element_totals(flow, deleted=True)
                if totals.element_id not in elements
            ]
        chosen = [one for one in known if self._is_chosen(one.element, flow, findings)]
        if any(one.element.type == "goal" and not one.element.name for one in chosen):
            names = {goal.id: goal.name for goal in client.conversion_totals(flow).goals}
            for one in chosen:
                one.element.name = one.element.name or names.get(one.element.id)
        return sorted(chosen, key=lambda one: one.element.id)

    def _is_chosen(self, element: Element, flow: int, findings: Findings) -> bool:
        if element.type in endpoints.ELEMENT_TYPES:
            return self.element_types is None or element.type in self.element_types
        if self.element_types is None:
            log.warning(
                "Element %d of flow %d is of type %r, which has no statistics: skipped.", element.id, flow, element.type
            )
            findings.skipped.append(
                {"flow_id": flow, "element_id": element.id, "reason": f"no statistics for type {element.type}"}
            )
        return False

    def _alive(self, elements: Iterable[_Known], span: Days, findings: Findings) -> Iterator[_Known]:
        """Without the elements that were created more than a day after the span: the service's dates of elements may be
        some hours off. There's nothing to ask of them.
        """
        for known in elements:
            if known.element.created and known.element.created.date() > span.last + timedelta(days=1):
                findings.requests_saved += 1
            else:
                yield known

    def _row(self, client: A360Client, known: _Known, span: Days) -> tuple[ElementStats, bool]:
        """The element's row, and whether the service had statistics for it."""
        element, flow = known.element, known.details.flow
        stats = client.element_stats(element.id, element.type or "", span.first, span.last)
        who = {"element_id": element.id, "element_type": element.type}
        row = stats or record(ElementStats, {}, "", **who, first_day=span.first, last_day=span.last)
        row.flow_id, row.flow_name = flow.id, flow.name
        row.element_name, row.deleted_element = element.name, known.deleted
        return row, stats is not None


def _deleted(totals: ElementStats) -> Element:
    """What is known of an element that is not among the flow's any more."""
    return record(Element, {"id": totals.element_id, "type": totals.element_type}, "A deleted element")


class _Known(NamedTuple):
    details: FlowDetails
    element: Element
    deleted: bool
