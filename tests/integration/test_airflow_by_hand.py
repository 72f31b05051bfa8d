"""What a person starts, and what they read then, on a real Airflow: runs by hand, in a pool; the last lines of tasks
that fail; the event of an alias.
"""

import json
import re
import shlex
import shutil
import subprocess
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from airflow_harness import ROOT, Home, Standalone, connection
from airflow_rest import Rest

from airflow_provider_a360.sandbox.example import MAIN_FLOW

README = (ROOT / "README.md").read_text()
EXAMPLE = "a360_daily_export"
OPTIONS = re.findall(r"`(--(?:logical-date|conf) [^`]+)`", README)
AT, DAYS = (f"airflow dags trigger {EXAMPLE} {option}" for option in OPTIONS)
TYPED = {
    "typed": f"airflow dags trigger {EXAMPLE}",
    "typed_at": AT,
    "typed_long_ago": f"airflow dags trigger {EXAMPLE} --logical-date 2026-11-15T14:00:00",
    "typed_days": DAYS,
}
"""Runs by hand as the README says to type them, as people do, and with a logical date of long ago."""
(POOL,) = re.findall(r"^airflow pools set .+$", README, re.MULTILINE)
NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=9)
LAST = str(NOW.date() - timedelta(days=3))
EMPTY = {"first_day": None, "last_day": None}
"""What the form sends where nothing is typed."""
CALLS = {
    "ui": {"logical_date": NOW.isoformat(), "conf": EMPTY},
    "ui_with_days": {"logical_date": (NOW - timedelta(seconds=1)).isoformat(), "conf": dict.fromkeys(EMPTY, LAST)},
    "ui_long_ago": {"logical_date": LONG_AGO.isoformat(), "conf": EMPTY},
    "ui_without_date": {"logical_date": None, "conf": EMPTY},
    "ui_with_days_only": {"logical_date": None, "conf": dict.fromkeys(EMPTY, LAST)},
}
"""What the form of the UI asks Airflow's API for."""
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
LINES = {
    "refused": r"Connection wrong: POST /oauth/access_token: 401 .*Check the connection",
    "forbidden": r"Connection tariff: GET /a360/\S+: 403 Not in your tariff.*tariff includes Automation 360",
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
def ran(homes, home, lake, sandboxes):
    home = Home(homes / "by_hand", home.as_new)
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
        for name, line in TYPED.items():
            command = ["bash", "-c", f"{line} --run-id {name}"]
            subprocess.run(command, env=home.env, check=True, capture_output=True, timeout=120)
        rest = Rest(airflow)
        for name, body in CALLS.items():
            rest.ask(f"/dags/{EXAMPLE}/dagRuns", "POST", {"dag_run_id": name, **body})
        airflow.until(lambda: airflow.ended(EXAMPLE, 1 + len(TYPED) + len(CALLS)))
        airflow.until(lambda: airflow.ended("failing", 1) and airflow.ended("aliased", 1))
        # Where the alias got no event, only its own test fails.
        with suppress(AssertionError):
            airflow.until(lambda: airflow.ended("on_alias", 1), 120)
    return airflow


def days_of(airflow, run):
    """The days that a run of the example exported; None where it failed."""
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
    """What a task's first try logged, as Airflow wrote it."""
    logs = airflow.home.folder / "logs" / f"dag_id={dag_id}"
    (file,) = logs.glob(f"run_id={run}/task_id={task_id}/attempt=1.log")
    return [json.loads(line) for line in file.read_text().splitlines()]


def one_error(lines):
    """The one message that a log shows as an error: no second one, and no cause with a traceback of its own."""
    (error,) = [line for line in lines if line["level"] in ("error", "critical")]
    (shown,) = error["error_detail"]
    frames = [frame["filename"] for frame in shown["frames"]]
    assert [name for name in frames if re.search(r"airflow_provider_a360/(api|export)/", name)] == []
    return shown["exc_value"]


def test_a_run_by_hand_takes_the_days_that_the_readme_says(ran):
    last = days_of(ran, "scheduled%")
    assert len(last) == 1
    # The example runs at six.
    long_ago = (LONG_AGO - timedelta(hours=6)).date() - timedelta(days=1)
    assert {run: days_of(ran, run) for run in (*TYPED, *CALLS)} == {
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
def test_a_run_without_days_fails_with_what_to_type(ran, run):
    said = one_error(lines_of(ran, EXAMPLE, "conversions", run))
    assert "by hand or through the API without a logical date" in said
    assert f"`{AT}`" in said
    assert f"`{DAYS}`" in said


def test_its_tasks_run_in_the_pool_that_the_readme_makes(ran):
    pools = ran.query("SELECT DISTINCT pool FROM task_instance WHERE dag_id = ?", EXAMPLE)
    assert pools == [(shlex.split(POOL)[3],)]
    assert ran.query("SELECT slots FROM slot_pool WHERE pool = ?", *pools[0]) == [(int(shlex.split(POOL)[4]),)]


@pytest.mark.parametrize("task_id", LINES)
def test_an_error_that_is_expected_is_one_line_at_the_end(ran, task_id):
    task = ran.task("failing", task_id)
    assert (task.state, task.tries) == ("failed", 1)
    lines = lines_of(ran, "failing", task_id)
    assert re.match(LINES[task_id], one_error(lines))
    # Behind it, Airflow only closes what it has opened.
    assert [line["event"] for line in lines[-3:]] == [
        "Task failed with exception",
        "::group::Post Execute",
        "::endgroup::",
    ]


def test_an_alias_gets_an_event_for_the_table(ran, lake):
    manifest = ran.task("aliased", "export").returned
    extra = {"rows": manifest["rows"], "days": [LAST], "uris": [manifest["files"][0]["uri"]]}
    assert manifest["rows"]
    assert ran.task("on_alias", "seen").returned == [[f"file://{lake}/alias/conversions", extra]]
