"""A real Airflow whose tasks are exports that take a while, so that they can be killed and stopped in mid-run."""

import os
import signal
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import requests
from airflow_harness import Home, Standalone, connection

from airflow_provider_a360.sandbox.example import PAUSED_FLOW
from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.server import Sandbox

DAYS = 62
LAST = datetime.now(UTC).date() - timedelta(days=3)
FIRST = LAST - timedelta(days=DAYS - 1)
ELEMENTS = 3
"""Of the flow that is exported: so many requests a day."""


class LongExports:
    """Airflow, the account that its tasks export, and a DAG for each name, of one task, which is tried twice."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.folder = folder
        self.staging = folder / "staging"
        self.staging.mkdir()
        self.home = Home(folder / "home")
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
        # Nothing is left to be ended in good order.
        for member in self.airflow._session():
            os.kill(member, signal.SIGKILL)
        self.airflow.__exit__()
        self.sandbox.__exit__(None, None, None)

    def _answers(self) -> bool:
        with suppress(requests.RequestException):
            return requests.get(f"{self._url}/api/v2/monitor/health", timeout=30).ok
        return False

    def lake(self, name: str) -> Path:
        return self.folder / "lakes" / name

    def files(self, name: str) -> dict[str, bytes]:
        lake = self.lake(name)
        return {str(path.relative_to(lake)): path.read_bytes() for path in lake.rglob("*.jsonl")}

    def ask(self, method: str, path: str, **body: object) -> dict:
        head = {"Authorization": f"Bearer {self._token}"}
        answer = requests.request(method, f"{self._url}/api/v2/dags/{path}", json=body, headers=head, timeout=30)
        assert answer.ok, answer.text
        return answer.json()

    def start(self, name: str, latency: float) -> str:
        """Run a DAG until half of its requests are done; returns the run's id."""
        self.sandbox.options.latency = latency
        before = len(self.sandbox.requests)
        run = self.ask("POST", f"{name}/dagRuns", logical_date=None)["dag_run_id"]
        half = before + DAYS * ELEMENTS // 2
        self.airflow.until(lambda: len(self.sandbox.requests) > half or self.airflow.ended(name, 1))
        assert not self.airflow.ended(name, 1), self.logs(name)[-1][-5000:]
        return run

    def process(self, name: str) -> int:
        """The process that runs the DAG's only task, by its title; not the executor's, which watches over it."""
        ((ti,),) = self.airflow.query("SELECT id FROM task_instance WHERE dag_id = ?", name)
        for member in self.airflow._session():
            with suppress(OSError):
                title = Path(f"/proc/{member}/cmdline").read_text()
                if str(ti).replace("-", "") in title.replace("-", "") and "LocalExecutor" not in title:
                    return member
        raise AssertionError("The task is not running.")

    def staged(self) -> list[str]:
        """The folders of rows on their way to a file."""
        return [path.name for path in self.staging.glob("a360-*")]

    def logs(self, name: str) -> list[str]:
        """What each try logged."""
        found = (self.home.folder / "logs" / f"dag_id={name}").glob("*/task_id=export/*")
        return [file.read_text() for file in sorted(found)]
