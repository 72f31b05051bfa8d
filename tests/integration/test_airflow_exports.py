"""The export operators, run with `dag.test()`: days, files, manifest, logs."""

import gzip
import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from airflow_harness import NOW, connection, dag_source

from airflow_provider_a360.sandbox.example import EMPTY_FLOW, MAIN_FLOW, WELCOME_FLOW
from airflow_provider_a360.sandbox.flow import COUNTERS

DAY = date(2026, 11, 10)
WEEK = [DAY + timedelta(days=number) for number in range(7)]


def operator(name, folder, **arguments):
    """Return the source of an operator."""
    given = {"task_id": "export", "flow_ids": "all", "destination": str(folder), **arguments}
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in given.items())})"


def conversions(folder, **arguments):
    return operator("A360ExportConversionsOperator", folder, **arguments)


def element_stats(folder, **arguments):
    return operator("A360ExportElementStatsOperator", folder, **arguments)


def rows_of(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def expected_ids(sandbox, day, flows=None):
    """Return the ids of the account's conversions of a day, sorted."""
    return sorted(
        row.id
        for flow in sandbox.account.flows
        if flows is None or flow.id in flows
        for row in flow.conversions_on(day)
    )


def leaves(value):
    """Yield all scalar values of a nested structure."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from leaves(inner)
    else:
        yield value


@pytest.fixture
def run(airflow, sandbox):
    """Return a function that runs tasks against the shared sandbox."""
    return lambda tasks, **how: airflow.test(tasks, **{"a360": connection(sandbox), **how})


def test_conversions_of_the_runs_interval_are_in_that_days_file_and_manifest(run, sandbox, tmp_path):
    result = run(conversions(tmp_path))
    assert (result.state, result.only_task.tries) == ("success", 1)
    file = tmp_path / "conversions" / f"dt={DAY}" / "all.jsonl"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]
    rows = rows_of(file)
    assert sorted(row["conversion_id"] for row in rows) == expected_ids(sandbox, DAY)
    assert any(row["email"] for row in rows)
    manifest = result.only_task.returned
    size = file.stat().st_size
    assert manifest["files"] == [
        {"day": str(DAY), "last_day": str(DAY), "rows": len(rows), "size": size, "uri": f"file://{file}"}
    ]
    assert (manifest["dataset"], manifest["rows"], manifest["unfinished_days"]) == ("conversions", len(rows), [])
    assert manifest["flows"] == sorted(flow.id for flow in sandbox.account.flows)


def test_element_statistics_of_the_runs_interval_match_the_account(run, sandbox, tmp_path):
    result = run(element_stats(tmp_path, flow_ids=[MAIN_FLOW]))
    rows = rows_of(tmp_path / "element_stats-by_flow" / f"dt={DAY}" / f"flow-{MAIN_FLOW}.jsonl")
    elements = sandbox.account.flow(MAIN_FLOW).elements
    assert {row["element_id"] for row in rows} == {element.id for element in elements}
    for row in rows:
        counted = sandbox.account.element(row["element_id"]).counts_on(DAY)
        # According to the API page, `executed` of these two types covers all time.
        names = [name for name in COUNTERS if name != "executed" or row["element_type"] not in {"filter", "trigger"}]
        assert {name: row[name] for name in names if row.get(name) is not None}.items() <= counted.items()
    assert sum(row["executed"] or 0 for row in rows) > 0
    assert result.only_task.returned["rows"] == len(elements)


def test_a_destination_may_have_special_characters(run, tmp_path):
    run(conversions(tmp_path / "50% für a360", flow_ids=MAIN_FLOW))
    assert [path.name for path in tmp_path.iterdir()] == ["50% für a360"]


@pytest.mark.parametrize("task", [conversions, element_stats])
def test_xcom_holds_plain_values_and_no_personal_data(run, sandboxes, tmp_path, task):
    manifest = run(task(tmp_path, flow_ids=[MAIN_FLOW, WELCOME_FLOW])).only_task.returned
    assert all(value is None or isinstance(value, str | int | float | bool) for value in leaves(manifest))
    assert "__classname__" not in json.dumps(manifest)
    assert not [secret for secret in sandboxes.secrets if secret in json.dumps(manifest)]


def test_the_log_has_the_estimate_and_the_result(run, tmp_path):
    result = run(conversions(tmp_path, flow_ids=[MAIN_FLOW]))
    rows = result.only_task.returned["rows"]
    assert f"Exporting conversions of {DAY}" in result.log
    assert "for 1 flow: about 1 request, under a minute" in result.log
    assert f"Exported {rows} rows; files: 1" in result.log


def test_goals_hashes_and_formats_can_be_templated(airflow, sandbox, tmp_path):
    secret = {"requests_per_second": 1000, "personal_data_secret": "pepper"}
    tasks = conversions(
        f"{tmp_path}/{{{{ dag.dag_id }}}}",
        flow_ids="{{ params.flow }}",
        kind="{{ params.kind }}",
        personal_data="{{ params.people }}",
        file_format="{{ params.format }}",
        a360_conn_id="{{ params.connection }}",
    )
    params = {
        "flow": MAIN_FLOW,
        "kind": "goal",
        "people": "hash",
        "format": "jsonl.gz",
        "connection": "a360_default",
    }
    result = airflow.test(tasks, a360=connection(sandbox, extra=secret), params=params)
    (file,) = tmp_path.glob(f"dag_*/conversions-goal-by_flow/dt={DAY}/flow-{MAIN_FLOW}.jsonl.gz")
    rows = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    assert {row["conversion_type"] for row in rows} == {"goal"}
    assert not any("@" in (row["email"] or "") for row in rows)
    assert result.only_task.returned["rows"] == len(rows) > 0


@pytest.mark.parametrize(
    ("cron", "zone", "first_end"),
    [
        ("0 6 * * *", "UTC", datetime(2026, 11, 11, 6, tzinfo=UTC)),
        ("0 0 * * *", "Europe/Kyiv", datetime(2026, 11, 11, 22, tzinfo=UTC)),
    ],
)
def test_a_daily_run_at_any_hour_and_in_any_zone_exports_each_utc_day_once(
    run, sandbox, tmp_path, cron, zone, first_end
):
    schedule = f"CronDataIntervalTimetable({cron!r}, timezone={zone!r})"
    days = Counter()
    for number in range(7):
        at = (first_end + timedelta(days=number)).isoformat()
        result = run(conversions(tmp_path), at=at, schedule=schedule)
        days.update(file["day"] for file in result.only_task.returned["files"])
    assert days == Counter(map(str, WEEK))
    for day in WEEK:
        ids = [row["conversion_id"] for row in rows_of(tmp_path / "conversions" / f"dt={day}" / "all.jsonl")]
        assert sorted(ids) == expected_ids(sandbox, day)


def test_only_the_hourly_run_that_crosses_midnight_exports_the_day(run, tmp_path):
    schedule = 'CronDataIntervalTimetable("30 * * * *", timezone="UTC")'
    ends = [datetime(2026, 11, 10, 0, 30, tzinfo=UTC) + timedelta(hours=number) for number in range(25)]
    runs = {end: run(conversions(tmp_path), at=end.isoformat(), schedule=schedule) for end in ends}
    exported = {
        end: result.only_task.returned["files"][0]["day"] for end, result in runs.items() if result.only_task.returned
    }
    assert exported == {ends[0]: "2026-11-09", ends[24]: "2026-11-10"}
    for result in (runs[end] for end in ends[1:24]):
        assert (result.only_task.state, result.only_task.tries) == ("skipped", 1)
        assert "whose interval crosses midnight UTC exports 2026-11-10" in result.log


def test_an_empty_interval_fails_at_once_and_names_the_remedies(run, tmp_path):
    result = run(conversions(tmp_path), schedule='"@daily"')
    assert (result.only_task.state, result.only_task.tries) == ("failed", 1)
    for remedy in ("data interval is empty", "CronDataIntervalTimetable", "lookback_days", "first_day and last_day"):
        assert remedy in result.log
    assert not list(tmp_path.iterdir())


def test_an_empty_interval_is_enough_for_lookback_days(run, tmp_path):
    result = run(conversions(tmp_path, lookback_days=3), schedule='"@daily"')
    assert [file["day"] for file in result.only_task.returned["files"]] == ["2026-11-08", "2026-11-09", "2026-11-10"]


def test_a_manual_run_without_an_interval_fails_and_names_the_remedies(run, tmp_path):
    result = run(element_stats(tmp_path), at=None)
    assert (result.only_task.state, result.only_task.tries) == ("failed", 1)
    for remedy in ("has no data interval", "CronDataIntervalTimetable", "lookback_days", "first_day and last_day"):
        assert remedy in result.log


def test_days_come_from_params(run, tmp_path):
    result = run(
        conversions(tmp_path, flow_ids=MAIN_FLOW, first_day="{{ params.first }}", last_day="{{ params.last }}"),
        at=None,
        params={"first": "2026-10-30", "last": "2026-10-30"},
        conf={"last": "2026-11-01"},
    )
    assert [file["day"] for file in result.only_task.returned["files"]] == ["2026-10-30", "2026-10-31", "2026-11-01"]


@pytest.mark.parametrize("name", ["flow_ids", "destination"])
def test_a_rendered_none_is_an_error_that_names_the_parameter(run, tmp_path, name):
    result = run(conversions(tmp_path, **{name: "{{ params.nothing }}"}), params={"nothing": None})
    assert (result.only_task.state, result.only_task.tries) == ("failed", 1)
    assert f"{name} is 'None'" in result.log
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("nothing", [None, ""])
def test_an_optional_parameter_that_renders_to_nothing_is_not_given(run, tmp_path, nothing):
    names = ("first_day", "last_day", "lookback_days", "kind", "goal_id", "file_format")
    result = run(
        conversions(tmp_path, **dict.fromkeys((*names, "a360_conn_id"), "{{ params.nothing }}")),
        params={"nothing": nothing},
    )
    assert [file["day"] for file in result.only_task.returned["files"]] == [str(DAY)]


@pytest.mark.parametrize("nothing", [None, ""])
def test_personal_data_that_renders_to_nothing_exports_no_address(run, tmp_path, nothing):
    result = run(conversions(tmp_path, personal_data="{{ params.nothing }}"), params={"nothing": nothing})
    assert (result.only_task.state, result.only_task.tries) == ("failed", 1)
    assert 'personal_data is empty: set "keep", "hash" or "drop".' in result.log
    assert not list(tmp_path.iterdir())


def test_an_invalid_literal_is_an_import_error(airflow, tmp_path):
    path = tmp_path / "typo.py"
    path.write_text(dag_source("typo", element_stats(tmp_path, grain="hour")))
    import_errors = airflow.evaluate(f"""
        import json
        from airflow_provider_a360.airflow_compat import dag_bag
        print(json.dumps(list(dag_bag({str(path)!r}).import_errors.values())))
    """)
    assert ["grain is 'hour'; it must be one of day, run." in error for error in import_errors] == [True]


def test_a_mapped_task_exports_each_flow(run, sandbox, tmp_path):
    mapped = conversions(tmp_path).replace("(", ".partial(", 1).replace("flow_ids='all', ", "")
    result = run(f"{mapped}.expand(flow_ids=[{MAIN_FLOW}, {WELCOME_FLOW}, {EMPTY_FLOW}])")
    assert [task.map_index for task in result.tasks] == [0, 1, 2]
    for task, flow in zip(result.tasks, (MAIN_FLOW, WELCOME_FLOW, EMPTY_FLOW), strict=True):
        rows = rows_of(tmp_path / "conversions-by_flow" / f"dt={DAY}" / f"flow-{flow}.jsonl")
        assert sorted(row["conversion_id"] for row in rows) == expected_ids(sandbox, DAY, [flow])
        assert (task.state, task.returned["flows"]) == ("success", [flow])


def test_a_list_of_flows_comes_from_another_task(run, tmp_path):
    tasks = f"""
@task
def ids():
    return [{WELCOME_FLOW}, {MAIN_FLOW}]

listed = ids()
{conversions(tmp_path, task_id="rendered", flow_ids="{{ ti.xcom_pull('ids') }}")}.set_upstream(listed)
{conversions(tmp_path, task_id="passed").replace("'all'", "listed")}
"""
    result = run(tasks)
    assert result["rendered"].returned["flows"] == result["passed"].returned["flows"] == [WELCOME_FLOW, MAIN_FLOW]


@pytest.mark.parametrize("flow_ids", [[], "{{ [] }}"])
def test_an_empty_list_of_flows_skips_the_task(run, tmp_path, flow_ids):
    result = run(conversions(tmp_path, flow_ids=flow_ids))
    assert (result.only_task.state, result.only_task.returned) == ("skipped", None)
    assert "flow_ids is an empty list" in result.log


@pytest.mark.parametrize(
    ("changed", "answer", "arguments", "remedies"),
    [
        (
            {"password": "wrong"},
            None,
            {},
            ["Connection a360_default: ", "401", "Check the connection", "static API key"],
        ),
        ({}, None, {"flow_ids": 999}, ["Flow 999 does not exist", "Check that the connection belongs to the account"]),
        (
            {},
            (400, {"type": "validation_error", "messages": {"limit": ["The limit field is required."]}}),
            {},
            ["400", "The limit field is required", "Fix the field that the message names"],
        ),
        (
            {},
            (403, {"message": "Not in your tariff", "error_code": 3030303030}),
            {},
            ["403", "Not in your tariff", "plan includes Automation 360", "A retry doesn't help"],
        ),
        ({"password": ""}, None, {}, ["has no password", "client secret"]),
        (
            {},
            None,
            {"a360_conn_id": "elsewhere"},
            ["The connection 'elsewhere' doesn't exist", "create one of type a360"],
        ),
        ({}, None, {"file_format": "{{ 'xlsx' }}"}, ["xlsx", "jsonl"]),
        ({}, None, {"goal_id": 641435}, ["goal_id needs flow_ids"]),
    ],
    ids=["secret", "flow", "400", "tariff", "password", "connection", "format", "goal"],
)
def test_a_permanent_error_fails_at_once_and_names_the_remedy(
    airflow, serve, tmp_path, changed, answer, arguments, remedies
):
    sandbox = serve()
    if answer:
        sandbox.answer_next("/a360", status=answer[0], body=answer[1], times=9)
    result = airflow.test(conversions(tmp_path, **arguments), a360=connection(sandbox, **changed))
    assert (result.only_task.state, result.only_task.tries) == ("failed", 1)
    for remedy in remedies:
        assert remedy in result.log
    assert not list(tmp_path.iterdir())


def test_rate_limit_refusals_are_one_line_per_ten_seconds_of_the_tasks_log(airflow, serve, tmp_path):
    sandbox = serve(share_429=0.5)
    result = airflow.test(element_stats(tmp_path, flow_ids=MAIN_FLOW), a360=connection(sandbox))
    assert (result.only_task.state, result.only_task.tries) == ("success", 1)
    assert len([seen for seen in sandbox.requests if seen.status == 429]) > 5
    assert (
        1
        <= result.log.count("refused by the account's rate limit (429)")
        <= result.only_task.returned["seconds"] / 10 + 2
    )
    assert "Trying again in" not in result.log


def test_transient_failures_are_retried_within_the_task(airflow, serve, tmp_path):
    sandbox = serve()
    sandbox.answer_next("/a360", status=502, body="<html>Bad gateway</html>", times=2)
    result = airflow.test(conversions(tmp_path, flow_ids=MAIN_FLOW), a360=connection(sandbox))
    assert (result.only_task.state, result.only_task.tries) == ("success", 1)
    assert "Retrying in" in result.log


def test_airflow_retries_a_transient_failure_after_the_calls_own_retries(airflow, serve, tmp_path):
    sandbox = serve(share_5xx=1.0)
    result = airflow.test(conversions(tmp_path, flow_ids=MAIN_FLOW), a360=connection(sandbox), call_deadline=1.2)
    assert (result.only_task.state, result.only_task.tries) == ("failed", 3)
    assert len(sandbox.requests) >= 6
    assert "502" in result.log
    assert "Run the task again later" in result.log


def test_a_failed_run_keeps_the_existing_file(airflow, serve, tmp_path):
    sandbox = serve()
    task = conversions(tmp_path, flow_ids=MAIN_FLOW)
    airflow.test(task, a360=connection(sandbox))
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    before = file.read_bytes()
    sandbox.answer_next("/a360", status=403, body={"message": "no", "error_code": 3030303030}, times=9)
    result = airflow.test(task, a360=connection(sandbox))
    assert result.only_task.state == "failed"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]
    assert file.read_bytes() == before


def test_an_unfinished_day_is_exported_with_a_warning_and_marked(run, tmp_path):
    today = str(datetime.now(UTC).date())
    result = run(conversions(tmp_path, flow_ids=MAIN_FLOW, first_day=today, last_day=today))
    assert result.only_task.returned["unfinished_days"] == [today]
    assert "not over yet" in result.log


def test_grain_run_and_a_long_span_make_one_file(run, sandbox, tmp_path):
    span = {"first_day": "2026-11-01", "last_day": "2026-11-15"}
    result = run(element_stats(tmp_path, grain="run", **span), at=None)
    rows = rows_of(tmp_path / "element_stats-run" / "days=2026-11-01_2026-11-15" / "all.jsonl")
    assert len(rows) == len({row["element_id"] for row in rows}) == result.only_task.returned["rows"]
    started = [row for row in rows if row["element_type"] == "maintrigger"]
    for row in started:
        counted = sandbox.account.element(row["element_id"]).counts_on(date(2026, 11, 1), date(2026, 11, 15))
        assert (row["executed"] or 0) == counted["executed"]
    assert NOW.date() > date(2026, 11, 15)
    assert sum(row["executed"] or 0 for row in started) > 0
