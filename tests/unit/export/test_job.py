"""The log and the manifest of an export, and the checks before it."""

import json
import logging
import re
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine

from airflow_provider_a360.api.errors import A360ConfigError, A360FormatError
from airflow_provider_a360.export.conversions import Conversions
from airflow_provider_a360.export.element_stats import ElementStatistics
from airflow_provider_a360.sandbox import example
from airflow_provider_a360.sandbox.account import Account

DAY = timedelta(days=1)
TODAY = date(2026, 11, 20)


class RequestLog(logging.Handler):
    """Record each log line with the number of requests that the sandbox had received by then."""

    def __init__(self, sandbox):
        super().__init__(logging.INFO)
        self.sandbox, self.lines = sandbox, []

    def emit(self, record):
        self.lines.append((len(self.sandbox.requests), record.getMessage()))


@pytest.fixture
def logged(serve):
    """Return an exporter, and the log lines of its exports."""
    export = serve()
    handler = RequestLog(export.sandbox)
    logger = logging.getLogger("airflow_provider_a360")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield export, handler.lines
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.mark.parametrize(
    ("dataset", "flows", "said"),
    [
        (Conversions(), [example.EMPTY_FLOW], "for 1 flow: about 1 request, under a minute"),
        (ElementStatistics(), [example.EMPTY_FLOW], "for 1 flow: about 3 requests, under a minute"),
        (
            ElementStatistics(),
            [example.EMPTY_FLOW, example.PAUSED_FLOW],
            "for 2 flows: about 6 requests, under a minute, then 3 for each element",
        ),
        (
            ElementStatistics(grain="run"),
            [example.EMPTY_FLOW],
            "for 1 flow: about 3 requests, under a minute, then 1 for each element",
        ),
        (Conversions(), "all", "for 5 flows: about 5 requests, under a minute"),
    ],
)
def test_estimate_is_logged_before_the_first_flow_is_read(logged, dataset, flows, said):
    export, lines = logged
    export(dataset, TODAY - 3 * DAY, TODAY - DAY, flows=flows)
    sent, line = lines[0]
    asked = [seen.path for seen in export.sandbox.requests[:sent] if seen.path.startswith("/a360")]
    assert set(asked) <= ({"/a360/autoresponders/list"} if flows == "all" else set())
    assert said in line


def test_number_of_statistics_is_logged_before_they_are_requested(logged):
    export, lines = logged
    export(ElementStatistics(), TODAY - 3 * DAY, TODAY - DAY, flows=[example.MAIN_FLOW])
    (before,) = [
        sent for sent, line in lines if line.startswith("The statistics take about 33 requests, under a minute")
    ]
    assert not [seen for seen in export.sandbox.requests[:before] if "/stats/" in seen.path]
    assert len([seen for seen in export.sandbox.requests if "/stats/" in seen.path]) == 33


@pytest.mark.parametrize(
    ("now", "unfinished"),
    [
        (datetime(2026, 11, 19, 23, 59, 59, tzinfo=UTC), [TODAY - DAY, TODAY]),
        (datetime(2026, 11, 20, 0, 0, tzinfo=UTC), [TODAY]),
        (datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC), [TODAY]),
        (datetime(2026, 11, 21, 0, 0, tzinfo=UTC), []),
    ],
)
def test_unfinished_day_is_exported_with_a_warning(logged, caplog, now, unfinished):
    export, _ = logged
    with time_machine.travel(now):
        manifest = export(Conversions(), TODAY - 2 * DAY, TODAY, flows=[example.MAIN_FLOW])
    assert manifest["unfinished_days"] == [str(day) for day in unfinished]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == bool(unfinished)
    assert all(str(unfinished[0]) in text and "not over yet" in text for text in warnings)
    assert manifest["files"][-1]["day"] == str(TODAY)
    wanted = export.account.flow(example.MAIN_FLOW).conversions_on(TODAY)
    assert manifest["files"][-1]["rows"] == len(wanted) > 0


def test_manifest_is_complete_and_json(logged):
    export, lines = logged
    with time_machine.travel(datetime(2026, 11, 20, 10, tzinfo=UTC)):
        manifest = export(Conversions(), TODAY - 2 * DAY, TODAY - DAY)
    assert json.loads(json.dumps(manifest)) == manifest
    assert set(manifest) == {
        "dataset", "first_day", "last_day", "rows", "files", "flows", "requests", "requests_saved", "seconds",
        "skipped", "without_data", "unfinished_days", "notes",
    }  # fmt: skip
    assert (manifest["dataset"], manifest["first_day"], manifest["last_day"]) == (
        "conversions", str(TODAY - 2 * DAY), str(TODAY - DAY),
    )  # fmt: skip
    assert manifest["flows"] == sorted(flow.id for flow in export.account.flows)
    assert manifest["requests"] == len(export.sandbox.requests)
    assert manifest["rows"] == sum(len(export.read(file)) for file in manifest["files"]) > 0
    assert manifest["seconds"] > 0
    assert f"Exported {manifest['rows']} rows; files: 2, requests: {manifest['requests']}." in lines[-1][1]


def test_log_and_manifest_hold_no_personal_data(logged):
    export, lines = logged
    manifest = export(Conversions(), TODAY - 2 * DAY, TODAY - DAY)
    said = "\n".join(line for _, line in lines) + json.dumps(manifest)
    rows = export.rows(manifest)
    private = {row[name] for row in rows for name in ("email", "phone") if row[name]}
    assert len(private) > 5
    assert not [text for text in private if text in said]
    assert export.sandbox.client_secret not in said


@pytest.mark.parametrize(
    ("first", "last", "named"),
    [(TODAY + DAY, TODAY + DAY, "2026-11-21"), (TODAY + DAY, TODAY + 3 * DAY, "2026-11-21 to 2026-11-23")],
)
@pytest.mark.parametrize("dataset", [Conversions(), ElementStatistics(), ElementStatistics(grain="run")])
def test_days_in_the_future_are_refused_without_a_request(logged, dataset, first, last, named):
    export, _ = logged
    with (
        time_machine.travel(datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC)),
        pytest.raises(A360ConfigError, match=re.escape(f"{named}, lie in the future: today is 2026-11-20 in UTC")),
    ):
        export(dataset, first, last)
    assert export.sandbox.requests == []
    assert export.tree() == {}


@pytest.mark.parametrize("dataset", [Conversions(), ElementStatistics()])
def test_unknown_format_is_refused_without_a_request(logged, dataset):
    export, _ = logged
    with pytest.raises(A360ConfigError, match="file_format is 'xlsx'; it must be one of jsonl, "):
        export(dataset, TODAY - DAY, file_format="xlsx")
    assert export.sandbox.requests == []


def test_today_is_not_in_the_future(logged):
    export, _ = logged
    with time_machine.travel(datetime(2026, 11, 20, 0, 0, tzinfo=UTC)):
        manifest = export(Conversions(), TODAY, TODAY + DAY)
    assert manifest["unfinished_days"] == [str(TODAY), str(TODAY + DAY)]


@pytest.mark.parametrize("dataset", [Conversions(), ElementStatistics()])
def test_empty_list_of_flows_is_requested_again(logged, dataset):
    export, _ = logged
    whole = export(dataset, TODAY - DAY, to="whole")
    export.sandbox.answer_next("/a360/autoresponders/list", body={"data": []})
    manifest = export(dataset, TODAY - DAY)
    assert manifest["flows"] == whole["flows"] != []
    assert manifest["notes"] == []
    assert export.tree() == export.tree("whole")


@pytest.mark.parametrize("dataset", [Conversions(), ElementStatistics()])
def test_account_without_flows_is_noted_and_gives_an_empty_file(serve, caplog, dataset):
    export = serve(Account([]))
    manifest = export(dataset, TODAY - DAY)
    assert len([seen for seen in export.sandbox.requests if seen.path.endswith("/list")]) == 2
    (note,) = manifest["notes"]
    assert "no flows" in note
    assert note in [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert export.tree() == {f"{dataset.name}/dt={TODAY - DAY}/all.jsonl": b""}


@pytest.mark.parametrize("flows", ["all", [example.MAIN_FLOW]])
def test_value_that_the_format_can_not_hold_is_not_published(serve, flows):
    export = serve()
    export.sandbox.answer_next(f"/a360/stats/email/{example.EMAIL}/", body={"data": {"sent": str(2**63)}}, times=2)
    with pytest.raises(A360FormatError, match="sent"):
        export(ElementStatistics(), TODAY - DAY, flows=flows, file_format="parquet")
    assert export.tree() == {}
    rows = export.rows(export(ElementStatistics(), TODAY - DAY, flows=flows))
    assert 2**63 in [row["sent"] for row in rows]
