"""What each poll means for the wait until a flow's queue has drained."""

import pytest
from api_support import asked, connect

from airflow_provider_a360.api.errors import (
    A360AuthError,
    A360FlowNotFoundError,
    A360FlowPausedError,
    A360ForbiddenError,
)
from airflow_provider_a360.api.queue import QueueWatch

FLOW = "/a360/autoresponders/7"


def answer(sandbox, *queues, status=1):
    for queue in queues:
        body = {"autoresponder": {"id": 7, "status": status}, "flows": [], "starts": "9", "end_count": 9}
        sandbox.answer_next(FLOW, body=body | ({} if queue == "missing" else {"in_queue": queue}))


def polls(sandbox, watch, times):
    client = connect(sandbox, deadline=0.05)
    return [watch.poll(client) for _ in range(times)]


def test_a_queue_has_drained_when_it_is_zero(sandbox):
    answer(sandbox, 2, "1", 0)
    assert polls(sandbox, QueueWatch(7), 3) == [None, None, {"starts": 9, "in_queue": 0, "end_count": 9}]


def test_settle_polls_zeros_in_a_row_are_needed(sandbox):
    answer(sandbox, 0, 3, 0, "0")
    found = polls(sandbox, QueueWatch(7, settle_polls=2), 4)
    assert found[:3] == [None] * 3
    assert found[3]["in_queue"] == 0


@pytest.mark.parametrize("queue", [None, "", "missing", "zero", False, [], {}])
def test_a_queue_that_is_not_a_number_resets_the_count_of_zeros(sandbox, queue):
    answer(sandbox, 0, queue, 0)
    assert polls(sandbox, QueueWatch(7, settle_polls=2), 3) == [None] * 3


def test_a_transient_error_does_not_end_the_wait(sandbox, caplog):
    sandbox.answer_next(FLOW, status=503, times=1)
    answer(sandbox, 0)
    client = connect(sandbox, deadline=0)
    watch = QueueWatch(7)
    assert watch.poll(client) is None
    assert "still waiting" in caplog.text
    assert watch.poll(client) is not None


@pytest.mark.parametrize(
    ("status", "kind"), [(401, A360AuthError), (403, A360ForbiddenError), (404, A360FlowNotFoundError)]
)
def test_a_permanent_error_ends_the_wait(sandbox, status, kind):
    sandbox.answer_next(FLOW, status=status, times=2)
    with pytest.raises(kind):
        QueueWatch(7).poll(connect(sandbox))
    assert len(asked(sandbox)) == (2 if status == 401 else 1)


def test_a_paused_flow_with_contacts_is_a_warning_or_an_error(sandbox, caplog):
    answer(sandbox, 5, 5, status=3)
    assert polls(sandbox, QueueWatch(7), 1) == [None]
    assert "paused with 5 contacts in its queue" in caplog.text
    with pytest.raises(A360FlowPausedError, match="Start the flow"):
        polls(sandbox, QueueWatch(7, fail_if_paused=True), 1)


@pytest.mark.parametrize("status", [0, 1, 2, 4, "9", None])
def test_a_flow_that_is_not_paused_is_waited_for_whatever_its_status(sandbox, caplog, status):
    caplog.set_level("INFO")
    answer(sandbox, 5, 0, status=status)
    found = polls(sandbox, QueueWatch(7, fail_if_paused=True), 2)
    assert (found[0], found[1]["in_queue"]) == (None, 0)
    assert "in_queue is 5" in caplog.text
    assert "paused" not in caplog.text


def test_a_paused_flow_without_contacts_has_drained(sandbox):
    answer(sandbox, 0, status=3)
    assert polls(sandbox, QueueWatch(7, fail_if_paused=True), 1)[0]["in_queue"] == 0
