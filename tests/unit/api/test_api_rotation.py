"""Credentials that are replaced while they are used: the connection is reloaded."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from api_support import TOKEN_PATH, asked, connect, logins

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.errors import PERMANENT, A360AuthError, A360ConfigError, A360RevokedError
from airflow_provider_a360.api.settings import Settings
from airflow_provider_a360.sandbox import example, tokens

FLOW = f"/a360/autoresponders/{example.EMPTY_FLOW}"


class Connection:
    """A connection: it has the old credentials until `replaced` saves others."""

    def __init__(self, sandbox, monkeypatch):
        self._sandbox, self._monkeypatch = sandbox, monkeypatch
        self.fields = {"client_id": sandbox.client_id, "secret": sandbox.client_secret, "base_url": sandbox.url}
        self.read = 0

    def settings(self):
        return Settings(**self.fields, requests_per_second=1000)

    def reload_settings(self):
        self.read += 1
        return self.settings()

    def client(self, **how):
        return A360Client(self.settings(), deadline=30, reload_settings=self.reload_settings, **how)

    def replaced(self, secret, *, saved=True):
        """The service takes another secret from now on."""
        self._monkeypatch.setattr(tokens, "CLIENT_SECRET", secret)
        self._sandbox.revoke_tokens()
        if saved:
            self.fields["secret"] = secret


@pytest.fixture
def connection(sandbox, monkeypatch):
    return Connection(sandbox, monkeypatch)


def test_a_client_continues_with_a_replaced_secret(sandbox, connection):
    client = connection.client()
    for secret in ("second", "third"):
        client.flow(example.EMPTY_FLOW)
        connection.replaced(secret)
    assert client.flow(example.EMPTY_FLOW).starts == 0
    assert connection.read == 2
    # With the token that is refused; then a login with the secret that is; then with the new one.
    assert asked(sandbox) == [200, 401, 200, 401, 200]
    assert asked(sandbox, TOKEN_PATH) == [200, 401, 200, 401, 200]


def test_a_secret_replaced_before_the_first_request_is_no_error(sandbox, connection):
    client = connection.client()
    connection.replaced("second")
    assert client.flow(example.EMPTY_FLOW).starts == 0
    assert asked(sandbox, TOKEN_PATH) == [401, 200]


def test_a_static_key_may_be_replaced_by_another_and_by_a_client(sandbox, connection, monkeypatch):
    connection.fields |= {"client_id": "", "secret": sandbox.api_key}
    client = connection.client()
    client.flow(example.EMPTY_FLOW)
    monkeypatch.setattr(tokens, "API_KEY", "sp_apikey_second")
    connection.fields["secret"] = "sp_apikey_second"
    client.flow(example.EMPTY_FLOW)
    assert logins(sandbox) == 0
    monkeypatch.setattr(tokens, "API_KEY", "sp_apikey_third")
    connection.fields |= {"client_id": sandbox.client_id, "secret": sandbox.client_secret}
    client.flow(example.EMPTY_FLOW)
    assert asked(sandbox) == [200, 401, 200, 401, 200]


def test_a_list_continues_after_its_key_was_replaced(sandbox, connection):
    wanted = sandbox.account.flow(example.MAIN_FLOW).conversions_of()[::-1]
    rows = iter(connection.client().conversions(example.MAIN_FLOW))
    ids = [next(rows).conversion_id]
    connection.replaced("second")
    ids += [row.conversion_id for row in rows]
    assert ids == [row.id for row in wanted]


def test_sixteen_threads_read_the_connection_once(sandbox, connection):
    connection.replaced("second")
    client = connection.client()
    connection.replaced("third")
    sandbox.options.latency = 0.05
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: client.flow(example.EMPTY_FLOW), range(16)))
    assert len(answers) == 16
    assert connection.read == 1


def test_a_new_token_that_is_accepted_does_not_reload_the_connection(sandbox, connection):
    client = connection.client()
    client.flow(example.EMPTY_FLOW)
    sandbox.revoke_tokens()
    client.flow(example.EMPTY_FLOW)
    assert connection.read == 0


def test_a_first_request_that_is_refused_is_permanent(sandbox, connection):
    client = connection.client()
    connection.replaced("second", saved=False)
    with pytest.raises(A360AuthError, match="Check the connection") as caught:
        client.flow(example.EMPTY_FLOW)
    assert isinstance(caught.value, PERMANENT)
    assert connection.read == 1
    assert asked(sandbox, "/") == [401]


@pytest.mark.parametrize("missing", [False, True], ids=["an answer", "no data"])
def test_a_401_after_an_accepted_request_is_a_revoked_error(sandbox, connection, missing):
    client = connection.client()
    if missing:
        sandbox.answer_next("/a360/stats", status=404, body={"message": "No data"})
        assert client.element_stats(99, "email") is None
    else:
        client.flow(example.EMPTY_FLOW)
    connection.replaced("second", saved=False)
    with pytest.raises(A360RevokedError, match=r"401.*accepted before.*save the new ones in the connection") as caught:
        client.flow(example.EMPTY_FLOW)
    assert not isinstance(caught.value, PERMANENT)
    assert "Check the connection" not in str(caught.value)


def test_a_login_does_not_count_as_an_accepted_request(sandbox, connection):
    sandbox.answer_next(FLOW, status=401, times=9)
    with pytest.raises(A360AuthError):
        connection.client().flow(example.EMPTY_FLOW)
    assert asked(sandbox) == [401, 401]


def test_new_credentials_that_are_refused_too_are_an_error(sandbox, connection):
    client = connection.client()
    client.flow(example.EMPTY_FLOW)
    connection.replaced("second")
    connection.fields["secret"] = "mistyped"
    with pytest.raises(A360RevokedError):
        client.flow(example.EMPTY_FLOW)
    assert connection.read == 2
    assert asked(sandbox, TOKEN_PATH) == [200, 401, 401]


def test_a_connection_that_keeps_changing_is_not_reloaded_forever(sandbox, connection, monkeypatch):
    numbers = iter(range(1000))
    client = connection.client()
    monkeypatch.setattr(tokens, "CLIENT_SECRET", "never that")

    def another():
        connection.fields["secret"] = f"secret-{next(numbers)}"
        return connection.settings()

    client._transport._reload_settings = another
    with pytest.raises(A360AuthError):
        client.flow(example.EMPTY_FLOW)
    assert len(sandbox.requests) < 10


def test_credentials_of_another_host_are_not_used(sandbox, connection):
    client = connection.client()
    connection.replaced("second")
    connection.fields["base_url"] = "https://elsewhere.example.com"
    with pytest.raises(A360AuthError):
        client.flow(example.EMPTY_FLOW)
    assert asked(sandbox, "/") == [401]


@pytest.mark.parametrize(
    ("failure", "said"),
    [(A360ConfigError("The connection isn't defined."), "isn't defined"), (RuntimeError("hush-hush"), "RuntimeError")],
)
def test_a_connection_that_cannot_be_reloaded_gives_the_401s_error(sandbox, connection, caplog, failure, said):
    client = connection.client()
    client.flow(example.EMPTY_FLOW)
    connection.replaced("second", saved=False)

    def fails():
        raise failure

    client._transport._reload_settings = fails
    with pytest.raises(A360RevokedError):
        client.flow(example.EMPTY_FLOW)
    assert said in caplog.text
    assert "hush" not in caplog.text


def test_replaced_credentials_are_logged_without_any_secret(sandbox, connection, caplog):
    caplog.set_level(logging.DEBUG)
    client = connection.client()
    client.flow(example.EMPTY_FLOW)
    connection.replaced("second-secret")
    client.flow(example.EMPTY_FLOW)
    (said,) = [record for record in caplog.records if "The connection has new ones" in record.getMessage()]
    assert said.levelname == "INFO"
    assert not any(text in caplog.text for text in ("second-secret", sandbox.client_secret, sandbox.client_id))


def test_on_new_token_is_called_by_every_client_before_it_uses_a_token(sandbox, connection):
    tokens = {"first": [], "second": []}
    others = connect(sandbox)
    others.flow(example.EMPTY_FLOW)
    clients = {name: connection.client(on_new_token=tokens[name].append) for name in tokens}
    for revoked in (False, True):
        if revoked:
            sandbox.revoke_tokens()
        for name, client in clients.items():
            sandbox.requests.clear()
            client.flow(example.EMPTY_FLOW)
            assert tokens[name][-1] == client._transport._credentials._token
    connection.replaced("second")
    clients["first"].flow(example.EMPTY_FLOW)
    assert tokens["first"][:2] == tokens["second"]
    assert len(set(tokens["first"])) == 3


def test_on_new_token_is_called_before_the_request_with_the_token(sandbox, connection):
    seen = []
    client = connection.client(on_new_token=lambda _: seen.append(asked(sandbox)))
    client.flow(example.EMPTY_FLOW)
    assert seen == [[]]


def test_threads_that_wait_for_a_login_continue_with_replaced_credentials(sandbox, connection):
    """All threads have the old secret; one notices."""
    clients = [connection.client() for _ in range(4)]
    for client in clients:
        client.flow(example.EMPTY_FLOW)
    connection.replaced("second")
    barrier = threading.Barrier(4)

    def ask(client):
        barrier.wait()
        return client.flow(example.EMPTY_FLOW).starts

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, clients)) == [0] * 4
