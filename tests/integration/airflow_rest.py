"""Airflow's REST API, as a program asks it."""

import json
from typing import Any
from urllib.request import Request, urlopen

from airflow_harness import Standalone


class Rest:
    """The API of a running Airflow; `said` is all that it has answered."""

    def __init__(self, airflow: Standalone) -> None:
        self._url = airflow.home.env["AIRFLOW__API__BASE_URL"]
        with urlopen(f"{self._url}/auth/token", timeout=30) as answer:
            self._token = json.load(answer)["access_token"]
        self.said: list[str] = []

    def ask(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """The answer to one request; `path` is below /api/v2."""
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(f"{self._url}/api/v2{path}", data, headers, method=method), timeout=30) as answer:
            self.said.append(answer.read().decode())
        return json.loads(self.said[-1])

    def read_runs(self, dag_id: str, *, logs: bool = True) -> None:
        """Read all that the API tells of a DAG's runs: tasks, rendered fields, triggers, XComs, logs, events.

        Not the logs of a task that runs: Airflow's server of logs fails where one grows while it is sent.
        """
        for run in self.ask(f"/dags/{dag_id}/dagRuns")["dag_runs"]:
            path = f"/dags/{dag_id}/dagRuns/{run['dag_run_id'].replace('+', '%2B')}"
            self.ask(f"{path}/upstreamAssetEvents")
            for task in self.ask(f"{path}/taskInstances")["task_instances"]:
                of_task = f"{path}/taskInstances/{task['task_id']}"
                # The list leaves out the rendered fields before Airflow 3.3.
                self.ask(of_task)
                for number in range(1, task["try_number"] + 1) if logs else ():
                    self.ask(f"{of_task}/logs/{number}?full_content=true")
                for entry in self.ask(f"{of_task}/xcomEntries")["xcom_entries"]:
                    self.ask(f"{of_task}/xcomEntries/{entry['key']}")
