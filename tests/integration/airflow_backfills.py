"""Backfills by a real scheduler, some run again, and what their files must hold: for a week in the tests, for ninety
days by `python tests/integration/ninety_days.py`.
"""

import gzip
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from airflow_harness import Home, Sandboxes, Standalone, connection

from airflow_provider_a360.sandbox.account import Account
from airflow_provider_a360.sandbox.example import MAIN_FLOW
from airflow_provider_a360.sandbox.flow import COUNTERS

_REFUSALS = 4
_ACTIVE = 3


@dataclass
class Backfills:
    """Two DAGs that export the same days of one account, several runs at once: `exports`, which succeeds and is run
    again, and `refused`, whose first requests are answered by 403 and whose failed runs are run again.
    """

    home: Home
    account: Account
    lake: Path
    days: Sequence[date]
    env: dict[str, str]

    @classmethod
    def prepare(cls, home: Home, lake: Path, sandboxes: Sandboxes, days: Sequence[date]) -> "Backfills":
        """Put the DAGs into the home's folder; `env` is for the Airflow that is to run them."""
        # Its clock stands still: the service counts the passes of filters and triggers over the entire time.
        now = datetime.now(UTC)
        account = Account.generate(first_day=days[0] - timedelta(days=14), now=now)
        willing, unwilling = (sandboxes.start(account, clock=lambda: now) for _ in range(2))
        unwilling.answer_next("/a360", status=403, body={"message": "Not in your tariff"}, times=_REFUSALS)
        stats = f"""
            A360ExportElementStatsOperator(
                task_id="stats", flow_ids={MAIN_FLOW}, destination={str(lake / "exports")!r}, file_format="csv.gz"
            )
        """
        for dag_id, more in (("exports", stats), ("refused", "")):
            conversions = f"""
            from airflow.sdk import Asset

            A360ExportConversionsOperator(
                task_id="conversions", flow_ids="all", destination={str(lake / dag_id)!r}, a360_conn_id={dag_id!r},
                outlets=[Asset({dag_id!r})],
            )
            """
            home.dag(dag_id, conversions + more)
        env = {
            "AIRFLOW_CONN_EXPORTS": connection(willing),
            "AIRFLOW_CONN_REFUSED": connection(unwilling),
            "AIRFLOW_CONN_A360_DEFAULT": connection(willing),
        }
        return cls(home, account, lake, days, env)

    def create(self, dag_id: str, *options: str) -> None:
        """Queue the runs. While no scheduler runs: SQLite lets only one of them write."""
        span = ("--from-date", str(self.days[0]), "--to-date", str(self.days[-1]))
        several = ("--max-active-runs", str(_ACTIVE))
        self.home.run("airflow", "backfill", "create", "--dag-id", dag_id, *span, *several, *options)

    def ended(self, airflow: Standalone) -> bool:
        return all(airflow.ended(dag_id, len(self.days)) for dag_id in ("exports", "refused"))

    def most_at_once(self, airflow: Standalone) -> int:
        """How many runs of `exports` were under way at the same time."""
        spans = airflow.query("SELECT start_date, end_date FROM dag_run WHERE dag_id = 'exports'")
        return max(sum(begin <= start < end for begin, end in spans) for start, _ in spans)

    def refused_days(self, airflow: Standalone) -> set[date]:
        failed = airflow.query(
            "SELECT date(data_interval_start) FROM dag_run WHERE dag_id = 'refused' AND state = 'failed'"
        )
        return {date.fromisoformat(day) for (day,) in failed} & set(self.days)

    def files(self, dag_id: str) -> dict[str, Path]:
        """The files by name, without those of the run that Airflow starts by itself for a DAG that it unpauses."""
        folder = self.lake / dag_id
        found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
        return {name: path for name, path in found.items() if _day(name) <= self.days[-1]}

    def check_conversions(self, dag_id: str, days: Sequence[date] | None = None) -> None:
        """Every conversion is in its day's file and in no other, and there are no other files."""
        days = self.days if days is None else days
        files = {name: path for name, path in self.files(dag_id).items() if name.startswith("conversions/")}
        assert files.keys() == {f"conversions/dt={day}/all.jsonl" for day in days}
        seen = Counter()
        for name, path in files.items():
            rows = [json.loads(line) for line in path.read_text().splitlines()]
            assert {row["conversion_date"][:10] for row in rows} <= {str(_day(name))}
            seen.update(row["conversion_id"] for row in rows)
        assert seen == Counter(
            row.id for day in days for flow in self.account.flows for row in flow.conversions_on(day)
        )
        assert seen

    def check_element_stats(self) -> None:
        """Each day's file counts what happened to each element on that day."""
        files = {
            name: path for name, path in self.files("exports").items() if name.startswith("element_stats-by_flow/")
        }
        assert files.keys() == {f"element_stats-by_flow/dt={day}/flow-{MAIN_FLOW}.csv.gz" for day in self.days}
        counted = 0
        for name, path in files.items():
            head, *lines = [line.split(",") for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
            rows = [dict(zip(head, line, strict=False)) for line in lines]
            assert {(row["first_day"], row["last_day"]) for row in rows} == {(str(_day(name)), str(_day(name)))}
            assert sorted(int(row["element_id"]) for row in rows) == sorted(
                element.id for element in self.account.flow(MAIN_FLOW).elements
            )
            for row in rows:
                truth = self.account.element(int(row["element_id"])).counts_on(_day(name))
                # The page: in these two, `executed` is for the entire time.
                timeless = {"executed"} if row["element_type"] in {"filter", "trigger"} else set()
                shown = {key: int(row[key]) for key in COUNTERS if row.get(key) and key not in timeless}
                assert shown.items() <= truth.items()
                counted += sum(shown.values())
        assert counted


def contents(files: dict[str, Path]) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in files.items()}


def moments(files: dict[str, Path]) -> dict[str, int]:
    """When each was written."""
    return {name: path.stat().st_mtime_ns for name, path in files.items()}


def _day(name: str) -> date:
    return date.fromisoformat(name.partition("dt=")[2][:10])
