"""Every endpoint of the page, answered from an account. Who may ask, how often, and faults are none of its business."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from airflow_provider_a360.sandbox import lists, shapes
from airflow_provider_a360.sandbox.account import Account
from airflow_provider_a360.sandbox.asking import Refusal, invalid, no_data, not_found, paging, sorting, span_of
from airflow_provider_a360.sandbox.conversions import Conversions
from airflow_provider_a360.sandbox.flow import ALWAYS, Element, Event, Flow, Span
from airflow_provider_a360.sandbox.growth import Growth
from airflow_provider_a360.sandbox.knobs import Knobs

_encode = msgspec.json.Encoder().encode
_OPERATORS = {"filter", "trigger", "goal", "action"}
_LISTED = {"maintrigger": "main-trigger", "email": "email", "push": "push", "sms": "sms"} | dict.fromkeys(
    _OPERATORS, "flow-operator"
)
_FLOW_TYPES = {"maintrigger", "email", "push", "sms", "filter", "action", "goal", "trigger"}


def json_response(body: Any, status: int = 200) -> Response:
    """A response of JSON."""
    return Response(_encode(body), status, media_type="application/json")


async def form_of(request: Request) -> dict[str, Any]:
    """The fields of a POST, sent as JSON or as a form."""
    body = await request.body()
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            fields = json.loads(body or b"{}")
        except ValueError:
            raise Refusal(400, {"message": "Invalid JSON", "error_code": 400}) from None
        return fields if isinstance(fields, dict) else {}
    return dict(parse_qsl(body.decode(errors="replace")))


class Endpoints:
    """The routes under /a360, and /user/info."""

    def __init__(self, account: Account, knobs: Knobs, growth: Growth) -> None:
        self._account = account
        self._knobs = knobs
        self._growth = growth

    def app(self) -> Starlette:
        """All routes, as one application."""
        flow, stats = "/a360/autoresponders/{id:int}", "/a360/stats/{path}/{id:int}"
        listed, filtered = flow + "/conversions/list", "/group-stat-filtered"
        gets: dict[str, Callable[[Request], Any]] = {
            "/user/info": lambda _: {"id": 7136062, "name": "Sandbox", "email": "owner@example.com"},
            "/a360/autoresponders/list": self._flows,
            flow: self._flow_detail,
            flow + filtered: self._flow_filtered,
            flow + "/total-stats": self._total_stats,
            flow + "/conversions": self._summary,
            flow + "/conversions" + filtered: self._summary_filtered,
            stats + "/group-stat": self._element_stats,
            stats + filtered: self._element_filtered,
            stats + "/addresses": self._contacts,
            listed + "/{kind}": self._conversions,
            listed + "/goal/{goal:int}": self._conversions,
            # The page says `goals` in the filtered path of all goals, and `goal` everywhere else.
            listed + "/{kind}" + filtered: self._conversions_filtered,
            listed + "/goal/{goal:int}" + filtered: self._conversions_filtered,
        }
        routes = [Route(path, self._answering(handler), methods=["GET"]) for path, handler in gets.items()]
        routes.append(Route("/a360/events/delete-log", self._delete_log, methods=["POST"]))
        return Starlette(routes=routes, exception_handlers={Refusal: _refuse, 404: _no_route, 405: _no_route})

    def _answering(self, handler: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            return json_response(self._dated(handler(request)))

        return answer

    def _dated(self, body: Any) -> Any:
        zero = self._knobs.zero_date
        return body if zero == "null" else shapes.dates_that_are_missing(body, zero)

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
        limit, offset = paging(request.query_params, demanded=False, most=None)
        rows = self._page(self._account.flows, limit, offset)
        return lists.answer_of([shapes.flow_in_list(flow) for flow in rows], self._knobs, "data")

    def _flow_detail(self, request: Request) -> Any:
        flow = self._flow(request)
        listed = lists.seen_of(self._account.flows, self._knobs.drop_rows)
        if flow in listed[max(0, len(listed) - self._knobs.flows_without_details) :]:
            raise not_found()
        conversions = len(Conversions(flow, self._knobs).seen())
        return self._elements({**shapes.flow_detail(flow), "conversions": conversions})

    def _flow_filtered(self, request: Request) -> Any:
        flow, span = self._flow(request), span_of(request.query_params, self._knobs)
        paging(request.query_params, demanded=False)
        conversions = len(Conversions(flow, self._knobs, span=span).seen())
        self._demand_data(bool(flow.starts(span) or flow.messages(span) or conversions))
        return self._nested({"data": shapes.flow_filtered(flow, span, conversions)})

    def _total_stats(self, request: Request) -> Any:
        flow_type = request.query_params.get("flow_type")
        if flow_type is not None and flow_type not in _FLOW_TYPES:
            raise invalid(flow_type="The selected flow type is invalid.")
        flow, deleted = self._flow(request), request.query_params.get("deleted") == "1"
        status = self._knobs.deleted_status
        if deleted and status != HTTPStatus.OK:
            raise Refusal(status, {"message": "Deleted elements can't be read", "error_code": status})
        elements = (
            element
            for element in flow.elements
            if (element.deleted is deleted or (deleted and self._knobs.deleted_lists_all))
            and flow_type in {None, element.type}
        )
        return self._elements(shapes.total_stats(flow, elements))

    def _element_stats(self, request: Request) -> Any:
        element = self._element(request)
        self._demand_data(element.count("executed") > 0)
        return self._nested({"data": shapes.element_stats(element)})

    def _element_filtered(self, request: Request) -> Any:
        path, types = request.path_params["path"], None
        if self._knobs.condition_path == "email":
            types = {"email": {"email", "trigger"}, "trigger": {""}}.get(path)
        element, span = self._element(request, types=types), span_of(request.query_params, self._knobs)
        paging(request.query_params, demanded=False)
        self._demand_data(any(element.count(counter, span) for counter in shapes.counters_of(element)))
        return self._nested({"data": shapes.element_filtered(element, span)})

    def _elements(self, body: dict[str, Any]) -> Any:
        """An answer that lists a flow's elements."""
        return self._nested({**body, "flows": body["flows"] * (2 if self._knobs.repeat_elements else 1)})

    def _nested(self, body: dict[str, Any]) -> Any:
        return {"data": body} if self._knobs.nest_statistics else body

    def _contacts(self, request: Request) -> Any:
        path = request.path_params["path"]
        element = self._element(request, types={kind for kind, listed in _LISTED.items() if listed == path} or {""})
        limit, offset = paging(request.query_params)
        names = shapes.contact_row(element, element.events[0]) if element.events else ("execution_date", "sent_date")
        field, highest_first = sorting(request.query_params, {"id", *names} - {"price"})

        def rank(event: Event) -> Any:
            value = (
                event.at if field is None else event.id if field == "id" else shapes.contact_row(element, event)[field]
            )
            return value is not None, "" if value is None else value, event.id

        events = element.cached(("sorted", field), lambda: sorted(element.events, key=rank))
        share = self._knobs.drop_rows
        seen = element.cached(("seen", share), lambda: len(lists.seen_of(element.events, share)))
        page = self._page(events, limit, offset, newest_first=highest_first)
        total = lists.total_of(self._knobs, page=len(page), seen=seen, raw=len(events))
        return lists.answer_of([shapes.contact_row(element, event) for event in page], self._knobs, "data", total)

    def _summary(self, request: Request) -> Any:
        flow = self._flow(request)
        rows = Conversions(flow, self._knobs).seen()
        self._demand_data(bool(rows))
        return self._nested({"data": shapes.conversion_summary(flow, rows, flow.goals)})

    def _summary_filtered(self, request: Request) -> Any:
        flow, span = self._flow(request), span_of(request.query_params, self._knobs)
        limit, offset = paging(request.query_params, demanded=False)
        rows = Conversions(flow, self._knobs, span=span).seen()
        self._demand_data(bool(rows))
        return self._nested({"data": shapes.conversion_summary(flow, rows, flow.goals[offset : offset + limit])})

    def _conversions(self, request: Request) -> Any:
        return self._conversion_list(request, self._kind(request, goals="goal"), ALWAYS)

    def _conversions_filtered(self, request: Request) -> Any:
        return self._conversion_list(
            request, self._kind(request, goals="goals"), span_of(request.query_params, self._knobs)
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
        limit, offset = paging(request.query_params)
        knobs, chosen = self._knobs, Conversions(flow, self._knobs, kind, goal_id, span)
        self._growth.turn(knobs, flow, chosen.rows())

        def encoded() -> bytes:
            rows = chosen.listed()
            page = self._page(rows, limit, offset, newest_first=knobs.order != "oldest", endless=knobs.endless)
            seen = len(chosen.seen())
            total = None if knobs.endless else lists.total_of(knobs, page=len(page), seen=seen, raw=len(rows))
            shown = [shapes.conversion_row(row, flow.printed_id(row, by_kind=knobs.ids_by_kind)) for row in page]
            return _encode(self._dated(lists.answer_of(shown, knobs, "items", total)))

        return msgspec.Raw(chosen.cached((limit, offset), encoded))

    def _demand_data(self, there_is: bool) -> None:  # noqa: FBT001
        if not there_is:
            no_data(self._knobs.empty_statistics)

    def _page(
        self, rows: Sequence[Any], limit: int, offset: int, *, newest_first: bool = False, endless: bool = False
    ) -> list[Any]:
        return lists.page_of(rows, self._knobs, limit, offset, reverse=newest_first, endless=endless)

    async def _delete_log(self, request: Request) -> Response:
        fields = await form_of(request)
        given = {name: str(fields[name]) for name in ("event_id", "email", "phone") if fields.get(name)}
        if not given:
            raise invalid(event_id="The event_id field is required when none of email / phone are present.")
        if not given.get("event_id", "0").isdecimal():
            raise invalid(event_id="The event_id must be an integer.")
        event_id = int(given["event_id"]) if "event_id" in given else None
        self._account.delete_logs(event_id, given.get("email"), given.get("phone"))
        return json_response({"result": True, "message": "Ok"})


def _refuse(_: Request, refusal: Exception) -> Response:
    if not isinstance(refusal, Refusal):
        raise refusal
    if refusal.status == HTTPStatus.NO_CONTENT:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return json_response(refusal.body, refusal.status)


def _no_route(_: Request, __: Exception) -> Response:
    return json_response(not_found().body, 404)
