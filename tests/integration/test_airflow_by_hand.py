"""Manual runs on a real Airflow: their days, their pool, the error lines that a person reads, and alias events."""

import json
import re
import shlex
import shutil
import subprocess
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from airflow_harness import ROOT, AirflowHome, Standalone, connection
from airflow_rest import Rest

from airflow_provider_a360.sandbox.example import MAIN_FLOW

README = (ROOT / "README.md").read_text()
EXAMPLE = "a360_daily_export"
OPTIONS = re.findall(r"`(--(?:logical-date|conf) [^`]+)`", README)
AT, DAYS = (f"airflow dags trigger {EXAMPLE} {option}" for option in OPTIONS)
COMMANDS = {
    "typed": f"airflow dags trigger {EXAMPLE}",
    "typed_at": AT,
    "typed_long_ago": f"airflow dags trigger {EXAMPLE} --logical-date 2026-11-15T14:00:00",
    "typed_days": DAYS,
}
"""Commands for manual runs: without dates, as printed in the README, and with an old logical date."""
(POOL,) = re.findall(r"^airflow pools set .+$", README, re.MULTILINE)
NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=9)
LAST = str(NOW.date() - timedelta(days=3))
EMPTY_PARAMS = {"first_day": None, "last_day": None}
"""The params that the UI's form sends if its fields are empty."""
UI_REQUESTS = {
    "ui": {"logical_date": NOW.isoformat(), "conf": EMPTY_PARAMS},
    "ui_with_days": {
        "logical_date": (NOW - timedelta(seconds=1)).isoformat(),
        "conf": dict.fromkeys(EMPTY_PARAMS, LAST),
    },
    "ui_long_ago": {"logical_date": LONG_AGO.isoformat(), "conf": EMPTY_PARAMS},
    "ui_without_date": {"logical_date": None, "conf": EMPTY_PARAMS},
    "ui_with_days_only": {"logical_date": None, "conf": dict.fromkeys(EMPTY_PARAMS, LAST)},
}
"""The requests that the UI's form sends to Airflow's API."""
FAILING = f"""
    days = {{"first_day": "{LAST}", "last_day": "{LAST}", "destination": "/nowhere"}}
    A360ExportConversionsOperator(task_id="refused", flow_ids="all", a360_conn_id="wrong", **days)
    A360ExportElementStatsOperator(task_id="forbidden", flow_ids="all", a360_conn_id="tariff", **days)
    A360FlowQueueSensor(task_id="waiting", flow_id={MAIN_FLOW}, a360_conn_id="wrong")
    A360ExportConversionsOperator(task_id="unknown", flow_ids=99, **days)
    A360ExportConversionsOperator(task_id="digits", flow_ids="9" * 5000, **days)
    A360ExportConversionsOperator(task_id="ancient", flow_ids="all", **days | {{"first_day": "0001-01-01"}})
    A360ExportElementStatsOperator(task_id="lookback", flow_ids="all", destination="/nowhere", lookback_days=10**9)
    A360ExportConversionsOperator(
        task_id="unwritable", flow_ids={MAIN_FLOW}, retries=0, **days | {{"destination": "/proc/a360"}}
    )
"""
EXPECTED_ERRORS = {
    "refused": r"Connection wrong: POST /oauth/access_token: 401 .*Check the connection",
    "forbidden": r"Connection tariff: GET /a360/\S+: 403 Not in your tariff.*plan includes Automation 360",
    "waiting": r"Connection wrong: POST /oauth/access_token: 401 .*Check the connection",
    "unknown": r"Flow 99 does not exist in this account\. List the flows with `airflow a360 flows`",
    "digits": r"flow_ids is '9{59}…; it must be an id of the service",
    "ancient": r"first_day is '0001-01-01'; it must be a day from 2000-01-01 to 2999-12-31",
    "lookback": r"lookback_days is 1000000000: the days to export would begin before 2000-01-01",
    "unwritable": r"Could not write file:///proc/a360/.*: FileNotFoundError.*Check permissions",
}
ALIAS = """
import pendulum
from airflow.sdk import DAG, AssetAlias, get_current_context, task

from airflow_provider_a360.operators.export import A360ExportConversionsOperator

tables = AssetAlias("tables")

with DAG("aliased", schedule="@once", start_date=pendulum.datetime(2026, 9, 1, tz="UTC")):
    A360ExportConversionsOperator(
        task_id="export", flow_ids="all", destination={lake!r}, first_day={day!r}, last_day={day!r}, outlets=[tables]
    )

with DAG("on_alias", schedule=[tables]):

    @task
    def seen():
        events = get_current_context()["triggering_asset_events"]
        return [[event.asset.uri, event.extra] for event in events[tables]]

    seen()
"""


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return tmp_path_factory.mktemp("lake")


@pytest.fixture(scope="module")
def standalone(homes, home, lake, sandboxes):
    """Return an Airflow that has run the example by all commands and requests, and the DAGs FAILING and ALIAS."""
    home = AirflowHome(homes / "by_hand", home.fresh_database)
    shutil.copy(ROOT / "example_dags" / f"{EXAMPLE}.py", home.folder / "dags")
    home.dag("failing", FAILING, schedule='"@once"')
    (home.folder / "dags" / "alias.py").write_text(ALIAS.format(lake=str(lake / "alias"), day=LAST))
    sandbox, tariff = sandboxes.start(clock=None), sandboxes.start(clock=None)
    tariff.answer_next("/a360", status=403, body={"message": "Not in your tariff", "error_code": 403}, times=99)
    env = {
        "AIRFLOW_CONN_A360_DEFAULT": connection(sandbox),
        "AIRFLOW_CONN_WRONG": connection(sandbox, password="no-such-secret"),
        "AIRFLOW_CONN_TARIFF": connection(tariff),
        "A360_DESTINATION": str(lake / "example"),
        "A360_POOL": shlex.split(POOL)[3],
    }
    airflow = Standalone(home, env)
    home.run(*shlex.split(POOL))
    home.run("airflow", "dags", "reserialize")
    with airflow:
        airflow.until(lambda: airflow.ended(EXAMPLE, 1))
        for name, line in COMMANDS.items():
            command = ["bash", "-c", f"{line} --run-id {name}"]
            subprocess.run(command, env=home.env, check=True, capture_output=True, timeout=120)
        rest = Rest(airflow)
        for name, body in UI_REQUESTS.items():
            rest.request(f"/dags/{EXAMPLE}/dagRuns", "POST", {"dag_run_id": name, **body})
        airflow.until(lambda: airflow.ended(EXAMPLE, 1 + len(COMMANDS) + len(UI_REQUESTS)))
        airflow.until(lambda: airflow.ended("failing", 1) and airflow.ended("aliased", 1))
        # If the alias gets no event, only its own test must fail.
        with suppress(AssertionError):
            airflow.until(lambda: airflow.ended("on_alias", 1), 120)
    return airflow


def days_of(airflow, run):
    """Return the days that a run of the example exported, or None if it failed."""
    ((state,),) = airflow.query("SELECT state FROM dag_run WHERE dag_id = ? AND run_id LIKE ?", EXAMPLE, run)
    found = airflow.query(
        "SELECT value FROM xcom WHERE dag_id = ? AND run_id LIKE ? AND task_id = 'conversions'"
        " AND key = 'return_value'",
        EXAMPLE,
        run,
    )
    assert (state == "success") == bool(found)
    return [file["day"] for file in json.loads(found[0][0])["files"]] if found else None


def lines_of(airflow, dag_id, task_id, run="*"):
    """Return the log records of a task's first try, as Airflow wrote them."""
    logs = airflow.home.folder / "logs" / f"dag_id={dag_id}"
    (file,) = logs.glob(f"run_id={run}/task_id={task_id}/attempt=1.log")
    return [json.loads(line) for line in file.read_text().splitlines()]


def one_error(lines):
    """Return a log's only error message; check that it has no chained exception and no frame of api/ or export/."""
    (error,) = [line for line in lines if line["level"] in ("error", "critical")]
    (shown,) = error["error_detail"]
    frames = [frame["filename"] for frame in shown["frames"]]
    assert [name for name in frames if re.search(r"airflow_provider_a360/(api|export)/", name)] == []
    return shown["exc_value"]


def test_manual_runs_export_the_days_that_the_readme_states(standalone):
    last = days_of(standalone, "scheduled%")
    assert len(last) == 1
    # The example's schedule is six o'clock.
    long_ago = (LONG_AGO - timedelta(hours=6)).date() - timedelta(days=1)
    assert {run: days_of(standalone, run) for run in (*COMMANDS, *UI_REQUESTS)} == {
        "typed": None,
        "typed_at": last,
        "typed_long_ago": last,
        "typed_days": ["2026-11-20"],
        "ui": last,
        "ui_with_days": [LAST],
        "ui_long_ago": [str(long_ago)],
        "ui_without_date": None,
        "ui_with_days_only": [LAST],
    }


@pytest.mark.parametrize("run", ["typed", "ui_without_date"])
def test_a_manual_run_without_days_fails_and_prints_commands_to_use(standalone, run):
    message = one_error(lines_of(standalone, EXAMPLE, "conversions", run))
    assert "without a logical date by hand or through the API" in message
    assert f"`{AT}`" in message
    assert f"`{DAYS}`" in message


def test_tasks_run_in_the_pool_that_the_readme_creates(standalone):
    pools = standalone.query("SELECT DISTINCT pool FROM task_instance WHERE dag_id = ?", EXAMPLE)
    assert pools == [(shlex.split(POOL)[3],)]
    assert standalone.query("SELECT slots FROM slot_pool WHERE pool = ?", *pools[0]) == [(int(shlex.split(POOL)[4]),)]


@pytest.mark.parametrize("task_id", EXPECTED_ERRORS)
def test_an_expected_error_is_one_line_at_the_end_of_the_log(standalone, task_id):
    task = standalone.task("failing", task_id)
    assert (task.state, task.tries) == ("failed", 1)
    lines = lines_of(standalone, "failing", task_id)
    assert re.match(EXPECTED_ERRORS[task_id], one_error(lines))
    # After the error, Airflow logs only these group markers.
    assert [line["event"] for line in lines[-3:]] == [
        "Task failed with exception",
        "::group::Post Execute",
        "::endgroup::",
    ]


def test_an_alias_gets_an_event_for_the_table(standalone, lake):
    manifest = standalone.task("aliased", "export").returned
    extra = {"rows": manifest["rows"], "days": [LAST], "uris": [manifest["files"][0]["uri"]]}
    assert manifest["rows"]
    assert standalone.task("on_alias", "seen").returned == [[f"file://{lake}/alias/conversions", extra]]
