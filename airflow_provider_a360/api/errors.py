"""The exceptions: one for each thing that a caller can do next."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from airflow_provider_a360.api.masking import scrub


class A360Error(Exception):
    """Base class of all errors of this package."""


class A360ConfigError(A360Error, ValueError):
    """The connection or an argument is wrong, and nothing was sent: fix it."""


class A360FormatError(A360Error):
    """The service sent a response in an unknown form: report it with the place that the message names."""


class A360ListMovedError(A360Error):
    """A list kept changing while it was read: run the task again at a quieter time."""


class A360FlowNotFoundError(A360Error):
    """The account has no flow with this id: fix the id, or check which account the connection belongs to.

    :param flow_id: the id that was not found.
    """

    def __init__(self, flow_id: int) -> None:
        super().__init__(
            f"Flow {flow_id} does not exist in this account. List the flows with `airflow a360 flows` (before Airflow "
            "3.2: `python -m airflow_provider_a360 flows`), or take the id from the flow's URL in SendPulse. Check "
            "that the connection belongs to the account that owns the flow."
        )
        self.flow_id = flow_id

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.flow_id,)


class A360GoalNotFoundError(A360Error):
    """The flow has no goal with this id: fix the id."""


class A360AnswerError(A360Error):
    """A request failed; the subclass says what to do.

    :param method: the HTTP method.
    :param path: the path, without the query.
    :param status: the HTTP status; None if no response came.
    :param reason: the service's own message; addresses, phone numbers and tokens are masked.
    """

    remedy: ClassVar[str] = ""

    def __init__(self, method: str, path: str, status: int | None, reason: str) -> None:
        self.method, self.path, self.status, self.reason = method, path, status, scrub(reason)
        answer = f"{status} {self.reason}" if status else self.reason
        super().__init__(" ".join(filter(None, [f"{method} {path}: {answer.strip().rstrip('.')}.", self.remedy])))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.method, self.path, self.status, self.reason), self.__dict__


class A360AuthError(A360AnswerError):
    """The credentials are wrong (401): fix the connection."""

    remedy = (
        "Check the connection: enter the client ID as login and the client secret as password, "
        "or leave login empty and enter a static API key as password."
    )


class A360RevokedError(A360Error):
    """The credentials were accepted before and are refused now: save the new ones, then run the task again."""

    @classmethod
    def of(cls, refusal: A360AuthError) -> Self:
        """Return the error for a 401 after requests that were accepted.

        :param refusal: the 401.
        :return: the error.
        """
        return cls(
            f"{str(refusal).removesuffix(refusal.remedy)}These credentials were accepted before, so somebody has "
            "probably replaced them: save the new ones in the connection. The task's next try uses them."
        )


class A360ForbiddenError(A360AnswerError):
    """The account may not do this (403): check its plan and its IP allow-list."""

    remedy = (
        "A retry doesn't help: check that the account's plan includes Automation 360 and its API, "
        "and that this machine's IP address is on the account's allow-list, if it has one."
    )


class A360RequestError(A360AnswerError):
    """The service rejected the request (400 and similar): fix the field that the message names."""

    remedy = "Fix the field that the message names; if it names none, check the connection's host."


class A360NoDataError(A360AnswerError):
    """There is no data (404): the flow or element has none, or it doesn't exist."""

    remedy = "Check the id: the service gives this response for an unknown id and for one without data."


class A360TransientError(A360AnswerError):
    """The service was busy, failing or unreachable until the deadline: run the task again later.

    :param method: the HTTP method.
    :param path: the path, without the query.
    :param status: the HTTP status; None if no response came.
    :param reason: the service's own message, or what went wrong with the connection.
    :param retry_after: the seconds that the service asked to wait, if it did.
    """

    remedy = "The request was retried until its deadline. Run the task again later."

    def __init__(
        self, method: str, path: str, status: int | None, reason: str, *, retry_after: float | None = None
    ) -> None:
        super().__init__(method, path, status, reason)
        self.retry_after = retry_after

    @property
    def limited(self) -> bool:
        """Whether the account's rate limit refused the request (429)."""
        return self.status == TOO_MANY


class A360UndecodableError(A360TransientError):
    """The response was not JSON, three times in a row: look for a proxy, or a wrong base URL."""

    remedy = (
        "It may come from a proxy, or be a maintenance page: check the connection's host. Run the task again later."
    )


def of_connection(error: Exception, conn_id: str) -> str:
    """Return an error's message, with the connection's id if the account refused the connection.

    :param error: any error.
    :param conn_id: the connection's id.
    :return: the message.
    """
    refused = isinstance(error, (A360AuthError, A360ForbiddenError))
    return f"Connection {conn_id}: {error}" if refused else str(error)


class A360FlowPausedError(A360Error):
    """The flow is paused, so its queue can't drain: start the flow, or don't set `fail_if_paused`."""


NOT_FOUND = 404
TOO_MANY = 429
PERMANENT = (
    A360AuthError,
    A360ForbiddenError,
    A360FlowNotFoundError,
    A360GoalNotFoundError,
    A360ConfigError,
    A360RequestError,
    A360FlowPausedError,
)
"""Errors that a retry can't fix."""
SKIPPABLE = (
    A360RequestError,
    A360ForbiddenError,
    A360NoDataError,
    A360TransientError,
    A360FormatError,
    A360ListMovedError,
)
"""Errors of a request that an export can do without: it warns and continues."""
