"""The demo, run with the command that the README prints."""

import os
import re
import shlex
import subprocess
import sys

import pytest
from airflow_harness import ROOT

from airflow_provider_a360.sandbox.example import EMAIL, MAIN_FLOW


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Return an empty home directory and an empty folder for temporary files."""
    return tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("tmp")


@pytest.fixture(scope="module")
def output(folders):
    """Run the README's demo command without pip, and return its output."""
    (printed,) = re.findall(r"<!-- the demo -->\n```bash\n(.+)\n```", (ROOT / "README.md").read_text())
    python, *arguments = shlex.split(printed.rpartition(" && ")[2])
    assert python == ".venv/bin/python"
    home, temporary = folders
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "_AIRFLOW_"))}
    env |= {"HOME": str(home), "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, *arguments],
        env=env,
        cwd=temporary,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout.replace(str(temporary), "/tmp")


def test_each_step_and_day_has_a_line(output):
    steps = re.findall(r"^(\w+) (.+) … (.*?)\d+ s$", output, re.MULTILINE)
    assert [step for step, _, _ in steps] == ["Start", "Create", "Load", "Export", "Export", "Export"]
    days = [(title, result) for step, title, result in steps if step == "Export"]
    assert len({day for day, _ in days}) == 3
    assert all(re.fullmatch(r"\d+ rows of conversions, \d+ rows of element_stats, ", result) for _, result in days)


def test_lines_fit_80_columns_but_for_paths(output):
    lines = [
        line for line in output.splitlines() if not re.fullmatch(r" *\S*/\S+( -m airflow_provider_a360 \w+)?", line)
    ]
    assert len(lines) > 30
    assert [line for line in lines if len(line) > 80] == []


def test_rows_have_names_and_no_null_looks_like_python(output):
    assert "None" not in output
    assert {"Order follow-up", "Welcome series", "Order paid"} <= {
        cell for line in output.splitlines() for cell in re.split(r" {2,}", line)
    }
    assert not {str(MAIN_FLOW), str(EMAIL)} & set(re.findall(r"\d+", output))
    tasks = re.findall(r"^[\d-]{10}  (\w+) +(\d+) ", output, re.MULTILINE)
    assert [name for name, _ in tasks] == ["conversions", "element_stats"] * 3


def test_the_demo_leaves_the_files_that_it_lists_and_nothing_else(output, folders):
    home, temporary = folders
    assert list(home.iterdir()) == []
    (folder,) = temporary.iterdir()
    assert f"\n  /tmp/{folder.name}\n" in output
    listed = re.findall(r"^    (\S+)$", output, re.MULTILINE)
    assert listed == sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert [name.partition("/")[0] for name in listed] == ["conversions"] * 3 + ["element_stats"] * 3
    printed = re.findall(r"(\d+) rows of (\w+)", output)
    for dataset in ("conversions", "element_stats"):
        rows = [int(number) for number, name in printed if name == dataset]
        lines = [len((folder / name).read_text().splitlines()) for name in listed if name.startswith(dataset)]
        assert lines == [number + (dataset == "conversions") for number in rows]


def test_the_demo_ends_with_next_steps(output):
    next_steps = output.partition("\nNext:\n")[2]
    assert str(ROOT / "example_dags" / "a360_daily_export.py") in next_steps
    assert re.findall(r"-m airflow_provider_a360 (\w+)", next_steps) == ["sandbox", "check"]
