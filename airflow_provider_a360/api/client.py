"""A method for each endpoint of the service's page."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping
from datetime import date
from operator import attrgetter
from typing import Any, Literal

import msgspec

from airflow_provider_a360.api import arguments, endpoints, envelopes, values
from airflow_provider_a360.api.calls import Calls, RawRows
from airflow_provider_a360.api.days import date_filter
from airflow_provider_a360.api.decoding import record, records
from airflow_provider_a360.api.endpoints import ConversionKind, ElementType
from airflow_provider_a360.api.errors import (
    NOT_FOUND,
    A360ConfigError,
    A360FlowNotFoundError,
    A360FormatError,
    A360NoDataError,
)
from airflow_provider_a360.api.paging import Listing
from airflow_provider_a360.api.records import (
    CONTACTS,
    Contact,
    Conversion,
    ConversionCount,
    ConversionTotals,
    Element,
    ElementStats,
    Flow,
    FlowDetails,
    TriggeredContact,
)
from airflow_provider_a360.api.settings import Settings

CALL_DEADLINE = 300.0
"""Seconds after which a call that still fails is given up, tries and waits included."""

Day = date | str | None

_series: dict[tuple[str | None, int | None], int] = {}
_numbers = itertools.count()


def conversion_identity(row: Conversion) -> int:
    """Return what tells a conversion from the others of its flow: each kind may be numbered by itself, and so may each
    goal. A whole number takes half the memory of a tuple, and a list may have a million.
    """
    # setdefault is atomic, so threads agree on the number of a series.
    series = _series.setdefault((row.conversion_type, row.element_id), next(_numbers))
    return row.conversion_id << 32 | series


class A360Client(Calls):
    """An account of SendPulse Automation 360. Safe to share among threads.

    Days are UTC, from `first_day` to `last_day`, both included; a date or an ISO 8601 string, and either bound alone
    will do. Without both, a method asks for all time. Lists are streams: the first page is read at once, the others
    while they are iterated.

    Every method raises A360AuthError (401), A360RevokedError (401 after requests that were accepted),
    A360ForbiddenError (403), A360RequestError (400), A360TransientError (after `deadline` seconds of trying) and
    A360FormatError; what else one raises, it says.

    :param settings: the account and how to ask it.
    :param deadline: seconds after which a call that still fails is given up.
    :param read_again: where the settings come from. Called after a 401 that a new token doesn't cure: the client goes
        on with what has changed of the credentials.
    :param announce: told of each token before it is used, so that it can be masked in logs.
    :raises A360ConfigError: for a proxy that is no URL, and for a bundle of certificates that isn't there.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        deadline: float = CALL_DEADLINE,
        read_again: Callable[[], Settings] | None = None,
        announce: Callable[[str], object] | None = None,
    ) -> None:
        super().__init__(settings, deadline, read_again, announce)
        self._known_flows: set[int] = set()
        self._condition_path_works = False

    def flows(self) -> Listing[Flow]:
        """Every flow of the account ("Get a List of Automation Flows").

        Raises (while iterated): A360ListMovedError.
        """

        def read(rows: RawRows) -> list[Flow]:
            flows = records(Flow, rows, "A flow of the list")
            self._known_flows.update(flow.id for flow in flows)
            return flows

        return self._list("flows", [endpoints.FLOWS], "The list of flows", read, attrgetter("id"))

    def flow(self, flow_id: int) -> FlowDetails:
        """A flow, its elements and its counters ("Get Statistics about an Automation Flow").

        Raises: A360FlowNotFoundError.
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
                name: _lenient(data.get(name), place)
                for name in ("starts", "in_queue", "end_count", "send_messages", "conversions")
            },
        )

    def flow_stats(self, flow_id: int, first_day: Day = None, last_day: Day = None) -> dict[str, Any]:
        """A flow's statistics for a span of days ("… about the flow for a chosen period"), as the service sends them:
        its page doesn't show their form. Empty where there are none.

        Raises: A360ConfigError without a day, A360FlowNotFoundError.
        """
        flow_id = arguments.identifier(flow_id, "flow_id")
        span = _filter(first_day, last_day)
        if not span:
            raise A360ConfigError("flow_stats needs first_day, last_day or both; flow() gives a flow's totals.")
        path = endpoints.FLOW_FILTERED.format(flow_id=flow_id)
        answer = self._get_of_flow(flow_id, path, {**span, **self._first_page()})
        return values.mapping(answer.get("data", answer), f"Flow {flow_id}")

    def element_totals(
        self, flow_id: int, element_type: str | None = None, *, deleted: bool = False
    ) -> list[ElementStats]:
        """Statistics of each element of a flow for all time, of one type only if `element_type` is given, of elements
        deleted from the flow if `deleted` ("Get Statistics about Each Element").

        Raises: A360FlowNotFoundError.
        """
        flow_id = arguments.identifier(flow_id, "flow_id")
        params = {"flow_type": element_type} if element_type else {}
        params |= {"deleted": "1"} if deleted else {}
        path = endpoints.ELEMENT_TOTALS.format(flow_id=flow_id)
        place = f"Flow {flow_id}: total-stats"
        data = envelopes.find_object(self._get_of_flow(flow_id, path, params), ("flows",), place)
        return records(ElementStats, values.sequence(data.get("flows"), place), place)

    def element_stats(
        self, element_id: int, element_type: str, first_day: Day = None, last_day: Day = None
    ) -> ElementStats | None:
        """An element's statistics, for all time or for a span of days; None where the service has none
        ("Get Statistics about the … Element").

        In filter and Condition, `executed` and `last_send` are for all time even with days, says the page.

        Raises: A360ConfigError for an element type that the page doesn't name.
        """
        element_id = arguments.identifier(element_id, "element_id")
        kind = _element_type(element_type)
        first, last = _bounds(first_day, last_day)
        span = _filter(first, last)
        template = endpoints.ELEMENT_STATS_FILTERED if span else endpoints.ELEMENT_STATS
        params = {**span, **self._first_page()} if span else {}
        try:
            answer = self._get(template.format(path=kind.stats_path, element_id=element_id), params)
            self._condition_path_works |= bool(span) and kind.name == endpoints.CONDITION
        except A360NoDataError:
            if kind.name != endpoints.CONDITION or not span or self._condition_path_works:
                return None
            answer = self._condition_as_printed(element_id, params)
        place = f"Element {element_id}: statistics"
        data = envelopes.find_object(answer, endpoints.COUNTERS, place)
        if not data:
            return None
        return record(
            ElementStats, data, place, element_id=element_id, element_type=kind.name, first_day=first, last_day=last
        )

    def contacts(
        self,
        element_id: int,
        element_type: str,
        *,
        sort_field: str | None = None,
        sort_direction: Literal["asc", "desc"] | None = None,
    ) -> Listing[Contact]:
        """The contacts who triggered an element or got its message ("To get a list of the contacts …").

        `sort_field` is passed on (`id` and `execution_date` have been seen), and so is `sort_direction`: the page says
        that `asc` is from highest to lowest.

        Raises: A360ConfigError for an element type without such a list; A360ListMovedError.
        """
        element_id = arguments.identifier(element_id, "element_id")
        segment = _element_type(element_type).contacts_path
        if segment is None:
            raise A360ConfigError(f"The service has no list of contacts for elements of type {element_type}.")
        params = {"sortField": sort_field} if sort_field else {}
        params |= {"sortDirection": sort_direction} if sort_direction else {}
        path = endpoints.CONTACTS.format(path=segment, element_id=element_id)
        place = f"A contact of element {element_id}"
        kind, code_field, meanings = CONTACTS.get(segment, (TriggeredContact, "", {}))
        identity = attrgetter("id") if segment in CONTACTS else _content

        def read(rows: RawRows) -> list[Contact]:
            if not code_field:
                return records(kind, rows, place)
            codes = [values.integer(row.get(code_field), f"{place}: {code_field}") for row in rows]
            given: dict[str, Any] = {code_field: codes}
            given[f"{code_field}_meaning"] = [None if code is None else meanings.get(code) for code in codes]
            return records(kind, rows, place, **given)

        name = f"The list of contacts of element {element_id}"
        return self._list(f"contacts/{segment}", [path], name, read, identity, params)

    def conversion_totals(self, flow_id: int, first_day: Day = None, last_day: Day = None) -> ConversionTotals:
        """How many conversions a flow had, by way, for all time or for a span of days
        ("Get the Flow Conversions List").

        Raises: A360FlowNotFoundError.
        """
        flow_id = arguments.identifier(flow_id, "flow_id")
        span = _filter(first_day, last_day)
        template = endpoints.CONVERSION_TOTALS_FILTERED if span else endpoints.CONVERSION_TOTALS
        path, place = template.format(flow_id=flow_id), f"Flow {flow_id}: conversions"

        def ask(page: Mapping[str, str | int]) -> dict[str, Any]:
            return envelopes.find_object(
                self._get_of_flow(flow_id, path, {**span, **page}), endpoints.CONVERSION_COUNTS, place
            )

        data = ask(self._first_page() if span else {})
        goals = values.sequence(data.get("goals"), place)
        # The filtered form takes limit and offset, so its goals may be a page of them.
        size = self.settings.page_size
        page, offset = goals, size
        while span and len(page) == size:
            known = {goal.get("id") for goal in goals}
            page = values.sequence(ask({"limit": size, "offset": offset}).get("goals"), place)
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
        kind: ConversionKind = "all",
        *,
        goal_id: int | None = None,
        first_day: Day = None,
        last_day: Day = None,
    ) -> Listing[Conversion]:
        """Who converted in a flow: by either way, by the main trigger, by any goal or by one
        ("Get a List of the Contacts That Converted").

        Which days the service's filter means, and by which of a row's dates it goes, is not certain: the export of
        conversions settles that, this method gives what the service gives.

        An empty list may be that of an unknown flow, so the flow is asked for then.

        Raises: A360FlowNotFoundError, A360ListMovedError; A360ConfigError for an unknown kind.
        """
        flow_id = arguments.identifier(flow_id, "flow_id")
        goal_id = None if goal_id is None else arguments.identifier(goal_id, "goal_id")
        if kind not in endpoints.CONVERSION_KINDS:
            raise A360ConfigError(f"kind is {kind!r}; it must be one of {', '.join(endpoints.CONVERSION_KINDS)}.")
        span = _filter(first_day, last_day)
        paths = endpoints.conversions_paths(flow_id, kind, goal_id, filtered=bool(span))
        place = f"A conversion of flow {flow_id}"

        def read(rows: RawRows) -> list[Conversion]:
            return records(Conversion, rows, place, flow_id=[flow_id] * len(rows))

        name = f"The list of conversions of flow {flow_id}"
        listing = self._list("conversions", paths, name, read, conversion_identity, span)
        if listing.first.rows:
            self._known_flows.add(flow_id)
        else:
            self._expect_flow(flow_id)
        return listing

    def delete_event_logs(
        self, *, event_id: int | str | None = None, email: str | None = None, phone: str | None = None
    ) -> None:
        """Delete records from the event logs: all of an event, of an e-mail address or of a phone number, or those that
        match each of the ones given ("Delete Event Logs").

        `event_id` is the event's number in the Event Manager, not a contact's `event_id`.

        Raises: A360ConfigError with none of the three.
        """
        given = {"event_id": event_id, "email": email, "phone": phone}
        body = {name: value for name, value in given.items() if value not in (None, "")}
        if not body:
            raise A360ConfigError("delete_event_logs needs event_id, email or phone, or any mix of them.")
        try:
            self._call("POST", endpoints.DELETE_EVENT_LOGS, body=body)
        except A360NoDataError as error:
            if error.status == NOT_FOUND:
                raise

    def _get_of_flow(self, flow_id: int, path: str, params: Mapping[str, str | int] | None = None) -> dict[str, Any]:
        """The object that the service answers, an empty one where a flow that exists has no data.

        Raises: A360FlowNotFoundError: a 404 means either, so the flow itself is asked for.
        """
        try:
            return values.mapping(self._get(path, params), f"Flow {flow_id}")
        except A360NoDataError:
            self._expect_flow(flow_id)
            return {}

    def _condition_as_printed(self, element_id: int, params: Mapping[str, str | int]) -> Any:
        """Return what the path answers at which the page prints a Condition's filtered statistics, an e-mail's, or
        nothing: an answer counts only if it is a Condition's, with `executed` and no counter of e-mails.
        """
        path = endpoints.ELEMENT_STATS_FILTERED.format(path=endpoints.PRINTED_CONDITION_PATH, element_id=element_id)
        try:
            answer = self._get(path, params)
        except A360NoDataError:
            return {}
        data = envelopes.find_object(answer, endpoints.COUNTERS, f"Element {element_id}: statistics")
        return data if "executed" in data and data.keys().isdisjoint(endpoints.EMAIL_COUNTERS) else {}

    def _expect_flow(self, flow_id: int) -> None:
        if flow_id in self._known_flows:
            return
        try:
            self.flow(flow_id)
        except A360FlowNotFoundError:
            # A flow may be listed and have no details all the same.
            if not any(flow.id == flow_id for flow in self.flows()):
                raise

    def _first_page(self) -> dict[str, int]:
        """Paging of statistics: optional by the page, demanded by its sample of an error."""
        return {"limit": self.settings.page_size, "offset": 0}


def _element_type(name: str) -> ElementType:
    try:
        return endpoints.ELEMENT_TYPES[name]
    except KeyError:
        known = ", ".join(endpoints.ELEMENT_TYPES)
        raise A360ConfigError(f"element_type is {name!r}; the service has statistics for {known}.") from None


def _element(raw: Mapping[str, Any], place: str) -> Element:
    """An element of a flow's details, named by what it sends."""
    task = values.mapping(raw.get("task"), f"{place}: task")
    name = task.get("message_title") or task.get("title") or task.get("name") or raw.get("name")
    return record(Element, raw, f"{place}: an element", name=values.text(name, place))


def _lenient(value: Any, place: str) -> int | None:
    """A counter that steers a wait: what is no number is null there, never an error and never 0."""
    try:
        return values.integer(value, place)
    except A360FormatError:
        return None


def _bounds(first_day: Day, last_day: Day) -> tuple[date | None, date | None]:
    first = None if first_day is None else arguments.day(first_day, "first_day")
    last = None if last_day is None else arguments.day(last_day, "last_day")
    if first and last and last < first:
        raise A360ConfigError(f"last_day, {last}, comes before first_day, {first}: swap them.")
    return first, last


def _filter(first_day: Day, last_day: Day) -> dict[str, str | int]:
    first, last = _bounds(first_day, last_day)
    return {"filter": date_filter(first, last)} if first or last else {}


def _content(row: Any) -> bytes:
    """Rows without an id are the same when all in them is."""
    return hashlib.blake2b(msgspec.json.encode(row), digest_size=8).digest()
