"""Backfills by a real scheduler, several runs at once: complete, and again after failures and after successes."""

import pytest
from airflow_backfills import contents, moments


@pytest.fixture(scope="module")
def backfills(scheduled):
    return scheduled.backfills


@pytest.fixture(scope="module")
def refused(scheduled, backfills):
    """The days that the service refused."""
    return backfills.refused_days(scheduled.airflow)


@pytest.fixture(scope="module")
def before(scheduled, backfills, refused):
    """The files of each DAG after its backfill: bytes, and when they were written."""
    return {
        dag_id: (contents(backfills.files(dag_id)), moments(backfills.files(dag_id)))
        for dag_id in ("exports", "refused")
    }


@pytest.fixture(scope="module")
def reprocessed(scheduled, backfills, before):
    """The same days once more: the failed runs of one DAG, all runs of the other."""
    backfills.create("refused", "--reprocess-behavior", "failed")
    backfills.create("exports", "--reprocess-behavior", "completed")
    with scheduled.airflow as airflow:
        airflow.until(lambda: backfills.ended(airflow))


def test_a_backfill_exports_every_day_complete_and_none_of_its_neighbours_rows(scheduled, backfills, before):
    assert backfills.most_at_once(scheduled.airflow) > 1
    backfills.check_conversions("exports")
    backfills.check_element_stats()


def test_a_refused_run_leaves_no_file_and_the_others_theirs(backfills, refused, before):
    assert refused
    backfills.check_conversions("refused", [day for day in backfills.days if day not in refused])


def test_the_failed_runs_alone_are_run_again_and_the_span_is_complete(scheduled, backfills, before, reprocessed):
    assert backfills.refused_days(scheduled.airflow) == set()
    backfills.check_conversions("refused")
    _, written = before["refused"]
    assert written.items() <= moments(backfills.files("refused")).items()


def test_completed_runs_are_run_again_and_write_the_same_bytes(backfills, before, reprocessed):
    held, written = before["exports"]
    files = backfills.files("exports")
    assert contents(files) == held
    assert all(moment > written[name] for name, moment in moments(files).items())
