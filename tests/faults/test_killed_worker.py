"""A worker killed on real Airflow: its retry goes on behind what was published; a cleared task starts afresh."""

import os
import re
import signal
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from airflow_harness import Home, Standalone, connection

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.settings import Settings
from airflow_provider_a360.export.element_stats import ElementStatistics
from airflow_provider_a360.export.job import Job
from airflow_provider_a360.export.publish import Destination
from airflow_provider_a360.sandbox.example import PAUSED_FLOW
from airflow_provider_a360.sandbox.knobs import Knobs
from airflow_provider_a360.sandbox.server import Sandbox

DAYS = 62
LAST = datetime.now(UTC).date() - timedelta(days=3)
FIRST = LAST - timedelta(days=DAYS - 1)
ELEMENTS = 3


def asked(requests):
    """How often the statistics of each day were asked for."""
    days = (re.search(r'"value":"([\d-]+)"', seen.query.get("filter", "")) for seen in requests)
    return Counter(found[1] for found in days if found)


class Api:
    """Airflow's REST API, once it answers."""

    def __init__(self, airflow):
        self._url = airflow.home.env["AIRFLOW__API__BASE_URL"]
        airflow.until(self._answers)
        self._token = requests.get(f"{self._url}/auth/token", timeout=30).json()["access_token"]

    def _answers(self):
        with suppress(requests.RequestException):
            return requests.get(f"{self._url}/api/v2/monitor/health", timeout=30).ok
        return False

    def post(self, path, **body):
        head = {"Authorization": f"Bearer {self._token}"}
        answer = requests.post(f"{self._url}/api/v2/dags/{path}", json=body, headers=head, timeout=30)
        assert answer.ok, answer.text
        return answer.json()


def process_of(airflow, dag_id):
    """The process that runs the DAG's only task, by its title; not the executor's, which watches over it."""
    ((ti,),) = airflow.query("SELECT id FROM task_instance WHERE dag_id = ?", dag_id)
    for member in airflow._session():
        with suppress(OSError):
            title = Path(f"/proc/{member}/cmdline").read_text()
            if str(ti).replace("-", "") in title.replace("-", "") and "LocalExecutor" not in title:
                return member
    raise AssertionError("The task is not running.")


class Killed:
    """An export of 62 days that was killed in mid-run, tried again, and cleared after that."""

    def __init__(self, folder):
        self.lake = folder / "lake"
        home = Home(folder / "home")
        task = f"""
            A360ExportElementStatsOperator(
                task_id="export",
                flow_ids={PAUSED_FLOW},
                destination={str(self.lake)!r},
                first_day="{FIRST}",
                last_day="{LAST}",
                retries=1,
                retry_delay=timedelta(seconds=1),
            )
        """
        home.dag("long", task, schedule="None")
        with Sandbox(knobs=Knobs(requests_per_second=0, latency=0.15)) as sandbox:
            airflow = Standalone(home, {"AIRFLOW_CONN_A360_DEFAULT": connection(sandbox)})
            with airflow:
                self._play(airflow, sandbox)
                # Nothing is left to be ended in good order.
                for member in airflow._session():
                    os.kill(member, signal.SIGKILL)
            self.logs = [
                file.read_text() for file in sorted((home.folder / "logs" / "dag_id=long").glob("*/task_id=export/*"))
            ]
            sandbox.knobs.latency = 0
            undisturbed = Job(
                ElementStatistics(), [PAUSED_FLOW], Days(FIRST, LAST), Destination(str(folder / "calm")), "jsonl"
            )
            settings = Settings(secret=sandbox.api_key, base_url=sandbox.url, requests_per_second=1000)
            undisturbed.run(A360Client(settings))
            self.undisturbed = self._files(folder / "calm")

    def _play(self, airflow, sandbox):
        api = Api(airflow)
        airflow.until(lambda: airflow.query("SELECT dag_id FROM serialized_dag WHERE dag_id = 'long'"))
        run = api.post("long/dagRuns", logical_date=None)["dag_run_id"]
        airflow.until(lambda: len(sandbox.requests) > DAYS * ELEMENTS // 2)
        os.kill(process_of(airflow, "long"), signal.SIGKILL)
        time.sleep(0.5)
        self.at_death, first = self._files(self.lake), len(sandbox.requests)
        airflow.until(lambda: airflow.ended("long", 1), 60)
        self.retried, second = airflow.task("long", "export"), len(sandbox.requests)
        self.after_retry = self._files(self.lake)
        sandbox.knobs.latency = 0
        api.post("long/clearTaskInstances", dag_run_id=run, dry_run=False, only_failed=False)
        airflow.until(
            lambda: airflow.task("long", "export").tries > self.retried.tries and airflow.ended("long", 1), 60
        )
        self.cleared = airflow.task("long", "export")
        self.first_try, self.second_try = asked(sandbox.requests[:first]), asked(sandbox.requests[first:second])
        self.after_clear = asked(sandbox.requests[second:])

    @property
    def done(self):
        """How many files the retry found to be done with."""
        return int(re.search(r"An earlier try published (\d+) files", self.logs[1])[1])

    def _files(self, folder):
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.jsonl")}


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    return Killed(tmp_path_factory.mktemp("killed"))


def test_what_was_published_before_is_whole(killed):
    assert 0 < len(killed.at_death) < DAYS
    assert killed.at_death.items() <= killed.undisturbed.items()


def test_the_retry_goes_on_behind_it_and_says_so(killed):
    assert (killed.retried.state, killed.retried.tries) == ("success", 2)
    done = killed.done
    # Its death may have come between a file and the word that it is there.
    assert len(killed.at_death) - 1 <= done <= len(killed.at_death)
    last = FIRST + timedelta(days=done - 1)
    said = f"An earlier try published {done} files, the last for {last}; this one goes on."
    assert said not in killed.logs[0]
    assert said in killed.logs[1]
    assert said in killed.retried.returned["notes"]


def test_the_retry_asks_for_no_day_that_was_published(killed):
    assert set(killed.first_try) >= {file.split("=")[1].split("/")[0] for file in killed.at_death}
    missing = [str(FIRST + timedelta(days=number)) for number in range(killed.done, DAYS)]
    assert killed.second_try == dict.fromkeys(missing, ELEMENTS)


def test_its_files_equal_those_of_an_undisturbed_run(killed):
    assert killed.after_retry == killed.undisturbed
    assert len(killed.undisturbed) == len(killed.retried.returned["files"]) == DAYS
    others = {path.name for path in killed.lake.rglob("*") if path.is_file() and path.suffix != ".jsonl"}
    # Its death may have come in the midst of writing a file.
    assert [re.fullmatch(r"\..+\.tmp", name) is not None for name in others] in ([], [True])


def test_a_cleared_task_starts_afresh(killed):
    assert (killed.cleared.state, killed.cleared.tries) == ("success", 3)
    assert killed.after_clear == {str(FIRST + timedelta(days=number)): ELEMENTS for number in range(DAYS)}
    assert killed.cleared.returned["notes"] == []
    assert "An earlier try" not in killed.logs[2]
