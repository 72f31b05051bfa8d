"""Waits until a flow's queue has drained."""

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

# What only a run needs is imported there: parsing a DAG must not pay for it.
if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_a360.api.client import A360Client
    from airflow_provider_a360.api.queue import QueueWatch

# The trigger ends the wait by itself; this is for one that nobody runs.
_GRACE = timedelta(minutes=2)


class A360WaitError(A360Error):
    """The trigger met with what waiting can't mend; its message says what."""


class A360QueueEventError(A360Error):
    """The triggerer sent an event of a form that this version doesn't know: run the same version everywhere."""


class A360FlowQueueSensor(BaseSensorOperator):
    """Waits until no contact is on their way through a flow (`in_queue` is 0).

    Poke, reschedule and deferrable end alike: with the flow's `starts`, `in_queue` and `end_count`; with a time-out
    after `timeout` seconds; or at once on what waiting can't mend (unknown flow, 401, 403), also under `soft_fail`.
    With `never_fail`, each of these but the first is a skipped task. A poll that fails for a passing reason doesn't end
    the wait, so there is no `silent_fail`.

    :param flow_id: the flow.
    :param settle_polls: how many polls in a row must show 0: a flow just started can show 0 for a moment.
    :param fail_if_paused: fail at once where the flow is paused with contacts in its queue.
    :param deferrable: wait in the triggerer, which takes no worker's place.
    :param a360_conn_id: the connection.
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
                "silent_fail is not for this sensor: leave it out. A poll that fails for a passing reason ends no wait."
            )
        self.flow_id = flow_id
        self.settle_polls = settle_polls
        self.fail_if_paused = fail_if_paused
        self.deferrable = deferrable
        self.a360_conn_id = a360_conn_id

    def execute(self, context: Context) -> Any:
        """Wait, in the way that was chosen; returns the flow's counts.

        Raises: AirflowSensorTimeout; AirflowFailException for what waiting can't mend.
        """
        with self._ending():
            return self._first_poll_then_defer() if self.deferrable else super().execute(context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after the trigger."""
        with self._ending():
            return super().resume_execution(next_method, next_kwargs, context)

    def poke(self, context: Context) -> PokeReturnValue:
        """Ask once; before Airflow 3.3 in reschedule mode, go on asking while the queue is empty but not settled."""
        if not self.reschedule:
            counts = self._watch.poll(self._client)
            return PokeReturnValue(is_done=counts is not None, xcom_value=counts)
        # Each poke is a process of its own. Airflow knows how many of this try went before it.
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
        """Poll with the counts of the poke before; another try starts counting anew."""
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
                paused=self._watch.paused,
            )
            timeout = timedelta(seconds=self.timeout) + _GRACE
            self.defer(trigger=trigger, method_name="execute_complete", timeout=timeout)
        return counts

    def execute_complete(self, context: Context, event: Any = None) -> Any:  # noqa: ARG002
        """What the trigger's event means for the task; one of unknown form fails it.

        Raises: AirflowSensorTimeout, A360QueueEventError, A360RevokedError and, for what waiting can't mend,
            A360WaitError.
        """
        import msgspec  # noqa: PLC0415

        from airflow_provider_a360.triggers.flow_queue import QueueEvent  # noqa: PLC0415

        try:
            end = msgspec.convert(event, QueueEvent)
        except msgspec.ValidationError as error:
            raise A360QueueEventError(f"The triggerer's event is not of the expected form: {error}.") from None
        if end.outcome == "timed_out":
            raise AirflowSensorTimeout(
                f"Flow {self.flow_id}: its queue had not drained after {self.timeout:g} seconds."
            )
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
    def _ending(self) -> Iterator[None]:
        """Turn what waiting can't mend into a failure without retry, or with `never_fail`, as a time-out, into a skip.
        Credentials that were replaced are worth a retry, which reads the connection again.

        Outside of what the base class does: there, `soft_fail` would make it a skipped task, and `never_fail` goes by
        the mode.
        """
        try:
            yield
        except (*PERMANENT, A360WaitError, A360QueueEventError, A360RevokedError, AirflowSensorTimeout) as error:
            if self.never_fail:
                raise AirflowSkipException(of_connection(error, self._conn_id)) from None
            if isinstance(error, (A360RevokedError, AirflowSensorTimeout)):
                raise
            raise AirflowFailException(of_connection(error, self._conn_id)) from None
