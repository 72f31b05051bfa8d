"""One exception for each thing that a caller can do next."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from airflow_provider_a360.api.masking import scrub


class A360Error(Exception):
    """The root of all that this package raises by itself."""


class A360ConfigError(A360Error, ValueError):
    """The connection or an argument is wrong and nothing was sent: mend it."""


class A360FormatError(A360Error):
    """The service answered in a form that this package doesn't know: report it, with the place that is named."""


class A360ListMovedError(A360Error):
    """A list did not hold still while it was read, several times over: run again in a quieter hour."""


class A360FlowNotFoundError(A360Error):
    """The account has no flow of this id: mend the id, or look at the connection's account."""

    def __init__(self, flow_id: int) -> None:
        super().__init__(
            f"Flow {flow_id} does not exist in this account. Take the id from the flow's URL in SendPulse, "
            "and check that the connection points at the account that owns it."
        )
        self.flow_id = flow_id

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.flow_id,)


class A360GoalNotFoundError(A360Error):
    """The flow has no goal of this id: correct the id."""


class A360AnswerError(A360Error):
    """The service refused a request; the kinds below say what to do.

    Carries `status` (HTTP, None where no answer came), `method`, `path` (without its query) and `reason`, the
    service's own message with addresses, numbers and tokens taken out.
    """

    remedy: ClassVar[str] = ""

    def __init__(self, method: str, path: str, status: int | None, reason: str) -> None:
        self.method, self.path, self.status, self.reason = method, path, status, scrub(reason)
        answer = f"{status} {self.reason}" if status else self.reason
        super().__init__(" ".join(filter(None, [f"{method} {path}: {answer.strip().rstrip('.')}.", self.remedy])))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.method, self.path, self.status, self.reason), self.__dict__


class A360AuthError(A360AnswerError):
    """The credentials are wrong (401): mend the connection."""

    remedy = (
        "Check the connection: login is the client ID and password the client secret, "
        "or leave login empty and give a static API key as the password."
    )


class A360RevokedError(A360Error):
    """The credentials were accepted and later refused, and the connection holds no others: run the task again, which
    reads the connection anew.
    """

    @classmethod
    def of(cls, refusal: A360AuthError) -> Self:
        """Return the error for a refusal that comes after accepted requests."""
        return cls(
            f"{str(refusal).removesuffix(refusal.remedy)}These credentials were accepted before, so somebody has "
            "probably replaced them: save the new ones in the connection. The task's next try reads it."
        )


class A360ForbiddenError(A360AnswerError):
    """The account may not do this (403): its tariff, or a list of allowed IP addresses."""

    remedy = (
        "Waiting doesn't help: check that the account's tariff includes Automation 360 and its API, "
        "and that this machine's IP address is on the account's allow-list, if it has one."
    )


class A360RequestError(A360AnswerError):
    """The service calls the request itself wrong (400 and its kin): mend what the message names."""

    remedy = "Mend what the message names; if it names nothing, check the connection's base URL."


class A360NoDataError(A360AnswerError):
    """There is nothing under this address (404): no data for a known flow or element, or an unknown one."""

    remedy = "Check the id: the service answers so for what it doesn't know and for what has no data."


class A360TransientError(A360AnswerError):
    """The service was busy, broken or out of reach until the call's time was up: try again later."""

    remedy = "The request was tried again until its time was up; run the task again later."

    def __init__(
        self, method: str, path: str, status: int | None, reason: str, *, retry_after: float | None = None
    ) -> None:
        super().__init__(method, path, status, reason)
        self.retry_after = retry_after
        """Seconds that the service asked to wait, if it did."""

    @property
    def limited(self) -> bool:
        """Whether the account's limit of requests is what stood in the way."""
        return self.status == TOO_MANY


class A360UndecodableError(A360TransientError):
    """The answer was not JSON, several times in a row: look for a proxy in between, or a wrong base URL."""

    remedy = (
        "What answers may be a proxy or a maintenance page: check the connection's host, and run the task again later."
    )


class A360FlowPausedError(A360Error):
    """The flow is paused, so its queue can't drain: start it again, or wait without `fail_if_paused`."""


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
"""What waiting or trying again cannot mend."""
UNANSWERED = (
    A360RequestError,
    A360ForbiddenError,
    A360NoDataError,
    A360TransientError,
    A360FormatError,
    A360ListMovedError,
)
"""What may go wrong with a question that only improves an export's answer: it warns and never fails the export."""
