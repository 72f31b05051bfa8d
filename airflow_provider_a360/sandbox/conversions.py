"""The conversions that a request selects, and their order in a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import TypeVar

from airflow_provider_a360.sandbox import lists
from airflow_provider_a360.sandbox.flow import Conversion, Flow
from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.spans import ALWAYS, Span, slice_bounds

T = TypeVar("T")
_option_values = attrgetter(*(option.name for option in fields(SandboxOptions)))


@dataclass(frozen=True, slots=True)
class ConversionQuery:
    """Select conversions of a flow. Results are cached until the flow's conversions or the options change.

    :param flow: the flow
    :param options: the sandbox's options
    :param kind: "all", "maintrigger" or "goal"
    :param goal_id: select only the conversions of this goal
    :param span: select only conversions within this span
    """

    flow: Flow
    options: SandboxOptions
    kind: str = "all"
    goal_id: int | None = None
    span: Span = ALWAYS

    def rows(self) -> Sequence[Conversion]:
        """Return all selected conversions, oldest first."""
        rows, by = self.flow.conversions_of(self.kind, self.goal_id), self.options.filter_by
        goals_by = self.options.filter_goals_by or by

        def within() -> Sequence[Conversion]:
            if by == goals_by == "conversion_date":
                low, high = slice_bounds(rows, self.span, attrgetter(by))
                return rows[low:high]
            return [
                row for row in rows if self._contains(getattr(row, goals_by if row.conversion_type == "goal" else by))
            ]

        return rows if self.span == ALWAYS else self.cached("rows", within)

    def visible(self) -> Sequence[Conversion]:
        """Return the selected conversions without those of the option `drop_rows`, oldest first; counts count these."""
        rows, share = self.rows(), self.options.drop_rows
        return self.cached("visible", lambda: lists.visible_rows(rows, share)) if share else rows

    def sorted_rows(self) -> Sequence[Conversion]:
        """Return all selected conversions in the ascending order of the option `order`."""
        rows = self.rows()
        if self.options.order != "start":
            return rows
        return self.cached("sorted", lambda: sorted(rows, key=attrgetter("start_date")))

    def cached(self, name: object, make: Callable[[], T]) -> T:
        """Return a cached result for these conversions and options.

        :param name: tells the results of one query apart
        :param make: computes the result if it isn't cached
        :return: the result
        """
        return self.flow.cached((name, self.kind, self.goal_id, self.span, _option_values(self.options)), make)

    def _contains(self, at: datetime) -> bool:
        since, until = self.span
        return (since is None or at >= since) and (until is None or at < until)
