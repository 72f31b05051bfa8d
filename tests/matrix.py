"""Test the package on every supported Airflow with every supported Python.

For each pair, create an environment with uv and install the wheel with only its dependencies. Check that nothing
conflicts, and that Airflow lists the provider and its commands. Then install the group `dev` and run the tests that
start no Airflow. As many pairs run in parallel as there are processors. At the end, run the integration tests, which
take longest, one pair after the other, on one Python of each Airflow.

A pair that fails a step skips its further steps; the other pairs continue. The script prints the result of each step,
then a table and the reasons for skipped tests. It fails unless all steps passed. A Python that this machine doesn't
have is a failure too.
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
# With newer versions of these packages, Airflow 3.1 prints warnings to stdout, and 3.2 doesn't start. Their own
# constraints files have older versions.
UPPER_BOUNDS = {
    "3.1": ["sqlalchemy<2.1"],
    "3.2": ["sqlalchemy<2.1", "fastapi<0.137", "cadwyn<8", "svcs<26"],
}
# Time-out of one command, in seconds. The integration tests, the longest, take a quarter of an hour.
LIMIT = 3600


class StepError(Exception):
    """A command failed; the pair's log has its output."""


@dataclass
class Pair:
    """A Python version and an Airflow version, with their folder."""

    python: str
    airflow: str
    resolution: str
    folder: Path
    results: dict[str, str] = field(default_factory=dict)
    """The result of each step."""
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
        return [f"apache-airflow=={self.airflow}.*", *UPPER_BOUNDS.get(self.airflow, [])]

    def run(self, *command: str) -> str:
        """Run a command, by name from the pair's environment, and return its output."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "PYTHON"))}
        env |= {
            "AIRFLOW_HOME": str(self.folder / "airflow"),
            "UV_PYTHON_DOWNLOADS": "never",
            # pyenv's shims are always on PATH, but a Python runs only if PYENV_VERSION selects it.
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
        """Install the package, check that Airflow lists it, and return Airflow's version."""
        self.uv("venv", "--python", self.python, str(self.folder / "venv"))
        self.add(f"airflow-provider-a360 @ {package.as_uri()}")
        if "airflow-provider-a360" not in self.run("airflow", "providers", "list", "--output", "plain"):
            raise StepError
        # Airflow 3.1 doesn't load commands from providers.
        self.run(
            *(["python", "-m", "airflow_provider_a360"] if self.airflow == "3.1" else ["airflow", "a360"]), "--help"
        )
        return re.findall(r"^apache-airflow==(.+)$", self.pip("freeze"), re.MULTILINE)[0]

    def test(self, package: Path, tests: list[str]) -> str:
        """Run tests with the development tools, and return pytest's summary."""
        self.add(
            f"airflow-provider-a360[parquet,sandbox] @ {package.as_uri()}", "--group", f"{ROOT / 'pyproject.toml'}:dev"
        )
        printed = self.run("pytest", "-p", "no:cacheprovider", "-rs", *tests)
        self.skipped |= set(re.findall(r"^SKIPPED \[\d+\] [^ ]+ (.+)$", printed, re.MULTILINE))
        return re.findall(r"^\d+ passed.*(?= in )", printed, re.MULTILINE)[-1]

    def run_step(self, step: str, action: Callable[..., str], *arguments: Any) -> None:
        """Run a step unless an earlier one failed, and print the result."""
        if self.failed:
            return
        start = time.monotonic()
        try:
            result = action(*arguments)
        except StepError:
            self.failed, result = True, "failed"
        self.results[step] = f"{result} ({time.monotonic() - start:.0f} s)"
        print(f"Python {self.python}, Airflow {self.airflow}: {step}: {self.results[step]}", flush=True)
        if self.failed:
            print("\n".join([*self.log.read_text().splitlines()[-15:], f"The whole log is in {self.log}"]), flush=True)


def table(pairs: list[Pair]) -> str:
    """Return the results as a Markdown table with a row for each pair."""
    head = ["Python", "Airflow", *STEPS]
    rows = [[pair.python, pair.airflow, *(pair.results.get(step, "") for step in STEPS)] for pair in pairs]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", nargs="+", default=["3.11", "3.12", "3.13"], metavar="X.Y")
    parser.add_argument("--airflow", nargs="+", default=["3.1", "3.2", "3.3"], metavar="X.Y")
    parser.add_argument(
        "--lowest", action="store_true", help="install the oldest dependencies that pyproject.toml allows"
    )
    parser.add_argument("--tests", nargs="+", default=TESTS, metavar="PATH", help="the tests to run for every pair")
    parser.add_argument("--no-integration", action="store_true", help="skip the tests that start Airflow")
    arguments = parser.parse_args()

    folder = Path(tempfile.mkdtemp(prefix="a360-matrix-"))
    subprocess.run([sys.executable, "-m", "uv", "build", "--quiet", "--out-dir", folder, ROOT], check=True)
    # `lowest-direct` has no effect on the dependencies of a wheel, only on those of a source tree.
    package = ROOT if arguments.lowest else next(folder.glob("*.whl"))
    pairs = [
        Pair(python, airflow, "lowest-direct" if arguments.lowest else "highest", folder / f"{python}-{airflow}")
        for airflow, python in itertools.product(arguments.airflow, arguments.python)
    ]
    installed, tested, integrated = STEPS

    def install_and_test(pair: Pair) -> None:
        pair.folder.mkdir()
        pair.run_step(installed, pair.install, package)
        pair.run_step(tested, pair.test, package, arguments.tests)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(install_and_test, pairs))
    for pair in pairs:
        if pair.python == arguments.python[0] and not arguments.no_integration:
            pair.run_step(integrated, pair.test, package, INTEGRATION)

    print(f"\n{table(pairs)}")
    for pair in pairs:
        for reason in sorted(pair.skipped):
            print(f"Skipped on Python {pair.python}, Airflow {pair.airflow}: {reason}")
    raise SystemExit(any(pair.failed for pair in pairs))


if __name__ == "__main__":
    main()
