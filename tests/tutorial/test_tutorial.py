"""The tutorial's commands, exactly as printed: a sandbox, an Airflow and a backfill in three terminals."""

import os
import re
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
import requests

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / ".github" / "TUTORIAL.md").read_text()
BLOCKS = re.findall(r"<!-- terminal (\d) -->\n```bash\n(.*?)\n```", TUTORIAL, re.DOTALL)
UI = "http://localhost:8080"
SECONDS = 300


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """Return a folder with what the tutorial needs of a checkout: `.venv` and the example DAGs."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    (folder / "example_dags").symlink_to(ROOT / "example_dags")
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def env(home):
    """Return the environment of a new terminal."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "_AIRFLOW_"))}
    return {**clean, "HOME": str(home), "PYTHONPATH": str(ROOT)}


@contextmanager
def terminal(block, checkout, env, log):
    """Run a block until the end of the context, then terminate its processes."""
    with log.open("wb") as output:
        process = subprocess.Popen(["bash", "-c", block], cwd=checkout, env=env, stdout=output, stderr=output)
    try:
        yield process
    finally:
        processes = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for one in processes:
            with suppress(psutil.NoSuchProcess):
                one.terminate()
        for one in psutil.wait_procs(processes, timeout=15)[1]:
            one.kill()
        process.wait()


def wait_until(condition, log):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.5)


def lists_the_dag():
    """Return whether Airflow's UI, without a login, shows the DAG."""
    with suppress(requests.ConnectionError):
        token = requests.get(f"{UI}/auth/token", timeout=10).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(f"{UI}/api/v2/dags/a360_daily_export", headers=headers, timeout=10).ok
    return False


@pytest.fixture(scope="module")
def output(checkout, home, env, tmp_path_factory):
    """Run the tutorial, and return what its third terminal printed."""
    for port in (8080, 8360, 8793, 8794):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)), f"The tutorial needs port {port}, which is in use."
    first, second, *third = [block for _, block in BLOCKS]
    assert [number for number, _ in BLOCKS] == ["1", "2", *["3"] * len(third)]
    logs = tmp_path_factory.mktemp("logs")
    with ExitStack() as stack:
        stack.enter_context(terminal(first, checkout, env, logs / "1"))
        stack.enter_context(terminal(second, checkout, env, logs / "2"))
        wait_until(lists_the_dag, logs / "2")
        wait_until(lambda: len(list((home / "a360").rglob("all.*"))) == 16, logs / "2")
        # Each block of a terminal is run after the ones before it.
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(third)],
            cwd=checkout, env=env, timeout=SECONDS, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert result.returncode == 0, result.stdout + result.stderr
        wait_until(lambda: len(list((home / "a360").rglob("all.*"))) == 18, logs / "2")
    return result.stdout


def test_the_backfill_and_the_scheduled_run_write_eight_days_of_both_datasets(output, home):
    listed = [line for line in output.splitlines() if line.startswith(str(home / "a360"))]
    assert len(listed) == len({line.rpartition("/")[0] for line in listed}) == 16
    assert {Path(line).parts[-3] for line in listed} == {"conversions", "element_stats"}


def test_the_runs_are_listed(output):
    assert len(re.findall(r"backfill__\S+ +\| success", output)) == 7


def test_a_single_day_is_exported(output, home):
    day = datetime.now(UTC).date() - timedelta(days=11)
    assert {path.parent.name for path in (home / "a360").rglob(f"dt={day}/all.*")} == {f"dt={day}"}
