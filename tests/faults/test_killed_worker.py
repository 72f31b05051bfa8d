"""A task process is killed on a real Airflow: the retry resumes after published files; a cleared task starts over."""

import os
import re
import signal
import time
from collections import Counter
from datetime import timedelta

import pytest
from faults_airflow import DAYS, ELEMENTS, FIRST, LAST

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.settings import Settings
from airflow_provider_a360.export.element_stats import ElementStatistics
from airflow_provider_a360.export.job import Job
from airflow_provider_a360.export.publish import Destination
from airflow_provider_a360.sandbox.example import PAUSED_FLOW


def requests_by_day(requests):
    """Return the number of statistics requests for each day."""
    days = (re.search(r'"value":"([\d-]+)"', seen.query.get("filter", "")) for seen in requests)
    return Counter(found[1] for found in days if found)


class Killed:
    """Kill an export of 62 days halfway, let Airflow retry it, clear it after that, and keep what was observed."""

    def __init__(self, long_exports):
        self.lake = long_exports.lake("killed")
        airflow, sandbox = long_exports.airflow, long_exports.sandbox
        before = len(sandbox.requests)
        run = long_exports.start("killed", latency=0.15)
        os.kill(long_exports.process("killed"), signal.SIGKILL)
        time.sleep(0.5)
        self.at_kill, first = long_exports.files("killed"), len(sandbox.requests)
        airflow.until(lambda: airflow.ended("killed", 1), 60)
        self.retried, second = airflow.task("killed", "export"), len(sandbox.requests)
        self.after_retry = long_exports.files("killed")
        self.stored = airflow.query("SELECT key, length(value) FROM task_state_store WHERE dag_id = 'killed'")
        sandbox.options.latency = 0
        long_exports.request("POST", "killed/clearTaskInstances", dag_run_id=run, dry_run=False, only_failed=False)
        tries = self.retried.tries
        airflow.until(lambda: airflow.task("killed", "export").tries > tries and airflow.ended("killed", 1), 60)
        self.cleared = airflow.task("killed", "export")
        self.first_try, self.second_try = (
            requests_by_day(sandbox.requests[before:first]),
            requests_by_day(sandbox.requests[first:second]),
        )
        self.after_clear = requests_by_day(sandbox.requests[second:])
        self.logs = long_exports.logs("killed")
        reference = Destination(str(long_exports.lake("calm")))
        undisturbed = Job(ElementStatistics(), [PAUSED_FLOW], Days(FIRST, LAST), reference, "jsonl")
        undisturbed.run(A360Client(Settings(secret=sandbox.api_key, base_url=sandbox.url, requests_per_second=1000)))
        self.undisturbed = long_exports.files("calm")

    @property
    def resumed(self):
        """The number of files that the retry did not export again."""
        return int(re.search(r"An earlier attempt published (\d+) files?", self.logs[1])[1])


@pytest.fixture(scope="module")
def killed(long_exports):
    """Return the observations of the killed export."""
    return Killed(long_exports)


def test_files_published_before_the_kill_are_complete(killed):
    assert 0 < len(killed.at_kill) < DAYS
    assert killed.at_kill.items() <= killed.undisturbed.items()


def test_the_retry_resumes_after_them_and_notes_it(killed):
    assert (killed.retried.state, killed.retried.tries) == ("success", 2)
    resumed = killed.resumed
    # The kill may have come after a file was published and before it was recorded.
    assert len(killed.at_kill) - 1 <= resumed <= len(killed.at_kill)
    last = FIRST + timedelta(days=resumed - 1)
    files = "1 file" if resumed == 1 else f"{resumed} files"
    note = f"An earlier attempt published {files}, the last for {last}; this attempt resumes after it."
    assert note not in killed.logs[0]
    assert note in killed.logs[1]
    assert note in killed.retried.returned["notes"]


def test_the_retry_requests_no_published_day(killed):
    assert set(killed.first_try) >= {file.split("=")[1].split("/")[0] for file in killed.at_kill}
    missing = [str(FIRST + timedelta(days=number)) for number in range(killed.resumed, DAYS)]
    assert killed.second_try == dict.fromkeys(missing, ELEMENTS)


def test_the_retrys_files_equal_those_of_an_undisturbed_run(killed):
    assert killed.after_retry == killed.undisturbed
    assert len(killed.undisturbed) == len(killed.retried.returned["files"]) == DAYS
    others = {path.name for path in killed.lake.rglob("*") if path.is_file() and path.suffix != ".jsonl"}
    # The kill may have come while a file was being written.
    assert [re.fullmatch(r"\..+\.tmp", name) is not None for name in others] in ([], [True])


def test_the_published_files_are_stored_in_one_small_value(killed):
    ((_, size),) = killed.stored
    assert size < 20 * DAYS


def test_a_cleared_task_starts_over(killed):
    assert (killed.cleared.state, killed.cleared.tries) == ("success", 3)
    assert killed.after_clear == {str(FIRST + timedelta(days=number)): ELEMENTS for number in range(DAYS)}
    assert killed.cleared.returned["notes"] == []
    assert "An earlier attempt" not in killed.logs[2]
