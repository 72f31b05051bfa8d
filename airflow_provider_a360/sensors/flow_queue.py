"""Wait until a flow's queue is empty."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_a360 import airflow_compat
from airflow_provider_a360.api import arguments
from airflow_provider_a360.api.errors import PERMANENT, A360AuthError, A360Error, A360RevokedError, of_connection
from airflow_provider_a360.hooks import DEFAULT_CONN_ID
from airflow_provider_a360.operators import rendered

# What only a run needs is imported lazily, to keep DAG parsing fast.
if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_a360.api.client import A360Client
    from airflow_provider_a360.api.queue import QueueWatch

# The trigger times out by itself. Airflow's own timeout is for a trigger that no triggerer runs.
_GRACE = timedelta(minutes=2)


class A360WaitError(A360Error):
    """The trigger failed with an error that waiting can't fix. The message names it."""


class A360QueueEventError(A360Error):
    """The triggerer sent an event in an unknown form: install the same version of this provider everywhere."""


class A360FlowQueueSensor(BaseSensorOperator):
    """Wait until a flow's queue is empty (`in_queue` is 0).

    The sensor succeeds with the flow's `starts`, `in_queue` and `end_count`, and fails after `timeout` seconds. After a
    temporary error of a poll (429, 5xx, network, unreadable response) it continues. Any other error, such as an unknown
    flow, a 401 or a 403, fails it at once, also with `soft_fail`. With `never_fail`, it is skipped instead of failing.
    Poke mode, reschedule mode and deferred waits behave alike.

    `silent_fail` isn't supported.

    Example::

        A360FlowQueueSensor(task_id="drained", flow_id=292692, settle_polls=2, deferrable=True)

    :param flow_id: the flow's ID.
    :param settle_polls: number of consecutive polls that must show 0. A flow that was just started may show 0 for a
        moment.
    :param fail_if_paused: fail at once if the flow is paused while contacts are in its queue.
    :param deferrable: wait in the triggerer, without occupying a worker slot.
    :param a360_conn_id: ID of the Airflow connection.
    """

    template_fields: Sequence[str] = ("flow_id", "settle_polls", "fail_if_paused", "a360_conn_id")
    ui_color = "#d6efe9"

    def __init__(
        self,
        *,
        flow_id: Any,
        settle_polls: Any = 1,
        fail_if_paused: Any = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        a360_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if self.silent_fail:
            raise ValueError(
                "A360FlowQueueSensor doesn't support silent_fail: remove it. The sensor continues anyway after a "
                "temporary error of a poll."
            )
        self.flow_id = flow_id
        self.settle_polls = settle_polls
        self.fail_if_paused = fail_if_paused
        self.deferrable = deferrable
        self.a360_conn_id = a360_conn_id

    def execute(self, context: Context) -> Any:
        """Wait in the chosen mode.

        :param context: the task's context.
        :return: the flow's `starts`, `in_queue` and `end_count`.
        :raises AirflowSensorTimeout: after `timeout` seconds.
        :raises AirflowFailException: for an error that waiting can't fix.
        """
        with self._final_errors():
            return self._first_poll_then_defer() if self.deferrable else super().execute(context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Continue after the trigger's event, like `execute`."""
        with self._final_errors():
            return super().resume_execution(next_method, next_kwargs, context)

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll once. Before Airflow 3.3, in reschedule mode, poll again until an empty queue has settled.

        :param context: the task's context.
        """
        if not self.reschedule:
            counts = self._watch.poll(self._client)
            return PokeReturnValue(is_done=counts is not None, xcom_value=counts)
        # Each poke runs in a new process, but Airflow counts the earlier pokes of this try.
        earlier = context.get("task_reschedule_count", 0)
        try:
            if (store := context.get("task_state_store")) is None:
                counts = airflow_compat.poll(self, context, self._watch, self._client, earlier)
            else:
                counts = self._poll_on(store, context["ti"].try_number)
        except A360AuthError as refusal:
            if not earlier:
                raise
            raise A360RevokedError.of(refusal) from None
        return PokeReturnValue(is_done=counts is not None, xcom_value=counts)

    def _poll_on(self, store: Any, try_number: int) -> dict[str, int | None] | None:
        """Poll with the counts of the last poke. Another try starts at 0."""
        keys = {name: f"{name}-in-try-{try_number}" for name in ("zeros", "paused")}
        for name, key in keys.items():
            setattr(self._watch, name, int(str(store.get(key) or 0)))
        counts = self._watch.poll(self._client)
        for name, key in keys.items():
            store.set(key, getattr(self._watch, name))
        return counts

    def _first_poll_then_defer(self) -> Any:
        from airflow_provider_a360.triggers.flow_queue import A360FlowQueueTrigger  # noqa: PLC0415

        deadline = time.time() + self.timeout
        counts = self._watch.poll(self._client)
        if counts is None:
            trigger = A360FlowQueueTrigger(
                a360_conn_id=self._conn_id,
                flow_id=self._watch.flow_id,
                poll_interval=self.poke_interval,
                deadline=deadline,
                settle_polls=self._watch.settle_polls,
                fail_if_paused=self._watch.fail_if_paused,
                zeros=self._watch.zeros,
                paused=self._watch.paused,
            )
            timeout = timedelta(seconds=self.timeout) + _GRACE
            self.defer(trigger=trigger, method_name="execute_complete", timeout=timeout)
        return counts

    def execute_complete(self, context: Context, event: Any = None) -> Any:  # noqa: ARG002
        """Read the trigger's event. Airflow calls this when the trigger has ended.

        :param context: the task's context.
        :param event: the event's payload, in the form of `QueueEvent`.
        :return: the flow's `starts`, `in_queue` and `end_count`.
        :raises AirflowSensorTimeout: after `timeout` seconds.
        :raises A360RevokedError: if the service no longer accepts the credentials.
        :raises A360WaitError: for an error that waiting can't fix.
        :raises A360QueueEventError: if the event has an unknown form.
        """
        import msgspec  # noqa: PLC0415

        from airflow_provider_a360.triggers.flow_queue import QueueEvent  # noqa: PLC0415

        try:
            end = msgspec.convert(event, QueueEvent)
        except msgspec.ValidationError as error:
            raise A360QueueEventError(f"The triggerer's event has an unknown form: {error}.") from None
        if end.outcome == "timed_out":
            raise AirflowSensorTimeout(f"Flow {self.flow_id}: the queue wasn't empty after {self.timeout:g} seconds.")
        if end.outcome == "revoked":
            raise A360RevokedError(end.message)
        if end.outcome == "failed" or end.counts is None:
            raise A360WaitError(end.message or "The trigger failed without a message.")
        return end.counts

    @property
    def _conn_id(self) -> str:
        return str(rendered.given(self.a360_conn_id, DEFAULT_CONN_ID))

    @functools.cached_property
    def _client(self) -> A360Client:
        from airflow_provider_a360.api.queue import POLL_DEADLINE  # noqa: PLC0415
        from airflow_provider_a360.hooks.a360 import A360Hook  # noqa: PLC0415

        return A360Hook(self._conn_id).client(deadline=min(POLL_DEADLINE, max(1.0, self.timeout)))

    @functools.cached_property
    def _watch(self) -> QueueWatch:
        from airflow_provider_a360.api.queue import QueueWatch  # noqa: PLC0415

        return QueueWatch(
            arguments.identifier(self.flow_id, "flow_id"),
            arguments.identifier(rendered.given(self.settle_polls, 1), "settle_polls"),
            rendered.boolean(rendered.given(self.fail_if_paused, default=False), "fail_if_paused"),
        )

    @contextmanager
    def _final_errors(self) -> Iterator[None]:
        """Fail without a retry after an error that waiting can't fix; with `never_fail`, skip the task.

        Revoked credentials and a timeout keep their retries: a retry reads the connection again.

        This wraps the base class, which would skip the task with `soft_fail`, and which handles `never_fail`
        differently in each mode.
        """
        try:
            yield
        except (*PERMANENT, A360WaitError, A360QueueEventError, A360RevokedError, AirflowSensorTimeout) as error:
            if self.never_fail:
                raise AirflowSkipException(of_connection(error, self._conn_id)) from None
            if isinstance(error, (A360RevokedError, AirflowSensorTimeout)):
                raise
            raise AirflowFailException(of_connection(error, self._conn_id)) from None
