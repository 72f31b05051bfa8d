"""Which elements a flow has: those in it, and those deleted from it."""

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
from airflow_provider_a360.export.datasets import Everything, Findings

log = logging.getLogger(__name__)

T = TypeVar("T")

_DELETED, _GOAL_NAMES = "the deleted elements", "the names of the goals"
_MISSING = {
    _DELETED: "the rows of deleted elements are missing",
    _GOAL_NAMES: "element_name is null for goals",
}
_NAMED = 10
"""Flows that a note names; it counts the others."""


class Known(NamedTuple):
    """An element, and the flow that it belongs or belonged to."""

    flow: Flow
    element: Element
    deleted: bool


@dataclass
class FlowElements:
    """What one flow's requests have shown. Made in a thread of its own, so nothing of it is shared."""

    flow_id: int
    known: list[Known] = field(default_factory=list)
    """By id, each element once."""
    findings: Findings = field(default_factory=Findings)
    unanswered: list[str] = field(default_factory=list)
    """The questions that only improve the rows and that the service did not answer."""
    skipped: bool = False


@dataclass(frozen=True)
class ElementFinder:
    """Finds the elements of flows: of these types, or of all; with those deleted from the flow, or without."""

    client: A360Client
    types: Sequence[str] | None
    with_deleted: bool

    def find(self, groups: Sequence[Sequence[int]], findings: Findings) -> dict[int, FlowElements]:
        """Find the elements of each flow, and merge what was learnt on the way into `findings`.

        Raises: A360FlowNotFoundError for an id that the author gave and the account's list doesn't have.
        """
        flows = [(flow, isinstance(group, Everything)) for group in groups for flow in group]
        elements: dict[int, FlowElements] = {}
        unanswered: dict[str, list[int]] = {}
        for found in in_order(lambda one: self._of_flow(*one), flows, self.client.settings.max_in_flight):
            elements[found.flow_id] = found
            findings.merge(found.findings)
            for question in found.unanswered:
                unanswered.setdefault(question, []).append(found.flow_id)
        for question, of in unanswered.items():
            findings.warn(
                f"The service did not tell {question} of {_named(of)}, so {_MISSING[question]}. The log has its "
                "answers; export these days again once it tells them."
            )
        return elements

    def _of_flow(self, flow_id: int, from_the_list: bool) -> FlowElements:  # noqa: FBT001
        found = FlowElements(flow_id)
        try:
            details = self.client.flow(flow_id)
        except A360FlowNotFoundError:
            self._skip(found, from_the_list)
            return found
        known: dict[int, Known] = {}
        for element in details.elements:
            known.setdefault(element.id, Known(details.flow, element, deleted=False))
        if self.with_deleted:
            deleted = self._improve(found, _DELETED, lambda: self.client.element_totals(flow_id, deleted=True))
            for totals in deleted or []:
                element = record(Element, {"id": totals.element_id, "type": totals.element_type}, "A deleted element")
                known.setdefault(element.id, Known(details.flow, element, deleted=True))
        found.known = [one for _, one in sorted(known.items()) if self._is_chosen(one.element, found)]
        self._name_goals(found)
        return found

    def _improve(self, found: FlowElements, question: str, ask: Callable[[], T]) -> T | None:
        """Ask what only improves the rows: None where the service doesn't answer, which never fails the export.

        Raises: A360AuthError and A360RevokedError: without credentials, no other answer comes either.
        """
        try:
            return ask()
        except A360Error as error:
            if isinstance(error, (A360AuthError, A360RevokedError)) or self.client.cancelled.is_set():
                raise
            log.warning("Flow %d: the service did not tell %s: %s", found.flow_id, question, error)
            found.unanswered.append(question)
            return None

    def _skip(self, found: FlowElements, from_the_list: bool) -> None:  # noqa: FBT001
        """Skip a flow without details that the account lists, or listed when the export began.

        Raises: A360FlowNotFoundError for any other.
        """
        if found.flow_id in {flow.id for flow in self.client.flows()}:
            reason = "the account lists the flow, but the service has no details of it"
        elif from_the_list:
            reason = "deleted while the export ran"
        else:
            raise A360FlowNotFoundError(found.flow_id)
        log.warning("Flow %d is skipped: %s.", found.flow_id, reason)
        found.skipped = True
        found.findings.skipped.append({"flow_id": found.flow_id, "reason": reason})

    def _is_chosen(self, element: Element, found: FlowElements) -> bool:
        if element.type in endpoints.ELEMENT_TYPES:
            return self.types is None or element.type in self.types
        if self.types is None:
            reason = f"no statistics for type {printable(str(element.type))}"
            log.warning("Element %d of flow %d is skipped: %s.", element.id, found.flow_id, reason)
            found.findings.skipped.append({"flow_id": found.flow_id, "element_id": element.id, "reason": reason})
        return False

    def _name_goals(self, found: FlowElements) -> None:
        """Name the goals: a flow's details don't."""
        nameless = [one.element for one in found.known if one.element.type == "goal" and not one.element.name]
        if nameless and (
            totals := self._improve(found, _GOAL_NAMES, lambda: self.client.conversion_totals(found.flow_id))
        ):
            names = {goal.id: goal.name for goal in totals.goals}
            for element in nameless:
                element.name = names.get(element.id)


def _named(flows: Sequence[int]) -> str:
    listed = ", ".join(map(str, flows[:_NAMED]))
    more = f" and {len(flows) - _NAMED} more" if len(flows) > _NAMED else ""
    return f"flow {listed}" if len(flows) == 1 else f"flows {listed}{more}"
