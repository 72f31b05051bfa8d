"""An export from first request to manifest."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypedDict

from airflow_provider_a360.api.calls import while_wanted
from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.days import Days
from airflow_provider_a360.export import formats
from airflow_provider_a360.export.datasets import Batch, Dataset, Everything, Findings
from airflow_provider_a360.export.ledger import Ledger, PublishedFile
from airflow_provider_a360.export.progress import Progress
from airflow_provider_a360.export.publish import A360DestinationError, Destination
from airflow_provider_a360.export.stage import Staged

log = logging.getLogger(__name__)


class Manifest(TypedDict):
    """What an export did: all that goes into XCom."""

    dataset: str
    first_day: str
    last_day: str
    rows: int
    files: list[PublishedFile]
    flows: list[int]
    requests: int
    requests_saved: int
    seconds: float
    skipped: list[dict[str, Any]]
    without_data: int
    """Elements and days for which the service had none: their counters are null."""
    unfinished_days: list[str]
    notes: list[str]


@dataclass(frozen=True)
class Job:
    """An export of a dataset, for flows and days, to a folder."""

    dataset: Dataset
    flow_ids: Sequence[int] | Literal["all"]
    days: Days
    destination: Destination
    file_format: str
    treat: Callable[[Any], Any] = lambda row: row
    """What is done to a row before it is written."""

    def run(self, client: A360Client, ledger: Ledger | None = None) -> Manifest:
        """Export, file by file: each is published when it is complete, and one that fails leaves what was there.

        With a ledger, goes on behind what an earlier try has published.

        Raises: A360DestinationError where a file can't be written, staged or published; and what the client raises.
        """
        with while_wanted(client) as ours:
            return self._run(ours, ledger or Ledger())

    def _run(self, client: A360Client, ledger: Ledger) -> Manifest:
        findings = Findings()
        progress = Progress(client, findings)
        unfinished = [day for day in self.days if day >= datetime.now(UTC).date()]
        if unfinished:
            log.warning(
                "%s not over yet in UTC: the export holds what there is so far. Export again later.",
                f"{unfinished[0]} is" if len(unfinished) == 1 else f"{unfinished[0]} to {unfinished[-1]} are",
            )
        everything = self.flow_ids == "all"
        self._say_outlook(100 if everything else len(self.flow_ids), everything, client.settings.requests_per_second)
        flows = sorted(flow.id for flow in client.flows()) if everything else [int(flow) for flow in self.flow_ids]
        groups: list[Sequence[int]] = [Everything(flows)] if everything else [[flow] for flow in flows]
        if everything and not flows:
            log.warning("The account has no flows.")
        published = ledger.open(f"flows {flows}, days {self.days}")
        files = [file for batch in published for file in batch]
        if files:
            note = (
                f"An earlier try published {len(files)} files, the last for {files[-1]['last_day']}; this one goes on."
            )
            log.info(note)
            findings.notes.append(note)
        for batch in self.dataset.batches(client, groups, self.days, findings, skip=len(published)):
            new = self._publish(batch, "all" if everything else f"flow-{batch.flows[0]}", progress)
            files += new
            # A day that goes on is never done with, nor is what comes behind it.
            if not any(day in span for day in unfinished for span in batch.files):
                ledger.add(new)
        manifest = Manifest(
            dataset=self.dataset.name,
            first_day=str(self.days.first),
            last_day=str(self.days.last),
            rows=sum(file["rows"] for file in files),
            files=files,
            flows=flows,
            requests=progress.requests,
            requests_saved=findings.requests_saved,
            seconds=round(progress.seconds, 3),
            skipped=findings.skipped,
            without_data=findings.without_data,
            unfinished_days=[str(day) for day in unfinished],
            notes=findings.notes,
        )
        log.info("Exported %d rows; files: %d, requests: %d.", manifest["rows"], len(files), progress.requests)
        return manifest

    def _say_outlook(self, flows: int, everything: bool, per_second: float) -> None:  # noqa: FBT001
        least, words = self.dataset.outlook(self.days)
        log.info(
            "Exporting %s of %s: %s. For %s that is at least %d requests, %.1f minutes at %g a second.",
            self.dataset.name,
            self.days,
            words,
            "each 100 flows of the account" if everything else "1 flow" if flows == 1 else f"{flows} flows",
            least * flows,
            least * flows / per_second / 60,
            per_second,
        )

    def _publish(self, batch: Batch, stem: str, progress: Progress) -> list[PublishedFile]:
        dataset = self.dataset
        with _naming_the_disk(), tempfile.TemporaryDirectory(prefix="a360-") as folder, ExitStack() as open_files:
            staged = {
                days.first: open_files.enter_context(
                    closing(Staged(Path(folder, str(days.first)), dataset.row_type, dataset.sort_key))
                )
                for days in batch.files
            }
            for key, rows in batch.rows:
                staged[key].add(list(map(self.treat, rows)))
                progress.count(len(rows))
            return [self._publish_one(staged[days.first], days, stem) for days in batch.files]

    def _publish_one(self, staged: Staged, days: Days, stem: str) -> PublishedFile:
        lines = staged.lines()
        finished = lines.with_name(f"finished.{self.file_format}")
        formats.write(lines, finished, self.file_format, self.dataset.row_type)
        folder = self.dataset.folder(days, by_flow=self.flow_ids != "all")
        uri = self.destination.publish(finished, f"{folder}/{stem}.{self.file_format}")
        # A span of many days needs its disk no longer than it must.
        finished.unlink()
        lines.unlink()
        log.info("%s: %d rows in %s", days, staged.rows, uri)
        return PublishedFile(day=str(days.first), last_day=str(days.last), rows=staged.rows, uri=uri)


@contextmanager
def _naming_the_disk() -> Iterator[None]:
    """Say which disk it is where rows can't be staged."""
    try:
        yield
    except OSError as error:
        raise A360DestinationError(
            f"Rows could not be staged in {tempfile.gettempdir()}: {error.strerror or type(error).__name__}. "
            "Nothing of them was published. Make room there, or name another folder in the environment variable TMPDIR."
        ) from None
