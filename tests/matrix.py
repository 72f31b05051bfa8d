"""The package on every Airflow with every Python.

For each pair, in an environment of its own (made by uv): install the wheel with nothing but its dependencies, see that
nothing conflicts and that Airflow knows the provider and its commands; then install the tests' extra and run the tests:
those that start no Airflow on all, the others on one Python of each Airflow.
Prints a table, and fails unless each pair has passed. A Python that this machine doesn't have is a failure too.
"""

import argparse
import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = ["tests/unit", "tests/property", "tests/packaging"]
INTEGRATION = ["tests/integration"]
# With what has come out since, Airflow 3.1 warns on stdout, and 3.2 can't start (their own constraints are as old as
# they are).
OF_ITS_TIME = {
    "3.1": ["sqlalchemy<2.1"],
    "3.2": ["sqlalchemy<2.1", "fastapi<0.137", "cadwyn<8", "svcs<26"],
}


class StepError(Exception):
    """A command ended badly; the log says how."""


@dataclass(frozen=True)
class Pair:
    """A Python and an Airflow, in a folder of their own."""

    python: str
    airflow: str
    resolution: str
    folder: Path

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
            done = subprocess.run([executable, *command[1:]], env=env, cwd=ROOT, stdout=log, stderr=log, check=False)
            if done.returncode:
                raise StepError
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
        printed = self.run("pytest", "-p", "no:cacheprovider", *tests)
        return re.findall(r"^\d+ passed.*(?= in )", printed, re.MULTILINE)[-1]


def tried(step, *arguments) -> tuple[bool, str]:
    """Whether a step went well, and what a cell of the table says of it."""
    began = time.monotonic()
    try:
        passed, outcome = True, step(*arguments)
    except StepError:
        passed, outcome = False, "failed"
    return passed, f"{outcome} ({time.monotonic() - began:.0f} s)"


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
    rows, all_passed = [], True
    for airflow, python in itertools.product(given.airflow, given.python):
        whole = python == given.python[0] and not given.no_integration
        tests_of_it = given.tests + INTEGRATION * whole
        pair = Pair(python, airflow, "lowest-direct" if given.lowest else "highest", folder / f"{python}-{airflow}")
        pair.folder.mkdir()
        print(f"Python {python}, Airflow {airflow}: {pair.log}", flush=True)
        passed, installed = tried(pair.install, package)
        tests = "not run"
        if passed:
            passed, tests = tried(pair.test, package, tests_of_it)
        if not passed:
            print("\n".join(pair.log.read_text().splitlines()[-15:]), flush=True)
        all_passed = all_passed and passed
        rows.append((python, airflow, installed, tests))

    print("\n| Python | Airflow | installed | tests |\n|---|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    raise SystemExit(not all_passed)


if __name__ == "__main__":
    main()
