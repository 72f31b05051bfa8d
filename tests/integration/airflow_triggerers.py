"""Stop the triggerer of a running Airflow, and start another one."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from airflow_harness import AirflowHome, Standalone


def stop_triggerer(airflow: Standalone, signum: signal.Signals = signal.SIGTERM) -> None:
    """Stop the triggerer that `airflow standalone` started. SIGKILL goes to its child processes too."""
    processes = {pid: _parent_and_command(pid) for pid in airflow._session()}
    (triggerer,) = (
        pid for pid, (parent, command) in processes.items() if parent == airflow._process.pid and "triggerer" in command
    )
    stopped = [triggerer]
    if signum == signal.SIGKILL:
        # The loop appends to the list that it iterates over, so it finds children and grandchildren.
        for one in stopped:
            stopped += [pid for pid, (parent, _) in processes.items() if parent == one]
    for pid in stopped:
        with suppress(ProcessLookupError):
            os.kill(pid, signum)
    airflow.until(lambda: not set(stopped) & set(airflow._session()), 90)


@contextmanager
def another_triggerer(home: AirflowHome) -> Iterator[Path]:
    """Run another triggerer in this AIRFLOW_HOME, and yield the file with its output."""
    process = home.start("triggerer", output="triggerer.log")
    try:
        yield home.folder / "output" / "triggerer.log"
    finally:
        process.terminate()
        process.wait(timeout=90)


def _parent_and_command(pid: int) -> tuple[int, str]:
    """Return the parent's id and the command line of a process; 0 and "" if it has ended meanwhile."""
    with suppress(OSError):
        stat, command = (Path(f"/proc/{pid}/{name}").read_text() for name in ("stat", "cmdline"))
        return int(stat.rpartition(")")[2].split()[1]), command
    return 0, ""
