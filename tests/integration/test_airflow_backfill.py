"""Backfills on a real scheduler with concurrent runs: the first time, and reprocessed after failures and successes."""

import pytest
from airflow_backfills import contents, mtimes


@pytest.fixture(scope="module")
def backfills(scheduled):
    """Return the week's backfills, which have ended."""
    return scheduled.backfills


@pytest.fixture(scope="module")
def refused(scheduled, backfills):
    """Return the days whose runs the service refused."""
    return backfills.refused_days(scheduled.airflow)


@pytest.fixture(scope="module")
def before(scheduled, backfills, refused):
    """Return the bytes and the modification times of each DAG's files after its first backfill."""
    return {
        dag_id: (contents(backfills.files(dag_id)), mtimes(backfills.files(dag_id)))
        for dag_id in ("exports", "refused")
    }


@pytest.fixture(scope="module")
def reprocessed(scheduled, backfills, before):
    """Backfill the same days again: the failed runs of `refused` and all runs of `exports`."""
    backfills.create("refused", "--reprocess-behavior", "failed")
    backfills.create("exports", "--reprocess-behavior", "completed")
    with scheduled.airflow as airflow:
        airflow.until(lambda: backfills.ended(airflow))


def test_a_backfill_exports_each_days_rows_exactly(scheduled, backfills, before):
    assert backfills.max_concurrent_runs(scheduled.airflow) > 1
    backfills.check_conversions("exports")
    backfills.check_element_stats()


def test_a_refused_run_writes_no_file_and_the_other_runs_write_theirs(backfills, refused, before):
    assert refused
    backfills.check_conversions("refused", [day for day in backfills.days if day not in refused])


def test_reprocessing_failed_runs_completes_the_span_and_keeps_other_files(scheduled, backfills, before, reprocessed):
    assert backfills.refused_days(scheduled.airflow) == set()
    backfills.check_conversions("refused")
    _, written = before["refused"]
    assert written.items() <= mtimes(backfills.files("refused")).items()


def test_reprocessing_completed_runs_writes_the_same_bytes(backfills, before, reprocessed):
    content, written = before["exports"]
    files = backfills.files("exports")
    assert contents(files) == content
    assert all(moment > written[name] for name, moment in mtimes(files).items())
