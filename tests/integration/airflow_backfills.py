"""Run backfills on a real scheduler, reprocess some runs, and check the files.

The tests cover a week; `python tests/integration/ninety_days.py` covers ninety days.
"""

import gzip
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from airflow_harness import AirflowHome, Sandboxes, Standalone, connection

from airflow_provider_a360.sandbox.account import Account
from airflow_provider_a360.sandbox.example import MAIN_FLOW
from airflow_provider_a360.sandbox.flow import COUNTERS

_REFUSALS = 4
_MAX_ACTIVE_RUNS = 3


@dataclass
class Backfills:
    """Two DAGs that export the same days of one account, several runs at a time.

    The runs of `exports` succeed and are all reprocessed. The service answers the first requests of `refused` with 403,
    and the failed runs are reprocessed.
    """

    home: AirflowHome
    account: Account
    lake: Path
    days: Sequence[date]
    env: dict[str, str]

    @classmethod
    def prepare(cls, home: AirflowHome, lake: Path, sandboxes: Sandboxes, days: Sequence[date]) -> "Backfills":
        """Write the DAG files into the AIRFLOW_HOME. Start Airflow with the returned object's `env`."""
        # The sandbox's clock is fixed, because the service counts `executed` of filters and triggers over all time.
        now = datetime.now(UTC)
        account = Account.generate(first_day=days[0] - timedelta(days=14), now=now)
        accepting, refusing = (sandboxes.start(account, clock=lambda: now) for _ in range(2))
        refusing.answer_next("/a360", status=403, body={"message": "Not in your tariff"}, times=_REFUSALS)
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
            "AIRFLOW_CONN_EXPORTS": connection(accepting),
            "AIRFLOW_CONN_REFUSED": connection(refusing),
            "AIRFLOW_CONN_A360_DEFAULT": connection(accepting),
        }
        return cls(home, account, lake, days, env)

    def create(self, dag_id: str, *options: str) -> None:
        """Queue the runs. Call this while no scheduler runs, because SQLite allows only one writer."""
        span = ("--from-date", str(self.days[0]), "--to-date", str(self.days[-1]))
        concurrency = ("--max-active-runs", str(_MAX_ACTIVE_RUNS))
        self.home.run("airflow", "backfill", "create", "--dag-id", dag_id, *span, *concurrency, *options)

    def ended(self, airflow: Standalone) -> bool:
        """Return whether all runs of both DAGs have ended."""
        return all(airflow.ended(dag_id, len(self.days)) for dag_id in ("exports", "refused"))

    def max_concurrent_runs(self, airflow: Standalone) -> int:
        """Return how many runs of `exports` ran at the same time, at most."""
        spans = airflow.query("SELECT start_date, end_date FROM dag_run WHERE dag_id = 'exports'")
        return max(sum(begin <= start < end for begin, end in spans) for start, _ in spans)

    def refused_days(self, airflow: Standalone) -> set[date]:
        """Return the days whose run of `refused` failed."""
        failed = airflow.query(
            "SELECT date(data_interval_start) FROM dag_run WHERE dag_id = 'refused' AND state = 'failed'"
        )
        return {date.fromisoformat(day) for (day,) in failed} & set(self.days)

    def files(self, dag_id: str) -> dict[str, Path]:
        """Return the files by name, except those of the run that Airflow schedules by itself when a DAG is unpaused."""
        folder = self.lake / dag_id
        found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
        return {name: path for name, path in found.items() if _day(name) <= self.days[-1]}

    def check_conversions(self, dag_id: str, days: Sequence[date] | None = None) -> None:
        """Check that every conversion is in the file of its day and in no other, and that there are no other files."""
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
        """Check that the counters in each day's file are those of the account for that day."""
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
                expected = self.account.element(int(row["element_id"])).counts_on(_day(name))
                # According to the API page, `executed` of these two types covers all time.
                all_time = {"executed"} if row["element_type"] in {"filter", "trigger"} else set()
                shown = {key: int(row[key]) for key in COUNTERS if row.get(key) and key not in all_time}
                assert shown.items() <= expected.items()
                counted += sum(shown.values())
        assert counted


def contents(files: dict[str, Path]) -> dict[str, bytes]:
    """Return the bytes of each file."""
    return {name: path.read_bytes() for name, path in files.items()}


def mtimes(files: dict[str, Path]) -> dict[str, int]:
    """Return the modification time of each file."""
    return {name: path.stat().st_mtime_ns for name, path in files.items()}


def _day(name: str) -> date:
    return date.fromisoformat(name.partition("dt=")[2][:10])
