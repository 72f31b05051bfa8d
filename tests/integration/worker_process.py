"""A process of a test's own that answers orders: Airflow is imported once for many tests."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


class WorkerProcess:
    """Runs a script: orders go in as lines of JSON on stdin, answers come back on a pipe whose number is its argument.

    What it prints goes to `output`.
    """

    def __init__(self, script: Path, output: Path, env: dict[str, str]) -> None:
        self._output = output
        read, write = os.pipe()
        with output.open("w") as out:
            self._process = subprocess.Popen(
                [sys.executable, script, str(write)],
                env=env,
                cwd=env["AIRFLOW_HOME"],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                pass_fds=[write],
                text=True,
            )
        os.close(write)
        self._answers = os.fdopen(read)

    def perform(self, order: dict[str, Any]) -> Any:
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._answers.readline()
        assert line, self._output.read_text()[-5000:]
        return json.loads(line)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._answers.close()
