"""The hook: SendPulse Automation 360 through an Airflow connection."""

from __future__ import annotations

import functools
from typing import Any, Literal, overload

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook, Connection, mask_secret

from airflow_provider_a360 import airflow_compat
from airflow_provider_a360.api.base_client import CALL_DEADLINE
from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.days import Day
from airflow_provider_a360.api.endpoints import ConversionKind
from airflow_provider_a360.api.errors import A360ConfigError, A360Error, A360TransientError, A360UndecodableError
from airflow_provider_a360.api.paging import Listing
from airflow_provider_a360.api.records import (
    Contact,
    Conversion,
    ConversionTotals,
    ElementStats,
    EmailContact,
    Flow,
    FlowDetails,
    PushContact,
    SmsContact,
    TriggeredContact,
)
from airflow_provider_a360.hooks import DEFAULT_CONN_ID
from airflow_provider_a360.hooks.connection import PERSONAL_DATA_SECRET, extra_of, make_client, settings_of

INTERACTIVE_DEADLINE = 15.0
"""Seconds after which a call is given up while a person waits for the answer."""

Sort = Literal["asc", "desc"] | None
OperatorType = Literal["maintrigger", "filter", "trigger", "goal", "action"]


def explain(error: A360Error) -> str:
    """Return an error's message for a person at a terminal or in Airflow's UI, where no retry follows.

    :param error: the error to explain.
    """
    if not isinstance(error, A360TransientError) or isinstance(error, A360UndecodableError):
        return str(error).replace("Run the task again later.", "Try again later.")
    limit = "The account's rate limit is exhausted, perhaps by other users of the account. " * error.limited
    return f"{str(error).removesuffix(error.remedy)}{limit}Try again later."


class A360Hook(BaseHook):
    """Call every endpoint of the SendPulse Automation 360 API.

    All days are UTC and both are included. Give a `date` or a string such as `"2026-11-20"`; one of two days may be
    left out. Without days, a method returns all-time figures. Lists are streams: the first page is read at once, the
    others while you iterate.

    Hooks of the same account share its access token and its rate limit within a process.

    Every method raises A360ConfigError for an invalid argument or connection, before any request;
    A360AuthError or A360RevokedError (401), A360ForbiddenError (403), A360RequestError (400), A360TransientError
    (429, 5xx and network errors, after 300 seconds of retries) and A360FormatError (a response in an unknown form).

    Example::

        hook = A360Hook()
        for flow in hook.flows():
            print(flow.id, flow.name)

    :param a360_conn_id: ID of the Airflow connection.
    """

    conn_name_attr = "a360_conn_id"
    default_conn_name = DEFAULT_CONN_ID
    conn_type = "a360"
    hook_name = "SendPulse Automation 360"
    get_connection_form_widgets = staticmethod(airflow_compat.connection_form_widgets)
    get_ui_field_behaviour = staticmethod(airflow_compat.ui_field_behaviour)

    def __init__(self, a360_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.a360_conn_id = a360_conn_id

    def get_conn(self) -> A360Client:
        """Return the hook's client. It is created at the first call.

        :raises A360ConfigError: if the connection is missing or invalid.
        """
        return self._client

    def client(self, *, deadline: float = CALL_DEADLINE) -> A360Client:
        """Create a client. After a 401 it reads the connection again, and continues if the credentials changed.

        :param deadline: seconds after which a call that still fails is given up.
        :raises A360ConfigError: if the connection is missing or invalid.
        """
        connection = self._connection
        try:
            return make_client(
                settings_of(connection), deadline=deadline, reload_settings=lambda: settings_of(self._look_up())
            )
        except A360ConfigError as error:
            raise A360ConfigError(f"Connection {self.a360_conn_id}: {error}") from None

    def test_connection(self) -> tuple[bool, str]:
        """Test the connection for Airflow's connection page: list the account's flows.

        :return: whether that worked, and a message.
        """
        try:
            # No connection ID in the messages: the page tests under a random one.
            client = make_client(settings_of(self._connection), deadline=INTERACTIVE_DEADLINE)
            number = sum(1 for _ in client.flows())
        except A360Error as error:
            return False, explain(error)
        return True, f"Connected. The account has {number} flow{'s' * (number != 1)}."

    @property
    def personal_data_secret(self) -> str | None:
        """Return the key that hashes e-mail addresses and phone numbers.

        :raises A360ConfigError: if it isn't a string.
        """
        secret = extra_of(self._connection).get(PERSONAL_DATA_SECRET)
        if not isinstance(secret, str | None):
            raise A360ConfigError(
                f"{PERSONAL_DATA_SECRET} in the connection's extra must be a string: put it in quotes."
            )
        if secret:
            mask_secret(secret)
        return secret or None

    def flows(self) -> Listing[Flow]:
        """List the account's flows ("Get a List of Automation Flows").

        Example::

            active = [flow.id for flow in A360Hook().flows() if flow.status == 1]

        :raises A360ListMovedError: while iterating, if the list changed every time it was read.
        """
        return self._client.flows()

    def flow(self, flow_id: int) -> FlowDetails:
        """Return a flow with its elements and counters ("Get Statistics about an Automation Flow").

        Example::

            queue = A360Hook().flow(292692).in_queue

        :param flow_id: the flow's ID, as in its URL.
        :raises A360FlowNotFoundError: if the account has no such flow.
        """
        return self._client.flow(flow_id)

    def flow_stats(self, flow_id: int, first_day: Day = None, last_day: Day = None) -> dict[str, Any]:
        """Return a flow's statistics for a period ("To get information about the flow for a chosen period").

        SendPulse's documentation doesn't show the response, so its fields keep their names. Strings of digits become
        integers, except in fields that hold text.

        Example::

            stats = A360Hook().flow_stats(292692, "2026-11-01", "2026-11-07")

        :param flow_id: the flow's ID.
        :param first_day: first UTC day. Give this, `last_day` or both.
        :param last_day: last UTC day, included.
        :return: the statistics; empty if there are none.
        :raises A360FlowNotFoundError: if the account has no such flow.
        """
        return self._client.flow_stats(flow_id, first_day, last_day)

    def element_totals(
        self, flow_id: int, element_type: str | None = None, *, deleted: bool = False
    ) -> list[ElementStats]:
        """Return all-time statistics of each element of a flow ("Get Statistics about Each Element").

        Example::

            emails = A360Hook().element_totals(292692, "email")

        :param flow_id: the flow's ID.
        :param element_type: only elements of this type, such as `"email"`.
        :param deleted: only elements that were deleted from the flow.
        :raises A360FlowNotFoundError: if the account has no such flow.
        """
        return self._client.element_totals(flow_id, element_type, deleted=deleted)

    def element_stats(
        self, element_id: int, element_type: str, first_day: Day = None, last_day: Day = None
    ) -> ElementStats | None:
        """Return an element's statistics, for all time or for a period ("Get Statistics about the … Element").

        For `filter` and `trigger` (Condition) elements, `executed` and `last_send` are all-time even with days.

        Example::

            stats = A360Hook().element_stats(641438, "email", "2026-11-01", "2026-11-07")

        :param element_id: the element's ID.
        :param element_type: the element's type, such as `"email"`.
        :param first_day: first UTC day.
        :param last_day: last UTC day, included.
        :return: the statistics; None if the service has none.
        """
        return self._client.element_stats(element_id, element_type, first_day, last_day)

    @overload
    def contacts(
        self,
        element_id: int,
        element_type: Literal["email"],
        *,
        sort_field: str | None = ...,
        sort_direction: Sort = ...,
    ) -> Listing[EmailContact]: ...
    @overload
    def contacts(
        self,
        element_id: int,
        element_type: Literal["push"],
        *,
        sort_field: str | None = ...,
        sort_direction: Sort = ...,
    ) -> Listing[PushContact]: ...
    @overload
    def contacts(
        self, element_id: int, element_type: Literal["sms"], *, sort_field: str | None = ..., sort_direction: Sort = ...
    ) -> Listing[SmsContact]: ...
    @overload
    def contacts(
        self, element_id: int, element_type: OperatorType, *, sort_field: str | None = ..., sort_direction: Sort = ...
    ) -> Listing[TriggeredContact]: ...
    @overload
    def contacts(
        self, element_id: int, element_type: str, *, sort_field: str | None = ..., sort_direction: Sort = ...
    ) -> Listing[Contact]: ...
    def contacts(
        self, element_id: int, element_type: str, *, sort_field: str | None = None, sort_direction: Sort = None
    ) -> Listing[Any]:
        """List the contacts that an element was executed for, or that received its message ("To get a list of the
        contacts …").

        The rows hold addresses and phone numbers: don't return them from a task.

        Example::

            opened = sum(1 for contact in A360Hook().contacts(641438, "email") if contact.open_date)

        :param element_id: the element's ID.
        :param element_type: the element's type; it decides the type of the rows.
        :param sort_field: field to sort by, such as `"id"`. The documentation lists no values.
        :param sort_direction: according to the documentation, `"asc"` sorts from highest to lowest.
        :raises A360ListMovedError: while iterating, if the list changed every time it was read.
        """
        return self._client.contacts(element_id, element_type, sort_field=sort_field, sort_direction=sort_direction)

    def conversion_totals(self, flow_id: int, first_day: Day = None, last_day: Day = None) -> ConversionTotals:
        """Return the number of conversions of a flow, in total and by goal ("Get the Flow Conversions List").

        Example::

            totals = A360Hook().conversion_totals(292692, "2026-11-01", "2026-11-07")

        :param flow_id: the flow's ID.
        :param first_day: first UTC day.
        :param last_day: last UTC day, included.
        :raises A360FlowNotFoundError: if the account has no such flow.
        """
        return self._client.conversion_totals(flow_id, first_day, last_day)

    def conversions(
        self,
        flow_id: int,
        first_day: Day = None,
        last_day: Day = None,
        *,
        kind: ConversionKind = "all",
        goal_id: int | None = None,
    ) -> Listing[Conversion]:
        """List the conversions of a flow ("Get a List of the Contacts That Converted").

        The documentation doesn't say by which date the service filters, nor when its day begins. This method returns
        what the service sends; A360ExportConversionsOperator assigns each row to its day.

        Example::

            rows = list(A360Hook().conversions(292692, "2026-11-01", "2026-11-07"))

        :param flow_id: the flow's ID.
        :param first_day: first day of the service's filter.
        :param last_day: last day of the service's filter, included.
        :param kind: `"all"`, `"maintrigger"` (an event stopped the flow) or `"goal"`.
        :param goal_id: only the conversions of this goal.
        :raises A360FlowNotFoundError: if the account has no such flow.
        :raises A360ListMovedError: while iterating, if the list changed every time it was read.
        """
        return self._client.conversions(flow_id, first_day, last_day, kind=kind, goal_id=goal_id)

    def delete_event_logs(
        self, *, event_id: int | str | None = None, email: str | None = None, phone: str | None = None
    ) -> None:
        """Delete records from the event logs that match all given values ("Delete Event Logs").

        Example::

            A360Hook().delete_event_logs(email="ann@example.com")

        :param event_id: the event's number in the Event Manager, not a contact's `event_id`.
        :param email: an e-mail address.
        :param phone: a phone number.
        :raises A360ConfigError: if no value is given.
        """
        self._client.delete_event_logs(event_id=event_id, email=email, phone=phone)

    @functools.cached_property
    def _client(self) -> A360Client:
        return self.client()

    @functools.cached_property
    def _connection(self) -> Connection:
        return self._look_up()

    def _look_up(self) -> Connection:
        try:
            return self.get_connection(self.a360_conn_id)
        except AirflowNotFoundException:
            raise A360ConfigError(
                f"The connection {self.a360_conn_id!r} doesn't exist: create one of type {self.conn_type} with this "
                "ID, or set a360_conn_id."
            ) from None
