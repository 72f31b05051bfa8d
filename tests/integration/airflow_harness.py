"""Real Airflow in processes of its own, and made-up accounts for it to talk to."""

import json
import os
import random
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import count
from pathlib import Path
from textwrap import dedent, indent
from typing import Any, Self

import pytest
from worker_process import WorkerProcess

from airflow_provider_a360.sandbox.account import Account
from airflow_provider_a360.sandbox.example import MAIN_FLOW
from airflow_provider_a360.sandbox.knobs import Knobs
from airflow_provider_a360.sandbox.server import Sandbox
from airflow_provider_a360.sandbox.shapes import flow_detail

ROOT = Path(__file__).parents[2]
AIRFLOW = tuple(int(part) for part in version("apache-airflow-core").split(".")[:2])
"""Which one this is: (3, 3)."""
NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
FLOW_PATH = f"/a360/autoresponders/{MAIN_FLOW}"
DAILY = 'CronDataIntervalTimetable("0 0 * * *", timezone="UTC")'

_HEADER = """
from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.timetables.interval import CronDataIntervalTimetable

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


def needs_airflow(minor: str, what: str) -> pytest.MarkDecorator:
    """Skip a test on an Airflow older than the first one that has what it is about."""
    missing = tuple(int(part) for part in minor.split(".")) > AIRFLOW
    return pytest.mark.skipif(missing, reason=f"{what}: since Airflow {minor}, and this is {version('apache-airflow')}")


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
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.folder}/airflow.db?timeout=60",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.folder / "logs"),
            "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "PYTHONPATH": str(ROOT),
            "NO_COLOR": "1",
            "COLUMNS": "200",
        }
        if self.database:
            shutil.copy(self.database, self.folder / "airflow.db")
        else:
            self.run("airflow", "db", "migrate")
        shutil.copy(self.folder / "airflow.db", self.as_new)

    @property
    def as_new(self) -> Path:
        """Its database as it was before the first run."""
        return self.folder / "new.db"

    def dag(self, dag_id: str, tasks: str, **how: Any) -> None:
        """Put a DAG file into its folder."""
        (self.folder / "dags" / f"{dag_id}.py").write_text(dag_file(dag_id, tasks, **how))

    def start(self, *command: str, output: str) -> subprocess.Popen[bytes]:
        """An Airflow component, in a session of its own; what it prints is added to that file of output."""
        with (self.folder / "output" / output).open("a") as out:
            return subprocess.Popen(
                [Path(sys.executable).with_name("airflow"), *command],
                env=self.env,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

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


class Worker(WorkerProcess):
    """Runs DAGs by `dag.test()`, all in one process that has imported Airflow once."""

    def __init__(self, home: Home) -> None:
        self._numbers = count(1)
        super().__init__(Path(__file__).with_name("airflow_worker.py"), home.folder / "output" / "worker.log", home.env)

    def _order(self, **order: Any) -> Any:
        answer = self.perform(order)
        assert not (isinstance(answer, dict) and "error" in answer), answer["error"]
        return answer

    def evaluate(self, code: str) -> Any:
        """The last line that a piece of code prints, read as JSON."""
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


@dataclass(frozen=True)
class Answer:
    """What a sandbox says instead of the truth."""

    status: int
    body: Any = None
    times: int = 1


class Sandboxes:
    """Starts sandboxes, and remembers what must not be seen of them in any log."""

    def __init__(self) -> None:
        self.stack = ExitStack()
        self.secrets: set[str] = set()
        self._same = Account.generate(now=NOW)

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

    def telling(self, *answers: Answer | int | None, status: int = 1) -> Sandbox:
        """An account whose main flow answers so, one after the other, the last one ever again: a number is what is in
        its queue, an Answer stands in for the flow's own.
        """
        sandbox = self.start(self._same)
        details = flow_detail(sandbox.account.flow(MAIN_FLOW))
        details["autoresponder"]["status"] = status
        for place, answer in enumerate(answers, 1):
            given = answer if isinstance(answer, Answer) else Answer(200, {**details, "in_queue": answer})
            times = 1_000 if place == len(answers) else given.times
            sandbox.answer_next(FLOW_PATH, status=given.status, body=given.body, times=times)
        return sandbox

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


class Standalone:
    """`airflow standalone`: scheduler, triggerer, DAG processor and API server, in a session of their own.

    Runs between entering and leaving a `with`; what it has run is read from its database.
    """

    def __init__(self, home: Home, env: dict[str, str]) -> None:
        self.home = home
        self.triggers: dict[int, tuple[str, str]] = {}
        api, worker_logs, trigger_logs = _free_ports(3)
        home.env |= env | {
            "AIRFLOW__API__PORT": api,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{api}",
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{api}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": worker_logs,
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": trigger_logs,
            # On a busy machine the API server comes up long after the first tasks.
            "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "60",
            "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "2",
        }

    def __enter__(self) -> Self:
        home = self.home
        self._process = home.start("standalone", output="standalone.log")
        return self

    def query(self, sql: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self.home.folder}/airflow.db?mode=ro", uri=True, timeout=60)) as database:
            return database.execute(sql, values).fetchall()

    def until(self, done: Callable[[], bool], seconds: float = 300) -> None:
        """Wait, and keep every trigger that is seen meanwhile: (class path, arguments)."""
        deadline = time.monotonic() + seconds
        while not done():
            assert self._process.poll() is None, self._output()
            assert time.monotonic() < deadline, self._output()
            for key, classpath, kwargs in self.query("SELECT id, classpath, kwargs FROM trigger"):
                self.triggers[key] = classpath, kwargs
            time.sleep(0.25)

    def ended(self, dag_id: str, runs: int) -> bool:
        states = [state for (state,) in self.query("SELECT state FROM dag_run WHERE dag_id = ?", dag_id)]
        return len(states) >= runs and set(states) <= {"success", "failed"}

    def task(self, dag_id: str, task_id: str) -> Task:
        """The task in the only run of a DAG."""
        ((state, tries),) = self.query(
            "SELECT state, try_number FROM task_instance WHERE dag_id = ? AND task_id = ?", dag_id, task_id
        )
        returned = self.query(
            "SELECT value FROM xcom WHERE dag_id = ? AND task_id = ? AND key = 'return_value'", dag_id, task_id
        )
        return Task(task_id, -1, state, tries, json.loads(returned[0][0]) if returned else None)

    def log(self, dag_id: str, task_id: str) -> str:
        """All that the task logged, in the triggerer too."""
        files = sorted((self.home.folder / "logs" / f"dag_id={dag_id}").glob(f"*/task_id={task_id}/*"))
        return "\n".join(file.read_text() for file in files)

    def __exit__(self, *_: object) -> None:
        """End the session: each of its processes by its own id."""
        for sign, patience in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
            deadline = time.monotonic() + patience
            for process in self._session():
                with suppress(ProcessLookupError):
                    os.kill(process, sign)
            while self._session() and time.monotonic() < deadline:
                self._process.poll()
                time.sleep(0.1)
        self._process.wait(timeout=5)

    def _session(self) -> list[int]:
        members = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
                if int(session) == self._process.pid and state != "Z":
                    members.append(int(stat.parent.name))
        return members

    def _output(self) -> str:
        return (self.home.folder / "output" / "standalone.log").read_text()[-5000:]


def _free_ports(number: int) -> list[str]:
    """Ports below those that the kernel hands out: it would give them away while Airflow is down between two starts."""
    handed_out = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports: set[str] = set()
    while len(ports) < number:
        port = random.randrange(handed_out - 10_000, handed_out)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            ports.add(str(port))
    return list(ports)
