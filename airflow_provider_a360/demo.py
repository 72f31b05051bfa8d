"""The command `demo`: run the daily example DAG for three days against the sandbox, in an Airflow of its own.

This process imports no Airflow, because the import creates files in AIRFLOW_HOME. Airflow runs in a child process whose
AIRFLOW_HOME is a temporary folder.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, TextIO
from urllib.parse import unquote, urlsplit

import airflow_provider_a360

if TYPE_CHECKING:
    from airflow_provider_a360.sandbox.account import Account

_DAG = "a360_daily_export"
_DAYS = 3
_SHOWN_ROWS = 5
_WIDEST_CELL = 24


def demo(_: argparse.Namespace | None = None) -> None:
    """Run the demo, and print its progress, samples of the exported rows and what to do next."""
    try:
        from airflow_provider_a360.sandbox.server import Sandbox  # noqa: PLC0415
    except ImportError:
        raise SystemExit('The demo needs the extra "sandbox": pip install "airflow-provider-a360[sandbox]"') from None
    print(f"This demo runs the example DAG {_DAG} for the last {_DAYS} days. It uses an")
    print("Airflow and an A360 account of its own, and takes about a minute.\n")
    folder = Path(tempfile.mkdtemp(prefix="a360-demo-"))
    try:
        # After Ctrl-C, a process of Airflow may still be writing files while this folder is deleted.
        with tempfile.TemporaryDirectory(prefix="a360-demo-airflow-", ignore_cleanup_errors=True) as home:
            with _step("Start the sandbox, a made-up A360 account") as results:
                sandbox = Sandbox()
                results.append(sandbox.url)
            with sandbox:
                manifests = _export(Path(home), folder, sandbox.connection_uri)
    except KeyboardInterrupt:
        shutil.rmtree(folder)
        raise SystemExit("Stopped. The demo has deleted its files.") from None
    _show(manifests, folder, sandbox.account)


@contextmanager
def _step(title: str, out: TextIO | None = None) -> Iterator[list[str]]:
    """Print a step's title when it starts; print its results and its duration, on the same line, when it ends."""
    began, results = monotonic(), list[str]()
    print(f"{title} … ", end="", file=out, flush=True)
    try:
        yield results
    except BaseException:
        print("failed", file=out, flush=True)
        raise
    print(*results, f"{monotonic() - began:.0f} s", sep=", ", file=out, flush=True)


def _export(home: Path, folder: Path, connection: str) -> list[dict[str, Any]]:
    """Run the DAG in a child process, and return the manifests of its tasks.

    Airflow's output goes to a log file, which is kept only if the child fails.
    """
    today = datetime.now(UTC).date()
    days = [str(today - timedelta(days=back)) for back in range(_DAYS, 0, -1)]
    manifests, log_file = home / "manifests.json", folder / "demo.log"
    command = [sys.executable, "-m", __name__, str(manifests), *days]
    with log_file.open("wb") as log:
        ended = subprocess.run(command, env=_environment(home, folder, connection), stderr=log, check=False)  # noqa: S603
    if ended.returncode:
        lines = log_file.read_text(errors="replace").splitlines()
        raise SystemExit("\n".join([*lines[-20:], f"\nThe demo failed. The whole log is in {log_file}"]))
    log_file.unlink()
    found: list[dict[str, Any]] = json.loads(manifests.read_text())
    return found


def _environment(home: Path, folder: Path, connection: str) -> dict[str, str]:
    # The user's own Airflow settings don't apply to the demo's Airflow.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "_AIRFLOW_"))}
    temporary = home / "tmp"
    temporary.mkdir()
    return {
        **env,
        "TMPDIR": str(temporary),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(_example_dags()),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_A360_DEFAULT": connection,
        "A360_DESTINATION": str(folder),
    }


def _example_dags() -> Path:
    """Return the folder of the example DAGs: inside an installed package, beside the package in a checkout."""
    package = Path(airflow_provider_a360.__file__).parent
    inside = package / "example_dags"
    return inside if inside.is_dir() else package.parent / "example_dags"


def _show(manifests: Sequence[Mapping[str, Any]], folder: Path, account: Account) -> None:
    flows = {flow.id: flow.name for flow in account.flows}
    elements = {element.id: element.name for flow in account.flows for element in flow.elements}
    print("\nThe manifests that the tasks returned, as Airflow keeps them in XCom:\n")
    print(
        _table(
            [
                {"day": manifest["first_day"]}
                | {name: manifest[name] for name in ("dataset", "rows", "requests", "seconds")}
                | {"flows": len(manifest["flows"]), "files": len(manifest["files"])}
                for manifest in manifests
            ]
        )
    )
    statistics, conversions = (_first_file(manifests, dataset) for dataset in ("element_stats", "conversions"))
    print(f"\nThe first rows of {statistics.relative_to(folder)}, without some columns:\n")
    print(
        _table(
            [
                {"flow": row["flow_name"], "element": row["element_name"], "type": row["element_type"]}
                | {name: row[name] for name in ("executed", "sent", "opened")}
                for row in _first_rows(statistics)
            ]
        )
    )
    print(f"\nThe first rows of {conversions.relative_to(folder)}, with names instead of ids:\n")
    print(
        _table(
            [
                {"conversion_date": row["conversion_date"], "flow": flows[int(row["flow_id"])]}
                | {"element": elements[int(row["element_id"])], "type": row["conversion_type"]}
                for row in _first_rows(conversions)
            ]
        )
    )
    print("\nA dash means no value: no name, or a counter that the element's type lacks.")
    print("\nAll files are in this folder, which is yours to delete:\n")
    print(f"  {folder}")
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        print(f"    {path.relative_to(folder)}")
    python = Path(sys.executable)
    python = python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python
    print("\nNext:\n")
    print("- Read the DAG that has run:")
    print(f"  {_example_dags() / _DAG}.py")
    print("- Start the sandbox and point your own Airflow at it:")
    print(f"  {python} -m airflow_provider_a360 sandbox")
    print("- Add a connection to your account to Airflow, as README.md says, and check it:")
    print(f"  {python} -m airflow_provider_a360 check")


def _first_file(manifests: Sequence[Mapping[str, Any]], dataset: str) -> Path:
    manifest = next(manifest for manifest in manifests if manifest["dataset"] == dataset)
    return Path(unquote(urlsplit(manifest["files"][0]["uri"]).path))


def _first_rows(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8") as lines:
        rows = csv.DictReader(lines) if path.suffix == ".csv" else map(json.loads, lines)
        return list(itertools.islice(rows, _SHOWN_ROWS))


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Format rows as a table: numbers on the right, long texts cut."""
    columns = []
    for name in rows[0]:
        values = [row[name] for row in rows]
        cells = [name, *map(_cell, values)]
        width = max(map(len, cells))
        is_text = any(isinstance(value, str) for value in values)
        columns.append([f"{cell:{'<' if is_text else '>'}{width}}" for cell in (cells[0], "-" * width, *cells[1:])])
    return "\n".join("  ".join(cells).rstrip() for cells in zip(*columns, strict=True))


def _cell(value: object) -> str:
    text = "-" if value in (None, "") else f"{value:.1f}" if isinstance(value, float) else str(value)
    return text if len(text) <= _WIDEST_CELL else f"{text[: _WIDEST_CELL - 1].rstrip()}…"


def _run_days(manifests: Path, days: Sequence[date]) -> None:
    """In the child process, run the DAG for each day as `airflow dags test` does, and save the tasks' manifests."""
    # Progress goes to the terminal. Everything else that this process prints goes to the log, which is its stderr.
    terminal = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with _step("Create Airflow's database", terminal):
        subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True)
    with _step(f"Load the DAG {_DAG}", terminal):
        from airflow_provider_a360.airflow_compat import dag_bag  # noqa: PLC0415

        dag = dag_bag(_example_dags() / f"{_DAG}.py").dags[_DAG]
    found: list[dict[str, Any]] = []
    for day in days:
        with _step(f"Export {day}", terminal) as results:
            run = dag.test(logical_date=datetime(day.year, day.month, day.day, 6, tzinfo=UTC) + timedelta(days=1))
            if run.state != "success":
                raise SystemExit(f"The run for {day} ended in the state {run.state}.")
            returned = [task.xcom_pull(task_ids=task.task_id) for task in run.get_task_instances()]
            returned.sort(key=lambda manifest: manifest["dataset"])
            results += [f"{manifest['rows']} rows of {manifest['dataset']}" for manifest in returned]
            found += returned
    manifests.write_text(json.dumps(found))


if __name__ == "__main__":
    _run_days(Path(sys.argv[1]), [date.fromisoformat(day) for day in sys.argv[2:]])
