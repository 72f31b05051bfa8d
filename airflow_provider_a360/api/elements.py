"""The endpoints of elements: statistics, and the contacts who reached an element."""

from __future__ import annotations

import hashlib
from operator import attrgetter
from typing import Any, Literal, overload

import msgspec

from airflow_provider_a360.api import arguments, endpoints, envelopes, values
from airflow_provider_a360.api.base_client import BaseClient, Params, RawRows
from airflow_provider_a360.api.days import Day, bounds, filter_params
from airflow_provider_a360.api.decoding import record, records
from airflow_provider_a360.api.errors import A360ConfigError, A360NoDataError
from airflow_provider_a360.api.paging import Listing
from airflow_provider_a360.api.records import (
    CONTACTS,
    Contact,
    ElementStats,
    EmailContact,
    PushContact,
    SmsContact,
    TriggeredContact,
)

Direction = Literal["asc", "desc"]


class ElementEndpoints(BaseClient):
    """The endpoints of elements."""

    _condition_path_works = False

    def element_stats(
        self, element_id: int, element_type: str, first_day: Day = None, last_day: Day = None
    ) -> ElementStats | None:
        """Return an element's statistics, for all time or for a period ("Get Statistics about the … Element").

        According to the documentation, `executed` and `last_send` of filters and conditions cover all time even if days
        are given.

        :param element_id: the element's id.
        :param element_type: the element's type (`endpoints.ELEMENT_TYPES`).
        :param first_day: the first UTC day.
        :param last_day: the last UTC day, included.
        :return: the statistics; None if the service has none.
        :raises A360ConfigError: if the documentation doesn't name the element type.
        """
        element_id = arguments.identifier(element_id, "element_id")
        kind = endpoints.element_type(element_type)
        first, last = bounds(first_day, last_day)
        span = filter_params(first, last)
        template = endpoints.ELEMENT_STATS_FILTERED if span else endpoints.ELEMENT_STATS
        params: Params = {**span, **self._paging_params} if span else {}
        try:
            answer = self._get(template.format(path=kind.stats_path, element_id=element_id), params)
            self._condition_path_works |= bool(span) and kind.name == endpoints.CONDITION
        except A360NoDataError:
            if kind.name != endpoints.CONDITION or not span or self._condition_path_works:
                return None
            answer = self._condition_at_printed_path(element_id, params)
        place = f"Element {element_id}: statistics"
        data = envelopes.find_object(answer, endpoints.COUNTERS, place)
        if not data:
            return None
        return record(
            ElementStats, data, place, element_id=element_id, element_type=kind.name, first_day=first, last_day=last
        )

    def _condition_at_printed_path(self, element_id: int, params: Params) -> Any:
        """Request a condition's filtered statistics at the path of e-mails, where the documentation prints them.

        :return: the statistics; an empty object if they are missing, or have counters that only an e-mail has.
        """
        path = endpoints.ELEMENT_STATS_FILTERED.format(path=endpoints.PRINTED_CONDITION_PATH, element_id=element_id)
        try:
            answer = self._get(path, params)
        except A360NoDataError:
            return {}
        data = envelopes.find_object(answer, endpoints.COUNTERS, f"Element {element_id}: statistics")
        return data if "executed" in data and data.keys().isdisjoint(endpoints.EMAIL_COUNTERS) else {}

    @overload
    def contacts(
        self, element_id: int, element_type: Literal["email"], *,
        sort_field: str | None = None, sort_direction: Direction | None = None,
    ) -> Listing[EmailContact]: ...  # fmt: skip

    @overload
    def contacts(
        self, element_id: int, element_type: Literal["push"], *,
        sort_field: str | None = None, sort_direction: Direction | None = None,
    ) -> Listing[PushContact]: ...  # fmt: skip

    @overload
    def contacts(
        self, element_id: int, element_type: Literal["sms"], *,
        sort_field: str | None = None, sort_direction: Direction | None = None,
    ) -> Listing[SmsContact]: ...  # fmt: skip

    @overload
    def contacts(
        self, element_id: int, element_type: Literal["maintrigger", "filter", "trigger", "goal", "action"], *,
        sort_field: str | None = None, sort_direction: Direction | None = None,
    ) -> Listing[TriggeredContact]: ...  # fmt: skip

    @overload
    def contacts(
        self, element_id: int, element_type: str, *,
        sort_field: str | None = None, sort_direction: Direction | None = None,
    ) -> Listing[Contact]: ...  # fmt: skip

    def contacts(
        self,
        element_id: int,
        element_type: str,
        *,
        sort_field: str | None = None,
        sort_direction: Direction | None = None,
    ) -> Listing[Contact]:
        """List the contacts who triggered an element or were sent its message ("To get a list of the contacts …").

        :param element_id: the element's id.
        :param element_type: the element's type; the service lists contacts for all types but `messenger`.
        :param sort_field: the field to sort by; the documentation shows `id` and `execution_date`.
        :param sort_direction: "asc" or "desc". According to the documentation, `asc` sorts from highest to lowest.
        :return: a stream of `EmailContact`, `PushContact`, `SmsContact`, or `TriggeredContact` for all other types.
        :raises A360ConfigError: if the service has no list of contacts for the element type.
        :raises A360ListMovedError: while iterating, if the list keeps changing.
        """
        element_id = arguments.identifier(element_id, "element_id")
        segment = endpoints.element_type(element_type).contacts_path
        if segment is None:
            raise A360ConfigError(f"The service has no list of contacts for elements of type {element_type}.")
        params = {"sortField": sort_field} if sort_field else {}
        params |= {"sortDirection": sort_direction} if sort_direction else {}
        path = endpoints.CONTACTS.format(path=segment, element_id=element_id)
        place = f"A contact of element {element_id}"
        kind, code_field, meanings = CONTACTS.get(segment, (TriggeredContact, "", {}))

        def read(rows: RawRows) -> list[Contact]:
            if not code_field:
                return records(kind, rows, place)
            codes = [values.integer(row.get(code_field), f"{place}: {code_field}") for row in rows]
            given: dict[str, Any] = {code_field: codes}
            given[f"{code_field}_meaning"] = [None if code is None else meanings.get(code) for code in codes]
            return records(kind, rows, place, **given)

        return self._list(
            f"contacts/{segment}",
            [path],
            f"The list of contacts of element {element_id}",
            read,
            attrgetter("id") if segment in CONTACTS else _content,
            params,
        )


def _content(row: Contact) -> bytes:
    """Return a hash of the whole row, as the identity of a row without an id."""
    return hashlib.blake2b(msgspec.json.encode(row), digest_size=8).digest()
