"""Which failures are retried, and for how long. Each comes over a real connection."""

import gzip
import json
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest
from api_support import BACKOFF, Clock, asked, connect, connect_by_key

from airflow_provider_a360.api import transport
from airflow_provider_a360.api.base_client import cancel_on_exit
from airflow_provider_a360.api.errors import (
    A360ForbiddenError,
    A360NoDataError,
    A360RequestError,
    A360TransientError,
    A360UndecodableError,
)
from airflow_provider_a360.sandbox import example
from airflow_provider_a360.sandbox.server import Sandbox

FLOW = f"/a360/autoresponders/{example.EMPTY_FLOW}"
STATS = "/a360/stats/email/"
LIMIT = {"message": "Too many requests", "error_code": 2020202020}
ANSWER = json.dumps({"autoresponder": {"id": 7, "name": "Seven"}, "flows": [], "starts": 3}).encode()


def of_email(sandbox, **more):
    return connect_by_key(sandbox.url, **more).element_stats(example.EMAIL, "email")


TRANSIENT = {
    "429": {"status": 429},
    "500": {"status": 500, "body": {"message": "Oops"}},
    "502 html": {"status": 502, "body": "<html>Bad Gateway</html>"},
    "503": {"status": 503, "body": "busy"},
    "504": {"status": 504},
    "408": {"status": 408},
    "limit code, 200": {"status": 200, "body": LIMIT},
    "limit code, 400": {"status": 400, "body": LIMIT},
    "limit code, 403": {"status": 403, "body": LIMIT},
    "limit code as text": {"status": 200, "body": {"error_code": "2020202020"}},
    "5xx code in a 200": {"status": 200, "body": {"error_code": 503, "message": "later"}},
}


@pytest.mark.parametrize("answer", TRANSIENT.values(), ids=TRANSIENT)
def test_transient_failures_are_retried(sandbox, answer):
    sandbox.answer_next(STATS, **answer, times=3)
    assert of_email(sandbox).sent == sandbox.account.element(example.EMAIL).count("sent")
    assert asked(sandbox) == [answer["status"]] * 3 + [200]


@pytest.mark.parametrize("answer", TRANSIENT.values(), ids=TRANSIENT)
def test_transient_failures_are_retried_until_the_deadline(sandbox, answer):
    sandbox.answer_next(STATS, **answer, times=5_000)
    with pytest.raises(A360TransientError, match="Run the task again later"):
        of_email(sandbox, deadline=0.4)
    assert len(asked(sandbox)) > 1


UNDECODABLE = {
    "html": {"status": 200, "body": "<html>back in a minute</html>"},
    "no body": {"status": 200},
    "half a body": {"status": 200, "body": '{"data": {"sent": 1'},
    "no UTF-8": {"status": 200, "body": b'{"data": {"sent": "\xff"}}'},
    "201 html": {"status": 201, "body": "<html>Created</html>"},
    "404 html": {"status": 404, "body": "<html>Not Found</html>"},
    "404 text": {"status": 404, "body": "no Route matched with those values"},
}


@pytest.mark.parametrize("answer", UNDECODABLE.values(), ids=UNDECODABLE)
def test_an_undecodable_response_is_requested_up_to_three_times(sandbox, answer):
    sandbox.answer_next(STATS, **answer, times=2)
    assert of_email(sandbox).sent == sandbox.account.element(example.EMAIL).count("sent")
    assert asked(sandbox) == [answer["status"]] * 2 + [200]


@pytest.mark.parametrize("answer", UNDECODABLE.values(), ids=UNDECODABLE)
def test_three_undecodable_responses_end_the_call_before_its_deadline(sandbox, monkeypatch, answer):
    sandbox.answer_next(STATS, **answer, times=4)
    client, clock = paused(connect_by_key(sandbox.url, deadline=300), monkeypatch)
    with pytest.raises(A360UndecodableError, match=f"{answer['status']} the response is not JSON") as caught:
        client.element_stats(example.EMAIL, "email")
    assert "come from a proxy, or be a maintenance page" in str(caught.value)
    assert "html" not in str(caught.value)
    assert asked(sandbox) == [answer["status"]] * 3
    assert sum(clock.naps) < 5


def test_only_undecodable_responses_count_towards_the_three_attempts(sandbox):
    """503s in between neither count as attempts nor reset the count."""
    bad, busy = UNDECODABLE["html"], {"status": 503}
    for answer in (busy, bad, busy, busy, bad, busy):
        sandbox.answer_next(STATS, **answer)
    assert of_email(sandbox).sent == sandbox.account.element(example.EMAIL).count("sent")
    sandbox.requests.clear()
    for answer in (busy, bad, busy, bad, busy, bad, busy):
        sandbox.answer_next(STATS, **answer)
    with pytest.raises(A360UndecodableError):
        of_email(sandbox)
    assert asked(sandbox) == [503, 200, 503, 200, 503, 200]


def test_every_call_has_three_attempts_of_its_own(sandbox):
    client = connect_by_key(sandbox.url)
    for _ in range(3):
        sandbox.answer_next(STATS, **UNDECODABLE["html"], times=2)
        assert client.element_stats(example.EMAIL, "email")
    assert asked(sandbox) == [200] * 9


@pytest.mark.parametrize("answer", [{"status": 502}, {"status": 400}, {"status": 403}], ids=str)
def test_the_status_of_a_failure_with_an_html_body_decides_the_error(sandbox, answer):
    sandbox.answer_next(STATS, **answer, body="<html>No</html>")
    kind = {502: None, 400: A360RequestError, 403: A360ForbiddenError}[answer["status"]]
    if kind is None:
        assert of_email(sandbox)
        return
    with pytest.raises(kind):
        of_email(sandbox)
    assert asked(sandbox) == [answer["status"]]


@pytest.mark.parametrize("answer", [{"status": 204}, {"status": 404}, {"status": 404, "body": " \n"}], ids=str)
def test_a_response_without_content_means_no_data_and_is_not_retried(sandbox, answer):
    sandbox.answer_next(STATS, **answer)
    assert of_email(sandbox) is None
    assert asked(sandbox) == [answer["status"]]


FINAL = {
    "400": ({"status": 400, "body": {"message": "Wrong", "error_code": 400}}, A360RequestError),
    "402": ({"status": 402}, A360RequestError),
    "403": ({"status": 403, "body": {"message": "Forbidden", "error_code": 403}}, A360ForbiddenError),
    "403 html": ({"status": 403, "body": "<html>Forbidden</html>"}, A360ForbiddenError),
    "tariff": ({"status": 403, "body": {"message": "Tariff", "error_code": 3030303030}}, A360ForbiddenError),
    "tariff in a 200": ({"status": 200, "body": {"error_code": 3030303030}}, A360ForbiddenError),
    "tariff in a 429": ({"status": 429, "body": {"error_code": 3030303030}}, A360ForbiddenError),
    "405": ({"status": 405}, A360RequestError),
    "422": ({"status": 422, "body": {"message": "No", "error_code": 422}}, A360RequestError),
    "result false": ({"status": 200, "body": {"result": False, "message": "No"}}, A360RequestError),
    "error code in a 200": ({"status": 200, "body": {"message": "No", "error_code": 400}}, A360RequestError),
    "unknown error code in a 200": ({"status": 200, "body": {"error_code": 77}}, A360RequestError),
    "403 code in a 200": ({"status": 200, "body": {"error_code": 403}}, A360ForbiddenError),
}


@pytest.mark.parametrize(("answer", "kind"), FINAL.values(), ids=FINAL)
def test_permanent_failures_are_not_retried(sandbox, answer, kind):
    sandbox.answer_next(STATS, **answer, times=2)
    with pytest.raises(kind) as caught:
        of_email(sandbox)
    assert type(caught.value) is kind
    assert (caught.value.method, caught.value.path) == ("GET", f"{STATS}{example.EMAIL}/group-stat")
    assert len(asked(sandbox)) == 1


def test_a_404_is_not_retried(sandbox):
    with pytest.raises(A360NoDataError):
        connect_by_key(sandbox.url)._call("GET", "/a360/nothing")
    assert asked(sandbox) == [404]


def test_counters_named_error_and_errors_are_no_error(sandbox):
    sandbox.answer_next(STATS, body={"error": 3, "sent": 4})
    assert of_email(sandbox).errors == 3
    sandbox.answer_next(STATS, body={"data": {"errors": "0", "result": False, "error_code": 5}})
    assert of_email(sandbox).errors == 0


def test_an_error_code_of_zero_is_none(sandbox):
    sandbox.answer_next(STATS, body={"error_code": 0, "data": {"sent": 4}})
    assert of_email(sandbox).sent == 4


def test_redirects_are_not_followed(sandbox):
    with Sandbox() as elsewhere:
        sandbox.answer_next(STATS, status=302, headers={"Location": elsewhere.url})
        with pytest.raises(A360RequestError, match="302"):
            of_email(sandbox)
        assert elsewhere.requests == []
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("fault", ["truncated", "reset", "5xx", "429"])
def test_a_list_is_complete_despite_network_faults(sandbox, fault):
    setattr(sandbox.options, f"share_{fault}", 0.3)
    rows = list(connect(sandbox, page_size=40).conversions(example.MAIN_FLOW))
    wanted = sandbox.account.flow(example.MAIN_FLOW).conversions_of()[::-1]
    assert [row.conversion_id for row in rows] == [row.id for row in wanted]
    assert len(asked(sandbox)) > len(wanted) // 39 + 1


@pytest.mark.parametrize("fault", ["html", "html_404"])
def test_a_list_is_complete_despite_html_from_a_proxy(serve, fault):
    """The seed decides which requests get HTML: no page of the list gets it three times."""
    sandbox = serve(**{f"share_{fault}": 0.15})
    rows = list(connect(sandbox, page_size=40, max_in_flight=1).conversions(example.MAIN_FLOW))
    wanted = sandbox.account.flow(example.MAIN_FLOW).conversions_of()[::-1]
    assert [row.conversion_id for row in rows] == [row.id for row in wanted]
    assert len(asked(sandbox)) > len(wanted) // 39 + 3


def test_a_body_that_stalls_is_requested_again(serve):
    """A new sandbox numbers its requests from 1, so the same ones stall each time: the 2nd, 8th, 10th and 11th."""
    sandbox = serve(share_stall=0.4, stall_seconds=600.0)
    client = connect(sandbox, read_timeout=0.5)
    for _ in range(8):
        assert client.flow(example.EMPTY_FLOW).starts == 0
    assert len(asked(sandbox)) >= 8 + 4


@pytest.mark.parametrize("style", ["429", "429-seconds", "429-date", "2020202020-200", "2020202020-400"])
def test_every_form_of_a_429_is_retried(sandbox, style, monkeypatch):
    sandbox.options.rate_limit_style, sandbox.options.share_429 = style, 0.5
    client, clock = paused(connect(sandbox), monkeypatch)
    for _ in range(20):
        assert client.flow(example.EMPTY_FLOW).starts == 0
    assert clock.naps
    assert (max(clock.naps) >= 0.9) == style.startswith("429-")


def paused(client, monkeypatch):
    """The client with its sleeps noted instead of slept."""
    clock = Clock()
    monkeypatch.setattr(client.cancelled, "wait", clock.sleep)
    client._transport._rate_limiter._clock = clock
    return client, clock


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("7", 7, 7.5),
        ("0.5", 0.5, 1),
        ("-3", 0, 0.5),
        ("100000", 60, 60.5),
        ("inf", 60, 60.5),
        ("nan", 0, 0.5),
        ("soon", 0, 0.5),
        (format_datetime(datetime.now(UTC) + timedelta(days=2), usegmt=True), 60, 60.5),
        (format_datetime(datetime.now(UTC) - timedelta(days=2), usegmt=True), 0, 0.5),
        ("Fri, 32 Nov 2026 10:00:00 GMT", 0, 0.5),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_up_to_a_minute(sandbox, monkeypatch, status, header, least, most):
    sandbox.answer_next(STATS, status=status, headers={"Retry-After": header})
    client, clock = paused(connect_by_key(sandbox.url, deadline=300), monkeypatch)
    client.element_stats(example.EMAIL, "email")
    assert least <= clock.naps[0] <= most


def test_a_retry_after_date_is_a_wait_until_then(sandbox, monkeypatch):
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    sandbox.answer_next(STATS, status=429, headers={"Retry-After": at})
    client, clock = paused(connect_by_key(sandbox.url, deadline=300), monkeypatch)
    client.element_stats(example.EMAIL, "email")
    assert 20 < clock.naps[0] <= 40


def test_a_wait_beyond_the_deadline_is_not_begun(sandbox, monkeypatch):
    sandbox.answer_next(STATS, status=429, headers={"Retry-After": "50"})
    client, clock = paused(connect_by_key(sandbox.url, deadline=20), monkeypatch)
    with pytest.raises(A360TransientError) as caught:
        client.element_stats(example.EMAIL, "email")
    assert caught.value.retry_after == 50
    assert caught.value.limited
    assert (clock.naps, len(asked(sandbox))) == ([], 1)


def test_a_response_is_read_even_if_the_rate_limit_took_all_time_until_the_deadline(sandbox, monkeypatch):
    client, clock = paused(connect_by_key(sandbox.url, deadline=0.3), monkeypatch)
    monkeypatch.setattr(transport, "time", SimpleNamespace(monotonic=clock))
    client._transport._rate_limiter.slow_down(50)
    assert client.flow(example.EMPTY_FLOW).starts == 0
    assert clock.naps == [50]
    assert asked(sandbox) == [200]


def test_a_long_wait_after_a_429_applies_to_all_clients_of_the_account(sandbox, monkeypatch):
    first, second = connect_by_key(sandbox.url, deadline=20), connect_by_key(sandbox.url)
    sandbox.answer_next(STATS, status=429, headers={"Retry-After": "50"})
    _, clock = paused(second, monkeypatch)
    with pytest.raises(A360TransientError):
        first.element_stats(example.EMAIL, "email")
    second.element_stats(example.EMAIL, "email")
    assert sum(clock.naps) >= 50


def test_a_cancelled_call_neither_waits_nor_retries(sandbox):
    """Two calls: one waits for its retry, the other for the rate limiter."""
    client = connect_by_key(sandbox.url, deadline=300)
    sandbox.answer_next(STATS, status=429, headers={"Retry-After": "50"})
    with ThreadPoolExecutor(2) as pool:
        with cancel_on_exit(client) as ours:
            first = pool.submit(ours.element_stats, example.EMAIL, "email")
            while not client._transport._rate_limiter._blocked_until:
                time.sleep(0.01)
            second = pool.submit(ours.flow, example.EMPTY_FLOW)
            assert not wait([first, second], 0.3).done
        assert not wait([first, second], 5).not_done
    assert isinstance(first.exception(), A360TransientError)
    assert isinstance(second.exception(), A360TransientError)
    assert asked(sandbox) == [429]


def test_a_client_still_works_after_its_copy_was_cancelled(sandbox):
    client = connect_by_key(sandbox.url)
    with cancel_on_exit(client) as ours:
        ours.flow(example.EMPTY_FLOW)
    sandbox.answer_next("/a360", status=502)
    assert client.flow(example.EMPTY_FLOW).starts == 0
    assert asked(sandbox) == [200, 502, 200]


def test_waits_grow_to_half_a_minute_and_have_jitter():
    waits = [[BACKOFF(SimpleNamespace(attempt_number=n)) for _ in range(20)] for n in (1, 3, 5, 20)]
    assert [min(some) // 0.25 for some in waits] == [1, 4, 16, 120]
    assert all(len(set(some)) > 1 and max(some) - min(some) < 0.26 for some in waits)


def reply(body, *, more=b"", length=None):
    size = len(body) if length is None else length
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {size}\r\nConnection: close\r\n"
    return head.encode() + more + b"\r\n" + body


def good(connection):
    connection.sendall(reply(ANSWER))


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


BREAKS = {
    "silence": lambda connection: connection.recv(1),
    "reset before an answer": reset,
    "end before an answer": lambda connection: connection.close(),
    "end within the head": lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-"),
    "end within the body": lambda connection: connection.sendall(reply(ANSWER[:9], length=len(ANSWER))),
    "no HTTP": lambda connection: connection.sendall(b"220 mail.example.com ESMTP\r\n\r\n"),
    "broken chunk": lambda connection: connection.sendall(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n{}\r\n"
    ),
    "gzip that is none": lambda connection: connection.sendall(reply(ANSWER, more=b"Content-Encoding: gzip\r\n")),
    "half a gzip": lambda connection: connection.sendall(
        reply(gzip.compress(ANSWER)[:40], more=b"Content-Encoding: gzip\r\n")
    ),
}


@pytest.mark.parametrize("broken", BREAKS.values(), ids=BREAKS)
def test_a_broken_connection_is_retried(raw_server, broken):
    url, numbers = raw_server(lambda number, connection: broken(connection) if number < 3 else good(connection))
    assert connect_by_key(url, read_timeout=0.5).flow(7).starts == 3
    assert numbers == [1, 2, 3]


@pytest.mark.parametrize("broken", BREAKS.values(), ids=BREAKS)
def test_the_error_of_a_broken_connection_does_not_quote_the_library(raw_server, broken):
    url, _ = raw_server(lambda _, connection: broken(connection))
    with pytest.raises(A360TransientError) as caught:
        connect_by_key(url, read_timeout=0.1, deadline=0.2).flow(7)
    assert str(caught.value).startswith("GET /a360/autoresponders/7: ")
    assert f"no response from {url} (" in str(caught.value) or "is not JSON" in str(caught.value)
    assert "Pool" not in str(caught.value)


def test_a_refused_connection_is_retried_until_the_deadline():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    client = connect_by_key(url, deadline=0.2)
    with pytest.raises(A360TransientError, match=f"no response from {url} .connection refused.; check") as caught:
        client.flow(7)
    assert caught.value.status is None
    assert client.requests > 1


@pytest.mark.parametrize("coding", ["plain", "chunked", "gzip"])
def test_a_response_in_small_pieces_is_read_completely(raw_server, coding):
    def handle(_, connection):
        body = gzip.compress(ANSWER) if coding == "gzip" else ANSWER
        pieces = [body[at : at + 9] for at in range(0, len(body), 9)]
        if coding == "chunked":
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
            pieces = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""]]
        else:
            more = b"Content-Encoding: gzip\r\n" if coding == "gzip" else b""
            connection.sendall(reply(b"", more=more, length=len(body)))
        for piece in pieces:
            time.sleep(0.002)
            connection.sendall(piece)

    url, numbers = raw_server(handle)
    assert connect_by_key(url).flow(7).starts == 3
    assert numbers == [1]


def test_a_body_that_comes_byte_by_byte_is_given_up_at_the_deadline(raw_server):
    """The body would be complete after a minute, and each pause is shorter than the read time-out."""

    def handle(_, connection):
        connection.sendall(reply(b"", length=1200 + len(ANSWER)))
        for _ in range(1200):
            connection.sendall(b" ")
            time.sleep(0.05)
        connection.sendall(ANSWER)

    url, numbers = raw_server(handle)
    with pytest.raises(A360TransientError, match="no response"):
        connect_by_key(url, deadline=0.3, read_timeout=0.3).flow(7)
    assert numbers == [1]


def test_failures_are_logged_with_the_wait_before_the_retry(sandbox, caplog):
    caplog.set_level("INFO")
    sandbox.answer_next(STATS, status=503, body={"message": "Busy"})
    of_email(sandbox)
    assert [record.message for record in caplog.records if "Retrying" in record.message] == [
        f"GET {STATS}{example.EMAIL}/group-stat: 503 Busy. Retrying in 0.0 s."
    ]


def test_every_attempt_is_counted(sandbox):
    client = connect(sandbox)
    sandbox.answer_next(STATS, status=503, times=2)
    client.element_stats(example.EMAIL, "email")
    assert client.requests == len(sandbox.requests) == 4
