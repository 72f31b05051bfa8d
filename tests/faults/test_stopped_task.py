"""An export on real Airflow that is marked failed, or whose process gets SIGTERM, ends at once and leaves nothing."""

import os
import signal
import sqlite3
import time
from contextlib import closing

import pytest
from faults_airflow import DAYS

AT_ONCE = 3.0
"""Seconds; Airflow kills after five."""


class Stopped:
    """What was seen of a task when its process ended, and of its run."""

    def __init__(self, running, name, stop):
        running.start(name, latency=0.05)
        # Far longer than the test waits for its end.
        running.sandbox.options.latency = 1.0
        self._staged_before = set(running.staged())
        pid = running.process(name)
        stop(running, pid)
        heard = time.monotonic()
        running.airflow.until(lambda: pid not in running.airflow._session(), 30)
        self.seconds = time.monotonic() - heard
        self.files = running.files(name)
        self.staged = set(running.staged()) - self._staged_before
        self.leftovers = [path for path in running.lake(name).rglob("*") if path.is_file() and path.suffix != ".jsonl"]
        time.sleep(1)
        self.files_later = running.files(name)
        running.sandbox.options.latency = 0
        running.airflow.until(lambda: running.airflow.ended(name, 1), 60)
        self.task = running.airflow.task(name, "export")
        self.logs = running.logs(name)


def check_end(stopped):
    assert stopped.seconds < AT_ONCE
    assert 0 < len(stopped.files) < DAYS
    assert stopped.files_later == stopped.files or stopped.task.tries > 1
    assert stopped.leftovers == []
    assert stopped.staged == set()
    assert "Traceback" not in stopped.logs[0]
    assert "Task exited" in stopped.logs[0]


def mark_failed(running, pid):
    # What the button does. Its API and SQLite can lock each other out while an export's files are recorded.
    with closing(sqlite3.connect(running.home.folder / "airflow.db", timeout=60)) as database:
        database.execute("UPDATE task_instance SET state = 'failed' WHERE dag_id = 'marked'")
        database.commit()
    # The process is told at the next heartbeat.
    running.airflow.until(lambda: "Terminating process" in running.logs("marked")[0], 30)


@pytest.fixture(scope="module")
def marked(long_exports):
    return Stopped(long_exports, "marked", mark_failed)


@pytest.fixture(scope="module")
def terminated(long_exports):
    return Stopped(long_exports, "terminated", lambda running, pid: os.kill(pid, signal.SIGTERM))


def test_a_task_that_is_marked_failed_ends_at_once_and_stays_failed(marked):
    check_end(marked)
    assert (marked.task.state, marked.task.tries) == ("failed", 1)


def test_a_process_that_is_told_to_end_does_and_the_retry_goes_on_behind_it(terminated):
    check_end(terminated)
    assert (terminated.task.state, terminated.task.tries) == ("success", 2)
    assert len(terminated.task.returned["files"]) == DAYS
    assert any("this attempt resumes after them" in note for note in terminated.task.returned["notes"])
