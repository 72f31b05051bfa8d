"""Real Airflow in processes of its own, and made-up accounts for it to talk to."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

from airflow_provider_a360.sandbox.account import Account
from airflow_provider_a360.sandbox.knobs import Knobs
from airflow_provider_a360.sandbox.server import Sandbox

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
DAILY = 'CronDataIntervalTimetable("0 0 * * *", timezone="UTC")'

_HEADER = """
from datetime import timedelta

import pendulum
from airflow.sdk import DAG, CronDataIntervalTimetable, task

from airflow_provider_a360.operators.export import A360ExportConversionsOperator, A360ExportElementStatsOperator
from airflow_provider_a360.sensors.flow_queue import A360FlowQueueSensor

with DAG(
    {dag_id!r},
    schedule={schedule},
    start_date=pendulum.datetime(2026, 9, 1, tz="UTC"),
    catchup=False,
    params={params!r},
    default_args={{"retries": 2, "retry_delay": timedelta(0)}},
    max_active_tasks=64,
) as dag:
"""


def dag_file(dag_id: str, tasks: str, *, schedule: str = DAILY, params: dict[str, Any] | None = None) -> str:
    """A DAG file; every task of it would be tried three times."""
    header = _HEADER.format(dag_id=dag_id, schedule=schedule, params=params or {})
    return header.lstrip() + indent(dedent(tasks).strip(), "    ") + "\n"


def connection(sandbox: Sandbox, **changed: Any) -> str:
    """The account of a sandbox as an Airflow connection."""
    fields = {
        "conn_type": "a360",
        "login": sandbox.client_id,
        "password": sandbox.client_secret,
        "host": sandbox.url,
        "extra": {"requests_per_second": 1000},
    }
    return json.dumps(fields | changed)


@dataclass
class Home:
    """An Airflow of this test session: its folder and its environment; `database` is one to start from."""

    folder: Path
    database: Path | None = None
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "dags").mkdir(parents=True)
        (self.folder / "output").mkdir()
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "_AIRFLOW", "PYTEST"))
        }
        self.env = kept | {
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.folder / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__FERNET_KEY": "",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.folder}/airflow.db",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.folder / "logs"),
            "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
            "PYTHONPATH": str(ROOT),
            "NO_COLOR": "1",
            "COLUMNS": "200",
        }
        if self.database:
            shutil.copy(self.database, self.folder / "airflow.db")
        else:
            self.run("airflow", "db", "migrate")

    def run(self, *command: str, check: bool = True) -> str:
        """What a command of the same Python prints; kept among the session's output too."""
        executable = Path(sys.executable).with_name(command[0])
        done = subprocess.run(
            [executable, *command[1:]],
            env=self.env,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        with (self.folder / "output" / "commands.log").open("a") as kept:
            kept.write(done.stdout)
        assert not check or done.returncode == 0, done.stdout
        return done.stdout


@dataclass
class Task:
    """A task of a run that has ended."""

    task_id: str
    map_index: int
    state: str
    tries: int
    returned: Any


@dataclass
class Run:
    """A run that has ended, and all that was printed meanwhile."""

    state: str
    tasks: list[Task]
    log: str

    @property
    def only(self) -> Task:
        (task,) = self.tasks
        return task

    def __getitem__(self, task_id: str) -> Task:
        (task,) = (task for task in self.tasks if task.task_id == task_id)
        return task


class Worker:
    """Runs DAGs by `dag.test()`, all in one process that has imported Airflow once."""

    def __init__(self, home: Home) -> None:
        self._numbers = count(1)
        self._output = home.folder / "output" / "worker.log"
        read, write = os.pipe()
        with self._output.open("w") as output:
            self._process = subprocess.Popen(
                [sys.executable, Path(__file__).with_name("airflow_worker.py"), str(write)],
                env=home.env,
                cwd=home.folder,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=[write],
                text=True,
            )
        os.close(write)
        self._answers = os.fdopen(read)

    def _order(self, **order: Any) -> Any:
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._answers.readline()
        assert line, self._output.read_text()[-5000:]
        answer = json.loads(line)
        assert not (isinstance(answer, dict) and "error" in answer), answer["error"]
        return answer

    def evaluate(self, code: str) -> Any:
        """What a piece of code prints, read as JSON."""
        return self._order(do="evaluate", code=dedent(code))

    def test(
        self,
        tasks: str,
        *,
        at: str | None = "2026-11-11T00:00:00+00:00",
        schedule: str = DAILY,
        a360: str = "",
        conf: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
        patience: float = 300.0,
    ) -> Run:
        """Run these tasks at a logical date, the end of the data interval; None: as by hand, without one.

        `a360` is the connection `a360_default`, `patience` the seconds that one call of the service may take.
        """
        dag_id = f"dag_{next(self._numbers)}"
        before = self._output.stat().st_size
        answer = self._order(
            do="run_dag",
            dag_id=dag_id,
            text=dag_file(dag_id, tasks, schedule=schedule, params=params),
            logical_date=at,
            conf=conf or {},
            env={"AIRFLOW_CONN_A360_DEFAULT": a360} if a360 else {},
            patience=patience,
        )
        with self._output.open("rb") as output:
            output.seek(before)
            log = output.read().decode()
        return Run(answer["state"], [Task(**task) for task in answer["tasks"]], log)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._answers.close()


class Sandboxes:
    """Starts sandboxes, and remembers what must not be seen of them in any log."""

    def __init__(self) -> None:
        self.stack = ExitStack()
        self.secrets: set[str] = set()

    def start(
        self,
        account: Account | None = None,
        clock: Callable[[], datetime] | None = lambda: NOW,
        stack: ExitStack | None = None,
        **knobs: Any,
    ) -> Sandbox:
        sandbox = Sandbox(account, knobs=Knobs(**{"requests_per_second": 0, **knobs}), clock=clock)
        self._remember(sandbox)
        return (stack or self.stack).enter_context(sandbox)

    def _remember(self, sandbox: Sandbox) -> None:
        self.secrets |= {sandbox.client_secret, sandbox.api_key}
        issue = sandbox._tokens.issue

        def remembered(form: dict[str, Any]) -> dict[str, Any]:
            answer = issue(form)
            self.secrets.add(answer["access_token"])
            return answer

        sandbox._tokens.issue = remembered
        for flow in sandbox.account.flows:
            contacts = [event.contact for element in flow.elements for event in element.events]
            self.secrets |= {text for person in [*contacts, *flow.conversions] for text in (person.email, person.phone)}
        self.secrets.discard(None)
