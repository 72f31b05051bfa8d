"""Run exports under faults: random accounts, tries that may fail or be killed, and the expected files."""

import csv
import gzip
import io
import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet
from oracle import conversion_row
from worker_process import WorkerProcess

from airflow_provider_a360.sandbox.account import Account, Contact, Conversion, Element, Event, Flow
from airflow_provider_a360.sandbox.server import Sandbox

ROOT = Path(__file__).parents[2]
DAY = timedelta(days=1)
FIRST = date(2024, 2, 26)
TYPES = ("maintrigger", "email", "push", "sms", "messenger", "filter", "trigger", "goal", "action")


class Worker(WorkerProcess):
    """A process that forks one process for each export."""

    def __init__(self, folder: Path) -> None:
        env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        env |= {"AIRFLOW_HOME": str(folder), "PYTHONPATH": str(ROOT), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        super().__init__(Path(__file__).with_name("faults_worker.py"), folder / "worker.log", env)


@dataclass
class WatchedFlow(Flow):
    """A flow that keeps its removed conversions in `removed`."""

    removed: list[Conversion] = field(default_factory=list, compare=False)

    def remove_conversion(self, conversion: Conversion) -> None:
        self.removed.append(conversion)
        super().remove_conversion(conversion)


def random_account(seed: int, *, flows: int, days: int, most_rows: int) -> Account:
    """Return an account with random flows, elements of every type, events and conversions.

    Their dates range from some days before FIRST to some days after the last day; many are near midnight.
    """
    rng = Random(seed)

    def moment() -> datetime:
        day = FIRST + rng.randrange(-5, days + 5) * DAY
        second = rng.choice([0, 1, 86_399, rng.randrange(86_400), rng.randrange(86_400)])
        return datetime.combine(day, time(), UTC) + timedelta(seconds=second)

    def person() -> tuple[str | None, str | None]:
        number = rng.randrange(100)
        return (f"p{number}@example.com" if number % 4 else None, f"120055501{number:02d}" if number % 3 else None)

    def element(number: int, kind: str, created: datetime) -> Element:
        events = []
        for _ in range(rng.randrange(6)):
            at = moment()
            marks = {name: at + rng.random() * 3 * DAY for name in MARKS if rng.random() < 0.4}
            marks = {name: when.replace(microsecond=0) for name, when in marks.items()}
            events.append(Event(len(events) + 1, Contact(*person(), f"{number:x}"), at, marks))
        return Element(number, kind, created, f"{kind} {number}", rng.random() < 0.15, events)

    def flow(number: int) -> WatchedFlow:
        created = datetime.combine(FIRST - 60 * DAY, time(8), UTC)
        kinds = ["maintrigger", "goal", *rng.sample(TYPES[1:], rng.randrange(4))]
        elements = [element(number * 1000 + place, kind, created) for place, kind in enumerate(kinds, 1)]
        sources = [one for one in elements if one.type in {"maintrigger", "goal"}]
        rows = []
        for conversion_id in rng.sample(range(1, 10_000), rng.randint(0, most_rows)):
            source, at = rng.choice(sources), moment()
            start = at - timedelta(seconds=rng.choice([0, 60, rng.randrange(20 * 86_400)]))
            rows.append(Conversion(number * 10_000 + conversion_id, source.type, source.id, *person(), at, start))
        return WatchedFlow(number, f"Flow {number}", 1, created, created, elements, rows)

    return Account([flow(number) for number in rng.sample(range(100, 999), flows)])


MARKS = ("deleted", "delivered", "opened", "clicked", "errors", "unsubscribed", "positive", "negative", "stopped")


@dataclass
class Export:
    """An export task. Each try runs in a new process and writes to the same folder."""

    worker: Worker
    sandbox: Sandbox
    folder: Path
    dataset: str = "conversions"
    file_format: str = "jsonl"
    days: int = 1
    flow_ids: Any = "all"
    page_size: int = 100
    max_in_flight: int = 4
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lake = self.folder / "lake"
        self.last = FIRST + (self.days - 1) * DAY

    def attempt(self, *, deadline: float = 20, read_timeout: float = 30, ledger: bool = True, **kwargs: Any) -> dict:
        """Run one try and return its manifest, its error, or the signal that killed it."""
        extra = {
            "requests_per_second": 1000,
            "page_size": self.page_size,
            "max_in_flight": self.max_in_flight,
            "read_timeout": read_timeout,
        }
        connection = json.loads(self.sandbox.connection_uri) | {"extra": extra}
        staging = Path(tempfile.mkdtemp(prefix="staging-", dir=self.folder))
        result = self.worker.send(
            {
                "env": {"AIRFLOW_CONN_A360_DEFAULT": json.dumps(connection)},
                "staging": str(staging),
                "store": str(self.folder / "store.json") if ledger else None,
                "deadline": deadline,
                # Kill an export that hangs. No export of the tests takes this long.
                "life": 120,
                "dataset": self.dataset,
                "arguments": {
                    "destination": str(self.lake),
                    "flow_ids": self.flow_ids,
                    "file_format": self.file_format,
                    "first_day": str(FIRST),
                    "last_day": str(self.last),
                    **self.options,
                },
                **kwargs,
            }
        )
        assert "killed" not in result or kwargs.keys() & {"kill", "life"}, "the export hung and was killed"
        assert "killed" in result or not list(staging.iterdir()), "staged rows were not deleted"
        return result

    def files(self) -> dict[str, bytes]:
        """Return the published files: all files of the format."""
        found = self.lake.rglob(f"*.{self.file_format}")
        return {str(path.relative_to(self.lake)): path.read_bytes() for path in found}

    def leftovers(self) -> list[str]:
        """Return the names of all other files in the destination."""
        found = (path for path in self.lake.rglob("*") if path.is_file())
        return sorted(path.name for path in found if not path.match(f"*.{self.file_format}"))

    def names(self) -> dict[str, tuple[date, list[Flow]]]:
        """Return the names of the files that the export must write, each with its day and flows."""
        flows = sorted(self.sandbox.account.flows, key=lambda flow: flow.id)
        if self.flow_ids == "all":
            groups = {"all": flows}
        else:
            groups = {f"flow-{flow.id}": [flow] for flow in flows if flow.id in self.flow_ids}
        folder = self.dataset if self.flow_ids == "all" else f"{self.dataset}-by_flow"
        return {
            f"{folder}/dt={FIRST + number * DAY}/{stem}.{self.file_format}": (FIRST + number * DAY, group)
            for number in range(self.days)
            for stem, group in groups.items()
        }

    def rows(self, content: bytes) -> list[dict[str, Any]]:
        """Return a file's rows. In CSV, all values are strings."""
        if self.file_format == "parquet":
            return pyarrow.parquet.read_table(io.BytesIO(content)).to_pylist()
        text = (gzip.decompress(content) if self.file_format.endswith(".gz") else content).decode()
        if self.file_format.startswith("csv"):
            return list(csv.DictReader(io.StringIO(text, newline="")))
        assert not text or text.endswith("\n")
        return [json.loads(line) for line in text.split("\n")[:-1]]


def conversions_of(flows: Iterable[Flow], day: date) -> list[tuple[Flow, Conversion]]:
    """Return a day's conversions in the order of the file."""
    rows = [(flow, row) for flow in flows for row in flow.conversions if row.conversion_date.date() == day]
    return sorted(rows, key=lambda one: (one[0].id, -one[1].conversion_date.timestamp(), -one[1].id))


def bytes_of_conversions(flows: Iterable[Flow], day: date) -> bytes:
    """Return the expected content of a JSON lines file."""
    rows = [conversion_row(flow, row) for flow, row in conversions_of(flows, day)]
    return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows).encode()
