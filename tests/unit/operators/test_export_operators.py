"""The export operators: arguments, days, files, retries, asset events and errors."""

import json
import re
import signal
import sys
import traceback
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, Asset, AssetAlias

from airflow_provider_a360.api.errors import A360ConfigError
from airflow_provider_a360.export.publish import A360DestinationError, Destination
from airflow_provider_a360.operators.export import A360ExportConversionsOperator, A360ExportElementStatsOperator
from airflow_provider_a360.sandbox import example
from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.server import Sandbox

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
YESTERDAY = {
    "data_interval_start": datetime(2026, 11, 19, tzinfo=UTC),
    "data_interval_end": datetime(2026, 11, 20, tzinfo=UTC),
    "dag_run": SimpleNamespace(run_after=NOW),
}
BOTH = [A360ExportConversionsOperator, A360ExportElementStatsOperator]


@pytest.fixture(scope="module")
def sandbox():
    """Return a sandbox without a rate limit and with a fixed clock."""
    with Sandbox(options=SandboxOptions(requests_per_second=0), clock=lambda: NOW) as server:
        yield server


@pytest.fixture
def run(sandbox, monkeypatch, tmp_path):
    """Return a function that executes an operator; `run.requests()` returns the requests since then."""
    fields = json.loads(sandbox.connection_uri)

    def execute(operator, context=YESTERDAY, extra=None, rendered=None, **options):
        wanted = {"requests_per_second": 1000, **(extra or {})}
        monkeypatch.setenv("AIRFLOW_CONN_A360_DEFAULT", json.dumps({**fields, "extra": wanted}))
        options = {"flow_ids": example.MAIN_FLOW, "destination": str(tmp_path / "lake"), **options}
        task = operator(task_id="export", **options)
        for name, value in (rendered or {}).items():
            setattr(task, name, value)
        return task.execute(context)

    before = len(sandbox.requests)
    execute.requests = lambda: sandbox.requests[before:]
    return execute


def files(manifest):
    """Return the paths of the manifest's files, relative to the destination."""
    return [file["uri"].rpartition("/lake/")[2] for file in manifest["files"]]


def test_conversions_of_the_runs_day(run, sandbox, tmp_path):
    manifest = run(A360ExportConversionsOperator)
    assert files(manifest) == [f"conversions-by_flow/dt=2026-11-19/flow-{example.MAIN_FLOW}.jsonl"]
    wanted = sandbox.account.flow(example.MAIN_FLOW).conversions_on(datetime(2026, 11, 19, tzinfo=UTC).date())
    lines = (tmp_path / "lake" / files(manifest)[0]).read_text().splitlines()
    assert [json.loads(line)["conversion_id"] for line in lines] == [row.id for row in wanted]


@pytest.mark.parametrize(
    ("operator", "options", "wanted"),
    [
        (A360ExportConversionsOperator, {"kind": "goal"}, ["conversions-goal-by_flow/dt=2026-11-19/flow-292692.jsonl"]),
        (A360ExportConversionsOperator, {"goal_id": "641435"},
         ["conversions-goal-641435/dt=2026-11-19/flow-292692.jsonl"]),
        (A360ExportConversionsOperator, {"flow_ids": "all", "file_format": "parquet"},
         ["conversions/dt=2026-11-19/all.parquet"]),
        (A360ExportConversionsOperator, {"flow_ids": "[292692, '303101']", "file_format": "csv.gz"},
         ["conversions-by_flow/dt=2026-11-19/flow-292692.csv.gz",
          "conversions-by_flow/dt=2026-11-19/flow-303101.csv.gz"]),
        (A360ExportConversionsOperator, {"lookback_days": "2"},
         ["conversions-by_flow/dt=2026-11-18/flow-292692.jsonl",
          "conversions-by_flow/dt=2026-11-19/flow-292692.jsonl"]),
        (A360ExportConversionsOperator, {"first_day": "2026-11-01", "last_day": "2026-11-02"},
         ["conversions-by_flow/dt=2026-11-01/flow-292692.jsonl",
          "conversions-by_flow/dt=2026-11-02/flow-292692.jsonl"]),
        (A360ExportElementStatsOperator, {}, ["element_stats-by_flow/dt=2026-11-19/flow-292692.jsonl"]),
        (A360ExportElementStatsOperator, {"element_types": "['sms', 'email']", "include_deleted": "False"},
         ["element_stats-email-sms-without_deleted-by_flow/dt=2026-11-19/flow-292692.jsonl"]),
        (A360ExportElementStatsOperator,
         {"grain": "run", "first_day": "2026-11-01", "last_day": "2026-11-19", "element_types": ["goal", "goal"]},
         ["element_stats-run-goal-by_flow/days=2026-11-01_2026-11-19/flow-292692.jsonl"]),
    ],
)  # fmt: skip
def test_options_are_part_of_the_file_names(run, operator, options, wanted):
    assert files(run(operator, **options)) == wanted


@pytest.mark.parametrize(
    ("operator", "options", "named"),
    [
        *((operator, {"flow_ids": None}, "flow_ids") for operator in BOTH),
        *((operator, {"flow_ids": "None"}, "flow_ids") for operator in BOTH),
        *((operator, {"destination": None}, "destination") for operator in BOTH),
        *((operator, {"destination": "nowhere://bucket"}, "destination") for operator in BOTH),
        *((operator, {"destination": "simplecache::s3://bucket/a360"}, "destination") for operator in BOTH),
        *((operator, {"destination": "/data/a360\nb"}, "destination") for operator in BOTH),
        *((operator, {"destination": "data/a360"}, "destination is 'data/a360'") for operator in BOTH),
        *((operator, {"destination": "/data/../etc"}, "destination") for operator in BOTH),
        *((operator, {"first_day": "0001-01-01", "last_day": "2026-11-19"}, "first_day") for operator in BOTH),
        *((operator, {"lookback_days": 10**9}, "lookback_days is 1000000000") for operator in BOTH),
        *((operator, {"lookback_days": "9" * 5000}, "lookback_days is '999") for operator in BOTH),
        *((operator, {"flow_ids": "9" * 5000}, "flow_ids is '999") for operator in BOTH),
        *((operator, {"flow_ids": [10**5000]}, "flow_ids is a number of") for operator in BOTH),
        *((operator, {"flow_ids": "[" + "9" * 5000 + "]"}, "flow_ids is '") for operator in BOTH),
        *((operator, {"flow_ids": "[" * 5000}, "flow_ids is '") for operator in BOTH),
        *((operator, {"first_day": "2999-01-01", "last_day": "2999-01-02"}, "2999-01-01 to 2999") for operator in BOTH),
        *((operator, {"first_day": "None", "last_day": "2026-11-19"}, "first_day") for operator in BOTH),
        *((operator, {"lookback_days": 0}, "lookback_days") for operator in BOTH),
        (A360ExportConversionsOperator, {"goal_id": 641435, "flow_ids": "all"}, "goal_id"),
        (A360ExportConversionsOperator, {"goal_id": 641435, "flow_ids": [1, 2]}, "goal_id"),
        (A360ExportConversionsOperator, {"personal_data": "hash"}, "personal_data_secret"),
        (A360ExportElementStatsOperator, {"include_deleted": "maybe"}, "include_deleted"),
        (A360ExportElementStatsOperator, {"grain": "run", "lookback_days": 3}, "lookback_days"),
    ],
)
def test_an_invalid_option_is_named_before_any_request_and_not_retried(run, tmp_path, operator, options, named):
    with pytest.raises(AirflowFailException, match=named):
        run(operator, **options)
    assert run.requests() == []
    assert not (tmp_path / "lake").exists()


LITERALS = [
    *((operator, "file_format", "xlsx", "jsonl, jsonl.gz, csv, csv.gz, parquet") for operator in BOTH),
    (A360ExportConversionsOperator, "kind", "goals", "all, maintrigger, goal"),
    (A360ExportConversionsOperator, "personal_data", "none", "keep, hash, drop"),
    (A360ExportElementStatsOperator, "element_types", "e-mail", "maintrigger, email, push"),
    (A360ExportElementStatsOperator, "element_types", ["sms", "e-mail"], "maintrigger, email, push"),
    (A360ExportElementStatsOperator, "element_types", "sms, e-mail", "maintrigger, email, push"),
    (A360ExportElementStatsOperator, "grain", "hour", "day, run"),
]


@pytest.mark.parametrize(("operator", "name", "word", "known"), LITERALS)
def test_an_invalid_literal_fails_when_the_dag_is_parsed(operator, name, word, known):
    with pytest.raises(A360ConfigError, match=f"{name} is .*; it must be one of {known}"):
        operator(task_id="export", flow_ids=1, destination="/data", **{name: word})


@pytest.mark.parametrize(("operator", "name", "word", "known"), LITERALS)
def test_an_invalid_rendered_template_fails_before_any_request(run, operator, name, word, known):
    with pytest.raises(AirflowFailException, match=f"{name} is .*; it must be one of {known}"):
        run(operator, rendered={name: word}, **{name: "{{ params.word }}"})
    assert run.requests() == []


@pytest.mark.parametrize("nothing", [None, "", " ", "None", "null"])
@pytest.mark.parametrize("operator", BOTH)
def test_each_optional_parameter_that_renders_to_nothing_is_not_given(run, operator, nothing):
    required = {"flow_ids", "destination", "personal_data"}
    optional = [name for name in operator.template_fields if name not in required]
    assert {"first_day", "last_day", "lookback_days", "file_format", "a360_conn_id"} < set(optional)
    manifest = run(operator, rendered=dict.fromkeys(optional, nothing))
    assert files(manifest) == files(run(operator))


@pytest.mark.parametrize("nothing", [None, "", " ", "None", "null"])
def test_personal_data_that_renders_to_nothing_exports_no_address(run, tmp_path, nothing):
    with pytest.raises(AirflowFailException, match=r'^personal_data is empty: set "keep", "hash" or "drop"'):
        run(A360ExportConversionsOperator, rendered={"personal_data": nothing}, personal_data="{{ params.people }}")
    assert run.requests() == []
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize("nothing", [None, "", " "])
def test_empty_personal_data_is_an_import_error_of_the_dag(nothing):
    with pytest.raises(A360ConfigError, match="personal_data is empty"):
        A360ExportConversionsOperator(task_id="export", flow_ids="all", destination="/data", personal_data=nothing)


def test_a_template_in_a_path_is_rendered(tmp_path):
    task = A360ExportConversionsOperator(task_id="export", flow_ids="all", destination=tmp_path / "{{ day }}")
    task.render_template_fields({"day": "2026-11-20"})
    assert task.destination == f"{tmp_path}/2026-11-20"


@pytest.mark.parametrize("operator", BOTH)
def test_parquet_without_pyarrow_is_refused_before_any_request(run, operator, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(AirflowFailException, match=r"airflow-provider-a360\[parquet\]"):
        run(operator, file_format="parquet")
    assert run.requests() == []


@pytest.mark.parametrize("operator", BOTH)
@pytest.mark.parametrize("flow_ids", [[], "[]", ()])
def test_an_empty_list_of_flows_skips_the_task(run, operator, flow_ids):
    with pytest.raises(AirflowSkipException, match="empty list"):
        run(operator, flow_ids=flow_ids)
    assert run.requests() == []


@pytest.mark.parametrize("operator", BOTH)
def test_a_run_that_crosses_no_midnight_is_skipped(run, operator):
    with pytest.raises(AirflowSkipException, match="crosses midnight"):
        run(operator, {**YESTERDAY, "data_interval_end": datetime(2026, 11, 19, 1, tzinfo=UTC)})
    assert run.requests() == []


@pytest.mark.parametrize("operator", BOTH)
def test_an_empty_interval_fails_at_once_and_names_the_remedies(run, operator):
    with pytest.raises(AirflowFailException, match="lookback_days"):
        run(operator, {**YESTERDAY, "data_interval_end": YESTERDAY["data_interval_start"]})
    assert run.requests() == []


@pytest.mark.parametrize("operator", BOTH)
def test_an_unknown_flow_is_not_retried(run, operator, tmp_path):
    with pytest.raises(AirflowFailException, match="Flow 99 does not exist"):
        run(operator, flow_ids=99)
    assert not (tmp_path / "lake").exists()


def test_hashes_are_keyed_with_the_connections_secret(run, tmp_path):
    def emails(secret, folder):
        extra = {"personal_data_secret": secret}
        manifest = run(
            A360ExportConversionsOperator,
            extra=extra,
            personal_data="hash",
            destination=str(tmp_path / folder / "lake"),
        )
        lines = (tmp_path / folder / "lake" / files(manifest)[0]).read_text().splitlines()
        return [json.loads(line)["email"] for line in lines]

    first, again, other = emails("a", "first"), emails("a", "again"), emails("b", "other")
    assert first == again
    assert {len(one) for one in first if one} == {64}
    assert not set(filter(None, first)) & set(filter(None, other))


class Store(dict):
    """A task state store with the interface of Airflow's."""

    set = dict.__setitem__


def test_a_retry_resumes_after_published_files_and_a_cleared_task_starts_over(run):
    """Clearing a task raises max_tries, and the store may still list files that earlier tries published."""
    store = Store()

    def attempt(try_number, max_tries):
        before = len(run.requests())
        ti = SimpleNamespace(try_number=try_number, max_tries=max_tries)
        manifest = run(A360ExportConversionsOperator, {**YESTERDAY, "ti": ti, "task_state_store": store})
        requests = [seen for seen in run.requests()[before:] if seen.path.startswith("/a360/")]
        return manifest["files"], len(requests)

    first, requests = attempt(1, max_tries=2)
    assert requests
    assert attempt(2, max_tries=2) == (first, 0)
    assert attempt(3, max_tries=4) == (first, requests)


def test_a_retry_with_another_key_starts_over(run, tmp_path):
    """The files of one run must not mix hashes of two keys."""
    store, context = Store(), {**YESTERDAY, "ti": SimpleNamespace(try_number=1, max_tries=2)}
    context["task_state_store"] = store

    def attempt(key, personal_data="hash"):
        before = len(run.requests())
        days = {"first_day": "2026-11-18", "last_day": "2026-11-19"}
        extra = {"personal_data_secret": key}
        run(A360ExportConversionsOperator, context, extra, personal_data=personal_data, **days)
        return len([seen for seen in run.requests()[before:] if "/conversions" in seen.path])

    def hashes():
        return {
            json.loads(line)["email"]
            for path in (tmp_path / "lake").rglob("*.jsonl")
            for line in path.read_text().splitlines()
        } - {None}

    one, other = "one long and random key", "another long and random key"
    assert attempt(one)
    first = hashes()
    assert attempt(one) == 0
    assert attempt(other)
    assert first
    assert not hashes() & first
    assert attempt(one)
    assert hashes() == first
    # A template may render the word with spaces.
    assert attempt(one, " hash ")
    assert attempt(other, " hash ")
    # Without hashes, the key makes no difference.
    assert attempt(one, "drop")
    assert attempt(other, "drop") == 0
    assert not [key for key in (one, other) if key in str(store)]


@pytest.mark.parametrize("operator", BOTH)
def test_on_kill_ends_a_running_export_once_and_deletes_staged_rows(run, operator, monkeypatch, tmp_path):
    staging = tmp_path / "staging"
    staging.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(staging))
    tasks, seen = [], []
    publish = Destination.publish

    def killed(*args):
        if len(seen) == 1:
            seen.append([path.name for path in staging.iterdir()])
            tasks[0].on_kill()
        seen.append(publish(*args))

    monkeypatch.setattr(Destination, "publish", killed)
    execute = operator.execute
    monkeypatch.setattr(operator, "execute", lambda self, context: tasks.append(self) or execute(self, context))
    with pytest.raises(SystemExit) as ended:
        run(operator, first_day="2026-11-17", last_day="2026-11-19")
    assert ended.value.code == 128 + signal.SIGTERM
    assert seen[1]
    assert list(staging.iterdir()) == []
    assert len(list((tmp_path / "lake").rglob("*.*"))) == 1
    # The export has ended, so another call must not end whatever the process runs next.
    tasks[0].on_kill()


class Events(dict):
    """A stand-in for Airflow's `outlet_events`, keyed by name: in Airflow 3.1 an asset with an extra isn't hashable."""

    def __getitem__(self, outlet):
        return self.setdefault(outlet.name, SimpleNamespace(extra={}, added=[], add=self._add(outlet.name)))

    def _add(self, name):
        return lambda asset, extra: dict.__getitem__(self, name).added.append((asset.uri, extra))


@pytest.mark.parametrize("operator", BOTH)
def test_an_asset_event_has_the_exports_rows_days_and_uris(run, operator, tmp_path):
    outlets = [Asset("a360://ours/table"), Asset("a360://ours/other"), AssetAlias("ours")]
    events = Events()
    days = {"first_day": "2026-11-18", "last_day": "2026-11-19"}
    manifest = run(operator, {**YESTERDAY, "outlet_events": events}, outlets=outlets, **days)
    assert manifest["rows"]
    extra = {
        "rows": manifest["rows"],
        "days": ["2026-11-18", "2026-11-19"],
        "uris": [file["uri"] for file in manifest["files"]],
    }
    assert len(extra["uris"]) == 2
    assert [events[outlet].extra for outlet in outlets] == [extra, extra, {}]
    table = f"file://{tmp_path}/lake/{manifest['dataset']}-by_flow"
    assert [events[outlet].added for outlet in outlets] == [[], [], [(table, extra)]]


def test_a_table_whose_uri_is_too_long_for_an_asset_is_exported(run, tmp_path, caplog):
    lake = tmp_path / "/".join(["x" * 200] * 8) / "lake"
    alias = AssetAlias("ours")
    context = {**YESTERDAY, "outlet_events": Events()}
    assert run(A360ExportConversionsOperator, context, outlets=[alias], destination=str(lake))["files"]
    assert "No event for ours:" in caplog.text


def lines_of(error):
    """Return the lines of an error's traceback."""
    return "".join(traceback.format_exception(error)).splitlines()


@pytest.mark.parametrize(("status", "words"), [(401, "Check the connection"), (403, "plan includes")])
def test_the_last_line_of_the_error_names_the_refused_connection(run, sandbox, status, words):
    sandbox.answer_next("/a360", status=status, body={"message": "No", "error_code": status}, times=9)
    with pytest.raises(AirflowFailException) as caught:
        run(A360ExportConversionsOperator)
    sandbox._prepared.clear()
    assert re.match(f"Connection a360_default: GET .*{status} No.*{words}", str(caught.value))
    assert str(caught.value) in lines_of(caught.value)[-1]
    assert sum("Traceback" in line for line in lines_of(caught.value)) == 1


def test_the_traceback_of_a_retryable_error_has_only_the_operators_frames(run, tmp_path):
    (tmp_path / "lake").write_text("in the way")
    with pytest.raises(A360DestinationError) as caught:
        run(A360ExportConversionsOperator)
    shown = [line for line in lines_of(caught.value) if line.startswith("  File")]
    assert [line for line in shown if "airflow_provider_a360" in line and "operators/base.py" not in line] == []
    assert sum("Traceback" in line for line in lines_of(caught.value)) == 1


def test_a_flow_without_details_is_skipped_and_the_others_are_exported(run, sandbox):
    sandbox.answer_next(f"/a360/autoresponders/{example.MAIN_FLOW}", status=404, body={"message": "Not found"})
    manifest = run(A360ExportElementStatsOperator, flow_ids="all")
    assert [one["flow_id"] for one in manifest["skipped"]] == [example.MAIN_FLOW]
    assert manifest["rows"] > 0
