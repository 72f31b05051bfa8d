"""Run the daily example DAG with the CeleryExecutor: a Redis broker and two workers, with a process for each task.

The script starts everything, including a sandbox, queues a backfill, and compares each file with the account. This
takes a minute or two. It needs Debian's redis-server and the dependency group `celery`.
"""

import argparse
import csv
import json
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import requests

from airflow_provider_a360.sandbox.account import Account
from airflow_provider_a360.sandbox.flow import COUNTERS
from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.server import Sandbox

ROOT = Path(__file__).parents[2]
DAG = "a360_daily_export"
WORKERS = ("one", "two")
ENDED = {"success", "failed"}
TIMEOUT = 300


def free_ports(number: int) -> list[str]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [str(one.getsockname()[1]) for one in sockets]


@contextmanager
def running(folder: Path, name: str, env: dict[str, str], *command: str) -> Iterator[subprocess.Popen]:
    """Run a process in its own process session, and stop it and its children at the end."""
    with (folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            command, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=15)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def environment(folder: Path, sandbox: Sandbox, broker: str, api: str) -> dict[str, str]:
    """Return the environment variables of all Airflow components."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "_AIRFLOW"))}
    return kept | {
        "A360_DESTINATION": str(folder / "export"),
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW_CONN_A360_DEFAULT": sandbox.connection_uri,
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{api}",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": api,
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
        "AIRFLOW__CELERY__BROKER_URL": f"redis://127.0.0.1:{broker}/0",
        "AIRFLOW__CELERY__RESULT_BACKEND": f"redis://127.0.0.1:{broker}/1",
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": "2",
        # A worker must not prefetch tasks, so that the other worker gets some.
        "AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER": "1",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{api}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow/airflow.db?timeout=60",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }


def query(folder: Path, sql: str) -> list[tuple]:
    database = f"file:{folder}/airflow/airflow.db?mode=ro"
    with closing(sqlite3.connect(database, uri=True, timeout=60)) as connection:
        return connection.execute(sql).fetchall()


def answers(url: str) -> bool:
    """Return whether a URL answers successfully."""
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


def run(folder: Path, sandbox: Sandbox, days: list[date]) -> None:
    """Backfill these days into the folder `export`."""
    broker, api, *logs = free_ports(2 + len(WORKERS))
    env = environment(folder, sandbox, broker, api)

    def airflow(*command: str) -> None:
        with (folder / "commands.log").open("a") as log:
            subprocess.run(["airflow", *command], env=env, cwd=folder, stdout=log, stderr=log, check=True)

    # Copy only this example, because the scheduler would run the others too.
    (folder / "dags").mkdir()
    shutil.copy(ROOT / "example_dags" / f"{DAG}.py", folder / "dags")
    airflow("db", "migrate")
    airflow("dags", "reserialize")
    # The dates are bounds for the start of the data interval, which is at six o'clock.
    span = ("--from-date", str(days[0]), "--to-date", str(days[-1] + timedelta(days=1)))
    airflow("backfill", "create", "--dag-id", DAG, *span, "--max-active-runs", str(len(days)))
    started: dict[str, subprocess.Popen] = {}
    with ExitStack() as stack:

        def start(name: str, *command: str, **more: str) -> None:
            started[name] = stack.enter_context(running(folder, name, env | more, *command))

        def until(done: Callable[[], bool], what: str) -> None:
            deadline = time.monotonic() + TIMEOUT
            while not done():
                if ended := [name for name, process in started.items() if process.poll() is not None]:
                    raise SystemExit(f"{', '.join(ended)} ended unexpectedly.")
                if time.monotonic() > deadline:
                    raise SystemExit(f"{what}: not ready within {TIMEOUT} seconds.")
                time.sleep(1)

        start("redis", "redis-server", "--bind", "127.0.0.1", "--port", broker, "--save", "", "--appendonly", "no")
        start("api-server", "airflow", "api-server", "--workers", "1")
        until(lambda: answers(f"http://127.0.0.1:{api}/api/v2/version"), "The API server")
        for name, port in zip(WORKERS, logs, strict=True):
            celery = ("airflow", "celery", "worker", "--celery-hostname", name)
            start(f"worker-{name}", *celery, AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT=port)
        ready = [folder / f"worker-{name}.log" for name in WORKERS]
        until(lambda: all(" ready." in log.read_text() for log in ready), "The workers")
        start("dag-processor", "airflow", "dag-processor")
        start("scheduler", "airflow", "scheduler")

        until(lambda: {state for (state,) in query(folder, "SELECT state FROM dag_run")} <= ENDED, "The runs")


def check_conversions(account: Account, day: date, file: Path) -> list[str]:
    """Return an error if a file's rows are not the account's conversions of the day."""
    names = ("conversion_type", "email", "phone")
    expected = [
        (row.id, row.element_id, row.conversion_date, row.start_date, *(getattr(row, name) or "" for name in names))
        for flow in account.flows
        for row in flow.conversions_on(day)
    ]
    with file.open(newline="") as lines:
        found = [
            (
                int(row["conversion_id"]),
                int(row["element_id"]),
                datetime.fromisoformat(row["conversion_date"]),
                datetime.fromisoformat(row["start_date"]),
                *(row[name] for name in names),
            )
            for row in csv.DictReader(lines)
        ]
    return (
        [] if sorted(found) == sorted(expected) else [f"{file}: {len(found)} rows, not the account's {len(expected)}"]
    )


def check_statistics(account: Account, day: date, file: Path) -> list[str]:
    """Return an error for each element whose row is missing, wrong or unexpected."""
    rows = {(row := json.loads(line))["element_id"]: row for line in file.read_text().splitlines()}
    errors = []
    for element in (element for flow in account.flows for element in flow.elements):
        counted = element.counts_on(day)
        row = rows.pop(element.id, None)
        if row is None:
            errors += [f"{file}: element {element.id} is missing"] if any(counted.values()) else []
            continue
        # According to the API page, `executed` of these two types covers all time.
        daily = [name for name in COUNTERS if name != "executed" or element.type not in {"filter", "trigger"}]
        differing = [name for name in daily if row.get(name) not in (None, counted[name])]
        errors += [f"{file}: element {element.id}: {name} is {row[name]}, not {counted[name]}" for name in differing]
    return errors + [f"{file}: element {element_id} is not the account's" for element_id in rows]


def report(folder: Path, sandbox: Sandbox, days: list[date]) -> list[str]:
    """Print the runs, tasks and files, and return the errors."""
    runs = query(folder, "SELECT state, count(*) FROM dag_run GROUP BY state")
    tasks = query(folder, "SELECT task_id, state, try_number FROM task_instance")
    tokens = sum(seen.path == "/oauth/access_token" and seen.status == 200 for seen in sandbox.requests)
    by_worker = {name: (folder / f"worker-{name}.log").read_text().count("succeeded in") for name in WORKERS}
    print(f"runs: {dict(runs)}; tasks: {dict(Counter(tasks))}")
    print(f"tasks by worker: {by_worker}; access tokens issued, one per process: {tokens}")
    errors = [f"run ended as {state}" for state, _ in runs if state != "success"]
    errors += [f"worker {name} ran no task" for name, number in by_worker.items() if not number]
    if sum(by_worker.values()) != len(tasks) or tokens != len(tasks):
        errors.append(f"not every one of the {len(tasks)} tasks ran in its own process")
    for day in days:
        statistics = folder / "export" / "element_stats" / f"dt={day}" / "all.jsonl"
        conversions = folder / "export" / "conversions" / f"dt={day}" / "all.csv"
        if missing := [file for file in (statistics, conversions) if not file.is_file()]:
            errors += [f"{file} is missing" for file in missing]
            continue
        differences = check_statistics(sandbox.account, day, statistics) + check_conversions(
            sandbox.account, day, conversions
        )
        lines = [len(file.read_text().splitlines()) for file in (statistics, conversions)]
        print(f"{day}: {lines[0]} elements, {lines[1] - 1} conversions: {'wrong' if differences else 'correct'}")
        errors += differences
    return errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=5)
    arguments = parser.parse_args()
    if not shutil.which("redis-server"):
        raise SystemExit("redis-server is missing: apt-get install redis-server")
    last = datetime.now(UTC).date() - timedelta(days=3)
    days = [last - timedelta(days=back) for back in reversed(range(arguments.days))]
    folder = Path(tempfile.mkdtemp(prefix="a360-celery-"))
    print(f"{DAG} for {days[0]} to {days[-1]} with two Celery workers; logs and files: {folder}", flush=True)
    began = time.monotonic()
    with Sandbox(options=SandboxOptions()) as sandbox:
        run(folder, sandbox, days)
        print(f"done after {time.monotonic() - began:.0f} seconds")
        errors = report(folder, sandbox, days)
    print("\n".join(["WRONG:", *errors]) if errors else "All files are correct.")
    raise SystemExit(bool(errors))


if __name__ == "__main__":
    main()
