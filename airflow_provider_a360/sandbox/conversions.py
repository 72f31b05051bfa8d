"""Which conversions a request is about, and in which order they are listed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import TypeVar

from airflow_provider_a360.sandbox import lists
from airflow_provider_a360.sandbox.flow import ALWAYS, Conversion, Flow, Span, cut
from airflow_provider_a360.sandbox.knobs import Knobs

T = TypeVar("T")
_settings = attrgetter(*(knob.name for knob in fields(Knobs)))


@dataclass(frozen=True, slots=True)
class Conversions:
    """Conversions of a flow: of a kind ("all", "maintrigger", "goal") or of one goal, within a span.

    What is computed from them is kept until the flow's conversions change.
    """

    flow: Flow
    knobs: Knobs
    kind: str = "all"
    goal_id: int | None = None
    span: Span = ALWAYS

    def rows(self) -> Sequence[Conversion]:
        """All of them, oldest first."""
        rows, by = self.flow.conversions_of(self.kind, self.goal_id), self.knobs.filter_by
        goals_by = self.knobs.filter_goals_by or by

        def within() -> Sequence[Conversion]:
            if by == goals_by == "conversion_date":
                low, high = cut(rows, self.span, attrgetter(by))
                return rows[low:high]
            return [row for row in rows if self._holds(getattr(row, goals_by if row.conversion_type == "goal" else by))]

        return rows if self.span == ALWAYS else self.cached("rows", within)

    def seen(self) -> Sequence[Conversion]:
        """Those that can be seen: what counts count. Oldest first."""
        rows, share = self.rows(), self.knobs.drop_rows
        return self.cached("seen", lambda: lists.seen_of(rows, share)) if share else rows

    def listed(self) -> Sequence[Conversion]:
        """All of them as the list is sorted, lowest first."""
        rows = self.rows()
        if self.knobs.order != "start":
            return rows
        return self.cached("listed", lambda: sorted(rows, key=attrgetter("start_date")))

    def cached(self, name: object, make: Callable[[], T]) -> T:
        """What `make` gives for these conversions under the knobs as they stand."""
        return self.flow.cached((name, self.kind, self.goal_id, self.span, _settings(self.knobs)), make)

    def _holds(self, at: datetime) -> bool:
        since, until = self.span
        return (since is None or at >= since) and (until is None or at < until)
