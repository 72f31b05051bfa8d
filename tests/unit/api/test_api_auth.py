"""Where the access token comes from, how long it is used, and what a 401 means."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from api_support import TOKEN_PATH, Clock, asked, connect, connect_by_key, logins

from airflow_provider_a360.api.auth import ClientCredentials
from airflow_provider_a360.api.errors import A360AuthError, A360TransientError
from airflow_provider_a360.sandbox import example, tokens

FLOW = f"/a360/autoresponders/{example.EMPTY_FLOW}"


@pytest.fixture
def clock(monkeypatch):
    """The time of both sides: of the sandbox's tokens and, by `on_clock`, of a client's."""
    clock = Clock()
    monkeypatch.setattr(tokens, "monotonic", clock)
    return clock


def on_clock(client, clock):
    client._transport._credentials._clock = clock
    return client


@pytest.mark.parametrize(("life", "step"), [(3, 0.2), (60, 7), (3600, 130)])
def test_a_token_is_renewed_before_it_expires(sandbox, clock, life, step):
    sandbox.options.token_life = life
    client = on_clock(connect(sandbox), clock)
    for _ in range(60):
        client.flow(example.EMPTY_FLOW)
        clock.passed(step)
    assert set(asked(sandbox)) == {200}
    assert 60 * step / life <= logins(sandbox) <= 60 * step / life * 1.3 + 1


def test_the_time_that_a_login_took_counts_as_the_tokens_age():
    """The service may have issued the token at the start of a slow response."""
    clock = Clock()
    credentials = ClientCredentials("client", "secret", clock=clock)
    answers = iter("abc")

    def slow_login(_):
        clock.passed(40)
        return {"access_token": next(answers), "expires_in": 60}

    start = clock()
    assert credentials.access_token(slow_login) == "a"
    clock.passed(start + 54 - clock())
    assert credentials.access_token(slow_login) == "a"
    clock.passed(start + 59 - clock())
    assert credentials.access_token(slow_login) == "b"


def test_expires_in_may_be_a_string(sandbox, clock):
    body = {"access_token": sandbox.api_key, "token_type": "Bearer", "expires_in": "60"}
    sandbox.answer_next(TOKEN_PATH, body=body, times=2)
    client = on_clock(connect(sandbox), clock)
    client.flow(example.EMPTY_FLOW)
    clock.passed(50)
    client.flow(example.EMPTY_FLOW)
    assert logins(sandbox) == 1
    clock.passed(9)
    client.flow(example.EMPTY_FLOW)
    assert logins(sandbox) == 2


@pytest.mark.parametrize("life", [None, "", "soon", {}])
def test_an_invalid_lifetime_counts_as_an_hour(sandbox, clock, life):
    sandbox.answer_next(TOKEN_PATH, body={"access_token": sandbox.api_key, "expires_in": life}, times=2)
    client = on_clock(connect(sandbox), clock)
    client.flow(example.EMPTY_FLOW)
    clock.passed(3000)
    client.flow(example.EMPTY_FLOW)
    assert logins(sandbox) == 1
    clock.passed(599)
    client.flow(example.EMPTY_FLOW)
    assert logins(sandbox) == 2


def at_once(call, threads=16):
    barrier = threading.Barrier(threads)

    def one(_):
        barrier.wait()
        return call()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(threads)))


def test_sixteen_threads_and_two_clients_of_an_account_share_one_login(sandbox):
    sandbox.options.latency = 0.02
    first, second = connect(sandbox, max_in_flight=16), connect(sandbox, max_in_flight=16)
    at_once(lambda: first.flow(example.EMPTY_FLOW))
    second.flow(example.EMPTY_FLOW)
    assert logins(sandbox) == 1


def test_sixteen_threads_with_a_revoked_token_log_in_once_and_replay_once_each(sandbox):
    client = connect(sandbox, max_in_flight=16)
    client.flow(example.EMPTY_FLOW)
    sandbox.revoke_tokens()
    sandbox.requests.clear()
    # All sixteen are under way before the first is refused.
    sandbox.options.latency = 0.4
    answers = at_once(lambda: client.flow(example.EMPTY_FLOW))
    assert {answer.flow.id for answer in answers} == {example.EMPTY_FLOW}
    assert logins(sandbox) == 1
    assert sorted(asked(sandbox)) == [200] * 16 + [401] * 16


def test_a_token_revoked_over_and_over_costs_one_replay_each_time(sandbox):
    sandbox.options.token_requests = 3
    client = connect(sandbox)
    for _ in range(9):
        client.flow(example.EMPTY_FLOW)
    assert asked(sandbox).count(200) == 9
    assert asked(sandbox).count(401) == 2
    assert logins(sandbox) == 3


def test_an_element_without_statistics_accepts_the_token_too(sandbox):
    sandbox.options.token_requests = 3
    sandbox.options.empty_statistics = "404"
    client = connect(sandbox)
    for _ in range(12):
        assert client.element_stats(99, "email") is None
    assert asked(sandbox).count(401) == 3


def test_a_new_token_that_is_used_up_before_the_retry_is_no_error(sandbox):
    sandbox.options.token_requests = 9
    sandbox.options.share_429 = 0.3
    client = connect(sandbox, max_in_flight=8)
    for _ in range(20):
        answers = at_once(lambda: client.flow(example.EMPTY_FLOW))
        assert {answer.flow.id for answer in answers} == {example.EMPTY_FLOW}


def used_up_by_others(client, monkeypatch):
    """A client whose new tokens are used up by other clients of the account before it can use them."""
    credentials = client._transport._credentials
    access_token = credentials.access_token

    def token_of_a_busy_account(ask):
        token = access_token(ask)
        credentials.accepted()
        return token

    monkeypatch.setattr(credentials, "access_token", token_of_a_busy_account)
    return client


@pytest.mark.parametrize("refusals", [1, 3, 5])
def test_a_request_is_retried_with_up_to_five_new_tokens(sandbox, monkeypatch, refusals):
    sandbox.answer_next(FLOW, status=401, times=refusals)
    client = used_up_by_others(connect(sandbox), monkeypatch)
    assert client.flow(example.EMPTY_FLOW).starts == 0
    assert asked(sandbox) == [401] * refusals + [200]
    assert logins(sandbox) == refusals + 1


def test_a_request_that_is_refused_with_every_token_is_given_up(sandbox, monkeypatch):
    sandbox.answer_next(FLOW, status=401, times=99)
    with pytest.raises(A360AuthError):
        used_up_by_others(connect(sandbox), monkeypatch).flow(example.EMPTY_FLOW)
    assert asked(sandbox) == [401] * 6


def test_a_second_401_is_an_error_and_is_not_retried(sandbox):
    sandbox.answer_next(FLOW, status=401, body={"message": "Unauthorized!", "error_code": 401}, times=9)
    with pytest.raises(A360AuthError, match=r"GET /a360/autoresponders/\d+: 401 Unauthorized!.*client ID") as caught:
        connect(sandbox).flow(example.EMPTY_FLOW)
    assert caught.value.status == 401
    assert asked(sandbox) == [401, 401]
    assert logins(sandbox) == 2


def test_a_wrong_secret_is_an_error_without_retries(sandbox):
    with pytest.raises(A360AuthError, match=r"POST /oauth/access_token: 401 .*enter the client ID as login"):
        connect(sandbox, secret="wrong").flow(example.EMPTY_FLOW)
    assert [seen.path for seen in sandbox.requests] == [TOKEN_PATH]


@pytest.mark.parametrize("status", [400, 404])
def test_a_login_refused_with_another_status_is_an_auth_error(sandbox, status):
    sandbox.answer_next(TOKEN_PATH, status=status, body={"error": "invalid_client"}, times=2)
    with pytest.raises(A360AuthError, match=f"{status} invalid_client.*Check the connection"):
        connect(sandbox).flow(example.EMPTY_FLOW)
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("body", [{}, [], {"access_token": ""}, {"access_token": None}, {"access_token": 7}])
def test_a_login_without_a_token_is_an_error(sandbox, body):
    sandbox.answer_next(TOKEN_PATH, body=body)
    with pytest.raises(A360AuthError, match="no access_token"):
        connect(sandbox).flow(example.EMPTY_FLOW)
    assert len(sandbox.requests) == 1


def test_a_static_key_needs_no_login_and_is_not_replayed(sandbox):
    assert connect_by_key(sandbox.url).flow(example.EMPTY_FLOW).starts == 0
    assert [seen.path for seen in sandbox.requests] == [FLOW]
    with pytest.raises(A360AuthError, match="static API key"):
        connect(sandbox, client_id="", secret="sp_apikey_other").flow(example.EMPTY_FLOW)
    assert asked(sandbox) == [200, 401]
    assert logins(sandbox) == 0


def test_a_token_endpoint_that_fails_at_random_is_retried(sandbox):
    sandbox.answer_next(TOKEN_PATH, status=502, body="<html>Bad Gateway</html>", times=3)
    assert connect(sandbox).flow(example.EMPTY_FLOW).starts == 0
    assert asked(sandbox, TOKEN_PATH) == [502, 502, 502, 200]
    assert asked(sandbox) == [200]


def test_a_token_endpoint_that_keeps_failing_is_retried_until_the_deadline(sandbox):
    sandbox.answer_next(TOKEN_PATH, status=502, times=10_000)
    with pytest.raises(A360TransientError, match="POST /oauth/access_token: 502"):
        connect(sandbox, deadline=0.1).flow(example.EMPTY_FLOW)
    assert logins(sandbox) > 1
    assert asked(sandbox) == []


@pytest.mark.parametrize("token", ["made\nup", "made up", "m\u00e4de-up", "made\x7fup"])
def test_a_token_that_no_header_can_hold_is_refused_and_not_shown(sandbox, token):
    sandbox.answer_next(TOKEN_PATH, body={"access_token": token})
    with pytest.raises(A360AuthError, match="access_token that no header can hold") as caught:
        connect(sandbox).flow(example.EMPTY_FLOW)
    assert token not in str(caught.value)
