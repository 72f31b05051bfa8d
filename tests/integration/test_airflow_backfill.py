"""A backfill by a real scheduler."""

import json

from airflow_scheduled import WEEK

from airflow_provider_a360.sandbox.example import MAIN_FLOW


def files_of(folder):
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}


def test_a_backfill_exports_every_day_of_the_week_complete_and_again_the_same_bytes(scheduled):
    airflow, lake = scheduled.airflow, scheduled.lake
    files = files_of(lake)
    assert {f"conversions/dt={day}/all.jsonl" for day in WEEK} <= files.keys()
    assert {f"element_stats/dt={day}/flow-{MAIN_FLOW}.csv.gz" for day in WEEK} <= files.keys()
    for day in WEEK:
        rows = [json.loads(line) for line in files[f"conversions/dt={day}/all.jsonl"].read_text().splitlines()]
        counted = [row.id for flow in scheduled.account.flows for row in flow.conversions_on(day)]
        assert sorted(row["conversion_id"] for row in rows) == sorted(counted)
    before = {name: (path.read_bytes(), path.stat().st_mtime_ns) for name, path in files.items()}
    runs = airflow.query("SELECT count(*) FROM dag_run WHERE dag_id = 'exports'")[0][0]

    scheduled.backfill("--reprocess-behavior", "completed")
    with airflow:
        airflow.until(lambda: airflow.ended("exports", runs))

    after = {name: (path.read_bytes(), path.stat().st_mtime_ns) for name, path in files_of(lake).items()}
    assert {name: content for name, (content, _) in after.items()} == {
        name: content for name, (content, _) in before.items()
    }
    week = [name for name in after if any(str(day) in name for day in WEEK)]
    assert all(after[name][1] > before[name][1] for name in week)
