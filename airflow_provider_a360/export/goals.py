"""Check that a goal belongs to a flow."""

from __future__ import annotations

import contextlib

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.errors import SKIPPABLE, A360FlowNotFoundError, A360GoalNotFoundError
from airflow_provider_a360.export.datasets import Diagnostics


def check_goal(client: A360Client, flow_id: int, goal_id: int, diagnostics: Diagnostics) -> None:
    """Check that a flow has a goal, or had it before the goal was deleted.

    The service lists no conversions for an unknown goal, so a wrong id would give empty files. If the service refuses
    to answer, the check adds a note and lets the export continue.

    :param client: the client for the account.
    :param flow_id: the flow.
    :param goal_id: the element id of the goal.
    :param diagnostics: receives the note.
    :raises A360GoalNotFoundError: if the flow has no such goal. The message lists the goals of the flow.
    :raises A360FlowNotFoundError: if the account has no such flow.
    """
    goals: dict[int, str | None] = {}
    try:
        # The service may have no details of a flow that it lists. For an unknown flow, conversion_totals raises this
        # error again.
        with contextlib.suppress(A360FlowNotFoundError):
            elements = client.flow(flow_id).elements
            goals = {element.id: element.name for element in elements if element.type == "goal"}
        if goal_id not in goals:
            # The totals include deleted goals that have conversions.
            goals |= {goal.id: goal.name for goal in client.conversion_totals(flow_id).goals}
        if goal_id not in goals:
            for goal in client.element_totals(flow_id, "goal", deleted=True):
                if goal.element_type == "goal":
                    goals.setdefault(goal.element_id, None)
    except SKIPPABLE as error:
        diagnostics.warn(
            f"Could not check whether flow {flow_id} has or had goal {goal_id} ({error}). The export continues; if "
            "there is no such goal, its files have no rows."
        )
        return
    if goal_id not in goals:
        known = ", ".join(f"{number} ({name})" if name else str(number) for number, name in sorted(goals.items()))
        raise A360GoalNotFoundError(
            f"Flow {flow_id} has no goal {goal_id}. " + (f"Its goals are {known}." if known else "It has no goals.")
        )
