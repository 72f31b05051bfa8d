"""The sensor's wait in the triggerer."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal
from weakref import WeakValueDictionary

import msgspec
from airflow.providers.common.compat.connection import get_async_connection
from airflow.providers.common.compat.sdk import mask_secret
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.errors import PERMANENT, A360AuthError, A360RevokedError, of_connection
from airflow_provider_a360.api.queue import POLL_DEADLINE, QueueWatch
from airflow_provider_a360.api.settings import Settings
from airflow_provider_a360.hooks.a360 import settings_of


class QueueEvent(msgspec.Struct, forbid_unknown_fields=True):
    """How a wait ended. The counts come with "drained", the message with "failed" and with "revoked", which is worth
    another try: the connection may hold other credentials by then.
    """

    outcome: Literal["drained", "timed_out", "failed", "revoked"]
    counts: dict[str, int | None] | None = None
    message: str | None = None


class A360FlowQueueTrigger(BaseTrigger):
    """Polls a flow until its queue has drained.

    :param a360_conn_id: the connection.
    :param flow_id: the flow.
    :param poll_interval: seconds between two polls.
    :param deadline: when the wait ends, in seconds since 1970 (UTC). Fixed by the task, so a triggerer that is started
        anew doesn't wait longer.
    :param settle_polls: how many polls in a row must show 0.
    :param fail_if_paused: whether a paused flow with contacts in its queue ends the wait.
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
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.a360_conn_id = a360_conn_id
        self.flow_id = flow_id
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.settle_polls = settle_polls
        self.fail_if_paused = fail_if_paused

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """What the triggerer rebuilds it from: ids and numbers, no secret."""
        fields = ("a360_conn_id", "flow_id", "poll_interval", "deadline", "settle_polls", "fail_if_paused")
        return f"{__name__}.{type(self).__name__}", {name: getattr(self, name) for name in fields}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event, when the wait is over."""
        yield TriggerEvent(msgspec.to_builtins(await self._wait()))  # type: ignore[no-untyped-call]

    async def _wait(self) -> QueueEvent:
        watch = QueueWatch(self.flow_id, self.settle_polls, self.fail_if_paused)
        try:
            # A poll may wait long for a thread of an account that doesn't answer.
            async with asyncio.timeout(max(0.0, self.deadline - time.time()) + POLL_DEADLINE) as most:
                polls = _polls_of(self.a360_conn_id, await _settings(self.a360_conn_id))
                while (left := self.deadline - time.time()) > 0:
                    await asyncio.sleep(min(self.poll_interval, left))
                    if counts := await polls.poll(watch):
                        return QueueEvent("drained", counts=counts)
        except A360AuthError as error:
            # The task has asked before the trigger did.
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
    """The polls of an account, by one client and in threads of their own: requests block, and an account that doesn't
    answer must hold up neither the sensors of another one nor what other triggers do in the loop's threads.
    """

    def __init__(self, conn_id: str, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        def reload_settings() -> Settings:
            return asyncio.run_coroutine_threadsafe(_settings(conn_id), loop).result(POLL_DEADLINE)

        # As many as may ask at once. The account's limit is far below what they carry.
        self._threads = ThreadPoolExecutor(settings.max_in_flight, thread_name_prefix="a360-poll")
        # Made in a thread too: it reads certificates, which would hold the loop.
        self._client = self._threads.submit(
            A360Client, settings, deadline=POLL_DEADLINE, reload_settings=reload_settings, on_new_token=mask_secret
        )

    async def poll(self, watch: QueueWatch) -> dict[str, int | None] | None:
        """Return what a poll of the watch returns, while the loop goes on."""
        # The context says to which task a line of the log belongs; to_thread would hand it on by itself.
        here = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._threads, here.run, self._poll, watch)

    def _poll(self, watch: QueueWatch) -> dict[str, int | None] | None:
        return watch.poll(self._client.result())


_polls: WeakValueDictionary[Any, _Polls] = WeakValueDictionary()


def _polls_of(conn_id: str, settings: Settings) -> _Polls:
    """Return the polls that all triggers of a connection share for as long as there are any."""
    key = conn_id, settings, asyncio.get_running_loop()
    if (polls := _polls.get(key)) is None:
        polls = _polls[key] = _Polls(*key)
    return polls


async def _settings(conn_id: str) -> Settings:
    """Return what the connection says by now."""
    async with _look_ups(asyncio.get_running_loop()):
        return settings_of(await get_async_connection(conn_id))


@functools.lru_cache(maxsize=1)
def _look_ups(_: asyncio.AbstractEventLoop) -> asyncio.Semaphore:
    """A loop's look-ups of connections, a few at a time: a thousand triggers' answers at once would hold it."""
    return asyncio.Semaphore(4)
