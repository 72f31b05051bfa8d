"""Faults of the service in which naive exports crash, lose rows or repeat them, one test for each."""

from datetime import UTC, datetime, time, timedelta

import pytest
from faults_harness import FIRST, bytes_of_conversions

from airflow_provider_a360.sandbox.account import Account

ROWS = 1_000
EVERY = timedelta(seconds=80)
SEED_WITH_BOTH = 8
"""A seed with which both kinds of fault occur in the first 60 requests."""


@pytest.fixture
def exported(export):
    """Return a function that exports ROWS conversions of one day in pages of 20; it returns the result and the task."""

    def run(seed=1, **knobs):
        until = datetime.combine(FIRST, time(23), UTC)
        task = export(Account.with_conversions(ROWS, until=until, every=EVERY), knobs, seed, page_size=20)
        assert len({row.conversion_date.date() for row in task.sandbox.account.flows[0].conversions}) == 1
        return task.attempt(read_timeout=0.5 if "share_stall" in knobs else 30), task

    return run


def refused(task, *statuses):
    """Return the requests that got one of these statuses."""
    return [seen for seen in task.sandbox.requests if seen.status in statuses]


def is_exact(task):
    """Return whether the only file has exactly the account's rows."""
    ((name, (day, flows)),) = task.names().items()
    return task.files() == {name: bytes_of_conversions(flows, day)}


@pytest.mark.parametrize("style", ["429", "429-seconds", "429-date", "2020202020-200", "2020202020-400"])
def test_2_percent_of_502_and_5_percent_of_429_lose_no_row(exported, style):
    result, task = exported(seed=SEED_WITH_BOTH, share_5xx=0.02, share_429=0.05, rate_limit_style=style)
    assert is_exact(task)
    assert result["manifest"]["rows"] == ROWS
    assert refused(task, 502)
    assert result["manifest"]["requests"] >= 1 + ROWS / 20 + 3


@pytest.mark.parametrize(("every", "rows"), [(5, 6), (1, 2), (8, 15)])
def test_rows_added_at_the_head_while_paging_repeat_no_row(exported, every, rows):
    """The list grows by at least 60 rows."""
    result, task = exported(grow_every=every, grow_rows=rows)
    (flow,) = task.sandbox.account.flows
    assert len(flow.conversions) >= ROWS + 60
    (content,) = task.files().values()
    ids = [row["conversion_id"] for row in task.rows(content)]
    assert len(set(ids)) == len(ids) == result["manifest"]["rows"]
    assert set(range(1, ROWS + 1)) <= set(ids) <= {row.id for row in flow.conversions}


@pytest.mark.parametrize("seed", range(4))
def test_rows_removed_while_paging_lose_no_row_or_fail_the_export(export, seed):
    """Each row that was never removed is exported once, or the export fails and writes no file."""
    until = datetime.combine(FIRST, time(23), UTC)
    account = Account.with_conversions(ROWS, until=until, every=EVERY)
    rows = {row.id for row in account.flows[0].conversions}
    knobs = {"grow_every": (12, 30, 60, 3)[seed], "grow_rows": 0, "remove_rows": 1}
    task = export(account, knobs, seed, page_size=20)
    result = task.attempt()
    remaining = {row.id for row in account.flows[0].conversions}
    if "error" in result:
        assert "A360ListMovedError" in result["kinds"]
        assert "changed while it was read: attempt 4 found" in result["error"]
        assert (task.files(), task.leftovers()) == ({}, [])
    else:
        (content,) = task.files().values()
        ids = [row["conversion_id"] for row in task.rows(content)]
        assert len(set(ids)) == len(ids)
        assert remaining <= set(ids) <= rows


def test_a_list_that_changes_all_the_time_is_an_error(exported):
    result, task = exported(grow_every=1, grow_rows=0, remove_rows=3)
    assert "A360ListMovedError" in result["kinds"]
    assert "Run the task again at a quieter time" in result["error"]
    assert (task.files(), task.leftovers()) == ({}, [])


def test_a_token_revoked_after_30_requests_loses_no_row(exported):
    _, task = exported(token_requests=30)
    assert is_exact(task)
    assert refused(task, 401)


def test_tokens_that_expire_after_3_seconds_lose_no_row(exported):
    _, task = exported(token_life=3.0, latency=0.25)
    assert is_exact(task)
    assert len([seen for seen in task.sandbox.requests if seen.path == "/oauth/access_token"]) > 1


def test_a_token_endpoint_that_often_answers_502_loses_no_row(exported):
    # With this seed, the first two token requests fail.
    _, task = exported(seed=2, share_token_502=0.5, token_requests=15)
    assert is_exact(task)
    assert [seen.path for seen in refused(task, 502)][:2] == ["/oauth/access_token"] * 2


@pytest.mark.parametrize("fault", ["truncated", "html", "reset", "stall"])
def test_broken_response_bodies_lose_no_row(exported, fault):
    result, task = exported(**{f"share_{fault}": 0.1})
    assert is_exact(task)
    assert result["manifest"]["requests"] == len(task.sandbox.requests) > 1 + ROWS / 20 + 3


@pytest.mark.parametrize("fault", ["5xx", "429", "truncated", "html", "reset"])
def test_a_permanent_fault_is_a_clear_error_and_publishes_nothing(exported, fault):
    result, task = exported(**{f"share_{fault}": 0.0})
    earlier = task.files()
    setattr(task.sandbox.options, f"share_{fault}", 1.0)
    task.sandbox.account.flows[0].remove_conversion(task.sandbox.account.flows[0].conversions[0])
    result = task.attempt(deadline=0.3, ledger=False)
    assert "A360TransientError" in result["kinds"]
    assert "Run the task again later" in result["error"]
    assert task.files() == earlier
    assert not task.leftovers()
