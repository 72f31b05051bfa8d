"""One request: paced, sent, tried again, replayed after a 401, decoded."""

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
    A360ConfigError,
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
_REPLAYS = 5
_UNDECODABLE_TRIES = 3


class Request(NamedTuple):
    """What is sent: a path below the base URL, with a query, or with a body that goes as JSON."""

    method: str
    path: str
    params: Mapping[str, str | int] | None = None
    body: Mapping[str, str | int] | None = None

    def __repr__(self) -> str:
        # The body may hold a secret, an address or a number.
        return f"Request({self.method} {self.path})"


class Transport:
    """Sends one account's requests; safe to share among threads.

    Token and pace belong to the account: all transports of one account in this process share them.

    :param settings: the account and how to ask it.
    :param read_again: reads the connection anew. Called after a 401 that a new token doesn't cure; where it returns
        other credentials, the transport goes on with them.
    :param announce: told of each token before it is used.
    :raises A360ConfigError: as `Wire` does.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        read_again: Callable[[], Settings] | None = None,
        announce: Callable[[str], object] | None = None,
    ) -> None:
        # Imported lazily to keep DAG parsing fast.
        from airflow_provider_a360.api.session import open_session  # noqa: PLC0415

        self.session = open_session(settings)
        self.requests = 0
        """Requests sent so far, tries and token requests included."""
        self._settings = settings
        self._read_again, self._announce = read_again, announce
        self._announced = ""
        self._accepted = False
        self._reading = threading.Lock()
        self._use(settings)
        self._in_flight = threading.BoundedSemaphore(settings.max_in_flight)
        self._counting = threading.Lock()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: Mapping[str, str | int] | None = None,
        deadline: float,
        unwanted: threading.Event,
    ) -> Any:
        """The decoded JSON of the answer to a request.

        Tried again, with growing waits and jitter, after a 429, a 5xx, a time-out or a broken connection for at most
        `deadline` seconds; after a body that is not JSON, three times at most. A 401 draws a new token and a replay;
        others only where that token has been accepted meanwhile: it was revoked or grew old while this request waited
        for its turn. Where new tokens don't help, the connection is read again: somebody may have changed the
        credentials. Once `unwanted` is set, nothing is waited for and nothing tried again.

        Raises: what `answers.read` raises; A360RevokedError for a 401 after requests that were accepted;
            A360ConfigError where the server's certificate can't be trusted.
        """
        request = Request(method, path, params, body)
        until = time.monotonic() + deadline
        nap = functools.partial(_nap, request, unwanted)

        def ask(token_body: dict[str, str]) -> Any:
            try:
                return self._send(Request("POST", TOKEN_PATH, body=token_body), None, until, nap)
            except (A360RequestError, A360NoDataError) as refused:
                # The token endpoint says 400 or 404 for what is a matter of credentials or of the base URL.
                raise A360AuthError("POST", TOKEN_PATH, refused.status, refused.reason) from None

        def once() -> Any:
            replays = _REPLAYS
            with self._in_flight:
                while True:
                    credentials, bearer = self._credentials, ""
                    try:
                        bearer = self._bearer(credentials, ask)
                        answer = self._send(request, bearer, until, nap)
                    except A360AuthError as refusal:
                        replays -= 1
                        if not self._mended(credentials, bearer) or replays < 0:
                            raise (A360RevokedError.of(refusal) if self._accepted else refusal) from None
                    except (A360NoDataError, A360RequestError):
                        self._accept(credentials)
                        raise
                    else:
                        self._accept(credentials)
                        return answer

        return Retrying(
            retry=retry_if_exception_type(A360TransientError),
            wait=self._wait,
            stop=stop_before_delay(deadline) | stop_when_event_set(unwanted) | _StopUndecodable(),
            sleep=nap,
            before_sleep=_say_retry,
            reraise=True,
        )(once)

    def _use(self, settings: Settings) -> None:
        self._credentials, self._pace = account.credentials_of(settings), account.pace_of(settings)
        self._pace.join(self, settings.requests_per_second)

    def _bearer(self, credentials: Credentials, ask: Callable[[dict[str, str]], Any]) -> str:
        bearer = credentials.bearer(ask)
        if self._announce and bearer != self._announced:
            self._announce(bearer)
            self._announced = bearer
        return bearer

    def _accept(self, credentials: Credentials) -> None:
        self._accepted = True
        credentials.accepted()

    def _mended(self, credentials: Credentials, refused: str) -> bool:
        """Whether it is worth asking again after a 401: with a new token, or with what the connection says now."""
        if refused and credentials.renew(refused):
            return True
        with self._reading:
            if self._credentials is not credentials:
                return True
            if not self._read_again:
                return False
            try:
                settings = self._read_again()
            except Exception as error:  # noqa: BLE001  # whatever it is, the refusal is what must be told
                why = error if isinstance(error, A360Error) else type(error).__name__
                log.warning("The service refused the credentials; the connection could not be read again: %s", why)
                return False
            # Another service would be another account.
            if settings.base_url == self._settings.base_url:
                self._use(settings)
            if self._credentials is credentials:
                return False
            log.info("The service refused the credentials (401); the connection holds others by now: going on.")
            return True

    def _wait(self, state: RetryCallState) -> float:
        """Seconds until the next try: what the service asked for, else twice as long each time."""
        failure = state.outcome.exception() if state.outcome else None
        wait = _BACKOFF(state)
        if isinstance(failure, A360TransientError):
            wait = max(wait, min(failure.retry_after or 0.0, _LONGEST_WAIT))
            if failure.limited:
                self._pace.refused(wait)
        return wait

    def _send(self, request: Request, bearer: str | None, until: float, nap: Callable[[float], None]) -> Any:
        from airflow_provider_a360.api.session import exchange  # noqa: PLC0415

        self._pace.wait(nap)
        with self._counting:
            self.requests += 1
        # Time spent waiting for the pace is not the answer's fault.
        until = max(until, time.monotonic() + self._settings.read_timeout)
        status, headers, body = exchange(self.session, self._settings, request, bearer, until)
        return answers.read(request.method, request.path, status, headers, body)


class _StopUndecodable(stop_base):
    """Give up an answer that can't be decoded after a few tries: it is no overload that passes."""

    def __init__(self) -> None:
        self._seen = 0

    def __call__(self, retry_state: RetryCallState) -> bool:
        outcome = retry_state.outcome
        undecodable = outcome is not None and isinstance(outcome.exception(), A360UndecodableError)
        self._seen += undecodable
        return undecodable and self._seen >= _UNDECODABLE_TRIES


def _nap(request: Request, unwanted: threading.Event, seconds: float) -> None:
    if unwanted.wait(seconds):
        raise A360TransientError(request.method, request.path, None, "its answer was not wanted any more")


def _say_retry(state: RetryCallState) -> None:
    failure = state.outcome.exception() if state.outcome else None
    if isinstance(failure, A360TransientError) and state.next_action:
        reason = str(failure).removesuffix(failure.remedy).rstrip()
        # How often the limit was met, the pace says from time to time.
        level = logging.DEBUG if failure.limited else logging.WARNING
        log.log(level, "%s Trying again in %.1f s.", reason, state.next_action.sleep)
