"""The package on every Airflow with every Python.

For each pair, in an environment of its own (made by uv): install the wheel with nothing but its dependencies, see that
nothing conflicts and that Airflow knows the provider and its commands; then install the group `dev` and run the tests
that start no Airflow. As many pairs at a time as there are processors. Last, one after the other, on one Python of each
Airflow, run those that do, which take longest.
A pair that fails a step takes no further one; the others go on. Prints each step's outcome when it ends, then a table
and what was skipped, and fails unless all steps have passed. A Python that this machine doesn't have is a failure too.
"""

import argparse
import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TESTS = ["tests/unit", "tests/property", "tests/packaging"]
INTEGRATION = ["tests/integration"]
STEPS = ["installed", "tests without Airflow's processes", "integration tests"]
# With what has come out since, Airflow 3.1 warns on stdout, and 3.2 can't start (their own constraints are as old as
# they are).
OF_ITS_TIME = {
    "3.1": ["sqlalchemy<2.1"],
    "3.2": ["sqlalchemy<2.1", "fastapi<0.137", "cadwyn<8", "svcs<26"],
}
# Seconds for one command. The longest, the integration tests, take a quarter of an hour.
LIMIT = 3600


class StepError(Exception):
    """A command ended badly; the log says how."""


@dataclass
class Pair:
    """A Python and an Airflow, in a folder of their own."""

    python: str
    airflow: str
    resolution: str
    folder: Path
    cells: dict[str, str] = field(default_factory=dict)
    """The outcome of each step."""
    failed: bool = False
    skipped: set[str] = field(default_factory=set)

    @property
    def bin(self) -> Path:
        return self.folder / "venv" / "bin"

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    @property
    def airflow_packages(self) -> list[str]:
        return [f"apache-airflow=={self.airflow}.*", *OF_ITS_TIME.get(self.airflow, [])]

    def run(self, *command: str) -> str:
        """What a command prints; one without a path is of the pair's own environment."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "PYTHON"))}
        env |= {
            "AIRFLOW_HOME": str(self.folder / "airflow"),
            "UV_PYTHON_DOWNLOADS": "never",
            # Everybody finds pyenv's python3.13, but it runs only where it is chosen.
            "PYENV_VERSION": self.python,
            "COLUMNS": "200",
        }
        executable = command[0] if "/" in command[0] else self.bin / command[0]
        with self.log.open("a+") as log:
            log.write(f"$ {' '.join(command)}\n")
            log.flush()
            start = log.tell()
            try:
                subprocess.run(
                    [executable, *command[1:]], env=env, cwd=ROOT, stdout=log, stderr=log, check=True, timeout=LIMIT
                )
            except (OSError, subprocess.SubprocessError) as error:
                log.write(f"{error}\n")
                raise StepError from None
            log.seek(start)
            return log.read()

    def uv(self, *command: str) -> str:
        return self.run(sys.executable, "-m", "uv", *command)

    def pip(self, command: str, *arguments: str) -> str:
        return self.uv("pip", command, "--python", str(self.bin / "python"), *arguments)

    def add(self, *packages: str) -> None:
        self.pip("install", "--resolution", self.resolution, *packages, *self.airflow_packages)
        self.pip("check")

    def install(self, package: Path) -> str:
        """Returns the version of Airflow that came with it."""
        self.uv("venv", "--python", self.python, str(self.folder / "venv"))
        self.add(f"airflow-provider-a360 @ {package.as_uri()}")
        if "airflow-provider-a360" not in self.run("airflow", "providers", "list", "--output", "plain"):
            raise StepError
        # Airflow 3.1 knows no commands of providers.
        self.run(
            *(["python", "-m", "airflow_provider_a360"] if self.airflow == "3.1" else ["airflow", "a360"]), "--help"
        )
        return re.findall(r"^apache-airflow==(.+)$", self.pip("freeze"), re.MULTILINE)[0]

    def test(self, package: Path, tests: list[str]) -> str:
        """Returns pytest's own sum."""
        self.add(
            f"airflow-provider-a360[parquet,sandbox] @ {package.as_uri()}", "--group", f"{ROOT / 'pyproject.toml'}:dev"
        )
        printed = self.run("pytest", "-p", "no:cacheprovider", "-rs", *tests)
        self.skipped |= set(re.findall(r"^SKIPPED \[\d+\] [^ ]+ (.+)$", printed, re.MULTILINE))
        return re.findall(r"^\d+ passed.*(?= in )", printed, re.MULTILINE)[-1]

    def take(self, step: str, action: Callable[..., str], *arguments: Any) -> None:
        """Take a step, unless an earlier one has failed, and print the outcome."""
        if self.failed:
            return
        began = time.monotonic()
        try:
            outcome = action(*arguments)
        except StepError:
            self.failed, outcome = True, "failed"
        self.cells[step] = f"{outcome} ({time.monotonic() - began:.0f} s)"
        print(f"Python {self.python}, Airflow {self.airflow}: {step}: {self.cells[step]}", flush=True)
        if self.failed:
            print("\n".join([*self.log.read_text().splitlines()[-15:], f"The rest is in {self.log}"]), flush=True)


def table(pairs: list[Pair]) -> str:
    """The outcomes, a row for each pair."""
    head = ["Python", "Airflow", *STEPS]
    rows = [[pair.python, pair.airflow, *(pair.cells.get(step, "") for step in STEPS)] for pair in pairs]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", nargs="+", default=["3.11", "3.12", "3.13"], metavar="X.Y")
    parser.add_argument("--airflow", nargs="+", default=["3.1", "3.2", "3.3"], metavar="X.Y")
    parser.add_argument("--lowest", action="store_true", help="the oldest dependencies that pyproject.toml allows")
    parser.add_argument("--tests", nargs="+", default=TESTS, metavar="PATH", help="the tests for all")
    parser.add_argument("--no-integration", action="store_true", help="leave out the tests that start Airflow")
    given = parser.parse_args()

    folder = Path(tempfile.mkdtemp(prefix="a360-matrix-"))
    subprocess.run([sys.executable, "-m", "uv", "build", "--quiet", "--out-dir", folder, ROOT], check=True)
    # Of a wheel's own dependencies uv takes the newest all the same; of a source tree's, the oldest.
    package = ROOT if given.lowest else next(folder.glob("*.whl"))
    pairs = [
        Pair(python, airflow, "lowest-direct" if given.lowest else "highest", folder / f"{python}-{airflow}")
        for airflow, python in itertools.product(given.airflow, given.python)
    ]
    installed, tested, integrated = STEPS

    def quick(pair: Pair) -> None:
        pair.folder.mkdir()
        pair.take(installed, pair.install, package)
        pair.take(tested, pair.test, package, given.tests)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(quick, pairs))
    for pair in pairs:
        if pair.python == given.python[0] and not given.no_integration:
            pair.take(integrated, pair.test, package, INTEGRATION)

    print(f"\n{table(pairs)}")
    for pair in pairs:
        for reason in sorted(pair.skipped):
            print(f"Skipped on Python {pair.python}, Airflow {pair.airflow}: {reason}")
    raise SystemExit(any(pair.failed for pair in pairs))


if __name__ == "__main__":
    main()
