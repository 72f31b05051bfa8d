"""Check that a flow has a goal."""

from __future__ import annotations

import contextlib

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.errors import SKIPPABLE, A360FlowNotFoundError, A360GoalNotFoundError
from airflow_provider_a360.export.datasets import Findings


def check_goal(client: A360Client, flow_id: int, goal_id: int, findings: Findings) -> None:
    """Check that a goal is one of the flow's, or was: its list would be empty for any other number too.

    :raises A360GoalNotFoundError: if it is not. The message names the goals that there are.
    """
    goals: dict[int, str | None] = {}
    try:
        # A listed flow may have no details. Of one that isn't listed, the counts raise A360FlowNotFoundError.
        with contextlib.suppress(A360FlowNotFoundError):
            elements = client.flow(flow_id).elements
            goals = {element.id: element.name for element in elements if element.type == "goal"}
        if goal_id not in goals:
            # These hold the goals that were deleted from the flow too.
            goals |= {goal.id: goal.name for goal in client.conversion_totals(flow_id).goals}
        if goal_id not in goals:
            for goal in client.element_totals(flow_id, "goal", deleted=True):
                if goal.element_type == "goal":
                    goals.setdefault(goal.element_id, None)
    except SKIPPABLE as error:
        findings.warn(
            f"Whether flow {flow_id} has goal {goal_id}, or had it, could not be asked ({error}). The "
            "export goes on: without such a goal, its files hold no rows."
        )
        return
    if goal_id not in goals:
        known = ", ".join(f"{number} ({name})" if name else str(number) for number, name in sorted(goals.items()))
        raise A360GoalNotFoundError(
            f"Flow {flow_id} has no goal {goal_id}. " + (f"Its goals are {known}." if known else "It has no goals.")
        )
