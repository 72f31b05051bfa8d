"""Export the conversions or the element statistics of a DAG run's days."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_a360.api.endpoints import ConversionKind
from airflow_provider_a360.api.errors import A360ConfigError
from airflow_provider_a360.export.options import FileFormat, Grain, PersonalData
from airflow_provider_a360.hooks import DEFAULT_CONN_ID
from airflow_provider_a360.operators import rendered
from airflow_provider_a360.operators.base import A360ExportBaseOperator
from airflow_provider_a360.operators.rendered import Template

if TYPE_CHECKING:
    from airflow_provider_a360.export.datasets import Dataset
    from airflow_provider_a360.hooks.a360 import A360Hook


class A360ExportConversionsOperator(A360ExportBaseOperator):
    """Export conversions, each one once, into the file of the UTC day of its `conversion_date`.

    With `flow_ids="all"`, writes one file per day, `<destination>/conversions/dt=2026-11-20/all.jsonl`. With an ID or a
    list, writes one file per day and flow, `<destination>/conversions-by_flow/dt=2026-11-20/flow-292692.jsonl`. Each
    folder is one table. A file always holds the whole day, and another export of the day replaces it.

    Example::

        A360ExportConversionsOperator(
            task_id="conversions", flow_ids="all", destination="/data/a360", lookback_days=7, personal_data="hash"
        )

    :param flow_ids: a flow's ID, a list of IDs, or `"all"`. An empty list skips the task.
    :param destination: an absolute folder on local disk, or a URL such as `s3://connection@bucket/folder`.
    :param kind: `"all"`, `"maintrigger"` (an event stopped the flow) or `"goal"`.
    :param goal_id: export only the conversions of this goal. Needs one flow ID.
    :param file_format: `"jsonl"`, `"jsonl.gz"`, `"csv"`, `"csv.gz"` or `"parquet"`.
    :param first_day: first UTC day, instead of the run's data interval.
    :param last_day: last UTC day, included.
    :param lookback_days: export this many days up to the run's last day, because some conversions arrive late.
    :param personal_data: `"keep"`, `"hash"` (with the connection's `personal_data_secret` as key) or `"drop"` e-mail
        addresses and phone numbers. A template that renders to an empty string is an error.
    :param a360_conn_id: ID of the Airflow connection.
    """

    template_fields: Sequence[str] = (*A360ExportBaseOperator.template_fields, "kind", "goal_id", "personal_data")

    def __init__(
        self,
        *,
        flow_ids: int | Sequence[int | str] | Template,
        destination: str | os.PathLike[str] | Template,
        kind: ConversionKind | Template = "all",
        goal_id: int | Template | None = None,
        file_format: FileFormat | Template = "jsonl",
        first_day: date | Template | None = None,
        last_day: date | Template | None = None,
        lookback_days: int | Template | None = None,
        personal_data: PersonalData | Template = "keep",
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
        if personal_data is None or isinstance(personal_data, str):
            _check_given(personal_data)
        self.kind = kind
        self.goal_id = goal_id
        self.personal_data = personal_data

    def _dataset(self, flow_ids: list[int] | Literal["all"]) -> Dataset:
        from airflow_provider_a360.export.conversions import Conversions  # noqa: PLC0415

        dataset = Conversions(kind=rendered.given(self.kind, "all"), goal_id=rendered.given(self.goal_id))
        if dataset.goal_id is not None and (flow_ids == rendered.ALL or len(flow_ids) > 1):
            raise A360ConfigError("goal_id needs flow_ids to be the one flow that the goal belongs to.")
        return dataset

    def _row_transform(self, hook: A360Hook) -> Callable[[Any], Any]:
        from airflow_provider_a360.export.personal import row_transform  # noqa: PLC0415

        _check_given(self.personal_data)
        return row_transform(rendered.given(self.personal_data), hook.personal_data_secret)

    def _secret_fingerprint(self, hook: A360Hook) -> str:
        from airflow_provider_a360.export.personal import secret_fingerprint  # noqa: PLC0415

        return secret_fingerprint(hook.personal_data_secret) if rendered.given(self.personal_data) == "hash" else ""


class A360ExportElementStatsOperator(A360ExportBaseOperator):
    """Export the statistics of every element, one row per element and UTC day, for all types of elements.

    With `flow_ids="all"`, writes one file per day, `<destination>/element_stats/dt=2026-11-20/all.jsonl`. With an ID or
    a list, writes one file per day and flow, `<destination>/element_stats-by_flow/dt=2026-11-20/flow-292692.jsonl`.

    Example::

        A360ExportElementStatsOperator(
            task_id="element_stats", flow_ids=[292692, 281013], destination="/data/a360", element_types=["email", "sms"]
        )

    :param flow_ids: a flow's ID, a list of IDs, or `"all"`. An empty list skips the task.
    :param destination: an absolute folder on local disk, or a URL such as `s3://connection@bucket/folder`.
    :param element_types: export only elements of these types (`"email"`, or `["email", "sms"]`). None for all.
    :param include_deleted: include elements that were deleted from the flow.
    :param grain: `"day"`, or `"run"` for one row per element over the run's whole span, with one request per element.
    :param file_format: `"jsonl"`, `"jsonl.gz"`, `"csv"`, `"csv.gz"` or `"parquet"`.
    :param first_day: first UTC day, instead of the run's data interval.
    :param last_day: last UTC day, included.
    :param lookback_days: export this many days up to the run's last day, because some opens and clicks arrive late.
    :param a360_conn_id: ID of the Airflow connection.
    """

    template_fields: Sequence[str] = (
        *A360ExportBaseOperator.template_fields,
        "element_types",
        "include_deleted",
        "grain",
    )

    def __init__(
        self,
        *,
        flow_ids: int | Sequence[int | str] | Template,
        destination: str | os.PathLike[str] | Template,
        element_types: Sequence[str] | Template | None = None,
        include_deleted: bool | Template = True,
        grain: Grain | Template = "day",
        file_format: FileFormat | Template = "jsonl",
        first_day: date | Template | None = None,
        last_day: date | Template | None = None,
        lookback_days: int | Template | None = None,
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
            raise A360ConfigError('grain="run" covers the run\'s own days: remove lookback_days.')
        return ElementStatistics(
            element_types=rendered.names(self.element_types, "element_types"),
            include_deleted=rendered.boolean(rendered.given(self.include_deleted, default=True), "include_deleted"),
            grain=grain,
        )


def _check_given(personal_data: Any) -> None:
    """Refuse an empty value: "keep" would export addresses although the author may have meant to hash them."""
    if rendered.given(personal_data) is None:
        raise A360ConfigError('personal_data is empty: set "keep", "hash" or "drop".')
