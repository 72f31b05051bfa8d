"""What `airflow a360 demo` does: the daily example for three days, against the sandbox, in an Airflow of its own."""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import airflow_provider_a360
from airflow_provider_a360.airflow_compat import dag_bag

_DAYS = 3
_SHOWN = 3
_COLUMNS = {
    "element_stats": ("first_day", "flow_id", "element_id", "element_type", "executed", "sent", "opened", "clicked"),
    "conversions": ("flow_id", "element_id", "conversion_id", "conversion_type", "conversion_date"),
}


def demo(_: argparse.Namespace) -> None:
    """Run the demo, and say what is where."""
    try:
        from airflow_provider_a360.sandbox.server import Sandbox  # noqa: PLC0415
    except ImportError:
        raise SystemExit('The demo needs the sandbox: pip install "airflow-provider-a360[sandbox]"') from None
    began = time.monotonic()
    home = Path(tempfile.mkdtemp(prefix="a360-demo-"))
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=back) for back in range(_DAYS, 0, -1)]
    with Sandbox() as sandbox:
        env = _environment(home, sandbox.connection_uri)
        print(f"The sandbox, an A360 server with a made-up account, is at {sandbox.url}.")
        print(f"Making an Airflow for the demo in {home} …", flush=True)
        _run(home, env, sys.executable, "-m", "airflow", "db", "migrate")
        print(f"Running the DAG a360_daily_export for {_DAYS} days …", flush=True)
        _run(home, env, sys.executable, "-m", __name__, str(home / "manifests.json"), *map(str, days))
    manifests = json.loads((home / "manifests.json").read_text())
    _show(manifests)
    print(f"Done in {time.monotonic() - began:.0f} seconds. Files: {home / 'export'}. Log: {home / 'demo.log'}")
    print(f"The DAG: {_example_dags() / 'a360_daily_export.py'}")


def _environment(home: Path, connection: str) -> dict[str, str]:
    return {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(_example_dags()),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW_CONN_A360_DEFAULT": connection,
        "A360_DESTINATION": str(home / "export"),
    }


def _example_dags() -> Path:
    """In an installed package the examples are inside it; in a checkout, beside it."""
    package = Path(airflow_provider_a360.__file__).parent
    inside = package / "example_dags"
    return inside if inside.is_dir() else package.parent / "example_dags"


def _run(home: Path, env: Mapping[str, str], *command: str) -> None:
    with (home / "demo.log").open("ab") as log:
        ended = subprocess.run(command, env=env, stdout=log, stderr=subprocess.STDOUT, check=False)  # noqa: S603
    if ended.returncode:
        lines = (home / "demo.log").read_text(errors="replace").splitlines()
        raise SystemExit("\n".join([*lines[-20:], f"The demo failed; the whole log is {home / 'demo.log'}."]))


def _show(manifests: Iterable[Mapping[str, Any]]) -> None:
    from airflow.cli.simple_table import AirflowConsole  # noqa: PLC0415

    console = AirflowConsole()
    manifests = list(manifests)
    files = [(manifest["dataset"], file) for manifest in manifests for file in manifest["files"]]
    print("\nThe manifest of each task, as it stands in XCom:")
    shown = ("dataset", "first_day", "last_day", "rows", "requests", "seconds", "without_data")
    console.print_as_table([{name: manifest[name] for name in shown} for manifest in manifests])
    for dataset, columns in _COLUMNS.items():
        path = _path(next(file["uri"] for name, file in files if name == dataset))
        print(f"\nThe first rows of {path}:")
        console.print_as_table([{name: row[name] for name in columns} for row in _first_rows(path)])
    print("\nWhat landed:")
    for _, file in files:
        print(f"  {file['rows']:5d} rows  {_path(file['uri'])}")


def _path(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).path))


def _first_rows(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8") as lines:
        rows: Iterable[dict[str, Any]] = (
            csv.DictReader(lines) if path.suffix == ".csv" else (json.loads(line) for line in lines)
        )
        return list(itertools.islice(rows, _SHOWN))


def _run_days(manifests: Path, days: Iterable[date]) -> None:
    """Within the demo's own Airflow: a run for each day, as `airflow dags test` makes it, and its tasks' manifests."""
    dag = dag_bag(_example_dags() / "a360_daily_export.py").dags["a360_daily_export"]
    found = []
    for day in days:
        run = dag.test(logical_date=datetime(day.year, day.month, day.day, 6, tzinfo=UTC) + timedelta(days=1))
        if run.state != "success":
            raise SystemExit(f"The run of {day} ended as {run.state}.")
        found += [task.xcom_pull(task_ids=task.task_id) for task in run.get_task_instances()]
    manifests.write_text(json.dumps(found))


if __name__ == "__main__":
    _run_days(Path(sys.argv[1]), [date.fromisoformat(day) for day in sys.argv[2:]])
