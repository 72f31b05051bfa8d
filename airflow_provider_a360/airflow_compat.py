"""Differences between Airflow 3.1, 3.2 and 3.3. Each part names the version that makes it unnecessary.

Two more differences need no code here. Airflow 3.1 has no provider commands: use `python -m airflow_provider_a360 …`.
And it has `CronDataIntervalTimetable` only in `airflow.timetables.interval`, where the example DAGs import it from.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseSensorOperator, Context

    from airflow_provider_a360.api.client import A360Client
    from airflow_provider_a360.api.queue import QueueWatch

log = logging.getLogger(__name__)


# Until 3.3.
def task_state_store(context: Context) -> Any | None:
    """Return the task state store, which keeps values from one try to the next; None before Airflow 3.3."""
    store = context.get("task_state_store")
    if store is None and "ti" in context and context["ti"].try_number > 1:
        log.info("This retry exports all days again: resuming needs the task state store of Airflow 3.3 or later.")
    return store


# Until 3.3, whose context holds the key. In 3.2 only the run has it, and 3.1 has no partitions.
def partition_key(context: Mapping[str, Any]) -> str | None:
    """Return the key of a partitioned run, else None.

    :param context: the task's context.
    """
    return context.get("partition_key") or getattr(context.get("dag_run"), "partition_key", None)


# Until 3.3, where the task state store keeps a rescheduled sensor's counts from one poke to the next.
def poll(
    sensor: BaseSensorOperator, context: Context, watch: QueueWatch, client: A360Client, earlier: int
) -> dict[str, int | None] | None:
    """Poll, and poll again while the queue is empty but not settled: the next poke would start counting at 0.

    :param sensor: the sensor, for its interval and timeout.
    :param context: the task's context.
    :param watch: the flow to poll.
    :param client: the client to poll with.
    :param earlier: number of earlier pokes of this try. It isn't known which of them found the flow paused, so the
        warning comes at the first poke and at every tenth.
    :return: the flow's counts if its queue has drained, else None.
    """
    watch.paused = earlier
    counts = watch.poll(client)
    first = context["ti"].get_first_reschedule_date(context)
    until = (time.time() if first is None else first.timestamp()) + sensor.timeout
    while counts is None and watch.zeros and time.time() + sensor.poke_interval < until:
        time.sleep(sensor.poke_interval)
        counts = watch.poll(client)
    return counts


# Until 3.2.2, where a message to Airflow's supervisor from a thread that asgiref didn't start may receive the response
# to another message. The triggerer then stops ("Response read out of order", apache/airflow#64620).
async def mask_secret(secret: str) -> None:
    """Mask a secret in the logs of triggers. Call this in the triggerer's event loop.

    :param secret: the secret.
    """
    from airflow.providers.common.compat.sdk import mask_secret as mask  # noqa: PLC0415
    from asgiref.sync import sync_to_async  # noqa: PLC0415

    await sync_to_async(mask)(secret)


# Until 3.2.
def dag_bag(file: Path) -> Any:
    """Load the DAGs of a file.

    :param file: the file's path.
    """
    try:
        from airflow.dag_processing.dagbag import DagBag  # noqa: PLC0415
    except ImportError:
        from airflow.models.dagbag import DagBag  # type: ignore[no-redef]  # noqa: PLC0415
    return DagBag(file)


# Until 3.2, which reads the connection's form from the provider info instead of these two methods of the hook.
def connection_form_widgets() -> dict[str, Any]:
    """Return the fields of the connection's form that are stored in `extra`."""
    from wtforms import IntegerField, PasswordField, StringField  # noqa: PLC0415
    from wtforms.validators import Optional  # noqa: PLC0415

    # The form has no field for numbers with fractions, so these are text. The hook reads them as numbers.
    fields = {"integer": IntegerField, "number": StringField, "string": PasswordField}
    return {
        name: fields[field["schema"]["type"][0]](
            field["label"], validators=[Optional()], description=field["description"]
        )
        for name, field in _connection_type()["conn-fields"].items()
    }


def ui_field_behaviour() -> dict[str, Any]:
    """Return the labels of Airflow's own connection fields."""
    return {name.replace("-", "_"): value for name, value in _connection_type()["ui-field-behaviour"].items()}


def _connection_type() -> dict[str, Any]:
    from airflow_provider_a360.get_provider_info import get_provider_info  # noqa: PLC0415

    (connection_type,) = get_provider_info()["connection-types"]
    return dict(connection_type)
