"""Exports of a run's days: Airflow's words into a job."""

from __future__ import annotations

import logging
import signal
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSkipException,
    Asset,
    AssetAlias,
    BaseOperator,
)

from airflow_provider_a360 import airflow_compat
from airflow_provider_a360.api.errors import PERMANENT, A360ConfigError, A360Error, of_connection
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

log = logging.getLogger(__name__)


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
        rendered.check_literal("file_format", file_format)
        self.flow_ids = flow_ids
        self.destination = destination
        self.file_format = file_format
        self.first_day = first_day
        self.last_day = last_day
        self.lookback_days = lookback_days
        self.a360_conn_id = a360_conn_id

    def execute(self, context: Context) -> Manifest:
        """Export the run's days; returns the manifest.

        The event of each asset in `outlets` carries the export's rows, days and uris as its extra. An alias stands for
        the folder that is the table. A partitioned run's event has its partition from Airflow.

        Raises: AirflowSkipException for an empty list of flows and for a run that crosses no UTC midnight;
            AirflowFailException for what a retry can't mend; A360Error for what it might.
        """
        from airflow_provider_a360.export import formats  # noqa: PLC0415  # parsing a DAG must not pay for the export
        from airflow_provider_a360.export.job import Job  # noqa: PLC0415
        from airflow_provider_a360.export.ledger import Ledger  # noqa: PLC0415
        from airflow_provider_a360.export.publish import Destination  # noqa: PLC0415
        from airflow_provider_a360.hooks.a360 import A360Hook  # noqa: PLC0415

        conn_id = rendered.given(self.a360_conn_id, DEFAULT_CONN_ID)
        try:
            flow_ids = rendered.identifiers(self.flow_ids)
            if not flow_ids:
                raise AirflowSkipException("flow_ids is an empty list: there is nothing to export.")
            file_format = rendered.given(self.file_format, "jsonl")
            formats.check(file_format)
            dataset = self._dataset(flow_ids)
            days = run_days(context, *map(rendered.given, (self.first_day, self.last_day, self.lookback_days)))
            hook = A360Hook(conn_id)
            job = Job(dataset, flow_ids, days, Destination(self.destination), file_format, self._treatment(hook))
            ledger = Ledger()
            if (store := airflow_compat.task_state_store(context)) is not None:
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
            raise AirflowFailException(of_connection(error, conn_id)) from None
        except A360Error as error:
            # Its message says what to do; where it was raised within this package would only hide that in the log.
            raise error.with_traceback(None) from None
        finally:
            self._exporting = False
        self._tell(context, manifest, days)
        return manifest

    def _tell(self, context: Context, manifest: Manifest, days: Days) -> None:
        """Give each outlet's event what a DAG that is scheduled on it wants to know of the export."""
        uris = [file["uri"] for file in manifest["files"]]
        extra: dict[str, Any] = {"rows": manifest["rows"], "days": [str(day) for day in days], "uris": uris}
        # A file's folder is a day, and what that is in is the table.
        tables = sorted({uri.rsplit("/", 2)[0] for uri in uris})
        for outlet in self.outlets:
            if isinstance(outlet, Asset):
                context["outlet_events"][outlet].extra.update(extra)
            elif isinstance(outlet, AssetAlias):
                for table in tables:
                    try:
                        context["outlet_events"][outlet].add(Asset(table), extra=extra)
                    except ValueError as error:
                        log.warning("%s can't be an asset, so %s has no event: %s", table, outlet.name, error)

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
        phone numbers. A template that renders to nothing is an error, as "keep" would export them.
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
        rendered.check_literal("kind", kind)
        rendered.check_literal("personal_data", personal_data)
        self.kind = kind
        self.goal_id = goal_id
        self.personal_data = personal_data

    def _dataset(self, flow_ids: list[int] | Literal["all"]) -> Dataset:
        from airflow_provider_a360.export.conversions import Conversions  # noqa: PLC0415

        dataset = Conversions(kind=rendered.given(self.kind, "all"), goal_id=rendered.given(self.goal_id))
        if dataset.goal_id is not None and (flow_ids == rendered.ALL or len(flow_ids) > 1):
            raise A360ConfigError("goal_id needs flow_ids to be the one flow that the goal belongs to.")
        return dataset

    def _treatment(self, hook: A360Hook) -> Callable[[Any], Any]:
        from airflow_provider_a360.export.personal import treatment  # noqa: PLC0415

        if (chosen := rendered.given(self.personal_data)) is None:
            raise A360ConfigError("personal_data is empty: say keep, hash or drop.")
        return treatment(chosen, hook.personal_data_secret)

    def _key(self, hook: A360Hook) -> str:
        from airflow_provider_a360.export.personal import fingerprint  # noqa: PLC0415

        return fingerprint(hook.personal_data_secret) if rendered.given(self.personal_data) == "hash" else ""


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
        rendered.check_literal("element_types", element_types)
        rendered.check_literal("grain", grain)
        self.element_types = element_types
        self.include_deleted = include_deleted
        self.grain = grain

    def _dataset(self, flow_ids: list[int] | Literal["all"]) -> Dataset:  # noqa: ARG002
        from airflow_provider_a360.export.element_stats import ElementStatistics  # noqa: PLC0415

        grain = rendered.given(self.grain, "day")
        if grain == "run" and rendered.given(self.lookback_days) is not None:
            raise A360ConfigError('grain="run" is for the run\'s own days: it does not go with lookback_days.')
        return ElementStatistics(
            element_types=rendered.names(self.element_types, "element_types"),
            include_deleted=rendered.boolean(rendered.given(self.include_deleted, default=True), "include_deleted"),
            grain=grain,
        )
