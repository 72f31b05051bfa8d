"""Each element of a flow is found once, whatever the service lists or refuses to list."""

import logging
import threading
from datetime import UTC, date, datetime, timedelta

import pytest

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.errors import A360AuthError, A360FlowNotFoundError, A360RevokedError, A360TransientError
from airflow_provider_a360.api.settings import Settings
from airflow_provider_a360.export.datasets import AllFlows, Diagnostics, Step
from airflow_provider_a360.export.element_stats import ElementStatistics
from airflow_provider_a360.sandbox import example
from airflow_provider_a360.sandbox.account import Account, Element, Flow
from airflow_provider_a360.sandbox.endpoints import Endpoints
from airflow_provider_a360.sandbox.queries import validation_error

DAY = timedelta(days=1)
YESTERDAY = date(2026, 11, 19)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
FLOW = f"/a360/autoresponders/{example.MAIN_FLOW}"


def flow_of(*elements, flow_id=1):
    return Flow(flow_id, f"Flow {flow_id}", 1, LONG_AGO, LONG_AGO, list(elements))


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_element_listed_twice_has_one_row(serve):
    export = serve(Account([flow_of(Element(5, "email", LONG_AGO, "First"), Element(5, "email", LONG_AGO, "Again"))]))
    (row,) = export.rows(export(ElementStatistics(), YESTERDAY))
    assert (row["element_id"], row["element_name"], row["deleted_element"]) == (5, "First", False)


def test_element_listed_as_present_and_deleted_counts_as_present(serve):
    twice = [Element(5, "email", LONG_AGO, "Hello"), Element(5, "email", LONG_AGO, deleted=True)]
    export = serve(Account([flow_of(*twice)]))
    (row,) = export.rows(export(ElementStatistics(), YESTERDAY))
    assert (row["element_id"], row["element_name"], row["deleted_element"]) == (5, "Hello", False)


def test_deleted_element_listed_twice_has_one_row(serve):
    export = serve(Account([flow_of(*[Element(5, "email", LONG_AGO, deleted=True)] * 2)]))
    (row,) = export.rows(export(ElementStatistics(), YESTERDAY))
    assert (row["element_id"], row["deleted_element"]) == (5, True)


@pytest.mark.parametrize(
    ("created", "rows"),
    [
        # The service's creation dates of elements are three hours late.
        (datetime(2026, 11, 19, 12, tzinfo=UTC), 1),
        (datetime(2026, 11, 20, 20, 59, tzinfo=UTC), 1),
        (datetime(2026, 11, 20, 21, 0, tzinfo=UTC), 0),
        (datetime(2026, 11, 22, 12, tzinfo=UTC), 0),
    ],
)
@pytest.mark.parametrize("grain", ["day", "run"])
def test_only_elements_created_more_than_a_day_later_are_excluded(serve, created, rows, grain):
    export = serve(Account([flow_of(Element(5, "goal", created, "Paid"))]))
    manifest = export(ElementStatistics(grain=grain), YESTERDAY, flows=[1])
    assert [file["rows"] for file in manifest["files"]] == [rows]
    assert manifest["requests_saved"] == 1 - rows
    assert len([seen for seen in export.sandbox.requests if "/stats/" in seen.path]) == rows


def test_element_without_creation_date_is_requested(serve):
    export = serve()
    body = {"autoresponder": {"id": example.MAIN_FLOW}, "flows": [{"id": example.EMAIL, "af_type": "email"}]}
    export.sandbox.answer_next(FLOW, body=body)
    manifest = export(ElementStatistics(include_deleted=False), YESTERDAY, flows=[example.MAIN_FLOW])
    assert manifest["rows"] == 1
    assert manifest["requests_saved"] == 0


UNANSWERED = {
    "400": {"status": 400, "body": {"message": "Unknown parameter deleted"}},
    "403": {"status": 403},
    "422": {"status": 422},
    "503": {"status": 503, "times": 99},
    "format": {"body": "[1, 2]"},
    "rows": {"body": {"flows": [{"type": "email"}], "data": {"goals": [{"name": "no id"}]}}},
}


@pytest.fixture
def impatient(serve, monkeypatch):
    """Return a function that starts a sandbox whose clients retry for a short time only."""

    def start(*args, **knobs):
        export = serve(*args, **knobs)

        def client(**settings):
            known = {"client_id": export.sandbox.client_id, "secret": export.sandbox.client_secret}
            settings = {"requests_per_second": 1000, **settings}
            return A360Client(Settings(**known, base_url=export.sandbox.url, **settings), deadline=0.3)

        monkeypatch.setattr(export, "client", client)
        return export

    return start


@pytest.mark.parametrize("answer", UNANSWERED.values(), ids=UNANSWERED)
@pytest.mark.parametrize(
    ("path", "missing"),
    [("/total-stats", "rows of deleted elements are missing"), ("/conversions", "element_name is null for goals")],
)
def test_missing_optional_data_does_not_fail_the_export(impatient, caplog, path, missing, answer):
    export = impatient()
    whole = export.rows(export(ElementStatistics(), YESTERDAY, flows=[example.MAIN_FLOW], to="whole"))
    export.sandbox.answer_next(FLOW + path, **answer)
    manifest = export(ElementStatistics(), YESTERDAY, flows=[example.MAIN_FLOW])
    (note,) = manifest["notes"]
    assert f"flow {example.MAIN_FLOW}" in note
    assert missing in note
    assert note in warnings(caplog)
    if path == "/total-stats":
        wanted = [row for row in whole if not row["deleted_element"]]
    else:
        wanted = [{**row, "element_name": None} if row["element_type"] == "goal" else row for row in whole]
    assert export.rows(manifest) == wanted != whole


@pytest.mark.parametrize("path", ["/total-stats", "/conversions"])
def test_401_for_optional_data_fails_the_export(serve, path):
    export = serve()
    export.sandbox.answer_next(FLOW + path, status=401, times=99)
    with pytest.raises((A360AuthError, A360RevokedError)):
        export(ElementStatistics(), YESTERDAY, flows=[example.MAIN_FLOW])
    assert export.tree() == {}


def test_cancelled_request_does_not_count_as_unanswered(serve, caplog):
    export = serve()
    export.sandbox.answer_next(FLOW + "/total-stats", status=503)
    client = export.client()
    client.cancelled.set()
    with pytest.raises(A360TransientError):
        next(
            ElementStatistics().batches(
                client, [Step((example.MAIN_FLOW,), [Days(YESTERDAY, YESTERDAY)])], Diagnostics()
            )
        )
    assert "did not return" not in caplog.text


@pytest.mark.parametrize(
    ("flows", "named"), [(3, "flows 1, 2, 3,"), (14, "flows 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 4 ")]
)
def test_missing_data_of_many_flows_gives_one_note(serve, monkeypatch, flows, named):
    def refused(*_):
        raise validation_error(deleted="The deleted field is unknown.")

    monkeypatch.setattr(Endpoints, "_total_stats", refused)
    export = serve(Account([flow_of(Element(100 + n, "sms", LONG_AGO), flow_id=n) for n in range(1, flows + 1)]))
    manifest = export(ElementStatistics(), YESTERDAY)
    (note,) = manifest["notes"]
    assert named in note
    assert manifest["rows"] == flows


GONE = {"status": 404, "body": {"message": "Not found"}}


def test_listed_flow_without_details_is_skipped_and_its_file_is_unchanged(serve, caplog):
    export = serve()
    flows = [example.MAIN_FLOW, example.PAUSED_FLOW]
    export(ElementStatistics(), YESTERDAY, flows=flows)
    before = export.tree()
    export.sandbox.answer_next(FLOW, **GONE)
    manifest = export(ElementStatistics(), YESTERDAY, flows=flows)
    (skipped,) = manifest["skipped"]
    assert skipped == {"flow_id": example.MAIN_FLOW, "reason": skipped["reason"]}
    assert "no details" in skipped["reason"]
    assert any(str(example.MAIN_FLOW) in text and skipped["reason"] in text for text in warnings(caplog))
    assert [export.path(file).name for file in manifest["files"]] == [f"flow-{example.PAUSED_FLOW}.jsonl"]
    assert export.tree() == before


def test_other_flows_are_exported_if_one_is_skipped(serve):
    export = serve()
    export.sandbox.answer_next(FLOW, **GONE)
    manifest = export(ElementStatistics(), YESTERDAY)
    assert [one["flow_id"] for one in manifest["skipped"]] == [example.MAIN_FLOW]
    flows = {row["flow_id"] for row in export.rows(manifest)}
    assert flows == {flow.id for flow in export.account.flows} - {example.MAIN_FLOW}


@pytest.mark.parametrize("others", [True, False], ids=["among others", "alone"])
def test_flow_deleted_during_an_export_of_all_flows_is_skipped(serve, others):
    export = serve(None if others else Account([]))
    listed = [{"id": flow.id, "name": flow.name} for flow in export.account.flows]
    export.sandbox.answer_next("/a360/autoresponders/list", body={"data": [*listed, {"id": 99, "name": "Gone"}]})
    manifest = export(ElementStatistics(), YESTERDAY)
    assert manifest["skipped"] == [{"flow_id": 99, "reason": "deleted while the export ran"}]
    assert len(manifest["files"]) == others


def test_unlisted_flow_id_fails(serve):
    export = serve()
    with pytest.raises(A360FlowNotFoundError, match="99"):
        export(ElementStatistics(), YESTERDAY, flows=[99])
    assert export.tree() == {}


class Watched(Diagnostics):
    """Fail if another thread than the main thread changes the diagnostics."""

    def __setattr__(self, name, value):
        assert threading.current_thread() is threading.main_thread()
        super().__setattr__(name, value)


class WatchedList(list):
    def append(self, value):
        assert threading.current_thread() is threading.main_thread()
        super().append(value)


def test_only_the_reading_thread_changes_the_diagnostics(serve):
    export = serve(Account([flow_of(Element(5, "whatsapp", LONG_AGO), Element(6, "sms", LONG_AGO))]))
    diagnostics = Watched(skipped=WatchedList(), notes=WatchedList())
    part = Step(AllFlows([1]), [Days(YESTERDAY, YESTERDAY)])
    (batch,) = ElementStatistics().batches(export.client(), [part], diagnostics)
    assert [row.element_id for _, rows in batch.rows for row in rows] == [6]
    assert [one["element_id"] for one in diagnostics.skipped] == [5]


def test_merge_does_not_repeat_entries():
    diagnostics = Diagnostics(skipped=[{"flow_id": 1}], without_data=1, notes=["a"])
    diagnostics.merge(Diagnostics([{"flow_id": 1}, {"flow_id": 2}], 2, 3, 4, ["a", "b"]))
    diagnostics.warn("b")
    assert diagnostics == Diagnostics([{"flow_id": 1}, {"flow_id": 2}], 3, 3, 4, ["a", "b"])
