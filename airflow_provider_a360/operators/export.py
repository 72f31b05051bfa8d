"""Exports of a run's days: Airflow's words into a job."""

from __future__ import annotations

import signal
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, Asset, BaseOperator

from airflow_provider_a360.api.errors import PERMANENT, A360ConfigError
from airflow_provider_a360.hooks import DEFAULT_CONN_ID
from airflow_provider_a360.operators import rendered
from airflow_provider_a360.operators.run_days import NoWholeDay, run_days

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_a360.api.days import Days
    from airflow_provider_a360.export.datasets import Dataset
    from airflow_provider_a360.export.job import Manifest
    from airflow_provider_a360.hooks.a360 import A360Hook


_ENDED_BY_SIGTERM = 128 + signal.SIGTERM
"""A process's exit code, as shells have it."""


class _A360ExportOperator(BaseOperator):
    """What the two exports share. Its parameters are described where they are seen, in the operators below."""

    template_fields: Sequence[str] = (
        "flow_ids",
        "destination",
        "file_format",
        "first_day",
        "last_day",
        "lookback_days",
        "a360_conn_id",
    )
    ui_color = "#d6efe9"
    _exporting = False

    def __init__(
        self,
        *,
        flow_ids: Any,
        destination: Any,
        file_format: str,
        first_day: Any,
        last_day: Any,
        lookback_days: Any,
        a360_conn_id: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.flow_ids = flow_ids
        self.destination = destination
        self.file_format = file_format
        self.first_day = first_day
        self.last_day = last_day
        self.lookback_days = lookback_days
        self.a360_conn_id = a360_conn_id

    def execute(self, context: Context) -> Manifest:
        """Export the run's days; returns the manifest.

        The event of each asset in `outlets` carries the export's rows, days and uris as its extra. A partitioned run's
        event has its partition from Airflow.

        Raises: AirflowSkipException for an empty list of flows and for a run that crosses no UTC midnight;
            AirflowFailException for what a retry can't mend; A360Error for what it might.
        """
        from airflow_provider_a360.export import formats  # noqa: PLC0415  # parsing a DAG must not pay for the export
        from airflow_provider_a360.export.job import Job  # noqa: PLC0415
        from airflow_provider_a360.export.ledger import Ledger  # noqa: PLC0415
        from airflow_provider_a360.export.publish import Destination  # noqa: PLC0415
        from airflow_provider_a360.hooks.a360 import A360Hook  # noqa: PLC0415

        try:
            flow_ids = rendered.identifiers(self.flow_ids)
            if not flow_ids:
                raise AirflowSkipException("flow_ids is an empty list: there is nothing to export.")
            formats.check(self.file_format)
            dataset = self._dataset(flow_ids)
            days = run_days(context, self.first_day, self.last_day, self.lookback_days)
            hook = A360Hook(self.a360_conn_id)
            job = Job(dataset, flow_ids, days, Destination(self.destination), self.file_format, self._treatment(hook))
            ledger = Ledger()
            if (store := context.get("task_state_store")) is not None:
                # A clear raises max_tries but may leave the store as it was: then all days are exported anew.
                how = [
                    context["ti"].max_tries,
                    *(getattr(self, name) for name in self.template_fields),
                    self._key(hook),
                ]
                ledger = Ledger(store, str(how))
            self._exporting = True
            manifest = job.run(hook.get_conn(), ledger)
        except NoWholeDay as reason:
            raise AirflowSkipException(str(reason)) from None
        except PERMANENT as error:
            raise AirflowFailException(str(error)) from error
        finally:
            self._exporting = False
        for outlet in self.outlets:
            if isinstance(outlet, Asset):
                context["outlet_events"][outlet].extra.update(_event(manifest, days))
        return manifest

    def on_kill(self) -> None:
        """End an export that Airflow does not want any more: what is being read is given up, and the staged rows are
        removed on the way out.

        Airflow calls this in the midst of the export, when the process gets SIGTERM: the task was marked or deleted, or
        the worker is shut down. Only SystemExit leaves the retries to Airflow, which a worker's end must not use up.
        """
        if self._exporting:
            self._exporting = False
            raise SystemExit(_ENDED_BY_SIGTERM)

    @abstractmethod
    def _dataset(self, flow_ids: list[int] | Literal["all"]) -> Dataset:
        """What is exported of these flows."""

    def _treatment(self, hook: A360Hook) -> Callable[[Any], Any]:  # noqa: ARG002
        """What is done to each row."""
        return lambda row: row

    def _key(self, hook: A360Hook) -> str:  # noqa: ARG002
        """The fingerprint of the key that rows are hashed with; empty where none are."""
        return ""


def _event(manifest: Manifest, days: Days) -> dict[str, Any]:
    """What a DAG that is scheduled on an asset learns of the export."""
    return {
        "rows": manifest["rows"],
        "days": [str(day) for day in days],
        "uris": [file["uri"] for file in manifest["files"]],
    }


class A360ExportConversionsOperator(_A360ExportOperator):
    """Export who converted, each conversion once, in the file of the UTC day of its `conversion_date`.

    A file a day, `<destination>/conversions/dt=2026-11-20/all.jsonl`, with `flow_ids="all"`; with an id or a list, a
    file a day and flow, `<destination>/conversions-by_flow/dt=2026-11-20/flow-292692.jsonl`. Each folder is one table
    that can be read whole. A day's file always holds the whole day; exporting it again replaces it. Returns a manifest.

    :param flow_ids: a flow's id, a list of ids, or "all". An empty list skips the task.
    :param destination: a folder, local or in object storage (`s3://connection@bucket/folder`).
    :param kind: "all", "maintrigger" (the flow was stopped by an event) or "goal".
    :param goal_id: the id of one goal, for its conversions only.
    :param file_format: "jsonl", "jsonl.gz", "csv", "csv.gz" or "parquet".
    :param first_day: the first UTC day, instead of the run's interval. Included.
    :param last_day: the last UTC day. Included.
    :param lookback_days: export so many days up to the run's last one, for conversions that come in late.
    :param personal_data: "keep", "hash" (keyed with the connection's `personal_data_secret`) or "drop" addresses and
        phone numbers.
    :param a360_conn_id: the connection.
    """

    template_fields: Sequence[str] = (
        *_A360ExportOperator.template_fields,
        "kind",
        "goal_id",
        "personal_data",
    )

    def __init__(
        self,
        *,
        flow_ids: Any,
        destination: Any,
        kind: str = "all",
        goal_id: Any = None,
        file_format: str = "jsonl",
        first_day: Any = None,
        last_day: Any = None,
        lookback_days: Any = None,
        personal_data: str = "keep",
        a360_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            flow_ids=flow_ids,
            destination=destination,
            file_format=file_format,
            first_day=first_day,
            last_day=last_day,
            lookback_days=lookback_days,
            a360_conn_id=a360_conn_id,
            **kwargs,
        )
        self.kind = kind
        self.goal_id = goal_id
        self.personal_data = personal_data

    def _dataset(self, flow_ids: list[int] | Literal["all"]) -> Dataset:
        from airflow_provider_a360.export.conversions import Conversions  # noqa: PLC0415

        dataset = Conversions(kind=self.kind, goal_id=self.goal_id)  # type: ignore[arg-type]  # it checks the kind
        if dataset.goal_id is not None and (flow_ids == rendered.ALL or len(flow_ids) > 1):
            raise A360ConfigError("goal_id needs flow_ids to be the one flow that the goal belongs to.")
        return dataset

    def _treatment(self, hook: A360Hook) -> Callable[[Any], Any]:
        from airflow_provider_a360.export.personal import treatment  # noqa: PLC0415

        return treatment(self.personal_data, hook.personal_data_secret)

    def _key(self, hook: A360Hook) -> str:
        from airflow_provider_a360.export.personal import fingerprint  # noqa: PLC0415

        return fingerprint(hook.personal_data_secret) if self.personal_data == "hash" else ""


class A360ExportElementStatsOperator(_A360ExportOperator):
    """Export the statistics of every element: a row for each element and UTC day, whatever the element's type.

    A file a day, `<destination>/element_stats/dt=2026-11-20/all.jsonl`, with `flow_ids="all"`; with an id or a list, a
    file a day and flow, `<destination>/element_stats-by_flow/dt=2026-11-20/flow-292692.jsonl`. Returns a manifest.

    :param flow_ids: a flow's id, a list of ids, or "all". An empty list skips the task.
    :param destination: a folder, local or in object storage (`s3://connection@bucket/folder`).
    :param element_types: only elements of these types ("email", ["email", "sms"]); None for all.
    :param include_deleted: also the elements that have been deleted from the flow.
    :param grain: "day"; or "run" for a row for each element over the run's whole span, by one request an element.
    :param file_format: "jsonl", "jsonl.gz", "csv", "csv.gz" or "parquet".
    :param first_day: the first UTC day, instead of the run's interval. Included.
    :param last_day: the last UTC day. Included.
    :param lookback_days: export so many days up to the run's last one, for opens and clicks that come in late.
    :param a360_conn_id: the connection.
    """

    template_fields: Sequence[str] = (
        *_A360ExportOperator.template_fields,
        "element_types",
        "include_deleted",
        "grain",
    )

    def __init__(
        self,
        *,
        flow_ids: Any,
        destination: Any,
        element_types: Any = None,
        include_deleted: Any = True,
        grain: str = "day",
        file_format: str = "jsonl",
        first_day: Any = None,
        last_day: Any = None,
        lookback_days: Any = None,
        a360_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            flow_ids=flow_ids,
            destination=destination,
            file_format=file_format,
            first_day=first_day,
            last_day=last_day,
            lookback_days=lookback_days,
            a360_conn_id=a360_conn_id,
            **kwargs,
        )
        self.element_types = element_types
        self.include_deleted = include_deleted
        self.grain = grain

    def _dataset(self, flow_ids: list[int] | Literal["all"]) -> Dataset:  # noqa: ARG002
        from airflow_provider_a360.export.element_stats import ElementStatistics  # noqa: PLC0415

        if self.grain == "run" and self.lookback_days is not None:
            raise A360ConfigError('grain="run" is for the run\'s own days: it does not go with lookback_days.')
        return ElementStatistics(
            element_types=rendered.names(self.element_types, "element_types"),
            include_deleted=rendered.boolean(self.include_deleted, "include_deleted"),
            grain=self.grain,  # type: ignore[arg-type]  # it checks the grain
        )
