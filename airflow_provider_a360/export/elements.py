"""Find the elements of flows: those that a flow has, and those that were deleted from it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from airflow_provider_a360.api import endpoints
from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.decoding import record
from airflow_provider_a360.api.errors import (
    A360AuthError,
    A360Error,
    A360FlowNotFoundError,
    A360RevokedError,
)
from airflow_provider_a360.api.masking import printable
from airflow_provider_a360.api.parallel import in_order
from airflow_provider_a360.api.records import Element, Flow
from airflow_provider_a360.export.datasets import AllFlows, Diagnostics

log = logging.getLogger(__name__)

T = TypeVar("T")

_DELETED, _GOAL_NAMES = "the deleted elements", "the names of the goals"
_CONSEQUENCES = {
    _DELETED: "the rows of deleted elements are missing",
    _GOAL_NAMES: "element_name is null for goals",
}
_MAX_LISTED = 10
"""Number of flows that a note lists. It only counts the others."""


class FlowElement(NamedTuple):
    """An element, and the flow that it belongs or belonged to."""

    flow: Flow
    element: Element
    deleted: bool
    """Whether the element was deleted from the flow."""


@dataclass
class FlowResult:
    """What was found for one flow. Each flow is read in a worker thread, so threads share no result."""

    flow_id: int
    elements: list[FlowElement] = field(default_factory=list)
    """Each element once, sorted by id."""
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    unanswered: list[str] = field(default_factory=list)
    """What the service did not return, of the data that the export can do without."""
    skipped: bool = False


@dataclass(frozen=True)
class ElementFinder:
    """Find the elements of flows.

    :param client: the client for the account.
    :param types: the element types to find, or None for all types.
    :param with_deleted: whether to include elements that were deleted from their flow.
    """

    client: A360Client
    types: Sequence[str] | None
    with_deleted: bool

    def find(self, groups: Sequence[Sequence[int]], diagnostics: Diagnostics) -> dict[int, FlowResult]:
        """Find the elements of each flow.

        :param groups: the flows to read. A flow of `AllFlows` that has been deleted is skipped.
        :param diagnostics: receives the skipped flows and elements, and notes about missing data.
        :return: the result of each flow by its id.
        :raises A360FlowNotFoundError: if the account doesn't list a flow of another group.
        """
        flows = [(flow, isinstance(group, AllFlows)) for group in groups for flow in group]
        results: dict[int, FlowResult] = {}
        unanswered: dict[str, list[int]] = {}
        for result in in_order(lambda item: self._find_in_flow(*item), flows, self.client.settings.max_in_flight):
            results[result.flow_id] = result
            diagnostics.merge(result.diagnostics)
            for data in result.unanswered:
                unanswered.setdefault(data, []).append(result.flow_id)
        for data, flow_ids in unanswered.items():
            diagnostics.warn(
                f"The service did not return {data} of {_format_flows(flow_ids)}, so {_CONSEQUENCES[data]}. The log "
                "shows what it answered; export these days again later."
            )
        return results

    def _find_in_flow(self, flow_id: int, was_listed: bool) -> FlowResult:  # noqa: FBT001
        result = FlowResult(flow_id)
        try:
            details = self.client.flow(flow_id)
        except A360FlowNotFoundError:
            self._skip(result, was_listed)
            return result
        elements: dict[int, FlowElement] = {}
        for element in details.elements:
            elements.setdefault(element.id, FlowElement(details.flow, element, deleted=False))
        if self.with_deleted:
            deleted = self._request_optional(
                result, _DELETED, lambda: self.client.element_totals(flow_id, deleted=True)
            )
            for totals in deleted or []:
                element = record(Element, {"id": totals.element_id, "type": totals.element_type}, "A deleted element")
                elements.setdefault(element.id, FlowElement(details.flow, element, deleted=True))
        result.elements = [item for _, item in sorted(elements.items()) if self._is_selected(item.element, result)]
        self._add_goal_names(result)
        return result

    def _request_optional(self, result: FlowResult, data: str, request: Callable[[], T]) -> T | None:
        """Request data that the export can do without; return None if the service doesn't return it.

        :raises A360AuthError: if the credentials are wrong, because then all other requests fail too.
        :raises A360RevokedError: if the credentials have been replaced.
        """
        try:
            return request()
        except A360Error as error:
            if isinstance(error, (A360AuthError, A360RevokedError)) or self.client.cancelled.is_set():
                raise
            log.warning("Flow %d: the service did not return %s: %s", result.flow_id, data, error)
            result.unanswered.append(data)
            return None

    def _skip(self, result: FlowResult, was_listed: bool) -> None:  # noqa: FBT001
        """Skip a flow that the account lists, or listed when the export began, and that has no details.

        :raises A360FlowNotFoundError: if the account doesn't list it.
        """
        if result.flow_id in {flow.id for flow in self.client.flows()}:
            reason = "the account lists the flow, but the service has no details of it"
        elif was_listed:
            reason = "deleted while the export ran"
        else:
            raise A360FlowNotFoundError(result.flow_id)
        log.warning("Flow %d is skipped: %s.", result.flow_id, reason)
        result.skipped = True
        result.diagnostics.skipped.append({"flow_id": result.flow_id, "reason": reason})

    def _is_selected(self, element: Element, result: FlowResult) -> bool:
        if element.type in endpoints.ELEMENT_TYPES:
            return self.types is None or element.type in self.types
        if self.types is None:
            reason = f"no statistics for type {printable(str(element.type))}"
            log.warning("Element %d of flow %d is skipped: %s.", element.id, result.flow_id, reason)
            result.diagnostics.skipped.append({"flow_id": result.flow_id, "element_id": element.id, "reason": reason})
        return False

    def _add_goal_names(self, result: FlowResult) -> None:
        """Look up the names of goals, which a flow's details don't contain."""
        goals = [item.element for item in result.elements if item.element.type == "goal" and not item.element.name]
        if not goals:
            return
        totals = self._request_optional(result, _GOAL_NAMES, lambda: self.client.conversion_totals(result.flow_id))
        if totals is not None:
            names = {goal.id: goal.name for goal in totals.goals}
            for element in goals:
                element.name = names.get(element.id)


def _format_flows(flow_ids: Sequence[int]) -> str:
    listed = ", ".join(map(str, flow_ids[:_MAX_LISTED]))
    more = f" and {len(flow_ids) - _MAX_LISTED} more" if len(flow_ids) > _MAX_LISTED else ""
    return f"flow {listed}" if len(flow_ids) == 1 else f"flows {listed}{more}"
