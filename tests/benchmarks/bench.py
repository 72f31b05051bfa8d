"""What the processes of a benchmark agree on: the account's days, the order of a run and where it reports."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

FLOW = 1
FIRST_DAY = date(2025, 9, 1)


def spread(number: int, rows: int, days: int) -> int:
    """The second after FIRST_DAY's midnight at which a row of so many stands."""
    return number * days * 86_400 // rows


@dataclass(frozen=True)
class Order:
    """What a contender is asked for."""

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
        Path(self.folder, "report.json").write_text(json.dumps(facts))

    def as_json(self) -> str:
        return json.dumps(asdict(self))
