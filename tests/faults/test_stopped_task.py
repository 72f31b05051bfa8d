"""An export on a real Airflow that is marked failed or gets SIGTERM ends at once and leaves no staged rows."""

import os
import signal
import sqlite3
import time
from contextlib import closing

import pytest
from faults_airflow import DAYS

TIME_LIMIT = 3.0
"""The allowed time in seconds; Airflow kills the process after five."""


class Stopped:
    """Start a long export, stop its process, and keep what was observed of the task and its run."""

    def __init__(self, long_exports, name, stop):
        long_exports.start(name, latency=0.05)
        # A single request now takes a third of the allowed time.
        long_exports.sandbox.options.latency = 1.0
        self._staged_before = set(long_exports.staged())
        pid = long_exports.process(name)
        stop(long_exports, pid)
        stopped_at = time.monotonic()
        long_exports.airflow.until(lambda: pid not in long_exports.airflow._session(), 30)
        self.seconds = time.monotonic() - stopped_at
        self.files = long_exports.files(name)
        self.staged = set(long_exports.staged()) - self._staged_before
        self.leftovers = [
            path for path in long_exports.lake(name).rglob("*") if path.is_file() and path.suffix != ".jsonl"
        ]
        time.sleep(1)
        self.files_later = long_exports.files(name)
        long_exports.sandbox.options.latency = 0
        long_exports.airflow.until(lambda: long_exports.airflow.ended(name, 1), 60)
        self.task = long_exports.airflow.task(name, "export")
        self.logs = long_exports.logs(name)


def check_end(stopped):
    """Check that the export ended in time, published only complete files and deleted its staged rows."""
    assert stopped.seconds < TIME_LIMIT
    assert 0 < len(stopped.files) < DAYS
    assert stopped.files_later == stopped.files or stopped.task.tries > 1
    assert stopped.leftovers == []
    assert stopped.staged == set()
    assert "Traceback" not in stopped.logs[0]
    assert "Task exited" in stopped.logs[0]


def mark_failed(long_exports, pid):
    """Mark the task failed, and wait until Airflow terminates its process."""
    # Change the state as the UI's button does, but in the database: the API's request can fail because SQLite is locked
    # while an export records its files.
    with closing(sqlite3.connect(long_exports.home.folder / "airflow.db", timeout=60)) as database:
        database.execute("UPDATE task_instance SET state = 'failed' WHERE dag_id = 'marked'")
        database.commit()
    # The supervisor terminates the process at its next heartbeat.
    long_exports.airflow.until(lambda: "Terminating process" in long_exports.logs("marked")[0], 30)


@pytest.fixture(scope="module")
def marked(long_exports):
    """Return the observations of an export that was marked failed."""
    return Stopped(long_exports, "marked", mark_failed)


@pytest.fixture(scope="module")
def terminated(long_exports):
    """Return the observations of an export whose process got SIGTERM."""
    return Stopped(long_exports, "terminated", lambda _, pid: os.kill(pid, signal.SIGTERM))


def test_a_task_that_is_marked_failed_ends_at_once_and_stays_failed(marked):
    check_end(marked)
    assert (marked.task.state, marked.task.tries) == ("failed", 1)


def test_a_process_that_gets_sigterm_ends_at_once_and_the_retry_resumes(terminated):
    check_end(terminated)
    assert (terminated.task.state, terminated.task.tries) == ("success", 2)
    assert len(terminated.task.returned["files"]) == DAYS
    assert any("this attempt resumes after it" in note for note in terminated.task.returned["notes"])
