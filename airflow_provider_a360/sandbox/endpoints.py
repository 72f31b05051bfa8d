"""The endpoints of the service, without authentication, rate limit and faults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from airflow_provider_a360.sandbox import list_rows, lists, shapes
from airflow_provider_a360.sandbox.account import Account
from airflow_provider_a360.sandbox.conversions import ConversionQuery
from airflow_provider_a360.sandbox.flow import Element, Event, Flow
from airflow_provider_a360.sandbox.list_changes import ListChanges
from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.queries import (
    StatusError,
    not_found,
    parse_filter,
    parse_form,
    parse_paging,
    parse_sorting,
    raise_no_data,
    validation_error,
)
from airflow_provider_a360.sandbox.spans import ALWAYS, Span

_encode = msgspec.json.Encoder().encode
_OPERATORS = {"filter", "trigger", "goal", "action"}
_ADDRESS_PATHS = {"maintrigger": "main-trigger", "email": "email", "push": "push", "sms": "sms"} | dict.fromkeys(
    _OPERATORS, "flow-operator"
)
_FLOW_TYPES = {"maintrigger", "email", "push", "sms", "filter", "action", "goal", "trigger"}


def json_response(body: Any, status: int = 200) -> Response:
    """Return a JSON response.

    :param body: the body; msgspec encodes it
    :param status: the HTTP status
    :return: the response
    """
    return Response(_encode(body), status, media_type="application/json")


class Endpoints:
    """Answer the requests under /a360, and /user/info.

    :param account: the account
    :param options: the sandbox's options
    :param list_changes: changes conversion lists while they are read
    """

    def __init__(self, account: Account, options: SandboxOptions, list_changes: ListChanges) -> None:
        self._account = account
        self._options = options
        self._list_changes = list_changes

    def app(self) -> Starlette:
        """Return an ASGI application with all routes."""
        flow, stats = "/a360/autoresponders/{id:int}", "/a360/stats/{path}/{id:int}"
        conversions, filtered = flow + "/conversions/list", "/group-stat-filtered"
        gets: dict[str, Callable[[Request], Any]] = {
            "/user/info": lambda _: {"id": 7136062, "name": "Sandbox", "email": "owner@example.com"},
            "/a360/autoresponders/list": self._flows,
            flow: self._flow_detail,
            flow + filtered: self._flow_filtered,
            flow + "/total-stats": self._total_stats,
            flow + "/conversions": self._conversion_counts,
            flow + "/conversions" + filtered: self._conversion_counts_filtered,
            stats + "/group-stat": self._element_stats,
            stats + filtered: self._element_filtered,
            stats + "/addresses": self._contacts,
            conversions + "/{kind}": self._conversions,
            conversions + "/goal/{goal:int}": self._conversions,
            # The documentation has `goals` in the filtered path of all goals, and `goal` in the others.
            conversions + "/{kind}" + filtered: self._conversions_filtered,
            conversions + "/goal/{goal:int}" + filtered: self._conversions_filtered,
        }
        routes = [Route(path, self._respond_with(handler), methods=["GET"]) for path, handler in gets.items()]
        routes.append(Route("/a360/events/delete-log", self._delete_log, methods=["POST"]))
        return Starlette(
            routes=routes,
            exception_handlers={StatusError: _error_response, 404: _not_found_response, 405: _not_found_response},
        )

    def _respond_with(self, handler: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            return json_response(self._with_zero_dates(handler(request)))

        return answer

    def _with_zero_dates(self, body: Any) -> Any:
        zero = self._options.zero_date
        return body if zero == "null" else shapes.replace_missing_dates(body, zero)

    def _flow(self, request: Request) -> Flow:
        flow = self._account.flow(request.path_params["id"])
        if flow is None:
            raise not_found()
        return flow

    def _element(self, request: Request, *, types: set[str] | None = None) -> Element:
        path = request.path_params["path"]
        wanted = types or {"maintrigger" if path == "main-trigger" else path}
        element = self._account.element(request.path_params["id"])
        if element is None or element.type not in wanted:
            raise not_found()
        return element

    def _flows(self, request: Request) -> Any:
        limit, offset = parse_paging(request.query_params, required=False, maximum=None)
        rows = self._page(self._account.flows, limit, offset)
        return lists.list_body([shapes.flow_in_list(flow) for flow in rows], self._options, "data")

    def _flow_detail(self, request: Request) -> Any:
        flow = self._flow(request)
        flows = lists.visible_rows(self._account.flows, self._options.drop_rows)
        if flow in flows[max(0, len(flows) - self._options.flows_without_details) :]:
            raise not_found()
        conversions = len(ConversionQuery(flow, self._options).visible())
        return self._element_list({**shapes.flow_detail(flow), "conversions": conversions})

    def _flow_filtered(self, request: Request) -> Any:
        flow, span = self._flow(request), parse_filter(request.query_params, self._options)
        parse_paging(request.query_params, required=False)
        conversions = len(ConversionQuery(flow, self._options, span=span).visible())
        self._require_data(bool(flow.starts(span) or flow.messages(span) or conversions))
        return self._wrap_statistics({"data": shapes.flow_filtered(flow, span, conversions)})

    def _total_stats(self, request: Request) -> Any:
        flow_type = request.query_params.get("flow_type")
        if flow_type is not None and flow_type not in _FLOW_TYPES:
            raise validation_error(flow_type="The selected flow type is invalid.")
        flow, deleted = self._flow(request), request.query_params.get("deleted") == "1"
        status = self._options.deleted_status
        if deleted and status != HTTPStatus.OK:
            raise StatusError(status, {"message": "Deleted elements can't be read", "error_code": status})
        elements = (
            element
            for element in flow.elements
            if (element.deleted is deleted or (deleted and self._options.deleted_lists_all))
            and flow_type in {None, element.type}
        )
        return self._element_list(shapes.total_stats(flow, elements))

    def _element_stats(self, request: Request) -> Any:
        element = self._element(request)
        self._require_data(element.count("executed") > 0)
        return self._wrap_statistics({"data": shapes.element_stats(element)})

    def _element_filtered(self, request: Request) -> Any:
        path, types = request.path_params["path"], None
        if self._options.condition_path == "email":
            types = {"email": {"email", "trigger"}, "trigger": {""}}.get(path)
        element, span = self._element(request, types=types), parse_filter(request.query_params, self._options)
        parse_paging(request.query_params, required=False)
        self._require_data(any(element.count(counter, span) for counter in shapes.counters_of(element)))
        return self._wrap_statistics({"data": shapes.element_filtered(element, span)})

    def _element_list(self, body: dict[str, Any]) -> Any:
        """Return a body with a list of elements, under the options for such bodies."""
        return self._wrap_statistics({**body, "flows": body["flows"] * (2 if self._options.repeat_elements else 1)})

    def _wrap_statistics(self, body: dict[str, Any]) -> Any:
        return {"data": body} if self._options.nest_statistics else body

    def _contacts(self, request: Request) -> Any:
        path = request.path_params["path"]
        element = self._element(request, types={kind for kind, name in _ADDRESS_PATHS.items() if name == path} or {""})
        limit, offset = parse_paging(request.query_params)
        names = list_rows.contact_row(element, element.events[0]) if element.events else ("execution_date", "sent_date")
        field, highest_first = parse_sorting(request.query_params, {"id", *names} - {"price"})

        def rank(event: Event) -> Any:
            value = (
                event.at
                if field is None
                else event.id
                if field == "id"
                else list_rows.contact_row(element, event)[field]
            )
            return value is not None, "" if value is None else value, event.id

        events = element.cached(("sorted", field), lambda: sorted(element.events, key=rank))
        share = self._options.drop_rows
        visible = element.cached(("visible", share), lambda: len(lists.visible_rows(element.events, share)))
        page = self._page(events, limit, offset, reverse=highest_first)
        total = lists.claimed_total(self._options, page=len(page), visible=visible, raw=len(events))
        return lists.list_body([list_rows.contact_row(element, event) for event in page], self._options, "data", total)

    def _conversion_counts(self, request: Request) -> Any:
        flow = self._flow(request)
        rows = ConversionQuery(flow, self._options).visible()
        self._require_data(bool(rows))
        return self._wrap_statistics({"data": shapes.conversion_summary(flow, rows, flow.goals)})

    def _conversion_counts_filtered(self, request: Request) -> Any:
        flow, span = self._flow(request), parse_filter(request.query_params, self._options)
        limit, offset = parse_paging(request.query_params, required=False)
        rows = ConversionQuery(flow, self._options, span=span).visible()
        self._require_data(bool(rows))
        return self._wrap_statistics(
            {"data": shapes.conversion_summary(flow, rows, flow.goals[offset : offset + limit])}
        )

    def _conversions(self, request: Request) -> Any:
        return self._conversion_list(request, self._kind(request, goals="goal"), ALWAYS)

    def _conversions_filtered(self, request: Request) -> Any:
        return self._conversion_list(
            request, self._kind(request, goals="goals"), parse_filter(request.query_params, self._options)
        )

    def _kind(self, request: Request, goals: str) -> str:
        kinds = {"all": "all", "maintrigger": "maintrigger", goals: "goal"}
        kind = request.path_params.get("kind")
        if kind is None:
            return "goal"
        if kind not in kinds:
            raise not_found()
        return kinds[kind]

    def _conversion_list(self, request: Request, kind: str, span: Span) -> Any:
        flow, goal_id = self._flow(request), request.path_params.get("goal")
        if goal_id is not None and not any(
            element.id == goal_id for element in flow.elements if element.type == "goal"
        ):
            raise not_found()
        limit, offset = parse_paging(request.query_params)
        options, selected = self._options, ConversionQuery(flow, self._options, kind, goal_id, span)
        self._list_changes.on_request(options, flow, selected.rows())

        def encoded() -> bytes:
            rows = selected.sorted_rows()
            page = self._page(rows, limit, offset, reverse=options.order != "oldest", endless=options.endless)
            visible = len(selected.visible())
            total = (
                None
                if options.endless
                else lists.claimed_total(options, page=len(page), visible=visible, raw=len(rows))
            )
            shown = [list_rows.conversion_row(row, flow.printed_id(row, by_kind=options.ids_by_kind)) for row in page]
            return _encode(self._with_zero_dates(lists.list_body(shown, options, "items", total)))

        return msgspec.Raw(selected.cached((limit, offset), encoded))

    def _require_data(self, has_data: bool) -> None:  # noqa: FBT001
        if not has_data:
            raise_no_data(self._options.empty_statistics)

    def _page(
        self, rows: Sequence[Any], limit: int, offset: int, *, reverse: bool = False, endless: bool = False
    ) -> list[Any]:
        return lists.select_page(rows, self._options, limit, offset, reverse=reverse, endless=endless)

    async def _delete_log(self, request: Request) -> Response:
        fields = await parse_form(request)
        given = {name: str(fields[name]) for name in ("event_id", "email", "phone") if fields.get(name)}
        if not given:
            raise validation_error(event_id="The event_id field is required when none of email / phone are present.")
        if not given.get("event_id", "0").isdecimal():
            raise validation_error(event_id="The event_id must be an integer.")
        event_id = int(given["event_id"]) if "event_id" in given else None
        self._account.delete_logs(event_id, given.get("email"), given.get("phone"))
        return json_response({"result": True, "message": "Ok"})


def _error_response(_: Request, error: Exception) -> Response:
    if not isinstance(error, StatusError):
        raise error
    if error.status == HTTPStatus.NO_CONTENT:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return json_response(error.body, error.status)


def _not_found_response(_: Request, __: Exception) -> Response:
    return json_response(not_found().body, 404)
