"""Which conversions a request is about, and in which order they are listed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import TypeVar

from airflow_provider_a360.sandbox import lists
from airflow_provider_a360.sandbox.flow import ALWAYS, Conversion, Flow, Span, slice_bounds
from airflow_provider_a360.sandbox.options import SandboxOptions

T = TypeVar("T")
_settings = attrgetter(*(option.name for option in fields(SandboxOptions)))


@dataclass(frozen=True, slots=True)
class ConversionQuery:
    """Conversions of a flow: of a kind ("all", "maintrigger", "goal") or of one goal, within a span.

    What is computed from them is kept until the flow's conversions change.
    """

    flow: Flow
    options: SandboxOptions
    kind: str = "all"
    goal_id: int | None = None
    span: Span = ALWAYS

    def rows(self) -> Sequence[Conversion]:
        """All of them, oldest first."""
        rows, by = self.flow.conversions_of(self.kind, self.goal_id), self.options.filter_by
        goals_by = self.options.filter_goals_by or by

        def within() -> Sequence[Conversion]:
            if by == goals_by == "conversion_date":
                low, high = slice_bounds(rows, self.span, attrgetter(by))
                return rows[low:high]
            return [row for row in rows if self._holds(getattr(row, goals_by if row.conversion_type == "goal" else by))]

        return rows if self.span == ALWAYS else self.cached("rows", within)

    def visible(self) -> Sequence[Conversion]:
        """Those that can be seen: what counts count. Oldest first."""
        rows, share = self.rows(), self.options.drop_rows
        return self.cached("seen", lambda: lists.visible_rows(rows, share)) if share else rows

    def sorted_rows(self) -> Sequence[Conversion]:
        """All of them as the list is sorted, lowest first."""
        rows = self.rows()
        if self.options.order != "start":
            return rows
        return self.cached("listed", lambda: sorted(rows, key=attrgetter("start_date")))

    def cached(self, name: object, make: Callable[[], T]) -> T:
        """What `make` gives for these conversions under the options as they stand."""
        return self.flow.cached((name, self.kind, self.goal_id, self.span, _settings(self.options)), make)

    def _holds(self, at: datetime) -> bool:
        since, until = self.span
        return (since is None or at >= since) and (until is None or at < until)
