"""What differs between Airflow 3.1, 3.2 and 3.3, and the version that makes each part unnecessary.

Airflow 3.1 has no provider commands either: there, `python -m airflow_provider_a360 …` serves. And it imports
`CronDataIntervalTimetable` from `airflow.timetables.interval` only, as the example DAGs do on all versions.
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
    """What outlives a try of this task: Airflow's task state store. None before Airflow 3.3; a later try is told so."""
    store = context.get("task_state_store")
    if store is None and "ti" in context and context["ti"].try_number > 1:
        log.info("Airflow keeps nothing from one try to the next before version 3.3: this try starts anew.")
    return store


# Until 3.3, whose context holds the key. 3.2 has it on the run only, 3.1 has no partitions.
def partition_key(context: Mapping[str, Any]) -> str | None:
    """Return the key of a partitioned run."""
    return context.get("partition_key") or getattr(context["dag_run"], "partition_key", None)


# Until 3.3, where the task state store keeps a rescheduled sensor's counts from one poke to the next.
def poll(
    sensor: BaseSensorOperator, context: Context, watch: QueueWatch, client: A360Client, earlier: int
) -> dict[str, int | None] | None:
    """Poll, and go on while polls show 0, as the next poke would begin to count anew: until the queue has settled, or
    shows contacts again, or the sensor's time is up. Returns what the last poll did.

    :param earlier: the pokes of this try before this one. Which of them showed a paused flow is not known, so a paused
        flow is said at the first poke and at every tenth one.
    """
    watch.paused = earlier
    counts = watch.poll(client)
    first = context["ti"].get_first_reschedule_date(context)
    until = (time.time() if first is None else first.timestamp()) + sensor.timeout
    while counts is None and watch.zeros and time.time() + sensor.poke_interval < until:
        time.sleep(sensor.poke_interval)
        counts = watch.poll(client)
    return counts


# Until 3.2.2. In a triggerer before that, a message to Airflow from a thread that asgiref didn't start may take the
# answer to another one, which ends the triggerer.
async def mask_secret(secret: str) -> None:
    """Mask a secret in the logs of triggers."""
    from airflow.providers.common.compat.sdk import mask_secret as mask  # noqa: PLC0415
    from asgiref.sync import sync_to_async  # noqa: PLC0415

    await sync_to_async(mask)(secret)


# Until 3.2.
def dag_bag(file: Path) -> Any:
    """The DAGs of a file."""
    try:
        from airflow.dag_processing.dagbag import DagBag  # noqa: PLC0415
    except ImportError:
        from airflow.models.dagbag import DagBag  # type: ignore[no-redef]  # noqa: PLC0415
    return DagBag(file)


# Until 3.2, which reads the connection's form from the provider info, and not from these two methods of the hook.
def connection_form_widgets() -> dict[str, Any]:
    """The fields of the connection's form that end up in `extra`."""
    from wtforms import IntegerField, PasswordField, StringField  # noqa: PLC0415
    from wtforms.validators import Optional  # noqa: PLC0415

    # There is no field for numbers with a fraction. Such a one's text is read as a number by the hook.
    fields = {"integer": IntegerField, "number": StringField, "string": PasswordField}
    return {
        name: fields[field["schema"]["type"][0]](
            field["label"], validators=[Optional()], description=field["description"]
        )
        for name, field in _connection_type()["conn-fields"].items()
    }


def ui_field_behaviour() -> dict[str, Any]:
    """What Airflow's own fields of a connection are called here."""
    return {name.replace("-", "_"): value for name, value in _connection_type()["ui-field-behaviour"].items()}


def _connection_type() -> dict[str, Any]:
    from airflow_provider_a360.get_provider_info import get_provider_info  # noqa: PLC0415

    (connection_type,) = get_provider_info()["connection-types"]
    return dict(connection_type)
