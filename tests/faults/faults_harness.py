"""Exports under faults: made-up accounts, tries that may fail or be killed, and what must be found afterwards."""

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
    """A process that forks one for each export."""

    def __init__(self, folder: Path) -> None:
        env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        env |= {"AIRFLOW_HOME": str(folder), "PYTHONPATH": str(ROOT), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        super().__init__(Path(__file__).with_name("faults_worker.py"), folder / "worker.log", env)


@dataclass
class WatchedFlow(Flow):
    """A flow that remembers the conversions that were taken from it."""

    gone: list[Conversion] = field(default_factory=list, compare=False)

    def remove_conversion(self, conversion: Conversion) -> None:
        self.gone.append(conversion)
        super().remove_conversion(conversion)


def random_account(seed: int, *, flows: int, days: int, most_rows: int) -> Account:
    """Flows with elements of every type, and events and conversions from some days before FIRST to some days after the
    last, many of them near midnight.
    """
    dice = Random(seed)

    def moment() -> datetime:
        day = FIRST + dice.randrange(-5, days + 5) * DAY
        second = dice.choice([0, 1, 86_399, dice.randrange(86_400), dice.randrange(86_400)])
        return datetime.combine(day, time(), UTC) + timedelta(seconds=second)

    def person() -> tuple[str | None, str | None]:
        number = dice.randrange(100)
        return (f"p{number}@example.com" if number % 4 else None, f"120055501{number:02d}" if number % 3 else None)

    def element(number: int, kind: str, created: datetime) -> Element:
        events = []
        for _ in range(dice.randrange(6)):
            at = moment()
            marks = {name: at + dice.random() * 3 * DAY for name in COUNTED if dice.random() < 0.4}
            marks = {name: when.replace(microsecond=0) for name, when in marks.items()}
            events.append(Event(len(events) + 1, Contact(*person(), f"{number:x}"), at, marks))
        return Element(number, kind, created, f"{kind} {number}", dice.random() < 0.15, events)

    def flow(number: int) -> WatchedFlow:
        created = datetime.combine(FIRST - 60 * DAY, time(8), UTC)
        kinds = ["maintrigger", "goal", *dice.sample(TYPES[1:], dice.randrange(4))]
        elements = [element(number * 1000 + place, kind, created) for place, kind in enumerate(kinds, 1)]
        ways = [one for one in elements if one.type in {"maintrigger", "goal"}]
        rows = []
        for identity in dice.sample(range(1, 10_000), dice.randint(0, most_rows)):
            way, at = dice.choice(ways), moment()
            start = at - timedelta(seconds=dice.choice([0, 60, dice.randrange(20 * 86_400)]))
            rows.append(Conversion(number * 10_000 + identity, way.type, way.id, *person(), at, start))
        return WatchedFlow(number, f"Flow {number}", 1, created, created, elements, rows)

    return Account([flow(number) for number in dice.sample(range(100, 999), flows)])


COUNTED = ("deleted", "delivered", "opened", "clicked", "errors", "unsubscribed", "positive", "negative", "stopped")


@dataclass
class Export:
    """A task of an export, and its tries: each a process of its own that writes to the same folder."""

    worker: Worker
    sandbox: Sandbox
    folder: Path
    dataset: str = "conversions"
    file_format: str = "jsonl"
    days: int = 1
    flow_ids: Any = "all"
    page_size: int = 100
    in_flight: int = 4
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lake = self.folder / "lake"
        self.last = FIRST + (self.days - 1) * DAY

    def attempt(self, *, deadline: float = 20, read_timeout: float = 30, ledger: bool = True, **how: Any) -> dict:
        extra = {
            "requests_per_second": 1000,
            "page_size": self.page_size,
            "max_in_flight": self.in_flight,
            "read_timeout": read_timeout,
        }
        connection = json.loads(self.sandbox.connection_uri) | {"extra": extra}
        staging = Path(tempfile.mkdtemp(prefix="staging-", dir=self.folder))
        result = self.worker.perform(
            {
                "env": {"AIRFLOW_CONN_A360_DEFAULT": json.dumps(connection)},
                "staging": str(staging),
                "store": str(self.folder / "store.json") if ledger else None,
                "deadline": deadline,
                # Longer than any export here takes: one that hangs is ended, and that is a failure.
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
                **how,
            }
        )
        assert "killed" not in result or how.keys() & {"kill", "life"}, "the export hung"
        assert "killed" in result or not list(staging.iterdir()), "rows were left behind"
        return result

    def files(self) -> dict[str, bytes]:
        """What a reader of the folder takes for results: all files of the format."""
        found = self.lake.rglob(f"*.{self.file_format}")
        return {str(path.relative_to(self.lake)): path.read_bytes() for path in found}

    def leftovers(self) -> list[str]:
        """The names of all other files there."""
        found = (path for path in self.lake.rglob("*") if path.is_file())
        return sorted(path.name for path in found if not path.match(f"*.{self.file_format}"))

    def names(self) -> dict[str, tuple[date, list[Flow]]]:
        """Each file that the export must write, with its day and flows."""
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
        """A file's rows; all text in CSV."""
        if self.file_format == "parquet":
            return pyarrow.parquet.read_table(io.BytesIO(content)).to_pylist()
        text = (gzip.decompress(content) if self.file_format.endswith(".gz") else content).decode()
        if self.file_format.startswith("csv"):
            return list(csv.DictReader(io.StringIO(text, newline="")))
        assert not text or text.endswith("\n")
        return [json.loads(line) for line in text.split("\n")[:-1]]


def conversions_of(flows: Iterable[Flow], day: date) -> list[tuple[Flow, Conversion]]:
    """A day's conversions in their file's order."""
    rows = [(flow, row) for flow in flows for row in flow.conversions if row.conversion_date.date() == day]
    return sorted(rows, key=lambda one: (one[0].id, -one[1].conversion_date.timestamp(), -one[1].id))


def bytes_of_conversions(flows: Iterable[Flow], day: date) -> bytes:
    """The whole file of JSON lines."""
    rows = [conversion_row(flow, row) for flow, row in conversions_of(flows, day)]
    return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows).encode()
