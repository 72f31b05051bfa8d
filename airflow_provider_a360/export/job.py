"""An export from first request to manifest."""

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
from airflow_provider_a360.export import doubles, formats, resume
from airflow_provider_a360.export.datasets import Batch, Dataset, Everything, Findings, Part
from airflow_provider_a360.export.ledger import Ledger, PublishedFile, Recorded
from airflow_provider_a360.export.progress import Progress, about
from airflow_provider_a360.export.publish import A360DestinationError, Destination
from airflow_provider_a360.export.stage import Staged, private

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

        With a ledger, goes on behind what earlier tries have published, as far as all of it is still there.

        Raises: A360ConfigError for days that lie entirely in the future; A360DestinationError where a file can't be
            written, staged or published; A360FormatError for a value that the format can't hold; and what the client
            raises.
        """
        with cancel_on_exit(client) as ours:
            return self._run(ours, ledger or Ledger())

    def _run(self, client: A360Client, ledger: Ledger) -> Manifest:
        unfinished = self._unfinished()
        findings = Findings()
        progress = Progress(client, findings)
        flows = [int(flow) for flow in self.flow_ids] if self._by_flow else _all_flows(client, findings)
        self._say_outlook(len(flows), client.settings.requests_per_second)
        groups: list[Sequence[int]] = [(flow,) for flow in flows] if self._by_flow else [Everything(flows)]
        plan = self.dataset.plan(groups, self.days)
        recorded = ledger.open(f"flows {flows}, days {self.days}")
        kept, notes = self._take_over(plan, recorded, findings)
        ledger.begin(len(kept), findings)
        files = [file for batch in kept for file in batch]
        for batch in self.dataset.batches(client, plan[len(kept) :], findings):
            new = [] if batch.skipped else self._publish(batch, progress)
            files += new
            # A day that goes on is never done with, nor is what comes behind it.
            if not any(day in span for day in unfinished for span in batch.part.files):
                ledger.add(new, findings)
        if doubled := doubles.note(self.destination, self._written(files)):
            findings.warn(doubled)
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
            notes=notes + findings.notes,
        )
        log.info("Exported %d rows; files: %d, requests: %d.", manifest["rows"], len(files), progress.requests)
        return manifest

    def _unfinished(self) -> list[date]:
        """The days that are not over yet.

        Raises: A360ConfigError where all of them are still to come.
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
                "%s not over yet in UTC: the export holds what there is so far. Export again later.",
                f"{unfinished[0]} is" if len(unfinished) == 1 else f"{unfinished[0]} to {unfinished[-1]} are",
            )
        return unfinished

    @property
    def _by_flow(self) -> bool:
        """Whether each file holds one flow's rows."""
        return self.flow_ids != "all"

    def _folder(self, days: Days) -> str:
        return self.dataset.folder(days, by_flow=self._by_flow)

    def _written(self, files: Sequence[PublishedFile]) -> dict[str, set[str]]:
        """The names of the files in each folder."""
        written: dict[str, set[str]] = {}
        for file in files:
            folder = self._folder(Days(date.fromisoformat(file["day"]), date.fromisoformat(file["last_day"])))
            written.setdefault(folder, set()).add(file["uri"].rpartition("/")[2])
        return written

    def _say_outlook(self, flows: int, per_second: float) -> None:
        least, then = self.dataset.outlook(self.days)
        log.info(
            "Exporting %s of %s for %s: %s, then %s.",
            self.dataset.name,
            self.days,
            "1 flow" if flows == 1 else f"{flows} flows",
            about(least * flows, per_second),
            then,
        )

    def _name(self, part: Part, days: Days) -> str:
        """The path of a part's file, below the destination."""
        stem = f"flow-{part.flows[0]}" if self._by_flow else "all"
        return f"{self._folder(days)}/{stem}.{self.file_format}"

    def _file(self, part: Part, days: Days, rows: int, size: int) -> PublishedFile:
        uri = self.destination.uri(self._name(part, days))
        return PublishedFile(day=str(days.first), last_day=str(days.last), rows=rows, size=size, uri=uri)

    def _take_over(
        self, plan: Sequence[Part], recorded: Sequence[Recorded], findings: Findings
    ) -> tuple[list[list[PublishedFile]], list[str]]:
        """The batches of the tries before that still lie there, and a note of them. What those tries learnt with them
        joins the findings.
        """
        earlier = []
        for part, batch in zip(plan, recorded, strict=False):
            files = zip(part.files, batch.files, strict=bool(batch.files))
            earlier.append({self._name(part, days): self._file(part, days, *file) for days, file in files})
        kept, notes = resume.check(self.destination, earlier)
        for batch in recorded[:kept]:
            findings.merge(batch.findings)
        return [list(batch.values()) for batch in earlier[:kept]], notes

    def _publish(self, batch: Batch, progress: Progress) -> list[PublishedFile]:
        dataset, part = self.dataset, batch.part
        with _naming_the_disk(), tempfile.TemporaryDirectory(prefix="a360-") as folder, ExitStack() as open_files:
            staged = {
                days.first: open_files.enter_context(
                    closing(Staged(Path(folder, str(days.first)), dataset.row_type, dataset.sort_key))
                )
                for days in part.files
            }
            for key, rows in batch.rows:
                staged[key].add(list(map(self.treat, rows)))
                progress.count(len(rows))
            return [self._publish_one(part, days, staged[days.first]) for days in part.files]

    def _publish_one(self, part: Part, days: Days, staged: Staged) -> PublishedFile:
        lines = staged.lines()
        finished = private(lines.with_name(f"finished.{self.file_format}"))
        formats.write(lines, finished, self.file_format, self.dataset.row_type)
        size = finished.stat().st_size
        uri = self.destination.publish(finished, self._name(part, days))
        # A span of many days needs its disk no longer than it must.
        finished.unlink()
        lines.unlink()
        log.info("%s: %d rows in %s", days, staged.rows, uri)
        return self._file(part, days, staged.rows, size)


def _all_flows(client: A360Client, findings: Findings) -> list[int]:
    """Every flow of the account, in the order of their ids; asked for twice where there seem to be none."""
    for _ in range(2):
        listing = client.flows()
        if flows := sorted(flow.id for flow in listing):
            if listing.shortfall is not None:
                findings.warn(
                    f"The service listed {len(flows)} flows and then no others. There may be more: compare with the "
                    "account, and give their ids as flow_ids."
                )
            return flows
    findings.warn(
        "The account has no flows, said the service twice in a row, so the files hold no rows. If it has some, check "
        "that the connection points at the right account, and export these days again."
    )
    return []


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
