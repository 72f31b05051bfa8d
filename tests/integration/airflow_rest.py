"""A client of Airflow's REST API."""

import json
from typing import Any
from urllib.request import Request, urlopen

from airflow_harness import Standalone


class Rest:
    """The API of a running Airflow. `responses` keeps the body of every response."""

    def __init__(self, airflow: Standalone) -> None:
        self._url = airflow.home.env["AIRFLOW__API__BASE_URL"]
        with urlopen(f"{self._url}/auth/token", timeout=30) as answer:
            self._token = json.load(answer)["access_token"]
        self.responses: list[str] = []

    def request(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """Send one request and return the decoded response; `path` is relative to /api/v2."""
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(f"{self._url}/api/v2{path}", data, headers, method=method), timeout=30) as answer:
            self.responses.append(answer.read().decode())
        return json.loads(self.responses[-1])

    def read_runs(self, dag_id: str, *, logs: bool = True) -> None:
        """Request everything that the API shows of a DAG's runs: tasks, rendered fields, triggers, XComs, logs, events.

        Pass `logs=False` for running tasks: Airflow's log server fails if a log grows while it is sent.
        """
        for run in self.request(f"/dags/{dag_id}/dagRuns")["dag_runs"]:
            path = f"/dags/{dag_id}/dagRuns/{run['dag_run_id'].replace('+', '%2B')}"
            self.request(f"{path}/upstreamAssetEvents")
            for task in self.request(f"{path}/taskInstances")["task_instances"]:
                of_task = f"{path}/taskInstances/{task['task_id']}"
                # The list leaves out the rendered fields before Airflow 3.3.
                self.request(of_task)
                for number in range(1, task["try_number"] + 1) if logs else ():
                    self.request(f"{of_task}/logs/{number}?full_content=true")
                for entry in self.request(f"{of_task}/xcomEntries")["xcom_entries"]:
                    self.request(f"{of_task}/xcomEntries/{entry['key']}")
