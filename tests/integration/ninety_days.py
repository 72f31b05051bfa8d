"""Run the tests' backfills for ninety days: `python tests/integration/ninety_days.py [DAYS]`. Print times and files."""

import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow_backfills import Backfills, contents, mtimes
from airflow_harness import AirflowHome, Sandboxes, Standalone


def main(number: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="a360-backfill-"))
    last = datetime.now(UTC).date() - timedelta(days=3)
    days = [last - timedelta(days=back) for back in reversed(range(number))]
    home, sandboxes = AirflowHome(folder / "home"), Sandboxes()
    with sandboxes.stack:
        backfills = Backfills.prepare(home, folder / "lake", sandboxes, days)
        home.run("airflow", "dags", "reserialize")
        airflow = Standalone(home, backfills.env)

        def run(*commands: tuple[str, ...]) -> None:
            for command in commands:
                backfills.create(*command)
            began = time.monotonic()
            with airflow:
                airflow.until(lambda: backfills.ended(airflow), 3600)
                seconds = time.monotonic() - began
                airflow.until(lambda: not airflow.query("SELECT id FROM backfill WHERE completed_at IS NULL"))
            print(f"{commands}: {seconds:.0f} s; concurrent runs: {backfills.max_concurrent_runs(airflow)}", flush=True)

        run(("exports",), ("refused",))
        refused = backfills.refused_days(airflow)
        print(f"Refused days: {', '.join(sorted(map(str, refused)))}", flush=True)
        backfills.check_conversions("exports")
        backfills.check_element_stats()
        backfills.check_conversions("refused", [day for day in days if day not in refused])
        files = {dag_id: backfills.files(dag_id) for dag_id in ("exports", "refused")}
        bytes_before, before = contents(files["exports"]), {dag_id: mtimes(found) for dag_id, found in files.items()}

        run(("refused", "--reprocess-behavior", "failed"), ("exports", "--reprocess-behavior", "completed"))
        backfills.check_conversions("refused")
        assert backfills.refused_days(airflow) == set()
        again = {dag_id: mtimes(backfills.files(dag_id)) for dag_id in files}
        assert before["refused"].items() <= again["refused"].items()
        assert contents(backfills.files("exports")) == bytes_before
        assert all(again["exports"][name] > moment for name, moment in before["exports"].items())
    for name, path in sorted(backfills.files("exports").items()):
        print(f"{path.stat().st_size:8d} {name}")
    print(f"All checks passed. Files and logs are in {folder}.")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 90)
