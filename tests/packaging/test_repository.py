"""The development files: commands in documents, scripts, workflows, hooks and templates."""

import json
import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from airflow_provider_a360 import __version__

ROOT = Path(__file__).parents[2]
CONTRIBUTING = (ROOT / ".github" / "CONTRIBUTING.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS = PROJECT["dependency-groups"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
SCRIPTS = sorted((ROOT / ".ci").iterdir())
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github" / "workflows").iterdir()}
STEPS = [
    (f"{name}: {job_id}", step)
    for name, workflow in WORKFLOWS.items()
    for job_id, job in workflow["jobs"].items()
    for step in job.get("steps", [])
]
RUNS = [(place, step["run"]) for place, step in STEPS if "run" in step]


def printed_test_command(document):
    """Return the test command that a document prints."""
    (command,) = re.findall(r"<!-- the tests -->\n```bash\n(.+?)\n```", document, re.DOTALL)
    return command


def in_code(document):
    """Return the commands in a document's code blocks and the names in its backquotes."""
    blocks = re.findall(r"^ *```bash\n(.*?)^ *```", document, re.DOTALL | re.MULTILINE)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", document)])


def missing_files(commands):
    """Return the files and folders that commands name but that don't exist in the repository."""
    named = re.findall(r"(?<![\w./-])(?:\.ci|tests|example_dags)/[\w./-]*", commands)
    return [name for name in named if not (ROOT / name).exists()]


def test_readme_and_contributing_print_the_command_that_the_script_runs():
    *_, before, command = (ROOT / ".ci" / "test").read_text().rstrip().split("\n")
    assert before == ""
    assert printed_test_command((ROOT / "README.md").read_text()) == command
    assert printed_test_command(CONTRIBUTING) == command


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_scripts_can_be_run(script):
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)
    assert "\nset -euo pipefail\n" in script.read_text()
    assert missing_files(script.read_text()) == []


def test_ci_runs_the_tests_the_style_checks_and_two_rows_of_the_matrix():
    run = (ROOT / ".ci" / "run").read_text()
    assert {".ci/test", ".ci/lint"} <= set(run.splitlines())
    assert re.findall(r"tests/matrix.py --airflow (\S+) --python (\S+)", run) == [("3.3", "3.13"), ("3.1", "3.11")]


def test_contributing_names_files_and_groups_that_exist():
    commands = in_code(CONTRIBUTING)
    assert missing_files(commands) == []
    assert set(re.findall(r"--group ([\w-]+)", commands)) == set(GROUPS)
    package = ROOT / "airflow_provider_a360"
    rooms = {f"{path.name}/" for path in package.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    files = {path.name for path in package.glob("*.py") if not path.name.startswith("__")}
    # The first cell of each row.
    first_cells = "\n".join(line.split("|")[1] for line in CONTRIBUTING.splitlines() if line.startswith("| `"))
    assert rooms | files <= set(re.findall(r"`([^`]+)`", first_cells))
    tested = {f"{path.rpartition('/')[2]}/" for path in PROJECT["tool"]["pytest"]["ini_options"]["testpaths"]}
    assert tested <= set(re.findall(r"`([^`]+)`", first_cells))


def test_extras_are_for_users_and_groups_have_lower_bounds():
    assert set(EXTRAS) == {"parquet", "sandbox"}
    requirements = [requirement for group in GROUPS.values() for requirement in group]
    assert [requirement for requirement in requirements if ">=" not in requirement] == []


@pytest.mark.parametrize(("place", "command"), RUNS, ids=[f"{place}-{run[:20]}" for place, run in RUNS])
def test_workflows_run_commands_that_exist(place, command):
    subprocess.run(["bash", "-n"], input=re.sub(r"\$\{\{.*?\}\}", "x", command), text=True, check=True)
    assert missing_files(command) == []
    program = shlex.split(command)[0]
    assert program in {".ci/test", ".ci/lint", "python"} or program.startswith("version="), place


def test_every_job_has_a_runner_and_a_time_limit_or_calls_a_workflow():
    for workflow in WORKFLOWS.values():
        # Jobs can only read the repository unless they ask for more.
        assert workflow["permissions"] == {"contents": "read"}
        for job in workflow["jobs"].values():
            if "uses" in job:
                assert (ROOT / job["uses"]).is_file()
            else:
                assert job["runs-on"] == "ubuntu-latest"
                assert job["timeout-minutes"]
            assert set([job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])) <= set(
                workflow["jobs"]
            )


def test_actions_have_a_version():
    used = [step["uses"] for _, step in STEPS if "uses" in step]
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|release/v\d+)", action)] == []


def test_the_workflows_matrix_is_what_the_package_supports():
    matrix = WORKFLOWS["tests"]["jobs"]["matrix"]["strategy"]["matrix"]
    prefix = "Programming Language :: Python :: 3."
    supported = [name.rpartition(" ")[2] for name in PROJECT["project"]["classifiers"] if name.startswith(prefix)]
    assert matrix["python"] == supported
    source = (ROOT / "tests" / "matrix.py").read_text()
    defaults = {name: json.loads(text) for name, text in re.findall(r'"--(\w+)", .*default=(\[.*?\])', source)}
    assert matrix["python"] == defaults["python"]
    assert matrix["airflow"] == defaults["airflow"]


@pytest.mark.parametrize(
    ("tag", "accepted"),
    [(f"v{__version__}", True), (__version__, False), ("v9.9.9", False), (f"v{__version__}1", False)],
)
def test_a_release_needs_a_tag_that_is_the_version(tag, accepted):
    (check,) = [step["run"] for place, step in STEPS if place == "release: build" and "tag" in step.get("name", "")]
    result = subprocess.run(
        ["bash", "-e", "-c", check],
        env={**os.environ, "GITHUB_REF_NAME": tag},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode == 0) == accepted, result.stderr
    assert ("::error::" in result.stdout) != accepted


def test_only_the_publishing_job_gets_the_index_to_trust_it():
    jobs = WORKFLOWS["release"]["jobs"]
    assert {name for name, job in jobs.items() if "id-token" in job.get("permissions", {})} == {"publish"}
    assert set(jobs["publish"]["needs"]) == {"tests", "build"}
    assert jobs["publish"]["environment"] == "release"


def test_commit_hooks_run_tools_of_the_group_dev():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    tools = {re.match(r"\.venv/bin/(\S+)", hook["entry"])[1] for hook in hooks}
    assert tools == {"ruff", "mypy"}
    assert tools <= {re.match(r"[\w-]+", requirement)[0] for requirement in GROUPS["dev"]}
    assert {hook["language"] for hook in hooks} == {"system"}


@pytest.mark.parametrize("template", ["bug", "feature"])
def test_issue_templates_are_forms(template):
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / f"{template}.yml").read_text())
    assert {"name", "description", "body"} <= set(form)
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields) > 1
    assert all(field["attributes"]["label"] for field in fields)
    assert any(field.get("validations", {}).get("required") for field in fields)
