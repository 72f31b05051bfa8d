"""Wait in the triggerer until a flow's queue is empty."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import time
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeVar
from weakref import WeakValueDictionary

import msgspec
from airflow.providers.common.compat.connection import get_async_connection
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_a360 import airflow_compat
from airflow_provider_a360.api.auth import TOKEN_PATH
from airflow_provider_a360.api.errors import (
    PERMANENT,
    A360AuthError,
    A360RevokedError,
    A360TransientError,
    of_connection,
)
from airflow_provider_a360.api.queue import POLL_DEADLINE, QueueWatch
from airflow_provider_a360.api.settings import Settings
from airflow_provider_a360.hooks.connection import make_client, settings_of

MASK_TIMEOUT = 10.0
"""Seconds until Airflow must have registered a token for masking, else the poll fails and is repeated."""
T = TypeVar("T")


class QueueEvent(msgspec.Struct, forbid_unknown_fields=True):
    """How a wait ended. `counts` is set for `drained`, and `message` for `failed` and `revoked`.

    `revoked` means that the service no longer accepts the credentials. A retry may find new ones in the connection.
    """

    outcome: Literal["drained", "timed_out", "failed", "revoked"]
    counts: dict[str, int | None] | None = None
    message: str | None = None


class A360FlowQueueTrigger(BaseTrigger):
    """Poll a flow until its queue is empty.

    :param a360_conn_id: ID of the Airflow connection.
    :param flow_id: the flow's ID.
    :param poll_interval: seconds between two polls.
    :param deadline: when the wait times out, in seconds since 1970 (UTC). The task sets it, so that a restarted
        triggerer doesn't wait longer.
    :param settle_polls: number of consecutive polls that must show an empty queue.
    :param fail_if_paused: fail if the flow is paused while contacts are in its queue.
    :param zeros: number of consecutive earlier polls that showed an empty queue.
    :param paused: number of consecutive earlier polls that found the flow paused, so that the warning isn't repeated at
        once.
    """

    def __init__(
        self,
        *,
        a360_conn_id: str,
        flow_id: int,
        poll_interval: float,
        deadline: float,
        settle_polls: int = 1,
        fail_if_paused: bool = False,
        zeros: int = 0,
        paused: int = 0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.a360_conn_id = a360_conn_id
        self.flow_id = flow_id
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.settle_polls = settle_polls
        self.fail_if_paused = fail_if_paused
        self.zeros = zeros
        self.paused = paused

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the trigger's path and parameters, which Airflow stores: IDs and numbers, no secrets."""
        fields = (
            *("a360_conn_id", "flow_id", "poll_interval", "deadline"),
            *("settle_polls", "fail_if_paused", "zeros", "paused"),
        )
        return f"{__name__}.{type(self).__name__}", {name: getattr(self, name) for name in fields}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event when the wait has ended."""
        yield TriggerEvent(msgspec.to_builtins(await self._wait()))  # type: ignore[no-untyped-call]

    async def _wait(self) -> QueueEvent:
        watch = QueueWatch(self.flow_id, self.settle_polls, self.fail_if_paused, self.zeros, self.paused)
        try:
            # A poll may wait for a free thread while the account's server doesn't answer.
            async with asyncio.timeout(max(0.0, self.deadline - time.time()) + POLL_DEADLINE) as most:
                polls = _polls_of(self.a360_conn_id, await _settings(self.a360_conn_id))
                while (left := self.deadline - time.time()) > 0:
                    await asyncio.sleep(min(self.poll_interval, left))
                    if counts := await polls.poll(watch):
                        return QueueEvent("drained", counts=counts)
        except A360AuthError as error:
            # The task's own first poll was accepted.
            return QueueEvent("revoked", message=str(A360RevokedError.of(error)))
        except A360RevokedError as error:
            return QueueEvent("revoked", message=str(error))
        except PERMANENT as error:
            return QueueEvent("failed", message=of_connection(error, self.a360_conn_id))
        except TimeoutError:
            if not most.expired():
                raise
        return QueueEvent("timed_out")


class _Polls:
    """Poll one account, with one client and its own threads.

    Requests block. An account whose server doesn't answer must not delay the sensors of other accounts, nor other
    triggers that use the event loop's threads.
    """

    def __init__(self, conn_id: str, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        def in_loop(coroutine: Coroutine[Any, Any, T], timeout: float = POLL_DEADLINE) -> T:
            return asyncio.run_coroutine_threadsafe(coroutine, loop).result(timeout)

        def mask(token: str) -> None:
            try:
                in_loop(airflow_compat.mask_secret(token), MASK_TIMEOUT)
            except TimeoutError:
                # Try again at the next poll, and send no token that isn't masked.
                reason = "the triggerer was too busy to mask the access token"
                raise A360TransientError("POST", TOKEN_PATH, None, reason) from None

        # One thread per concurrent request. The account's rate limit is far below what they can send.
        self._threads = ThreadPoolExecutor(settings.max_in_flight, thread_name_prefix="a360-poll")
        # Created in a thread because it reads certificates from disk, which would block the loop.
        self._client = self._threads.submit(
            make_client,
            settings,
            deadline=POLL_DEADLINE,
            reload_settings=lambda: in_loop(_settings(conn_id)),
            on_new_token=mask,
        )

    async def poll(self, watch: QueueWatch) -> dict[str, int | None] | None:
        """Poll in a thread.

        :param watch: the flow to poll.
        :return: the flow's counts if its queue has drained, else None.
        """
        # The context assigns log lines to their task. Unlike to_thread, run_in_executor doesn't copy it.
        here = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._threads, here.run, self._poll, watch)

    def _poll(self, watch: QueueWatch) -> dict[str, int | None] | None:
        return watch.poll(self._client.result())


_polls: WeakValueDictionary[Any, _Polls] = WeakValueDictionary()


def _polls_of(conn_id: str, settings: Settings) -> _Polls:
    """Return the polls that all triggers of a connection share. They are freed with the last trigger."""
    key = conn_id, settings, asyncio.get_running_loop()
    if (polls := _polls.get(key)) is None:
        polls = _polls[key] = _Polls(*key)
    return polls


async def _settings(conn_id: str) -> Settings:
    """Read the connection's current settings."""
    async with _connection_reads(asyncio.get_running_loop()):
        return settings_of(await get_async_connection(conn_id))


@functools.lru_cache(maxsize=1)
def _connection_reads(_: asyncio.AbstractEventLoop) -> asyncio.Semaphore:
    """Return a semaphore that limits concurrent reads of connections: a thousand at once would block the loop."""
    return asyncio.Semaphore(4)
