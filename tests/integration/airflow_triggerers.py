"""Ends the triggerer of a running Airflow, and starts another one."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_harness import Home, Standalone


def end_triggerer(airflow: Standalone, sign: signal.Signals = signal.SIGTERM) -> None:
    """End the triggerer that `airflow standalone` has started; SIGKILL is for what that has started too."""
    parents = {pid: _parent(pid) for pid in airflow._session()}
    (triggerer,) = (
        pid
        for pid, parent in parents.items()
        if parent == airflow._process.pid and "triggerer" in Path(f"/proc/{pid}/cmdline").read_text()
    )
    ended = [triggerer]
    if sign == signal.SIGKILL:
        # The list grows while it is walked.
        ended.extend(pid for parent in ended for pid in parents if parents[pid] == parent)
    for pid in ended:
        os.kill(pid, sign)
    airflow.until(lambda: not set(ended) & set(airflow._session()), 90)


@contextmanager
def another_triggerer(home: Home) -> Iterator[Path]:
    """Another triggerer of that home; yields the file that it prints to."""
    process = home.start("triggerer", output="triggerer.log")
    try:
        yield home.folder / "output" / "triggerer.log"
    finally:
        process.terminate()
        process.wait(timeout=90)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
