"""The rate limit, shared by all clients of an account. The sandbox enforces the service's limit."""

import gc
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from api_support import Clock, asked, connect, logins

from airflow_provider_a360.api import account
from airflow_provider_a360.api.base_client import cancel_on_exit
from airflow_provider_a360.api.errors import A360TransientError
from airflow_provider_a360.api.rate_limit import RateLimiter
from airflow_provider_a360.sandbox import example

ACCOUNTS = account._shared_objects


def busiest_second(times):
    return max(sum(1 for later in times if start <= later < start + 1) for start in times)


def test_two_clients_of_an_account_share_its_rate_limit_in_all_threads(sandbox):
    """On a busy machine, a request may arrive late, with those of the next second: allow two 429s. Without a shared
    rate limiter, there would be a dozen.
    """
    sandbox.options.requests_per_second = 10
    clients = [connect(sandbox, requests_per_second=10) for _ in range(2)]
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda number: clients[number % 2].flow(example.EMPTY_FLOW), range(24)))
    assert asked(sandbox, "/").count(200) == 25
    assert asked(sandbox, "/").count(429) <= 2


def test_accounts_do_not_wait_for_each_other(sandbox):
    """At one request in 50 seconds, the second account's request would not come within this test."""
    first = connect(sandbox, client_id="", secret=sandbox.api_key, requests_per_second=0.02)
    second = connect(sandbox, requests_per_second=1000)
    first.flow(example.EMPTY_FLOW)
    second.flow(example.EMPTY_FLOW)
    assert asked(sandbox) == [200, 200]


def test_the_lowest_rate_of_all_living_clients_applies_to_each(sandbox):
    """At one request in 50 seconds, the second one would not come within this test."""
    hurried = connect(sandbox, requests_per_second=1000)
    hurried.flow(example.EMPTY_FLOW)
    slow = connect(sandbox, requests_per_second=0.02)
    with cancel_on_exit(hurried) as ours:
        threading.Timer(0.3, ours.cancelled.set).start()
        with pytest.raises(A360TransientError, match="cancelled"):
            ours.flow(example.EMPTY_FLOW)
    assert asked(sandbox) == [200]
    del slow
    gc.collect()
    hurried.flow(example.EMPTY_FLOW)
    assert asked(sandbox) == [200] * 2


def test_the_lower_rate_of_two_connections_of_an_account_applies_to_both(sandbox):
    clients = [connect(sandbox, requests_per_second=rate) for rate in (20, 4)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: clients[number % 2].flow(example.EMPTY_FLOW), range(9)))
    assert busiest_second([seen.at for seen in sandbox.requests]) <= 5


def test_two_secrets_of_the_same_client_id_share_a_rate_limiter(sandbox):
    """While somebody replaces it, tasks with the old and the new secret run at the same time."""
    old, new = connect(sandbox), connect(sandbox, secret="another")
    assert old._transport._rate_limiter is new._transport._rate_limiter
    assert old._transport._credentials is not new._transport._credentials


def test_shared_objects_are_released_and_their_keys_hold_no_secret(sandbox, monkeypatch):
    monkeypatch.setattr(account, "_shared_objects", type(ACCOUNTS)())
    kept = connect(sandbox)
    kept.flow(example.EMPTY_FLOW)
    assert all(text not in repr(list(account._shared_objects)) for text in (sandbox.client_id, sandbox.client_secret))
    for number in range(200):
        connect(sandbox, client_id=f"client-{number}")
    gc.collect()
    assert len(account._shared_objects) < 100
    connect(sandbox).flow(example.EMPTY_FLOW)
    assert logins(sandbox) == 1


def test_hooks_made_one_after_the_other_share_a_token(sandbox, monkeypatch):
    monkeypatch.setattr(account, "_shared_objects", type(ACCOUNTS)())
    for _ in range(3):
        connect(sandbox).flow(example.EMPTY_FLOW)
        gc.collect()
    assert logins(sandbox) == 1


def test_max_in_flight_limits_the_requests_in_flight(sandbox):
    sandbox.options.latency = 0.05
    client = connect(sandbox, max_in_flight=2)
    client.flow(example.EMPTY_FLOW)
    sandbox.requests.clear()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: client.flow(example.EMPTY_FLOW), range(6)))
    arrivals = [seen.at for seen in sandbox.requests]
    assert all(later - earlier >= 0.05 for earlier, later in zip(arrivals, arrivals[2:], strict=False))


@pytest.mark.parametrize("rate", [0.5, 1, 1.5, 9.5, 10])
def test_a_burst_is_sent_at_once_and_later_requests_at_the_rate(rate):
    clock = Clock()
    pace = RateLimiter(rate, clock=clock)
    sent = []
    for _ in range(40):
        pace.wait(clock.sleep)
        sent.append(clock())
    burst = max(1, int(rate))
    assert sent[burst - 1] == sent[0]
    assert busiest_second(sent) <= max(1, rate)
    assert 39 // burst * max(1, burst / rate) <= sent[-1] - sent[0] <= 40 / burst * max(1, burst / rate) * 1.05


@pytest.mark.parametrize("rate", [1, 1.5, 10])
def test_delayed_requests_stay_within_the_services_limit(rate):
    """The service counts arrivals: those of the first second are delayed, those of the next are not."""
    clock = Clock()
    pace = RateLimiter(rate, clock=clock)
    burst = int(rate)
    arrivals = []
    for number in range(2 * burst):
        pace.wait(clock.sleep)
        arrivals.append(clock() + (0.009 if number < burst else 0))
    assert busiest_second(arrivals) <= burst


def test_all_requests_wait_for_the_longest_wait_after_a_429():
    clock = Clock()
    pace = RateLimiter(10, clock=clock)
    start = clock()
    pace.slow_down(7)
    pace.slow_down(2)
    pace.wait(clock.sleep)
    assert clock() - start == pytest.approx(7)


def test_other_requests_do_not_wait_for_a_short_wait_after_a_429():
    clock = Clock()
    pace = RateLimiter(10, clock=clock)
    start = clock()
    pace.slow_down(1)
    pace.wait(clock.sleep)
    assert clock() == start


def seconds_for_two(*refusals):
    """How long two requests take at ten a second, after these numbers of 429s in the seconds before."""
    clock = Clock()
    pace = RateLimiter(10, clock=clock)
    pace.wait(clock.sleep)
    for together in refusals:
        clock.passed(1)
        for _ in range(together):
            pace.slow_down(0)
    start = clock()
    pace.wait(clock.sleep)
    pace.wait(clock.sleep)
    return clock() - start


def test_429s_at_the_same_time_lower_the_rate_once():
    assert seconds_for_two() < seconds_for_two(1) < seconds_for_two(1, 1)
    assert seconds_for_two(8) == pytest.approx(seconds_for_two(1))
    assert seconds_for_two(8, 8) == pytest.approx(seconds_for_two(1, 1))


def test_a_minute_of_429s_leaves_a_request_every_few_seconds():
    """Otherwise it would take years to notice that the account is free again."""
    assert 2 < seconds_for_two(*[1] * 60) < 5


def test_429s_lower_the_rate_and_successful_requests_raise_it_again():
    clock = Clock()
    pace = RateLimiter(10, clock=clock)

    def seconds_for_ten():
        start = clock()
        for _ in range(10):
            pace.wait(clock.sleep)
        return clock() - start

    seconds_for_ten()
    alone = seconds_for_ten()
    for _ in range(6):
        pace.slow_down(0)
        clock.sleep(1)
    assert seconds_for_ten() > 2 * alone
    for _ in range(10):
        seconds_for_ten()
    assert seconds_for_ten() == pytest.approx(alone)


@pytest.mark.parametrize("rates", [(10, 2), (2, 10)])
def test_a_clients_rate_applies_as_long_as_the_client_lives(rates):
    clock, users = Clock(), [Clock(), Clock()]
    pace = RateLimiter(rates[0], clock=clock)
    for user, rate in zip(users, rates, strict=True):
        pace.join(user, rate)

    def seconds_for_twenty():
        start = clock()
        for _ in range(20):
            pace.wait(clock.sleep)
        return clock() - start

    assert seconds_for_twenty() > 8
    del user, users[rates.index(2)]
    gc.collect()
    assert seconds_for_twenty() < 3
    assert pace.per_second == 10


def test_a_lower_rate_counts_requests_that_were_sent_before():
    clock, user = Clock(), Clock()
    pace = RateLimiter(10, clock=clock)
    for _ in range(10):
        pace.wait(clock.sleep)
    pace.join(user, 1)
    start = clock()
    pace.wait(clock.sleep)
    assert clock() - start > 1


def logged_429s(caplog):
    return [record for record in caplog.records if "by the account's rate limit" in record.getMessage()]


def test_429s_are_logged_every_ten_seconds_with_their_number_and_the_rate(caplog):
    caplog.set_level(logging.DEBUG)
    clock = Clock()
    pace = RateLimiter(10, clock=clock)
    for _ in range(30):
        pace.slow_down(0)
        clock.passed(1)
    said = logged_429s(caplog)
    assert {record.levelname for record in said} == {"INFO"}
    assert [record.args[0] for record in said] == [1, 10, 10]
    paces = [record.args[1] for record in said]
    assert 0 < paces[-1] < paces[0] < 10
    assert paces[-1] == pytest.approx(10 * pace._share)


def test_the_last_429s_are_logged_by_the_next_successful_request(caplog):
    caplog.set_level(logging.INFO)
    clock = Clock()
    pace = RateLimiter(10, clock=clock)
    for _ in range(5):
        pace.slow_down(0)
    pace.wait(clock.sleep)
    assert [record.args[0] for record in logged_429s(caplog)] == [1]
    clock.passed(11)
    pace.wait(clock.sleep)
    pace.wait(clock.sleep)
    assert [record.args[0] for record in logged_429s(caplog)] == [1, 4]


def test_many_429s_of_a_list_are_logged_in_one_line(sandbox, caplog):
    """At debug level, each 429 has a line."""
    caplog.set_level(logging.DEBUG, "airflow_provider_a360")
    sandbox.options.share_429 = 0.6
    list(connect(sandbox, page_size=40).conversions(example.MAIN_FLOW))
    refused = asked(sandbox, "/").count(429)
    ours = [record for record in caplog.records if record.name.startswith("airflow_provider_a360")]
    assert len([record for record in ours if record.levelno == logging.DEBUG]) == refused > 5
    assert len([record for record in ours if record.levelno > logging.DEBUG]) == len(logged_429s(caplog)) == 1
