"""Run exports, each in a process forked from this one, which has already imported everything.

A request is a JSON line on stdin, its answer a JSON line on a pipe.
"""

import contextlib
import gc
import json
import logging
import os
import random
import resource
import select
import shutil
import signal
import sys
import tempfile
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.json
import pyarrow.parquet  # noqa: F401
from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_a360.api import transport
from airflow_provider_a360.export import conversions, element_stats, job, ledger, publish  # noqa: F401
from airflow_provider_a360.hooks.a360 import A360Hook
from airflow_provider_a360.operators import export

OPERATORS = {
    "conversions": export.A360ExportConversionsOperator,
    "element_stats": export.A360ExportElementStatsOperator,
}


class Store:
    """Airflow's task state store, kept in a file so that it survives the process."""

    def __init__(self, file: str) -> None:
        self._file = Path(file)

    def _values(self) -> dict[str, Any]:
        return json.loads(self._file.read_text()) if self._file.exists() else {}

    def get(self, key: str, default: Any = None) -> Any:
        return self._values().get(key, default)

    def set(self, key: str, value: Any) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(self._values() | {key: value}))
        new.replace(self._file)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(owner: Any, name: str, nth: int, *, after: bool = False) -> None:
    """Kill this process at the nth call of a function."""
    original, calls = getattr(owner, name), count(1)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        last = next(calls) == nth
        if last and not after:
            die()
        result = original(*args, **kwargs)
        if last:
            die()
        return result

    setattr(owner, name, wrapper)


def die_in_copy(nth: int) -> None:
    """Kill this process when half of the nth file is written at the destination."""
    copy, calls = shutil.copyfileobj, count(1)

    def wrapper(source: Any, out: Any) -> None:
        if str(out.name).endswith(".tmp") and next(calls) == nth:
            content = source.read()
            out.write(content[: len(content) // 2])
            out.flush()
            die()
        copy(source, out)

    shutil.copyfileobj = wrapper


KILLS = {
    "request": lambda nth: die_at(transport.Transport, "_send", nth),
    "answer": lambda nth: die_at(transport.Transport, "_send", nth, after=True),
    "staging": lambda nth: die_at(job.StagedFile, "add", nth),
    "sorted": lambda nth: die_at(job.StagedFile, "finish", nth),
    "half": die_in_copy,
    "written": lambda nth: die_at(os, "fsync", nth, after=True),
    "published": lambda nth: die_at(publish.Destination, "publish", nth, after=True),
    "noted": lambda nth: die_at(ledger.Ledger, "record", nth, after=True),
}


def limit_files(size: int) -> None:
    """Limit the size of files, to simulate a full disk where the process may not mount one."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def limit_at_destination(size: int) -> None:
    """Limit the size of files only while one is published."""
    copy = publish._write_atomically

    def limited(*args: Any) -> None:
        limit_files(size)
        copy(*args)

    publish._write_atomically = limited


def run_task(request: dict[str, Any]) -> dict[str, Any]:
    """Run one try of a task until it ends or is killed."""
    os.environ |= request["env"]
    tempfile.tempdir = request["staging"]
    A360Hook.client.__kwdefaults__["deadline"] = request["deadline"]
    transport._BACKOFF = lambda _: random.uniform(0.001, 0.005)
    transport._LONGEST_WAIT = 0.01
    if kill := request.get("kill"):
        KILLS[kill["at"]](kill["nth"])
    if size := request.get("staging_holds"):
        limit_files(size)
    if size := request.get("destination_holds"):
        limit_at_destination(size)
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logger = logging.getLogger("airflow_provider_a360")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    logger.propagate = False
    context = {"ti": SimpleNamespace(try_number=1, max_tries=3)}
    if request["store"]:
        context["task_state_store"] = Store(request["store"])
    try:
        task = OPERATORS[request["dataset"]](task_id="export", **request["arguments"])
        return {"manifest": task.execute(context), "log": messages}
    except Exception as error:  # noqa: BLE001
        chain = [error] if error.__cause__ is None else [error, error.__cause__]
        kinds = [kind.__name__ for one in chain for kind in type(one).__mro__]
        return {"error": str(error), "kinds": kinds, "log": messages}


def run_in_fork(request: dict[str, Any]) -> dict[str, Any]:
    """Run one try in a forked process and return its result."""
    read, write = os.pipe()
    process = os.fork()
    if not process:
        os.close(read)
        try:
            os.write(write, json.dumps(run_task(request)).encode())
        finally:
            os._exit(0)
    os.close(write)
    if (life := request.get("life")) is not None and not select.select([read], [], [], life)[0]:
        os.kill(process, signal.SIGKILL)
    with os.fdopen(read, "rb") as answer:
        result = answer.read()
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):
        return {"killed": os.WTERMSIG(status)}
    return json.loads(result)


def warm_up() -> None:
    """Do once, before forking, what every process would repeat."""
    os.environ["AIRFLOW_CONN_A360_DEFAULT"] = json.dumps({"conn_type": "a360", "password": "none"})
    A360Hook().get_conn()
    for operator in OPERATORS.values():
        task = operator(task_id="export", flow_ids=[], destination=tempfile.gettempdir())
        with contextlib.suppress(AirflowSkipException):
            task.execute({})
    publish.Destination(tempfile.gettempdir())
    gc.collect()
    gc.freeze()


def main() -> None:
    warm_up()
    with os.fdopen(int(sys.argv[1]), "w", buffering=1) as answers:
        for line in sys.stdin:
            answers.write(json.dumps(run_in_fork(json.loads(line))) + "\n")


if __name__ == "__main__":
    main()
