"""Ends the triggerer of a running Airflow, and starts another one."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from airflow_harness import Home, Standalone


def end_triggerer(airflow: Standalone, sign: signal.Signals = signal.SIGTERM) -> None:
    """End the triggerer that `airflow standalone` has started; SIGKILL is for what that has started too."""
    started = {pid: _started(pid) for pid in airflow._session()}
    (triggerer,) = (
        pid for pid, (parent, command) in started.items() if parent == airflow._process.pid and "triggerer" in command
    )
    ended = [triggerer]
    if sign == signal.SIGKILL:
        # The list grows while it is walked: children, then theirs.
        for one in ended:
            ended += [pid for pid, (parent, _) in started.items() if parent == one]
    for pid in ended:
        with suppress(ProcessLookupError):
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


def _started(pid: int) -> tuple[int, str]:
    """Which process started it, and the command; tasks come and go meanwhile."""
    with suppress(OSError):
        stat, command = (Path(f"/proc/{pid}/{name}").read_text() for name in ("stat", "cmdline"))
        return int(stat.rpartition(")")[2].split()[1]), command
    return 0, ""
