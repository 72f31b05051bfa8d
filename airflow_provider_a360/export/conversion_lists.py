"""Request one flow's list of conversions, and note when it is incomplete."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.endpoints import ConversionKind
from airflow_provider_a360.api.errors import SKIPPABLE
from airflow_provider_a360.api.paging import Listing
from airflow_provider_a360.api.records import Conversion
from airflow_provider_a360.export.datasets import Diagnostics

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Selection:
    """Which conversions to list.

    :param kind: "all", "maintrigger" or "goal".
    :param goal_id: the element id of a goal, for its conversions only.
    """

    kind: ConversionKind = "all"
    goal_id: int | None = None


@dataclass(frozen=True)
class ConversionLists:
    """Request lists and counts of one flow's conversions.

    :param client: the client for the account.
    :param flow_id: the flow.
    :param selection: which conversions to list and count.
    """

    client: A360Client
    flow_id: int
    selection: Selection

    def request(self, days: Days | None) -> Listing[Conversion]:
        """Request the first page of a list.

        :param days: the days that the service filters by, or None for the unfiltered list.
        """
        first, last = (None, None) if days is None else (days.first, days.last)
        kind, goal_id = self.selection.kind, self.selection.goal_id
        return self.client.conversions(self.flow_id, first, last, kind=kind, goal_id=goal_id)

    def try_request(self, days: Days) -> Listing[Conversion] | None:
        """Request the first page of a list that the export can do without.

        :param days: the days that the service filters by.
        :return: the list, or None if the service doesn't return it.
        """
        try:
            return self.request(days)
        except SKIPPABLE as error:
            log.info("Flow %d: the conversions of %s could not be listed: %s", self.flow_id, days, error)
            return None

    def count(self, days: Days | None) -> int | None:
        """Return the service's own count of the conversions in a list.

        :param days: the days that the service filters by, or None for all days.
        :return: the count, or None if the service doesn't return it.
        """
        first, last = (None, None) if days is None else (days.first, days.last)
        try:
            totals = self.client.conversion_totals(self.flow_id, first, last)
        except SKIPPABLE:
            return None
        if self.selection.goal_id is not None:
            return next((goal.conversions for goal in totals.goals if goal.id == self.selection.goal_id), None)
        by_kind = {
            "all": totals.total_conversions,
            "maintrigger": totals.maintrigger_conversions,
            "goal": totals.goal_conversions,
        }
        return by_kind[self.selection.kind]

    def note_shortfall(self, listing: Listing[Conversion], days: Days | None, diagnostics: Diagnostics) -> None:
        """Add a note if a list had fewer rows than its total or, if the total isn't reliable, fewer than the service's
        own count.

        :param listing: a list that has been read to its end.
        :param days: the days that the list was filtered by, or None for the unfiltered list.
        :param diagnostics: receives the note.
        """
        if listing.total_is_confirmed:
            return
        found, count = len(listing.seen), self.count(days)
        conversions = "conversions" if days is None else f"conversions of {days}"
        if listing.shortfall is not None and listing.shortfall.total is not None:
            diagnostics.warn(
                f"Flow {self.flow_id}: only {found} of {listing.shortfall.total} {conversions} could be read; the "
                f"service's own count is {'not available' if count is None else count}. The files hold the "
                "conversions that could be read."
            )
        elif count is not None and count > found:
            diagnostics.warn(
                f"Flow {self.flow_id}: only {found} {conversions} could be read, while the service counts {count}. "
                "The files hold the conversions that could be read."
            )
        elif count is None and listing.shortfall is not None:
            diagnostics.warn(
                f"Flow {self.flow_id}: {found} {conversions} could be read, then the service returned no others. "
                "There may be more."
            )
