"""Run a real Airflow in separate processes, and sandboxes with made-up accounts for it."""

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
from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.server import Sandbox
from airflow_provider_a360.sandbox.shapes import flow_detail

ROOT = Path(__file__).parents[2]
AIRFLOW = tuple(int(part) for part in version("apache-airflow-core").split(".")[:2])
"""The installed version of Airflow, for example (3, 3)."""
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
    """Return a mark that skips a test on Airflow versions before `minor`, which added `what`."""
    missing = tuple(int(part) for part in minor.split(".")) > AIRFLOW
    return pytest.mark.skipif(missing, reason=f"{what}: since Airflow {minor}, and this is {version('apache-airflow')}")


def dag_source(dag_id: str, tasks: str, *, schedule: str = DAILY, params: dict[str, Any] | None = None) -> str:
    """Return the source of a DAG file whose tasks have two retries by default."""
    header = _HEADER.format(dag_id=dag_id, schedule=schedule, params=params or {})
    return header.lstrip() + indent(dedent(tasks).strip(), "    ") + "\n"


def connection(sandbox: Sandbox, **changed: Any) -> str:
    """Return the Airflow connection to a sandbox, as JSON; `changed` overrides fields."""
    fields = {
        "conn_type": "a360",
        "login": sandbox.client_id,
        "password": sandbox.client_secret,
        "host": sandbox.url,
        "extra": {"requests_per_second": 1000},
    }
    return json.dumps(fields | changed)


@dataclass
class AirflowHome:
    """An AIRFLOW_HOME with its environment variables. Copies `database` if given, else creates a new one."""

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
        shutil.copy(self.folder / "airflow.db", self.fresh_database)

    @property
    def fresh_database(self) -> Path:
        """A copy of the database from before the first run."""
        return self.folder / "new.db"

    def dag(self, dag_id: str, tasks: str, **how: Any) -> None:
        """Write a DAG file into the DAGs folder."""
        (self.folder / "dags" / f"{dag_id}.py").write_text(dag_source(dag_id, tasks, **how))

    def start(self, *command: str, output: str) -> subprocess.Popen[bytes]:
        """Start an Airflow component in its own process session; append what it prints to the file `output`."""
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
        """Run a command of the current Python environment and return what it prints; log it in commands.log too."""
        executable = Path(sys.executable).with_name(command[0])
        result = subprocess.run(
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
            kept.write(result.stdout)
        assert not check or result.returncode == 0, result.stdout
        return result.stdout


@dataclass
class Task:
    """A task instance of a run that has ended; `returned` is its XCom."""

    task_id: str
    map_index: int
    state: str
    tries: int
    returned: Any


@dataclass
class Run:
    """A DAG run that has ended, and what the process printed during it."""

    state: str
    tasks: list[Task]
    log: str

    @property
    def only_task(self) -> Task:
        """The run's only task."""
        (task,) = self.tasks
        return task

    def __getitem__(self, task_id: str) -> Task:
        (task,) = (task for task in self.tasks if task.task_id == task_id)
        return task


class Worker(WorkerProcess):
    """Run DAGs with `dag.test()` in one process, so that Airflow is imported only once."""

    def __init__(self, home: AirflowHome) -> None:
        self._numbers = count(1)
        super().__init__(Path(__file__).with_name("airflow_worker.py"), home.folder / "output" / "worker.log", home.env)

    def _send(self, **request: Any) -> Any:
        answer = self.send(request)
        assert not (isinstance(answer, dict) and "error" in answer), answer["error"]
        return answer

    def evaluate(self, code: str) -> Any:
        """Run Python code in the process and return the last line that it prints, decoded from JSON."""
        return self._send(do="evaluate", code=dedent(code))

    def test(
        self,
        tasks: str,
        *,
        at: str | None = "2026-11-11T00:00:00+00:00",
        schedule: str = DAILY,
        a360: str = "",
        conf: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
        call_deadline: float = 300.0,
    ) -> Run:
        """Run a DAG of these tasks and return the result.

        :param tasks: The source of the tasks.
        :param at: The logical date, which is the end of the data interval. None starts a manual run without one.
        :param schedule: The source of the DAG's schedule.
        :param a360: The connection `a360_default`, as JSON.
        :param conf: The run's configuration.
        :param params: The DAG's params.
        :param call_deadline: The deadline of one call to the service, retries included, in seconds.
        """
        dag_id = f"dag_{next(self._numbers)}"
        before = self._output.stat().st_size
        answer = self._send(
            do="run_dag",
            dag_id=dag_id,
            text=dag_source(dag_id, tasks, schedule=schedule, params=params),
            logical_date=at,
            conf=conf or {},
            env={"AIRFLOW_CONN_A360_DEFAULT": a360} if a360 else {},
            call_deadline=call_deadline,
        )
        with self._output.open("rb") as output:
            output.seek(before)
            log = output.read().decode()
        return Run(answer["state"], [Task(**task) for task in answer["tasks"]], log)


@dataclass(frozen=True)
class Answer:
    """A response that a sandbox gives instead of its own, `times` times."""

    status: int
    body: Any = None
    times: int = 1


class Sandboxes:
    """Start sandboxes, and collect their secrets and personal data, which must not appear in any log."""

    def __init__(self) -> None:
        self.stack = ExitStack()
        self.secrets: set[str] = set()
        self._account = Account.generate(now=NOW)

    def start(
        self,
        account: Account | None = None,
        clock: Callable[[], datetime] | None = lambda: NOW,
        stack: ExitStack | None = None,
        **knobs: Any,
    ) -> Sandbox:
        """Start a sandbox without a rate limit; `knobs` are fields of SandboxOptions."""
        sandbox = Sandbox(account, options=SandboxOptions(**{"requests_per_second": 0, **knobs}), clock=clock)
        self._remember(sandbox)
        return (stack or self.stack).enter_context(sandbox)

    def start_with_queue(self, *answers: Answer | int | None, status: int = 1) -> Sandbox:
        """Start a sandbox that gives these answers for its main flow, one per poll, and repeats the last one.

        :param answers: A value of `in_queue`, or an Answer that replaces the whole response.
        :param status: The flow's status.
        """
        sandbox = self.start(self._account)
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
    """`airflow standalone`: scheduler, triggerer, DAG processor and API server in their own process session.

    A context manager that starts and stops the processes. Its methods read results from the database.
    """

    def __init__(self, home: AirflowHome, env: dict[str, str]) -> None:
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
            # On a busy machine the API server starts long after the first tasks, which must retry their calls to it.
            "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "60",
            "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "2",
        }

    def __enter__(self) -> Self:
        home = self.home
        self._process = home.start("standalone", output="standalone.log")
        return self

    def query(self, sql: str, *values: Any) -> list[Any]:
        """Return the rows that a query of Airflow's database finds."""
        with closing(sqlite3.connect(f"file:{self.home.folder}/airflow.db?mode=ro", uri=True, timeout=60)) as database:
            return database.execute(sql, values).fetchall()

    def until(self, condition: Callable[[], bool], seconds: float = 300) -> None:
        """Wait for a condition, and collect every trigger that is stored meanwhile in `triggers`."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self._process.poll() is None, self._output()
            assert time.monotonic() < deadline, self._output()
            for key, classpath, kwargs in self.query("SELECT id, classpath, kwargs FROM trigger"):
                self.triggers[key] = classpath, kwargs
            time.sleep(0.25)

    def ended(self, dag_id: str, runs: int) -> bool:
        """Return whether a DAG has at least so many runs and all have ended."""
        states = [state for (state,) in self.query("SELECT state FROM dag_run WHERE dag_id = ?", dag_id)]
        return len(states) >= runs and set(states) <= {"success", "failed"}

    def task(self, dag_id: str, task_id: str) -> Task:
        """Return a task instance of the DAG's only run."""
        ((state, tries),) = self.query(
            "SELECT state, try_number FROM task_instance WHERE dag_id = ? AND task_id = ?", dag_id, task_id
        )
        returned = self.query(
            "SELECT value FROM xcom WHERE dag_id = ? AND task_id = ? AND key = 'return_value'", dag_id, task_id
        )
        return Task(task_id, -1, state, tries, json.loads(returned[0][0]) if returned else None)

    def log(self, dag_id: str, task_id: str) -> str:
        """Return the task's logs of all tries, including those from the triggerer."""
        files = sorted((self.home.folder / "logs" / f"dag_id={dag_id}").glob(f"*/task_id={task_id}/*"))
        return "\n".join(file.read_text() for file in files)

    def __exit__(self, *_: object) -> None:
        """Terminate each process of the session by its id; kill those that remain after 15 seconds."""
        for signum, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
            deadline = time.monotonic() + seconds
            for process in self._session():
                with suppress(ProcessLookupError):
                    os.kill(process, signum)
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
    """Return ports below those that the kernel hands out. It could assign others while Airflow is down."""
    handed_out = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports: set[str] = set()
    while len(ports) < number:
        port = random.randrange(handed_out - 10_000, handed_out)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            ports.add(str(port))
    return list(ports)
