"""The client of an account: a method for each documented endpoint."""

from __future__ import annotations

from airflow_provider_a360.api import endpoints
from airflow_provider_a360.api.conversions import ConversionEndpoints
from airflow_provider_a360.api.elements import ElementEndpoints
from airflow_provider_a360.api.errors import NOT_FOUND, A360ConfigError, A360NoDataError
from airflow_provider_a360.api.flows import FlowEndpoints


class A360Client(ConversionEndpoints, FlowEndpoints, ElementEndpoints):
    """A client of one SendPulse Automation 360 account. Safe to share among threads.

    Days are UTC. `first_day` and `last_day` are both included; give a date or an ISO 8601 string, and either bound
    alone is enough. Without both, a method covers all time. Lists are streams: the first page is read at once, the
    others while you iterate.

    Besides the errors that it documents, each method raises A360AuthError (401), A360RevokedError (401 after requests
    that were accepted), A360ForbiddenError (403), A360RequestError (400 and similar), A360TransientError (still failing
    after `deadline` seconds) and A360FormatError (a response in an unknown form).

    To intercept requests, use responses or requests-mock, or mount an adapter: `client.session.mount("https://", …)`.

    :param settings: the account's credentials, base URL and limits.
    :param deadline: seconds after which a call that keeps failing is given up, retries and waits included.
    :param reload_settings: reads the settings again. Called after a 401 that a new token doesn't fix; if the
        credentials have changed, the client continues with the new ones.
    :param on_new_token: called with each access token before it is sent for the first time, so that it can be masked
        in logs.
    :raises A360ConfigError: if a proxy of the environment isn't a valid URL, or the CA bundle doesn't exist.
    """

    def delete_event_logs(
        self, *, event_id: int | str | None = None, email: str | None = None, phone: str | None = None
    ) -> None:
        """Delete the records of the event logs that match all arguments given ("Delete Event Logs").

        :param event_id: the event's number in the Event Manager; not the `event_id` of a contact.
        :param email: an e-mail address.
        :param phone: a phone number.
        :raises A360ConfigError: if no argument is given.
        """
        given = {"event_id": event_id, "email": email, "phone": phone}
        body = {name: value for name, value in given.items() if value not in (None, "")}
        if not body:
            raise A360ConfigError("delete_event_logs needs event_id, email or phone, or several of them.")
        if wrong := [name for name, value in body.items() if type(value) not in (int, str)]:
            # Not the value: it may be an address or a phone number.
            raise A360ConfigError(f"{' and '.join(wrong)} must be a string or an integer.")
        try:
            self._call("POST", endpoints.DELETE_EVENT_LOGS, body=body)
        except A360NoDataError as error:
            if error.status == NOT_FOUND:
                raise
