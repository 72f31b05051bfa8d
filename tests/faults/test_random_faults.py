"""Exports with random accounts, days, faults and kills.

Each try must export exactly the account's rows, or fail with a clear error and publish no incomplete file.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import pytest
from faults_harness import (
    DAY,
    FIRST,
    Export,
    bytes_of_conversions,
    conversions_of,
    random_account,
)
from hypothesis import event, given, settings
from hypothesis import strategies as st
from oracle import statistics_are_right

from airflow_provider_a360.sandbox.account import Conversion
from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.server import Sandbox

STEADY = SandboxOptions(requests_per_second=0)
FAULTS = ("share_429", "share_5xx", "share_token_502", "share_truncated", "share_html", "share_reset", "share_stall")
EXPECTED_ERRORS = {"A360TransientError", "A360ListMovedError"}


def sometimes(strategy, usually):
    """Return a strategy that draws the usual value in two of three cases."""
    return st.one_of(st.just(usually), st.just(usually), strategy)


shares = st.sampled_from([0.02, 0.05, 0.2, 0.4])
service_options = st.fixed_dictionaries(
    {
        "past_end": st.sampled_from(["empty", "404"]),
        "empty_list": st.sampled_from(["empty", "404"]),
        "empty_statistics": st.sampled_from(["zeros", "404"]),
        "condition_path": st.sampled_from(["trigger", "email"]),
        "rate_limit_style": st.sampled_from(["429", "429-seconds", "429-date", "2020202020-200", "2020202020-400"]),
    }
)
day_options = st.fixed_dictionaries(
    {
        "day_offset_hours": sometimes(st.sampled_from([-12.0, -3.0, 2.0, 3.0, 14.0]), 0.0),
        "lte_includes_day": st.booleans(),
        "filter_by": sometimes(st.just("start_date"), "conversion_date"),
    }
)
faults = st.fixed_dictionaries(
    {name: sometimes(shares, 0.0) for name in FAULTS}
    | {
        "share_stall": st.sampled_from([0.0, 0.0, 0.0, 0.05]),
        "stall_seconds": st.just(0.2),
        "requests_per_second": sometimes(st.just(150), 0),
        "token_requests": sometimes(st.sampled_from([12, 30]), 0),
        "token_life": sometimes(st.just(1.0), 3600.0),
        "latency": sometimes(st.just(0.002), 0.0),
    }
)
changes = st.fixed_dictionaries(
    {"grow_every": st.integers(2, 8), "grow_rows": st.integers(0, 4), "remove_rows": st.integers(0, 2)}
)
kills = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"life": st.floats(0.0, 0.12)}),
    st.builds(
        lambda at, nth: {"kill": {"at": at, "nth": nth}},
        st.sampled_from(["request", "answer", "staging", "sorted", "half", "written", "published", "noted"]),
        st.integers(1, 12),
    ),
)
tries = st.lists(st.tuples(faults, st.none() | changes, kills), min_size=1, max_size=3)


@pytest.fixture(scope="module")
def serve():
    """Return a function that starts a sandbox for a case and stops the one before it in another thread."""
    with ThreadPoolExecutor(1) as ending:
        running = []

        def start(account, seed):
            while running:
                ending.submit(running.pop().__exit__, None, None, None)
            running.append(Sandbox(account, seed=seed, options=SandboxOptions()).__enter__())
            return running[0]

        yield start
        running.pop().__exit__(None, None, None)


def set_options(sandbox, **knobs):
    """Set these options of the sandbox, and all others to their defaults."""
    for one in fields(SandboxOptions):
        setattr(sandbox.options, one.name, knobs.get(one.name, getattr(STEADY, one.name)))


class ExpectedFiles:
    """The rows that may and must be in each file, although the account changes between and during tries."""

    def __init__(self, export, service_options):
        self._export, self._silent = export, service_options["empty_statistics"] == "404"
        self._original = {id(row) for flow in export.sandbox.account.flows for row in flow.conversions}
        self._before = export.files()

    def is_exact(self, name, content, notes=None):
        """Return whether a file has exactly the rows that it must have; `notes` are those of the manifest, if known."""
        export = self._export
        day, flows = export.names()[name]
        if export.dataset == "element_stats":
            may_lack_deleted = [flow.id for flow in flows if notes is None or f"{flow.id}" in " ".join(notes)]
            return statistics_are_right(
                export.rows(content), flows, day, null_without_data=self._silent, may_lack_deleted=may_lack_deleted
            )
        present = conversions_of(flows, day)
        changed = any(flow.removed or any(id(row) not in self._original for row in flow.conversions) for flow in flows)
        if export.file_format == "jsonl" and not changed:
            return content == bytes_of_conversions(flows, day)
        ids = [int(row["conversion_id"]) for row in export.rows(content)]
        required = {row.id for _, row in present if id(row) in self._original}
        removed = {row.id for flow in flows for row in flow.removed if row.conversion_date.date() == day}
        allowed = {row.id for _, row in present} | removed
        exact = [row.id for _, row in present]
        return ids == exact if not changed else len(ids) == len(set(ids)) and required <= set(ids) <= allowed

    def check(self, manifest=None):
        """Check all files; without a manifest, each may also be the one from before the first try."""
        found = self._export.files()
        assert found.keys() <= self._export.names().keys() | self._before.keys()
        if manifest:
            assert self._export.names().keys() <= found.keys()
        for name, content in found.items():
            if manifest and name in self._export.names():
                assert self.is_exact(name, content, manifest["notes"]), f"{name} is not exact"
            else:
                assert content == self._before.get(name) or self.is_exact(name, content), (
                    f"{name} is neither unchanged nor exact"
                )
        assert all(re.fullmatch(r"\..+\.tmp", other) for other in self._export.leftovers())


def check_messages(result):
    """Check that log and error hold no personal data and no secret, and that an error has a message."""
    text = " ".join([*result.get("log", []), result.get("error", "")])
    assert "@" not in text
    assert "sandbox-client-secret" not in text
    assert not re.search(r"120055501\d\d|[0-9a-f]{40}", text)
    if "error" in result:
        assert len(result["error"]) > 20


def add_conversions(flow, number):
    """Add conversions on the first day to a flow."""
    element = flow.elements[0]
    for place in range(number):
        at = flow.created.replace(year=FIRST.year, month=FIRST.month, day=FIRST.day)
        flow.add_conversion(
            Conversion(10**9 + flow.id * 100 + place, element.type, element.id, None, "12005550100", at, at - DAY)
        )


@given(
    seed=st.integers(0, 10**6),
    dataset=st.sampled_from(["conversions", "conversions", "element_stats"]),
    file_format=st.sampled_from(["jsonl", "jsonl", "jsonl.gz", "csv", "csv.gz", "parquet"]),
    days=st.sampled_from([1, 1, 2, 2, 3, 3, 5, 5, 35]),
    flows=st.integers(1, 3),
    one_by_one=st.booleans(),
    most_rows=st.sampled_from([0, 6, 40]),
    page_size=st.sampled_from([1, 2, 3, 7, 100]),
    max_in_flight=st.integers(1, 6),
    service_options=service_options,
    day_options=day_options,
    earlier=st.booleans(),
    tries=tries,
)
@settings(settings.get_profile("faults"))
def test_an_export_under_faults_has_exactly_the_rows_or_fails_clearly(
    worker, serve, tmp_path_factory, seed, dataset, file_format, days, flows, one_by_one, most_rows, page_size,
    max_in_flight, service_options, day_options, earlier, tries,
):  # fmt: skip
    if dataset == "element_stats":
        days = min(days, 3)
    else:
        service_options = service_options | day_options
    if any(changing for _, changing, _ in tries):
        # A list that grows by a whole page per request can't be read.
        page_size = max(page_size, 7)
    account = random_account(seed, flows=flows, days=days, most_rows=most_rows)
    ids = sorted(flow.id for flow in account.flows) if one_by_one else "all"
    sandbox = serve(account, seed)
    export = Export(
        worker, sandbox, tmp_path_factory.mktemp("case"), dataset, file_format, days, ids, page_size, max_in_flight
    )
    if earlier:
        set_options(sandbox, **service_options)
        assert "manifest" in export.attempt(ledger=False)
        for flow in account.flows:
            add_conversions(flow, seed % 3)
    expected_files = ExpectedFiles(export, service_options)
    for shares, changing, kill in tries:
        set_options(sandbox, **service_options, **shares, **(changing or {}))
        result = export.attempt(deadline=0.8, read_timeout=0.1 if shares["share_stall"] else 30, **kill)
        assert "error" not in result or EXPECTED_ERRORS & {*result["kinds"]}, result
        event(next(iter(EXPECTED_ERRORS & {*result.get("kinds", ())} or result.keys() & {"killed", "manifest"})))
        check_messages(result)
        expected_files.check(result.get("manifest"))
        if "manifest" in result:
            break
    set_options(sandbox, **service_options)
    result = export.attempt()
    assert "manifest" in result, result
    check_messages(result)
    expected_files.check(result["manifest"])
