"""One call: apply the rate limit, send, retry, refresh the access token after a 401, decode, raise."""

from __future__ import annotations

import functools
import logging
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_before_delay,
    stop_when_event_set,
    wait_exponential,
    wait_random,
)
from tenacity.stop import stop_base

from airflow_provider_a360.api import account, answers
from airflow_provider_a360.api.auth import TOKEN_PATH, Credentials
from airflow_provider_a360.api.errors import (
    A360AuthError,
    A360Error,
    A360NoDataError,
    A360RequestError,
    A360RevokedError,
    A360TransientError,
    A360UndecodableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_a360.api.settings import Settings

log = logging.getLogger(__name__)

_LONGEST_WAIT = 60.0
_BACKOFF = wait_exponential(multiplier=0.25, max=_LONGEST_WAIT / 2) + wait_random(0, 0.25)
_RETRIES_AFTER_401 = 5
_UNDECODABLE_ATTEMPTS = 3


class Request(NamedTuple):
    """A request: a path below the base URL, with a query, or with a body that is sent as JSON."""

    method: str
    path: str
    params: Mapping[str, str | int] | None = None
    body: Mapping[str, str | int] | None = None

    def __repr__(self) -> str:
        # The body may hold a secret, an address or a phone number.
        return f"Request({self.method} {self.path})"


class Transport:
    """Sends the requests of one account. Safe to share among threads.

    All transports of an account in this process share its access token and its rate limiter.

    :param settings: the account's credentials, base URL and limits.
    :param reload_settings: reads the settings again. Called after a 401 that a new token doesn't fix; if the
        credentials have changed, the transport continues with the new ones.
    :param on_new_token: called with each access token before it is sent for the first time.
    :raises A360ConfigError: if a proxy of the environment isn't a valid URL, or the CA bundle doesn't exist.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        reload_settings: Callable[[], Settings] | None = None,
        on_new_token: Callable[[str], object] | None = None,
    ) -> None:
        # Imported lazily to keep DAG parsing fast.
        from airflow_provider_a360.api.session import open_session  # noqa: PLC0415

        self.session = open_session(settings)
        """The session that sends the requests."""
        self.requests = 0
        """The number of requests sent, retries and token requests included."""
        self._settings = settings
        self._reload_settings, self._on_new_token = reload_settings, on_new_token
        self._latest_token = ""
        self._accepted = False
        self._reload_lock, self._count_lock = threading.Lock(), threading.Lock()
        self._use_credentials(settings)
        self._in_flight = threading.BoundedSemaphore(settings.max_in_flight)

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: Mapping[str, str | int] | None = None,
        deadline: float,
        cancelled: threading.Event,
    ) -> Any:
        """Send a request and return the decoded JSON of the response.

        A 429, a 5xx, a time-out and a broken connection are retried with exponential backoff and jitter; a body that
        isn't JSON is requested three times at most. On 401, fetch a new token and retry. If that is refused too, reload
        the settings, as somebody may have replaced the credentials.

        :param method: the HTTP method.
        :param path: the path below the base URL.
        :param params: the query.
        :param body: the body, sent as JSON.
        :param deadline: seconds after which no further retry begins.
        :param cancelled: once set, the call doesn't wait for the rate limit and isn't retried.
        :return: the decoded JSON.
        :raises A360AnswerError: one of its subclasses, as `answers.read` describes.
        :raises A360RevokedError: for a 401 after requests that were accepted.
        :raises A360ConfigError: if the server's certificate can't be trusted.
        """
        request = Request(method, path, params, body)
        until = time.monotonic() + deadline
        sleep = functools.partial(_sleep_or_cancel, request, cancelled)

        def request_token(token_body: dict[str, str]) -> Any:
            try:
                return self._send(Request("POST", TOKEN_PATH, body=token_body), None, until, sleep)
            except (A360RequestError, A360NoDataError) as refused:
                # The token endpoint answers 400 or 404 if the credentials or the base URL are wrong.
                raise A360AuthError("POST", TOKEN_PATH, refused.status, refused.reason) from None

        def attempt() -> Any:
            # More than one retry, as other requests may use up a new token while this one waits for the rate limit.
            retries = _RETRIES_AFTER_401
            with self._in_flight:
                while True:
                    credentials, access_token = self._credentials, ""
                    try:
                        access_token = self._access_token(credentials, request_token)
                        answer = self._send(request, access_token, until, sleep)
                    except A360AuthError as refusal:
                        retries -= 1
                        if not self._can_retry_after_401(credentials, access_token) or retries < 0:
                            raise (A360RevokedError.of(refusal) if self._accepted else refusal) from None
                    except (A360NoDataError, A360RequestError):
                        self._note_accepted(credentials)
                        raise
                    else:
                        self._note_accepted(credentials)
                        return answer

        return Retrying(
            retry=retry_if_exception_type(A360TransientError),
            wait=self._wait,
            stop=stop_before_delay(deadline) | stop_when_event_set(cancelled) | _StopUndecodable(),
            sleep=sleep,
            before_sleep=_log_retry,
            reraise=True,
        )(attempt)

    def _use_credentials(self, settings: Settings) -> None:
        self._credentials = account.credentials_of(settings)
        self._rate_limiter = account.rate_limiter_of(settings)
        self._rate_limiter.join(self, settings.requests_per_second)

    def _access_token(self, credentials: Credentials, request_token: Callable[[dict[str, str]], Any]) -> str:
        token = credentials.access_token(request_token)
        if self._on_new_token and token != self._latest_token:
            self._on_new_token(token)
            self._latest_token = token
        return token

    def _note_accepted(self, credentials: Credentials) -> None:
        self._accepted = True
        credentials.accepted()

    def _can_retry_after_401(self, credentials: Credentials, refused: str) -> bool:
        """Return whether there is another token, or other credentials in the reloaded settings, to retry with."""
        if refused and credentials.renew(refused):
            return True
        with self._reload_lock:
            if self._credentials is not credentials:
                return True
            if not self._reload_settings:
                return False
            try:
                settings = self._reload_settings()
            except Exception as error:  # noqa: BLE001  # whatever happens here, the caller must see the 401
                why = error if isinstance(error, A360Error) else type(error).__name__
                log.warning(
                    "The service refused the credentials (401), and reading the connection again failed: %s", why
                )
                return False
            # Credentials for another base URL belong to another account: never send them here.
            if settings.base_url == self._settings.base_url:
                self._use_credentials(settings)
            if self._credentials is credentials:
                return False
            log.info("The service refused the credentials (401). The connection has new ones: continuing with them.")
            return True

    def _wait(self, state: RetryCallState) -> float:
        """Return the seconds until the next attempt: exponential backoff, or more if the service asks for it."""
        failure = state.outcome.exception() if state.outcome else None
        wait = _BACKOFF(state)
        if isinstance(failure, A360TransientError):
            wait = max(wait, min(failure.retry_after or 0.0, _LONGEST_WAIT))
            if failure.limited:
                self._rate_limiter.slow_down(wait)
        return wait

    def _send(self, request: Request, access_token: str | None, until: float, sleep: Callable[[float], None]) -> Any:
        from airflow_provider_a360.api.session import exchange  # noqa: PLC0415

        self._rate_limiter.wait(sleep)
        with self._count_lock:
            self.requests += 1
        status, headers, body = exchange(self.session, self._settings, request, access_token, until)
        return answers.read(request.method, request.path, status, headers, body)


class _StopUndecodable(stop_base):
    """Stop retrying a response that can't be decoded after three attempts, as it isn't a passing overload."""

    def __init__(self) -> None:
        self._seen = 0

    def __call__(self, retry_state: RetryCallState) -> bool:
        outcome = retry_state.outcome
        undecodable = outcome is not None and isinstance(outcome.exception(), A360UndecodableError)
        self._seen += undecodable
        return undecodable and self._seen >= _UNDECODABLE_ATTEMPTS


def _sleep_or_cancel(request: Request, cancelled: threading.Event, seconds: float) -> None:
    if cancelled.wait(seconds):
        raise A360TransientError(request.method, request.path, None, "the call was cancelled")


def _log_retry(state: RetryCallState) -> None:
    failure = state.outcome.exception() if state.outcome else None
    if isinstance(failure, A360TransientError) and state.next_action:
        reason = str(failure).removesuffix(failure.remedy).rstrip()
        # The rate limiter logs a summary of 429s.
        level = logging.DEBUG if failure.limited else logging.WARNING
        log.log(level, "%s Retrying in %.1f s.", reason, state.next_action.sleep)
