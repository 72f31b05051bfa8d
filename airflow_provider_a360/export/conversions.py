"""Each conversion in exactly one day's file."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from airflow_provider_a360.api import arguments
from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.endpoints import ConversionKind
from airflow_provider_a360.api.errors import A360ConfigError
from airflow_provider_a360.api.parallel import in_order
from airflow_provider_a360.api.records import Conversion, Record
from airflow_provider_a360.export import options
from airflow_provider_a360.export.datasets import Batch, Diagnostics, Step
from airflow_provider_a360.export.filter_date import FilterDate
from airflow_provider_a360.export.flow_conversions import FlowConversions, Selection
from airflow_provider_a360.export.goals import check_goal


@dataclass
class Conversions:
    """Each conversion of the flows on the days of their `conversion_date`, exactly once.

    How each flow's list is read, and why no row is lost, stands in `FlowConversions`.
    """

    name: ClassVar[str] = "conversions"
    row_type: ClassVar[type[Record]] = Conversion
    # What one reading of a list may cover: its days are staged side by side.
    _PART: ClassVar[int] = 31

    kind: ConversionKind = "all"
    goal_id: int | None = None

    def __post_init__(self) -> None:
        options.check("kind", self.kind)
        if self.goal_id is not None:
            if self.kind == "maintrigger":
                raise A360ConfigError('goal_id goes with kind="goal", not with kind="maintrigger".')
            self.goal_id = arguments.identifier(self.goal_id, "goal_id")
            self.kind = "goal"

    def folder(self, days: Days, *, by_flow: bool) -> str:
        """`conversions`, with the kind and the goal if not all are meant, and the day."""
        parts = [self.name, *([] if self.kind == "all" else [self.kind])]
        # A goal belongs to one flow: its table has no second form.
        parts += [str(self.goal_id)] if self.goal_id is not None else ["by_flow"] if by_flow else []
        return f"{'-'.join(parts)}/dt={days.first}"

    def sort_key(self, row: Conversion) -> tuple[Any, ...]:
        """By flow; within a flow the newest first, as the service has them. Files are sorted with the largest first."""
        return -row.flow_id, row.conversion_date, row.conversion_id, row.conversion_type or "", row.element_id or 0

    def estimate(self, days: Days) -> tuple[int, str]:
        """A request for each 31 days, and the pages."""
        return len(list(days.parts(self._PART))), "one for each further page of conversions"

    def plan(self, groups: Sequence[Sequence[int]], days: Days) -> list[Step]:
        """31 days at a time: so many of a flow's files come of one list."""
        return [Step(group, list(part.parts(1))) for part in days.parts(self._PART) for group in groups]

    def batches(self, client: A360Client, plan: Sequence[Step], diagnostics: Diagnostics) -> Iterator[Batch]:
        """Read each flow's list once for a part; the first pages of coming lists are asked for ahead."""
        if self.goal_id is not None:
            for flow in {flow for part in plan for flow in part.flows}:
                check_goal(client, flow, self.goal_id, diagnostics)
        diagnostics.requests_expected += sum(len(part.flows) for part in plan)
        selection = Selection(self.kind, self.goal_id)
        filter_date = FilterDate(["maintrigger", "goal"] if self.kind == "all" else [self.kind])
        readers = (
            FlowConversions(client, flow, Days(part.files[0].first, part.files[-1].last), selection, filter_date)
            for part in plan
            for flow in part.flows
        )
        opened = in_order(FlowConversions.open, readers, client.settings.max_in_flight)
        for part in plan:
            lists = itertools.islice(opened, len(part.flows))
            yield Batch(part, (dated for reader in lists for dated in reader.rows(diagnostics)))
