"""An unknown goal is an error; a deleted goal is not."""

from datetime import UTC, date, datetime

import pytest

from airflow_provider_a360.api.errors import A360FlowNotFoundError, A360GoalNotFoundError
from airflow_provider_a360.export.conversions import Conversions
from airflow_provider_a360.export.datasets import Diagnostics
from airflow_provider_a360.export.goals import check_goal
from airflow_provider_a360.sandbox import example
from airflow_provider_a360.sandbox.account import Account, Conversion, Element, Flow

AT = datetime(2026, 1, 1, tzinfo=UTC)
CONVERTED = datetime(2026, 11, 19, 12, tzinfo=UTC)
FLOW = "/a360/autoresponders/1"
PRESENT, COUNTED, REMOVED, STRANGE = 3, 4, 5, 6
NO = {"message": "No"}


@pytest.fixture
def goals(serve):
    """Start a sandbox with a flow that has a goal, and had one that was deleted."""
    elements = [
        Element(2, "maintrigger", AT),
        Element(PRESENT, "goal", AT, "Order paid"),
        Element(REMOVED, "goal", AT, "Removed", deleted=True),
        Element(7, "email", AT, "A mail"),
        Element(8, "email", AT, "A deleted mail", deleted=True),
    ]
    rows = [Conversion(1, "goal", PRESENT, "a@example.com", None, CONVERTED, AT)]
    return serve(Account([Flow(1, "By hand", 1, AT, AT, elements, rows), Flow(9, "None", 1, AT, AT)]))


def check(export, goal_id, flow_id=1):
    """Check a goal; return the notes and the requested paths."""
    diagnostics = Diagnostics()
    before = len(export.sandbox.requests)
    check_goal(export.client(), flow_id, goal_id, diagnostics)
    return diagnostics.notes, [seen.path for seen in export.sandbox.requests[before:] if seen.path.startswith(FLOW)]


def counts(export, *goals):
    body = {"total_conversions": 1, "maintrigger_conversions": 0, "goal_conversions": 1, "goals": goals}
    export.sandbox.answer_next(f"{FLOW}/conversions", body={"data": body})


def test_goal_of_the_flow_takes_one_request(goals):
    assert check(goals, PRESENT) == ([], [FLOW])


def test_goal_in_the_totals_only_is_found(goals):
    counts(goals, {"id": COUNTED, "name": "Counted", "conversions": 1})
    assert check(goals, COUNTED) == ([], [FLOW, f"{FLOW}/conversions"])


def test_deleted_goal_is_found(goals):
    goals.account.flow(1).conversions.clear()
    assert check(goals, REMOVED)[0] == []


def test_deleted_goal_without_conversions_is_found_in_the_deleted_elements(goals):
    counts(goals, {"id": PRESENT, "name": "Order paid", "conversions": 1})
    notes, asked = check(goals, REMOVED)
    assert notes == []
    assert asked == [FLOW, f"{FLOW}/conversions", f"{FLOW}/total-stats"]
    assert goals.sandbox.requests[-1].query == {"flow_type": "goal", "deleted": "1"}


@pytest.mark.parametrize("lists_all", [False, True])
@pytest.mark.parametrize("stranger", [STRANGE, 2, 7, 8])
def test_unknown_goal_is_an_error_that_lists_the_goals(goals, stranger, lists_all):
    goals.sandbox.options.deleted_lists_all = lists_all
    present, counted = {"id": PRESENT, "name": "Order paid"}, {"id": COUNTED, "name": "Counted"}
    counts(goals, *({**goal, "conversions": 1} for goal in (present, counted)))
    with pytest.raises(A360GoalNotFoundError) as caught:
        check(goals, stranger)
    assert str(caught.value) == (
        f"Flow 1 has no goal {stranger}. Its goals are {PRESENT} (Order paid), {COUNTED} (Counted), {REMOVED}."
    )


def test_deleted_element_of_another_type_is_not_a_goal(goals):
    """The service may ignore `flow_type`."""
    goals.sandbox.answer_next(f"{FLOW}/total-stats", body={"flows": [{"flow_id": 8, "type": "email", "executed": 1}]})
    with pytest.raises(A360GoalNotFoundError, match=f"Its goals are {PRESENT}"):
        check(goals, 8)


def test_error_for_a_flow_without_goals(goals):
    with pytest.raises(A360GoalNotFoundError, match=r"Flow 9 has no goal 3. It has no goals\."):
        check(goals, PRESENT, flow_id=9)


def test_unknown_flow_is_reported_instead_of_the_goal(goals):
    with pytest.raises(A360FlowNotFoundError, match="Flow 77"):
        check(goals, PRESENT, flow_id=77)


@pytest.mark.parametrize("path", [f"{FLOW}/conversions", f"{FLOW}/total-stats"])
@pytest.mark.parametrize("status", [400, 403])
def test_refused_check_is_noted_and_does_not_fail(goals, caplog, path, status):
    goals.sandbox.answer_next(path, status=status, body=NO)
    (note,), _ = check(goals, STRANGE)
    assert note.startswith("Could not check whether flow 1 has or had goal 6 (GET ")
    assert f"{status} No" in note
    assert note in caplog.text


def test_an_export_of_an_unknown_goal_publishes_nothing(export):
    with pytest.raises(A360GoalNotFoundError, match=rf"has no goal 1\. Its goals are {example.PAID} \(Order paid\), "):
        export(Conversions(goal_id=1), date(2026, 11, 18), date(2026, 11, 19), flows=[example.MAIN_FLOW])
    assert export.tree() == {}
