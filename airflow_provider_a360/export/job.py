"""Run an export: read the rows, publish the files, return the manifest."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, TypedDict

from airflow_provider_a360.api.base_client import cancel_on_exit
from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.errors import A360ConfigError
from airflow_provider_a360.export import duplicates, formats, resume
from airflow_provider_a360.export.datasets import AllFlows, Batch, Dataset, Diagnostics, Step
from airflow_provider_a360.export.ledger import Ledger, PublishedBatch, PublishedFile
from airflow_provider_a360.export.progress import Progress, format_estimate
from airflow_provider_a360.export.publish import A360DestinationError, Destination
from airflow_provider_a360.export.stage import StagedFile, create_private

log = logging.getLogger(__name__)


class Manifest(TypedDict):
    """What an export did. This is the task's XCom value, so it never holds rows."""

    dataset: str
    first_day: str
    """The first exported UTC day, in ISO 8601."""
    last_day: str
    """The last exported UTC day, in ISO 8601."""
    rows: int
    files: list[PublishedFile]
    """All files of the export, including those that earlier attempts published."""
    flows: list[int]
    """The ids of the exported flows."""
    requests: int
    """Number of requests that this attempt sent, including retries."""
    requests_saved: int
    """Number of requests that were not needed, because the element was created after the days."""
    seconds: float
    """Duration of this attempt."""
    skipped: list[dict[str, Any]]
    """Flows and elements that have no rows, each with its ids and the reason."""
    without_data: int
    """Number of rows for which the service had no statistics. Their counters are null."""
    unfinished_days: list[str]
    """UTC days that were not over when the export began. Their files may lack later rows."""
    notes: list[str]
    """Warnings for readers of the files. Each is in the log too."""


@dataclass(frozen=True)
class Job:
    """An export of a dataset to files.

    :param dataset: what to export.
    :param flow_ids: the flows to export, one file for each; or "all" for all flows of the account, in one file.
    :param days: the UTC days to export.
    :param destination: where to publish the files.
    :param file_format: the format of the files.
    :param transform: applied to each row before it is written.
    :raises A360ConfigError: if the format is unknown, or needs a package that is not installed.
    """

    dataset: Dataset
    flow_ids: Sequence[int] | Literal["all"]
    days: Days
    destination: Destination
    file_format: str
    transform: Callable[[Any], Any] = lambda row: row

    def __post_init__(self) -> None:
        formats.check(self.file_format)

    def run(self, client: A360Client, ledger: Ledger | None = None) -> Manifest:
        """Export the rows, and publish each file when it is complete. If a file can't be completed, the existing file
        is unchanged.

        :param client: the client for the account.
        :param ledger: records published files. If it has files of earlier attempts that are still at the destination,
            this attempt resumes after them.
        :return: the manifest.
        :raises A360ConfigError: if all days are in the future.
        :raises A360DestinationError: if a file can't be staged or published.
        :raises A360FormatError: if the file format can't hold a value.
        :raises A360Error: if the client raises it.
        """
        with cancel_on_exit(client) as ours:
            return self._run(ours, ledger or Ledger())

    def _run(self, client: A360Client, ledger: Ledger) -> Manifest:
        unfinished = self._find_unfinished_days()
        diagnostics = Diagnostics()
        progress = Progress(client, diagnostics)
        flows = _list_flows(client, diagnostics) if self.flow_ids == "all" else [int(flow) for flow in self.flow_ids]
        self._log_estimate(len(flows), client.settings.requests_per_second)
        groups: list[Sequence[int]] = [(flow,) for flow in flows] if self._by_flow else [AllFlows(flows)]
        plan = self.dataset.plan(groups, self.days)
        recorded = ledger.load(f"flows {flows}, days {self.days}")
        kept, notes = self._find_intact_batches(plan, recorded, diagnostics)
        ledger.start_attempt(len(kept), diagnostics)
        files = [file for batch in kept for file in batch]
        for batch in self.dataset.batches(client, plan[len(kept) :], diagnostics):
            new = [] if batch.skipped else self._publish_batch(batch, progress)
            files += new
            # A retry must export an unfinished day again, so don't record its batch. The batches after it aren't
            # recorded either: the order is by day.
            if not any(day in span for day in unfinished for span in batch.step.files):
                ledger.record(new, diagnostics)
        if note := duplicates.describe(self.destination, self._names_by_folder(files)):
            diagnostics.warn(note)
        manifest = Manifest(
            dataset=self.dataset.name,
            first_day=str(self.days.first),
            last_day=str(self.days.last),
            rows=sum(file["rows"] for file in files),
            files=files,
            flows=flows,
            requests=progress.requests,
            requests_saved=diagnostics.requests_saved,
            seconds=round(progress.seconds, 3),
            skipped=diagnostics.skipped,
            without_data=diagnostics.without_data,
            unfinished_days=[str(day) for day in unfinished],
            notes=notes + diagnostics.notes,
        )
        log.info("Exported %d rows; files: %d, requests: %d.", manifest["rows"], len(files), progress.requests)
        return manifest

    def _find_unfinished_days(self) -> list[date]:
        """Return the days that are not over yet.

        :raises A360ConfigError: if all days are in the future.
        """
        today = datetime.now(UTC).date()
        if self.days.first > today:
            raise A360ConfigError(
                f"The days to export, {self.days}, lie in the future: today is {today} in UTC. Correct first_day and "
                "last_day, or the timetable that gave the run these days."
            )
        unfinished = [day for day in self.days if day >= today]
        if unfinished:
            log.warning(
                "%s not over yet in UTC, so the export holds only what the service has so far. Export again later.",
                f"{unfinished[0]} is" if len(unfinished) == 1 else f"{unfinished[0]} to {unfinished[-1]} are",
            )
        return unfinished

    @property
    def _by_flow(self) -> bool:
        """Whether each file holds the rows of one flow."""
        return self.flow_ids != "all"

    def _log_estimate(self, flows: int, per_second: float) -> None:
        known, further = self.dataset.estimate(self.days)
        log.info(
            "Exporting %s of %s for %s: %s, then %s.",
            self.dataset.name,
            self.days,
            "1 flow" if flows == 1 else f"{flows} flows",
            format_estimate(known * flows, per_second),
            further,
        )

    def _folder(self, days: Days) -> str:
        return self.dataset.folder(days, by_flow=self._by_flow)

    def _name(self, step: Step, days: Days) -> str:
        """Return a file's path below the destination."""
        stem = f"flow-{step.flows[0]}" if self._by_flow else "all"
        return f"{self._folder(days)}/{stem}.{self.file_format}"

    def _describe_file(self, step: Step, days: Days, rows: int, size: int) -> PublishedFile:
        uri = self.destination.uri(self._name(step, days))
        return PublishedFile(day=str(days.first), last_day=str(days.last), rows=rows, size=size, uri=uri)

    def _names_by_folder(self, files: Sequence[PublishedFile]) -> dict[str, set[str]]:
        names: dict[str, set[str]] = {}
        for file in files:
            folder = self._folder(Days(date.fromisoformat(file["day"]), date.fromisoformat(file["last_day"])))
            names.setdefault(folder, set()).add(file["uri"].rpartition("/")[2])
        return names

    def _find_intact_batches(
        self, plan: Sequence[Step], recorded: Sequence[PublishedBatch], diagnostics: Diagnostics
    ) -> tuple[list[list[PublishedFile]], list[str]]:
        """Return the files of the recorded batches that are still at the destination, and notes for the manifest. Add
        the diagnostics of these batches.
        """
        earlier = []
        for step, batch in zip(plan, recorded, strict=False):
            # A skipped batch has no files.
            files = zip(step.files, batch.files, strict=bool(batch.files))
            earlier.append({self._name(step, days): self._describe_file(step, days, *file) for days, file in files})
        intact, notes = resume.find_intact(self.destination, earlier)
        for batch in recorded[:intact]:
            diagnostics.merge(batch.diagnostics)
        return [list(batch.values()) for batch in earlier[:intact]], notes

    def _publish_batch(self, batch: Batch, progress: Progress) -> list[PublishedFile]:
        """Stage all rows of a batch, then publish its files."""
        dataset, step = self.dataset, batch.step
        with _wrap_disk_errors(), tempfile.TemporaryDirectory(prefix="a360-") as folder, ExitStack() as open_files:
            staged = {
                days.first: open_files.enter_context(
                    closing(StagedFile(Path(folder, str(days.first)), dataset.row_type, dataset.sort_key))
                )
                for days in step.files
            }
            for first_day, rows in batch.rows:
                staged[first_day].add(list(map(self.transform, rows)))
                progress.add_rows(len(rows))
            return [self._publish_file(step, days, staged[days.first]) for days in step.files]

    def _publish_file(self, step: Step, days: Days, staged: StagedFile) -> PublishedFile:
        lines = staged.finish()
        finished = create_private(lines.with_name(f"finished.{self.file_format}"))
        formats.write(lines, finished, self.file_format, self.dataset.row_type)
        size = finished.stat().st_size
        uri = self.destination.publish(finished, self._name(step, days))
        # Free the disk space now: a batch may have many files.
        finished.unlink()
        lines.unlink()
        log.info("%s: %d rows in %s", days, staged.rows, uri)
        return self._describe_file(step, days, staged.rows, size)


def _list_flows(client: A360Client, diagnostics: Diagnostics) -> list[int]:
    """Return the ids of all flows of the account, sorted. Ask a second time if the service lists none."""
    for _ in range(2):
        listing = client.flows()
        if flows := sorted(flow.id for flow in listing):
            if listing.shortfall is not None:
                diagnostics.warn(
                    f"The service listed {len(flows)} flows and then no others, so the files may lack flows. Compare "
                    "with the account, and give the ids of all flows as flow_ids."
                )
            return flows
    diagnostics.warn(
        "The service listed no flows, twice in a row, so the files hold no rows. If the account has flows, check that "
        "the connection points at the right account, and export these days again."
    )
    return []


@contextmanager
def _wrap_disk_errors() -> Iterator[None]:
    """Raise errors of the local disk as errors that name the folder."""
    try:
        yield
    except OSError as error:
        raise A360DestinationError(
            f"Rows could not be staged in {tempfile.gettempdir()}: {error.strerror or type(error).__name__}. "
            "The files that they belong to were not published. Free some space there, or set the environment variable "
            "TMPDIR to another folder."
        ) from None
