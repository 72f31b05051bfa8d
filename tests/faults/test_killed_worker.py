"""A worker killed on real Airflow: its retry goes on behind what was published; a cleared task starts afresh."""

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


def asked(requests):
    """How often the statistics of each day were asked for."""
    days = (re.search(r'"value":"([\d-]+)"', seen.query.get("filter", "")) for seen in requests)
    return Counter(found[1] for found in days if found)


class Killed:
    """An export of 62 days that was killed in mid-run, tried again, and cleared after that."""

    def __init__(self, running):
        self.lake = running.lake("killed")
        airflow, sandbox = running.airflow, running.sandbox
        before = len(sandbox.requests)
        run = running.start("killed", latency=0.15)
        os.kill(running.process("killed"), signal.SIGKILL)
        time.sleep(0.5)
        self.at_death, first = running.files("killed"), len(sandbox.requests)
        airflow.until(lambda: airflow.ended("killed", 1), 60)
        self.retried, second = airflow.task("killed", "export"), len(sandbox.requests)
        self.after_retry = running.files("killed")
        self.stored = airflow.query("SELECT key, length(value) FROM task_state_store WHERE dag_id = 'killed'")
        sandbox.options.latency = 0
        running.ask("POST", "killed/clearTaskInstances", dag_run_id=run, dry_run=False, only_failed=False)
        tries = self.retried.tries
        airflow.until(lambda: airflow.task("killed", "export").tries > tries and airflow.ended("killed", 1), 60)
        self.cleared = airflow.task("killed", "export")
        self.first_try, self.second_try = asked(sandbox.requests[before:first]), asked(sandbox.requests[first:second])
        self.after_clear = asked(sandbox.requests[second:])
        self.logs = running.logs("killed")
        calm = Destination(str(running.lake("calm")))
        undisturbed = Job(ElementStatistics(), [PAUSED_FLOW], Days(FIRST, LAST), calm, "jsonl")
        undisturbed.run(A360Client(Settings(secret=sandbox.api_key, base_url=sandbox.url, requests_per_second=1000)))
        self.undisturbed = running.files("calm")

    @property
    def done(self):
        """How many files the retry found to be done with."""
        return int(re.search(r"An earlier attempt published (\d+) files", self.logs[1])[1])


@pytest.fixture(scope="module")
def killed(long_exports):
    return Killed(long_exports)


def test_what_was_published_before_is_whole(killed):
    assert 0 < len(killed.at_death) < DAYS
    assert killed.at_death.items() <= killed.undisturbed.items()


def test_the_retry_goes_on_behind_it_and_says_so(killed):
    assert (killed.retried.state, killed.retried.tries) == ("success", 2)
    done = killed.done
    # Its death may have come between a file and the word that it is there.
    assert len(killed.at_death) - 1 <= done <= len(killed.at_death)
    last = FIRST + timedelta(days=done - 1)
    said = f"An earlier attempt published {done} files, the last for {last}; this attempt resumes after them."
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


def test_what_was_published_is_kept_in_one_value(killed):
    ((_, size),) = killed.stored
    assert size < 20 * DAYS


def test_a_cleared_task_starts_afresh(killed):
    assert (killed.cleared.state, killed.cleared.tries) == ("success", 3)
    assert killed.after_clear == {str(FIRST + timedelta(days=number)): ELEMENTS for number in range(DAYS)}
    assert killed.cleared.returned["notes"] == []
    assert "An earlier attempt" not in killed.logs[2]
