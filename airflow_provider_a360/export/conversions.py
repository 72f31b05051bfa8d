"""Export conversions, each in the file of its own day."""

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
from airflow_provider_a360.export.conversion_lists import Selection
from airflow_provider_a360.export.datasets import Batch, Diagnostics, Step
from airflow_provider_a360.export.filter_date import FilterDate
from airflow_provider_a360.export.flow_conversions import FlowConversions
from airflow_provider_a360.export.goals import check_goal

_DAYS_PER_LIST = 31
"""Days to read from one list. All of their files are staged at the same time."""


@dataclass
class Conversions:
    """The dataset of conversions: each once, in the file of the UTC day of its `conversion_date`.

    See `FlowConversions` for how a flow's list is read.

    :param kind: "all", "maintrigger" or "goal".
    :param goal_id: the element id of a goal, for its conversions only. Implies kind="goal".
    :raises A360ConfigError: if the kind is unknown, the goal id is not an id, or both don't go together.
    """

    name: ClassVar[str] = "conversions"
    row_type: ClassVar[type[Record]] = Conversion

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
        """Return a folder such as `conversions-goal-by_flow/dt=2026-11-20`. See `Dataset.folder`.

        :param days: the day that the file covers.
        :param by_flow: whether each file holds the rows of one flow.
        """
        parts = [self.name, *([] if self.kind == "all" else [self.kind])]
        # A goal belongs to one flow, so its folder needs no by_flow.
        parts += [str(self.goal_id)] if self.goal_id is not None else ["by_flow"] if by_flow else []
        return f"{'-'.join(parts)}/dt={days.first}"

    def sort_key(self, row: Conversion) -> tuple[Any, ...]:
        """Sort by flow id, ascending, and within a flow from newest to oldest: files are sorted by descending key.

        :param row: the row.
        """
        return -row.flow_id, row.conversion_date, row.conversion_id, row.conversion_type or "", row.element_id or 0

    def estimate(self, days: Days) -> tuple[int, str]:
        """Estimate the requests for one flow: one per 31 days, then one per further page.

        :param days: the UTC days to export.
        """
        return len(list(days.parts(_DAYS_PER_LIST))), "one for each further page of conversions"

    def plan(self, groups: Sequence[Sequence[int]], days: Days) -> list[Step]:
        """Plan one step per group and 31 days, with one file per day, because one list gives all of these files.

        :param groups: the flows that share files.
        :param days: the UTC days to export.
        """
        return [Step(group, list(part.parts(1))) for part in days.parts(_DAYS_PER_LIST) for group in groups]

    def batches(self, client: A360Client, plan: Sequence[Step], diagnostics: Diagnostics) -> Iterator[Batch]:
        """Yield the rows of each step, one list per flow. Requests for the first pages of later lists run ahead.

        :param client: the client for the account.
        :param plan: the steps to read.
        :param diagnostics: receives what the manifest reports about the rows.
        :raises A360GoalNotFoundError: if a flow doesn't have the goal.
        :raises A360FlowNotFoundError: if the account doesn't have a flow.
        """
        if self.goal_id is not None:
            for flow in {flow for step in plan for flow in step.flows}:
                check_goal(client, flow, self.goal_id, diagnostics)
        diagnostics.requests_expected += sum(len(step.flows) for step in plan)
        selection = Selection(self.kind, self.goal_id)
        filter_date = FilterDate(["maintrigger", "goal"] if self.kind == "all" else [self.kind])
        readers = (
            FlowConversions(client, flow, Days(step.files[0].first, step.files[-1].last), selection, filter_date)
            for step in plan
            for flow in step.flows
        )
        opened = in_order(FlowConversions.open, readers, client.settings.max_in_flight)
        for step in plan:
            of_step = itertools.islice(opened, len(step.flows))
            yield Batch(step, (chunk for reader in of_step for chunk in reader.rows(diagnostics)))
