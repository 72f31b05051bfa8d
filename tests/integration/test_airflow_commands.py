"""`airflow a360 …` and `python -m airflow_provider_a360 …` as processes of their own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from airflow_harness import AIRFLOW as VERSION
from airflow_harness import connection, needs_airflow

from airflow_provider_a360.sandbox.example import MAIN_FLOW

AIRFLOW = [Path(sys.executable).with_name("airflow")]
PYTHON = [sys.executable, "-m", "airflow_provider_a360"]
# Airflow 3.1 knows no commands of providers.
OURS = [*AIRFLOW, "a360"] if VERSION >= (3, 2) else PYTHON


@pytest.fixture(scope="module")
def run(home, sandbox, tmp_path_factory):
    """Runs a command with a connection in its environment, in which it finds something to warn of."""
    folder = tmp_path_factory.mktemp("commands")
    # A database of its own: connections are stored in it, and none of the session's may hold their secrets.
    shutil.copy(home.as_new, folder / "airflow.db")
    env = {
        **home.env,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        "AIRFLOW_CONN_A360_DEFAULT": connection(sandbox, extra={"not_known": 1}),
    }

    def ran(*command):
        done = subprocess.run(
            [str(part) for part in command],
            env=env,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert sandbox.client_secret not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    ran.store = lambda conn_id, text: subprocess.run(
        [AIRFLOW[0], "connections", "add", conn_id, "--conn-json", text],
        env=env, capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    return ran


def test_a_connection_of_airflows_database_is_found(run, sandbox):
    run.store("stored", connection(sandbox))
    done = run(*OURS, "check", "stored")
    assert (done.returncode, done.stdout) == (0, f"Connected. The account has {len(sandbox.account.flows)} flows.\n")


@pytest.mark.parametrize(
    "command",
    [
        pytest.param([*AIRFLOW, "a360"], id="airflow", marks=needs_airflow("3.2", "commands of providers")),
        pytest.param(PYTHON, id="python"),
    ],
)
def test_a_program_gets_nothing_but_json(run, sandbox, command):
    done = run(*command, "elements", MAIN_FLOW, "--output", "json")
    assert done.returncode == 0
    there = [element.id for element in sandbox.account.flow(MAIN_FLOW).elements if not element.deleted]
    assert [int(row["id"]) for row in json.loads(done.stdout)] == there
    assert "not_known" in done.stderr


def test_a_command_that_fails_exits_with_1_and_a_line(run):
    done = run(*OURS, "elements", 5)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("Flow 5 does not exist in this account.")
