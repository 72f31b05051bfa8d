"""The endpoints of flows: the list, a flow's details and statistics, and the totals of its elements."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from airflow_provider_a360.api import arguments, endpoints, envelopes, values
from airflow_provider_a360.api.base_client import BaseClient, Params, RawRows
from airflow_provider_a360.api.days import Day, filter_params
from airflow_provider_a360.api.decoding import record, records
from airflow_provider_a360.api.errors import A360ConfigError, A360FlowNotFoundError, A360FormatError, A360NoDataError
from airflow_provider_a360.api.paging import Listing
from airflow_provider_a360.api.records import Element, ElementStats, Flow, FlowDetails


class FlowEndpoints(BaseClient):
    """The endpoints of flows."""

    def flows(self) -> Listing[Flow]:
        """List the flows of the account ("Get a List of Automation Flows").

        :return: a stream of flows.
        :raises A360ListMovedError: while iterating, if the list keeps changing.
        """

        def read(rows: RawRows) -> list[Flow]:
            flows = records(Flow, rows, "A flow of the list")
            self._known_flows.update(flow.id for flow in flows)
            return flows

        return self._list("flows", [endpoints.FLOWS], "The list of flows", read, attrgetter("id"))

    def flow(self, flow_id: int) -> FlowDetails:
        """Return a flow's details, elements and counters ("Get Statistics about an Automation Flow").

        :param flow_id: the flow's id.
        :return: the details; a counter that isn't a number is None.
        :raises A360FlowNotFoundError: if the account has no such flow.
        """
        flow_id = arguments.identifier(flow_id, "flow_id")
        try:
            answer = self._get(endpoints.FLOW.format(flow_id=flow_id))
        except A360NoDataError:
            raise A360FlowNotFoundError(flow_id) from None
        place = f"Flow {flow_id}"
        data = envelopes.find_object(answer, ("autoresponder",), place)
        head = values.mapping(data.get("autoresponder"), place)
        if not head:
            raise A360FlowNotFoundError(flow_id)
        self._known_flows.add(flow_id)
        return FlowDetails(
            flow=record(Flow, head, place),
            elements=[_element(raw, place) for raw in values.sequence(data.get("flows"), f"{place}: flows")],
            **{
                name: _counter_or_none(data.get(name), place)
                for name in ("starts", "in_queue", "end_count", "send_messages", "conversions")
            },
        )

    def flow_stats(self, flow_id: int, first_day: Day = None, last_day: Day = None) -> dict[str, Any]:
        """Return a flow's statistics for a period ("To get information about the flow for a chosen period").

        The documentation doesn't show this response, so its fields come under the service's names. Strings that are
        plain numbers become numbers; fields that hold text, such as `name` and `phone`, stay strings.

        :param flow_id: the flow's id.
        :param first_day: the first UTC day.
        :param last_day: the last UTC day, included.
        :return: the statistics; empty if the service has none.
        :raises A360ConfigError: if neither day is given.
        :raises A360FlowNotFoundError: if the account has no such flow.
        """
        flow_id = arguments.identifier(flow_id, "flow_id")
        span = filter_params(first_day, last_day)
        if not span:
            raise A360ConfigError("flow_stats needs first_day, last_day or both; flow() gives a flow's totals.")
        path = endpoints.FLOW_FILTERED.format(flow_id=flow_id)
        answer = self._get_of_flow(flow_id, path, {**span, **self._paging_params})
        stats = values.mapping(answer.get("data", answer), f"Flow {flow_id}")
        return {name: values.with_numbers(value, name) for name, value in stats.items()}

    def element_totals(
        self, flow_id: int, element_type: str | None = None, *, deleted: bool = False
    ) -> list[ElementStats]:
        """Return the all-time statistics of each element of a flow ("Get Statistics about Each Element").

        :param flow_id: the flow's id.
        :param element_type: only elements of this type (`endpoints.ELEMENT_TYPES`).
        :param deleted: the elements that were deleted from the flow, instead of those in it.
        :return: a record for each element.
        :raises A360FlowNotFoundError: if the account has no such flow.
        """
        flow_id = arguments.identifier(flow_id, "flow_id")
        params = {"flow_type": element_type} if element_type else {}
        params |= {"deleted": "1"} if deleted else {}
        path = endpoints.ELEMENT_TOTALS.format(flow_id=flow_id)
        place = f"Flow {flow_id}: total-stats"
        data = envelopes.find_object(self._get_of_flow(flow_id, path, params), ("flows",), place)
        return records(ElementStats, values.sequence(data.get("flows"), place), place)

    def _get_of_flow(self, flow_id: int, path: str, params: Params | None = None) -> dict[str, Any]:
        """Return the response as an object; an empty one if the flow exists but has no data.

        :raises A360FlowNotFoundError: if the flow doesn't exist: a 404 alone may mean either.
        """
        try:
            return values.mapping(self._get(path, params), f"Flow {flow_id}")
        except A360NoDataError:
            self._check_flow_exists(flow_id)
            return {}

    def _check_flow_exists(self, flow_id: int) -> None:
        if flow_id in self._known_flows:
            return
        try:
            self.flow(flow_id)
        except A360FlowNotFoundError:
            # A flow can be listed without having details.
            if not any(flow.id == flow_id for flow in self.flows()):
                raise


def _element(raw: Mapping[str, Any], place: str) -> Element:
    """Return an element of a flow's details, named after the message that it sends."""
    task = values.mapping(raw.get("task"), f"{place}: task")
    name = task.get("message_title") or task.get("title") or task.get("name") or raw.get("name")
    return record(Element, raw, f"{place}: an element", name=values.text(name, place))


def _counter_or_none(value: Any, place: str) -> int | None:
    """Return a counter; None for anything else, because a wait on the counter should go on."""
    try:
        return values.integer(value, place)
    except A360FormatError:
        return None
