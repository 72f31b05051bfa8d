"""Shared by the processes of a benchmark: the account's days, and the arguments and the report of a run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

FLOW = 1
FIRST_DAY = date(2025, 9, 1)


def spread(number: int, rows: int, days: int) -> int:
    """Return the time of a row, in seconds after FIRST_DAY's midnight, if `rows` are spread evenly over `days`."""
    return number * days * 86_400 // rows


@dataclass(frozen=True)
class Order:
    """The arguments of a contender's run."""

    url: str
    folder: str
    days: int = 1
    file_format: str = "jsonl"
    statistics: bool = False

    @property
    def out(self) -> Path:
        return Path(self.folder, "out")

    @property
    def last_day(self) -> date:
        return FIRST_DAY + timedelta(days=self.days - 1)

    def report(self, **facts) -> None:
        """Write measurements for the benchmark to read."""
        Path(self.folder, "report.json").write_text(json.dumps(facts))

    def as_json(self) -> str:
        return json.dumps(asdict(self))
