"""Run a real Airflow with long exports, so that tests can kill and stop them while they run."""

import os
import signal
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import requests
from airflow_harness import AirflowHome, Standalone, connection

from airflow_provider_a360.sandbox.example import PAUSED_FLOW
from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.server import Sandbox

DAYS = 62
LAST = datetime.now(UTC).date() - timedelta(days=3)
FIRST = LAST - timedelta(days=DAYS - 1)
ELEMENTS = 3
"""Number of elements of the exported flow; each needs one request per day."""


class LongExports:
    """An Airflow, a sandbox, and for each name a DAG with one export task that has one retry."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.folder = folder
        self.staging = folder / "staging"
        self.staging.mkdir()
        self.home = AirflowHome(folder / "home")
        for name in names:
            task = f"""
                A360ExportElementStatsOperator(
                    task_id="export",
                    flow_ids={PAUSED_FLOW},
                    destination={str(self.lake(name))!r},
                    first_day="{FIRST}",
                    last_day="{LAST}",
                    retries=1,
                    retry_delay=timedelta(seconds=1),
                )
            """
            self.home.dag(name, task, schedule="None")
        self.sandbox = Sandbox(options=SandboxOptions(requests_per_second=0))
        self._names = names

    def __enter__(self) -> Self:
        self.sandbox.__enter__()
        env = {"AIRFLOW_CONN_A360_DEFAULT": connection(self.sandbox), "TMPDIR": str(self.staging)}
        self.airflow = Standalone(self.home, env).__enter__()
        self._url = self.home.env["AIRFLOW__API__BASE_URL"]
        self.airflow.until(self._answers)
        self._token = requests.get(f"{self._url}/auth/token", timeout=30).json()["access_token"]
        serialized = "SELECT count(DISTINCT dag_id) FROM serialized_dag"
        self.airflow.until(lambda: self.airflow.query(serialized) == [(len(self._names),)])
        return self

    def __exit__(self, *_: object) -> None:
        # Nothing needs a clean shutdown any more.
        for member in self.airflow._session():
            os.kill(member, signal.SIGKILL)
        self.airflow.__exit__()
        self.sandbox.__exit__(None, None, None)

    def _answers(self) -> bool:
        with suppress(requests.RequestException):
            return requests.get(f"{self._url}/api/v2/monitor/health", timeout=30).ok
        return False

    def lake(self, name: str) -> Path:
        """Return the destination of a DAG's export."""
        return self.folder / "lakes" / name

    def files(self, name: str) -> dict[str, bytes]:
        """Return the files that a DAG's export has published."""
        lake = self.lake(name)
        return {str(path.relative_to(lake)): path.read_bytes() for path in lake.rglob("*.jsonl")}

    def request(self, method: str, path: str, **body: object) -> dict:
        """Send a request to Airflow's REST API and return the decoded response; `path` is relative to /api/v2/dags."""
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = requests.request(method, f"{self._url}/api/v2/dags/{path}", json=body, headers=headers, timeout=30)
        assert answer.ok, answer.text
        return answer.json()

    def start(self, name: str, latency: float) -> str:
        """Start a run, wait until half of its requests are done, and return the run's id."""
        self.sandbox.options.latency = latency
        before = len(self.sandbox.requests)
        run = self.request("POST", f"{name}/dagRuns", logical_date=None)["dag_run_id"]
        half = before + DAYS * ELEMENTS // 2
        self.airflow.until(lambda: len(self.sandbox.requests) > half or self.airflow.ended(name, 1))
        assert not self.airflow.ended(name, 1), self.logs(name)[-1][-5000:]
        return run

    def process(self, name: str) -> int:
        """Return the id of the process that runs the DAG's only task, not of its supervisor in the executor."""
        ((ti,),) = self.airflow.query("SELECT id FROM task_instance WHERE dag_id = ?", name)
        for member in self.airflow._session():
            with suppress(OSError):
                title = Path(f"/proc/{member}/cmdline").read_text()
                if str(ti).replace("-", "") in title.replace("-", "") and "LocalExecutor" not in title:
                    return member
        raise AssertionError("The task is not running.")

    def staged(self) -> list[str]:
        """Return the names of the folders with staged rows."""
        return [path.name for path in self.staging.glob("a360-*")]

    def logs(self, name: str) -> list[str]:
        """Return the log of each try."""
        found = (self.home.folder / "logs" / f"dag_id={name}").glob("*/task_id=export/*")
        return [file.read_text() for file in sorted(found)]
