"""The endpoints of conversions: how many a flow had, and who converted."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from airflow_provider_a360.api import arguments, endpoints, envelopes, values
from airflow_provider_a360.api.base_client import RawRows
from airflow_provider_a360.api.days import Day, filter_params
from airflow_provider_a360.api.decoding import record, records
from airflow_provider_a360.api.endpoints import ConversionKind
from airflow_provider_a360.api.errors import A360ConfigError
from airflow_provider_a360.api.flows import FlowEndpoints
from airflow_provider_a360.api.paging import Listing
from airflow_provider_a360.api.records import Conversion, ConversionCount, ConversionTotals

_series: dict[tuple[str | None, int | None], int] = {}
_numbers = itertools.count()


def conversion_identity(row: Conversion) -> int:
    """Return a number that is unique to this conversion within its flow.

    Its id isn't enough: the service may number main trigger and goals separately, and each goal too. The number takes
    half the memory of a tuple, and a list may have a million rows.
    """
    # setdefault is atomic, so all threads get the same number for a series.
    series = _series.setdefault((row.conversion_type, row.element_id), next(_numbers))
    return row.conversion_id << 32 | series


class ConversionEndpoints(FlowEndpoints):
    """The endpoints of conversions."""

    def conversion_totals(self, flow_id: int, first_day: Day = None, last_day: Day = None) -> ConversionTotals:
        """Return how many conversions a flow had, in all and by goal ("Get the Flow Conversions List").

        :param flow_id: the flow's id.
        :param first_day: the first UTC day; without both days, the totals cover all time.
        :param last_day: the last UTC day, included.
        :return: the totals.
        :raises A360FlowNotFoundError: if the account has no such flow.
        """
        flow_id = arguments.identifier(flow_id, "flow_id")
        span = filter_params(first_day, last_day)
        template = endpoints.CONVERSION_TOTALS_FILTERED if span else endpoints.CONVERSION_TOTALS
        path, place = template.format(flow_id=flow_id), f"Flow {flow_id}: conversions"

        def fetch(page: Mapping[str, str | int]) -> dict[str, Any]:
            answer = self._get_of_flow(flow_id, path, {**span, **page})
            return envelopes.find_object(answer, endpoints.CONVERSION_COUNTS, place)

        data = fetch(self._paging_params if span else {})
        goals = values.sequence(data.get("goals"), place)
        # The filtered form takes limit and offset, so its goals may be one page of them.
        size = self.settings.page_size
        page, offset = goals, size
        while span and len(page) == size:
            known = {goal.get("id") for goal in goals}
            page = values.sequence(fetch({"limit": size, "offset": offset}).get("goals"), place)
            page = [goal for goal in page if goal.get("id") not in known]
            goals, offset = goals + page, offset + size
        start = values.mapping(data.get("maintrigger"), place)
        return ConversionTotals(
            **{name: values.integer(data.get(name), f"{place}: {name}") for name in endpoints.CONVERSION_COUNTS},
            maintrigger=record(ConversionCount, start, place) if start else None,
            goals=records(ConversionCount, goals, place),
        )

    def conversions(
        self,
        flow_id: int,
        first_day: Day = None,
        last_day: Day = None,
        *,
        kind: ConversionKind = "all",
        goal_id: int | None = None,
    ) -> Listing[Conversion]:
        """List the contacts who converted in a flow ("Get a List of the Contacts That Converted").

        The rows are those that the service's filter returns. Where it cuts a day, and by which of a row's dates, is
        not documented; the export of conversions finds out, this method doesn't.

        :param flow_id: the flow's id.
        :param first_day: the first UTC day; without both days, the list covers all time.
        :param last_day: the last UTC day, included.
        :param kind: "all", "maintrigger" or "goal".
        :param goal_id: only conversions by this goal, whatever `kind` is.
        :return: a stream of conversions.
        :raises A360FlowNotFoundError: if the list is empty and the account has no such flow.
        :raises A360ListMovedError: while iterating, if the list keeps changing.
        :raises A360ConfigError: if the kind is unknown.
        """
        flow_id = arguments.identifier(flow_id, "flow_id")
        goal_id = None if goal_id is None else arguments.identifier(goal_id, "goal_id")
        if kind not in endpoints.CONVERSION_KINDS:
            raise A360ConfigError(f"kind is {kind!r}; it must be one of {', '.join(endpoints.CONVERSION_KINDS)}.")
        span = filter_params(first_day, last_day)
        paths = endpoints.conversions_paths(flow_id, kind, goal_id, filtered=bool(span))
        place = f"A conversion of flow {flow_id}"

        def read(rows: RawRows) -> list[Conversion]:
            return records(Conversion, rows, place, flow_id=[flow_id] * len(rows))

        name = f"The list of conversions of flow {flow_id}"
        listing = self._list("conversions", paths, name, read, conversion_identity, span)
        if listing.first.rows:
            self._known_flows.add(flow_id)
        else:
            self._check_flow_exists(flow_id)
        return listing
