"""The sensor's wait in the triggerer."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeVar

import msgspec
from airflow.providers.common.compat.connection import get_async_connection
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.errors import PERMANENT, of_connection
from airflow_provider_a360.api.queue import POLL_DEADLINE, QueueWatch
from airflow_provider_a360.api.settings import Settings
from airflow_provider_a360.hooks.a360 import settings_of

R = TypeVar("R")


class QueueEvent(msgspec.Struct, forbid_unknown_fields=True):
    """How a wait ended. The counts come with "drained", the message with "failed"."""

    outcome: Literal["drained", "timed_out", "failed"]
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
            async with _look_ups(asyncio.get_running_loop()):
                settings = settings_of(await get_async_connection(self.a360_conn_id))
            while (left := self.deadline - time.time()) > 0:
                await asyncio.sleep(min(self.poll_interval, left))
                if counts := await _in_thread(_poll, watch, settings):
                    return QueueEvent("drained", counts=counts)
        except PERMANENT as error:
            return QueueEvent("failed", message=of_connection(error, self.a360_conn_id))
        return QueueEvent("timed_out")


@functools.lru_cache(maxsize=1)
def _look_ups(_: asyncio.AbstractEventLoop) -> asyncio.Semaphore:
    """A loop's look-ups of connections, a few at a time: a thousand triggers' answers at once would hold it."""
    return asyncio.Semaphore(4)


# Requests block, so they go to threads: the account's limit is far below what threads carry. They have a pool of their
# own, as a thousand sensors that wait for one account's pace would take every thread that other triggers need.
_POLLS = ThreadPoolExecutor(8, thread_name_prefix="a360-poll")


async def _in_thread(call: Callable[..., R], *args: Any) -> R:
    """What a call that blocks returns; the loop goes on meanwhile."""
    # The context says to which task a line of the log belongs; to_thread would hand it on by itself.
    here = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(_POLLS, here.run, call, *args)


def _poll(watch: QueueWatch, settings: Settings) -> dict[str, int | None] | None:
    return watch.poll(_client(settings))


@functools.lru_cache(maxsize=64)
def _client(settings: Settings) -> A360Client:
    """One client for all triggers of an account."""
    return A360Client(settings, deadline=POLL_DEADLINE)
