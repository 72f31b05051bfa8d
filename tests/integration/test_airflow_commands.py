"""The commands `airflow a360 …` and `python -m airflow_provider_a360 …`, run as processes."""

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
# Airflow 3.1 doesn't load commands from providers.
OURS = [*AIRFLOW, "a360"] if VERSION >= (3, 2) else PYTHON


@pytest.fixture(scope="module")
def run(home, sandbox, tmp_path_factory):
    """Return a function that runs a command with a connection whose unknown extra field causes a warning."""
    folder = tmp_path_factory.mktemp("commands")
    # Use a separate database: tests store connections in it, and the session's databases must not hold secrets.
    shutil.copy(home.fresh_database, folder / "airflow.db")
    env = {
        **home.env,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        "AIRFLOW_CONN_A360_DEFAULT": connection(sandbox, extra={"not_known": 1}),
    }

    def run_command(*command):
        result = subprocess.run(
            [str(part) for part in command],
            env=env,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert sandbox.client_secret not in result.stdout + result.stderr
        assert "Traceback" not in result.stderr
        return result

    run_command.store = lambda conn_id, text: subprocess.run(
        [AIRFLOW[0], "connections", "add", conn_id, "--conn-json", text],
        env=env, capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    return run_command


def test_a_connection_stored_in_airflows_database_is_found(run, sandbox):
    run.store("stored", connection(sandbox))
    result = run(*OURS, "check", "stored")
    assert (result.returncode, result.stdout) == (
        0,
        f"Connected. The account has {len(sandbox.account.flows)} flows.\n",
    )


@pytest.mark.parametrize(
    "command",
    [
        pytest.param([*AIRFLOW, "a360"], id="airflow", marks=needs_airflow("3.2", "commands of providers")),
        pytest.param(PYTHON, id="python"),
    ],
)
def test_json_output_has_only_json_on_stdout(run, sandbox, command):
    result = run(*command, "elements", MAIN_FLOW, "--output", "json")
    assert result.returncode == 0
    there = [element.id for element in sandbox.account.flow(MAIN_FLOW).elements if not element.deleted]
    assert [int(row["id"]) for row in json.loads(result.stdout)] == there
    assert "not_known" in result.stderr


def test_a_failed_command_exits_with_1_and_one_line(run):
    result = run(*OURS, "elements", 5)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1].startswith("Flow 5 does not exist in this account.")
