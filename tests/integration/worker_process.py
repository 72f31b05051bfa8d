"""A process that handles requests of many tests, so that Airflow is imported only once."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


class WorkerProcess:
    """Run a script that reads requests as JSON lines from stdin and answers on a pipe.

    The script's argument is the file descriptor of the pipe. Its output goes to the file `output`.
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

    def send(self, request: dict[str, Any]) -> Any:
        """Send one request and return the answer."""
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._answers.readline()
        assert line, self._output.read_text()[-5000:]
        return json.loads(line)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._answers.close()
