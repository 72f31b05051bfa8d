"""How often an account is asked, by all who use it together. The sandbox enforces the service's limit itself."""

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


def test_two_clients_of_an_account_and_their_threads_stay_within_its_limit_together(sandbox):
    """A busy machine may let a request arrive late, next to those of the following second: two such are forgiven.
    Unpaced, or paced by each client for itself, a dozen would be refused.
    """
    sandbox.options.requests_per_second = 10
    clients = [connect(sandbox, requests_per_second=10) for _ in range(2)]
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda number: clients[number % 2].flow(example.EMPTY_FLOW), range(24)))
    assert asked(sandbox, "/").count(200) == 25
    assert asked(sandbox, "/").count(429) <= 2


def test_accounts_do_not_wait_for_each_other(sandbox):
    """At one request in 50 seconds, the second account could not be asked within this test."""
    first = connect(sandbox, client_id="", secret=sandbox.api_key, requests_per_second=0.02)
    second = connect(sandbox, requests_per_second=1000)
    first.flow(example.EMPTY_FLOW)
    second.flow(example.EMPTY_FLOW)
    assert asked(sandbox) == [200, 200]


def test_the_lowest_rate_that_a_living_client_names_is_everybodys(sandbox):
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


def test_two_connections_of_an_account_with_two_rates_keep_to_the_lower_one_together(sandbox):
    clients = [connect(sandbox, requests_per_second=rate) for rate in (20, 4)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: clients[number % 2].flow(example.EMPTY_FLOW), range(9)))
    assert busiest_second([seen.at for seen in sandbox.requests]) <= 5


def test_another_secret_of_the_same_client_has_the_same_pace(sandbox):
    """As somebody changes it, tasks with the old one and with the new one run side by side."""
    old, new = connect(sandbox), connect(sandbox, secret="another")
    assert old._transport._rate_limiter is new._transport._rate_limiter
    assert old._transport._credentials is not new._transport._credentials


def test_what_accounts_share_is_forgotten_with_them_and_names_no_secret(sandbox, monkeypatch):
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


def test_no_more_requests_are_under_way_than_was_set(sandbox):
    sandbox.options.latency = 0.05
    client = connect(sandbox, max_in_flight=2)
    client.flow(example.EMPTY_FLOW)
    sandbox.requests.clear()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: client.flow(example.EMPTY_FLOW), range(6)))
    arrivals = [seen.at for seen in sandbox.requests]
    assert all(later - earlier >= 0.05 for earlier, later in zip(arrivals, arrivals[2:], strict=False))


@pytest.mark.parametrize("rate", [0.5, 1, 1.5, 9.5, 10])
def test_the_first_second_is_used_at_once_and_the_next_ones_evenly(rate):
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
def test_requests_that_arrive_a_little_late_stay_within_the_services_second(rate):
    """The service counts arrivals: the first second's are held up on their way, those of the next are not."""
    clock = Clock()
    pace = RateLimiter(rate, clock=clock)
    burst = int(rate)
    arrivals = []
    for number in range(2 * burst):
        pace.wait(clock.sleep)
        arrivals.append(clock() + (0.009 if number < burst else 0))
    assert busiest_second(arrivals) <= burst


def test_a_refusal_holds_up_all_and_the_longest_wins():
    clock = Clock()
    pace = RateLimiter(10, clock=clock)
    start = clock()
    pace.slow_down(7)
    pace.slow_down(2)
    pace.wait(clock.sleep)
    assert clock() - start == pytest.approx(7)


def test_a_refusal_of_up_to_a_second_holds_up_nobody_else():
    clock = Clock()
    pace = RateLimiter(10, clock=clock)
    start = clock()
    pace.slow_down(1)
    pace.wait(clock.sleep)
    assert clock() == start


def seconds_for_two(*refusals):
    """How long two requests take at ten a second, after so many refusals in each of the seconds before."""
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


def test_requests_that_were_refused_together_slow_a_process_down_only_once():
    assert seconds_for_two() < seconds_for_two(1) < seconds_for_two(1, 1)
    assert seconds_for_two(8) == pytest.approx(seconds_for_two(1))
    assert seconds_for_two(8, 8) == pytest.approx(seconds_for_two(1, 1))


def test_a_process_that_was_refused_for_a_minute_still_asks_every_few_seconds():
    """Otherwise it would find out after years that the account is free again."""
    assert 2 < seconds_for_two(*[1] * 60) < 5


def test_refusals_slow_a_process_down_and_requests_that_go_through_speed_it_up_again():
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
def test_a_rate_holds_as_long_as_whoever_named_it(rates):
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


def test_a_rate_that_falls_counts_what_was_sent_before():
    clock, user = Clock(), Clock()
    pace = RateLimiter(10, clock=clock)
    for _ in range(10):
        pace.wait(clock.sleep)
    pace.join(user, 1)
    start = clock()
    pace.wait(clock.sleep)
    assert clock() - start > 1


def said_of_refusals(caplog):
    return [record for record in caplog.records if "by the account's rate limit" in record.getMessage()]


def test_refusals_are_told_every_ten_seconds_with_their_number_and_the_pace(caplog):
    caplog.set_level(logging.DEBUG)
    clock = Clock()
    pace = RateLimiter(10, clock=clock)
    for _ in range(30):
        pace.slow_down(0)
        clock.passed(1)
    said = said_of_refusals(caplog)
    assert {record.levelname for record in said} == {"INFO"}
    assert [record.args[0] for record in said] == [1, 10, 10]
    paces = [record.args[1] for record in said]
    assert 0 < paces[-1] < paces[0] < 10
    assert paces[-1] == pytest.approx(10 * pace._share)


def test_the_last_refusals_are_told_by_a_request_that_goes_through(caplog):
    caplog.set_level(logging.INFO)
    clock = Clock()
    pace = RateLimiter(10, clock=clock)
    for _ in range(5):
        pace.slow_down(0)
    pace.wait(clock.sleep)
    assert [record.args[0] for record in said_of_refusals(caplog)] == [1]
    clock.passed(11)
    pace.wait(clock.sleep)
    pace.wait(clock.sleep)
    assert [record.args[0] for record in said_of_refusals(caplog)] == [1, 4]


def test_a_list_that_is_refused_over_and_over_says_so_in_one_line(sandbox, caplog):
    """Each refusal is a line for those who debug."""
    caplog.set_level(logging.DEBUG, "airflow_provider_a360")
    sandbox.options.share_429 = 0.6
    list(connect(sandbox, page_size=40).conversions(example.MAIN_FLOW))
    refused = asked(sandbox, "/").count(429)
    ours = [record for record in caplog.records if record.name.startswith("airflow_provider_a360")]
    assert len([record for record in ours if record.levelno == logging.DEBUG]) == refused > 5
    assert len([record for record in ours if record.levelno > logging.DEBUG]) == len(said_of_refusals(caplog)) == 1
