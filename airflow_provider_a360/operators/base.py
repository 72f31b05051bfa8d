"""The base class of the export operators."""

from __future__ import annotations

import os
import signal
from abc import abstractmethod
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, BaseOperator

from airflow_provider_a360 import airflow_compat
from airflow_provider_a360.api.errors import PERMANENT, A360Error, of_connection
from airflow_provider_a360.export.options import FileFormat
from airflow_provider_a360.hooks import DEFAULT_CONN_ID
from airflow_provider_a360.operators import outlets, rendered
from airflow_provider_a360.operators.rendered import Template
from airflow_provider_a360.operators.run_days import NoWholeDay, run_days

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_a360.export.datasets import Dataset
    from airflow_provider_a360.export.job import Manifest
    from airflow_provider_a360.hooks.a360 import A360Hook

_EXIT_CODE_OF_SIGTERM = 128 + signal.SIGTERM


class A360ExportBaseOperator(BaseOperator):
    """Export a dataset for the days of a DAG run. The subclasses document the parameters."""

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
        flow_ids: int | Sequence[int | str] | Template,
        destination: str | os.PathLike[str] | Template,
        file_format: FileFormat | Template,
        first_day: date | Template | None,
        last_day: date | Template | None,
        lookback_days: int | Template | None,
        a360_conn_id: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        rendered.check_literal("file_format", file_format)
        self.flow_ids = flow_ids
        # A string, because Airflow doesn't render templates in a Path.
        self.destination: Any = str(destination) if isinstance(destination, PurePath) else destination
        self.file_format = file_format
        self.first_day = first_day
        self.last_day = last_day
        self.lookback_days = lookback_days
        self.a360_conn_id = a360_conn_id

    def execute(self, context: Context) -> Manifest:
        """Export the run's days.

        :param context: the task's context.
        :return: the manifest, which becomes the task's XCom.
        :raises AirflowSkipException: if the list of flows is empty, or the run's interval crosses no midnight UTC.
        :raises AirflowFailException: for an error that a retry can't fix.
        :raises A360Error: for an error that a retry may fix.
        """
        # Imported lazily to keep DAG parsing fast.
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
            dataset = self._dataset(flow_ids)
            days = run_days(context, *map(rendered.given, (self.first_day, self.last_day, self.lookback_days)))
            hook = A360Hook(conn_id)
            job = Job(dataset, flow_ids, days, Destination(self.destination), file_format, self._row_transform(hook))
            ledger = Ledger()
            if (store := airflow_compat.task_state_store(context)) is not None:
                # A retry resumes only if all of this is unchanged. Clearing a task raises max_tries, but may keep the
                # store: then all days are exported again.
                how = [
                    context["ti"].max_tries,
                    *(getattr(self, name) for name in self.template_fields),
                    self._secret_fingerprint(hook),
                ]
                ledger = Ledger(store, str(how))
            self._exporting = True
            manifest = job.run(hook.get_conn(), ledger)
        except NoWholeDay as reason:
            raise AirflowSkipException(str(reason)) from None
        except PERMANENT as error:
            raise AirflowFailException(of_connection(error, conn_id)) from None
        except A360Error as error:
            # The message says what to do. A traceback through this package would only hide it in the log.
            raise error.with_traceback(None) from None
        finally:
            self._exporting = False
        outlets.add_events(context, self.outlets, manifest, days)
        return manifest

    def on_kill(self) -> None:
        """Stop the export and remove its staged files.

        Airflow calls this in the middle of `execute` when the process gets SIGTERM: the task was marked as failed or
        deleted, or the worker is shutting down. SystemExit, unlike Airflow's own exceptions, keeps the task's retries,
        which the shutdown of a worker must not use up.
        """
        if self._exporting:
            self._exporting = False
            raise SystemExit(_EXIT_CODE_OF_SIGTERM)

    @abstractmethod
    def _dataset(self, flow_ids: list[int] | Literal["all"]) -> Dataset:
        """Return the dataset to export."""

    def _row_transform(self, hook: A360Hook) -> Callable[[Any], Any]:  # noqa: ARG002
        """Return the function that is applied to each row."""
        return lambda row: row

    def _secret_fingerprint(self, hook: A360Hook) -> str:  # noqa: ARG002
        """Return the fingerprint of the key that hashes personal data; empty if nothing is hashed."""
        return ""
