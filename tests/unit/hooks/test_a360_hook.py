"""The hook: connections in every notation, credentials, masking and the client's methods."""

import inspect
import json
import logging
from datetime import UTC, datetime

import pytest
from airflow.providers.common.compat.sdk import Connection, redact

from airflow_provider_a360.api import account
from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.errors import A360AuthError, A360ConfigError, A360RevokedError
from airflow_provider_a360.api.settings import Settings
from airflow_provider_a360.get_provider_info import get_provider_info
from airflow_provider_a360.hooks.a360 import A360Hook
from airflow_provider_a360.hooks.connection import settings_of
from airflow_provider_a360.sandbox import example, tokens
from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.server import Sandbox

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
EXTRA = {
    "requests_per_second": 2.5,
    "page_size": 50,
    "max_in_flight": 3,
    "connect_timeout": 1.5,
    "read_timeout": 20.0,
    "personal_data_secret": "long and random",
}
SETTINGS = Settings(
    client_id="our-client",
    secret="s/ecret:@#%",
    base_url="https://api.example.com:8443/base",
    **{name: value for name, value in EXTRA.items() if name != "personal_data_secret"},
)


@pytest.fixture(scope="module")
def sandbox():
    """Return a sandbox without a rate limit and with a fixed clock."""
    with Sandbox(options=SandboxOptions(requests_per_second=0), clock=lambda: NOW) as server:
        yield server


@pytest.fixture
def connect(monkeypatch):
    """Return a function that defines a connection in the environment and returns its hook."""

    def define(text, conn_id="a360_default"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", text if isinstance(text, str) else json.dumps(text))
        return A360Hook(conn_id)

    return define


def connection(**fields):
    """Return a connection with a static API key, if `fields` don't override it."""
    extra = fields.pop("extra", None)
    extra = extra if extra is None or isinstance(extra, str) else json.dumps(extra)
    return Connection(conn_id="ours", conn_type="a360", **{"password": "sp_apikey_made_up", "extra": extra, **fields})


FIELDS = {"login": SETTINGS.client_id, "password": SETTINGS.secret, "host": SETTINGS.base_url}


@pytest.mark.parametrize(
    "written",
    [
        {"conn_type": "a360", **FIELDS, "extra": EXTRA},
        {"conn_type": "a360", **FIELDS, "extra": json.dumps(EXTRA)},
        {"conn_type": "a360", **FIELDS, "extra": {name: str(value) for name, value in EXTRA.items()}},
        connection(**FIELDS, extra=EXTRA).get_uri(),
        (
            "a360://our-client:s%2Fecret%3A%40%23%25@https%3A%2F%2Fapi.example.com%3A8443%2Fbase?requests_per_second=2.5"
            "&page_size=50&max_in_flight=3&connect_timeout=1.5&read_timeout=20.0&personal_data_secret=long+and+random"
        ),
    ],
    ids=["json", "nested_json", "json_of_strings", "airflows_uri", "uri_by_hand"],
)
def test_every_notation_of_a_connection_gives_the_same_settings(connect, written):
    hook = connect(written)
    assert hook.get_conn().settings == SETTINGS
    assert hook.personal_data_secret == "long and random"


def test_fields_give_the_same_settings():
    assert settings_of(connection(**FIELDS, extra=EXTRA)) == SETTINGS


def test_a_missing_field_has_its_default():
    assert settings_of(connection()) == Settings(secret="sp_apikey_made_up")
    assert settings_of(connection()).base_url == "https://api.sendpulse.com"
    assert settings_of(connection(login=" ", host=" ", extra={"page_size": None, "read_timeout": ""})) == Settings(
        secret="sp_apikey_made_up"
    )


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"host": "api.example.com"}, "https://api.example.com"),
        ({"host": "api.example.com", "port": 8443}, "https://api.example.com:8443"),
        ({"host": "api.example.com/base", "port": 8443}, "https://api.example.com:8443/base"),
        ({"host": "api.example.com", "schema": "https"}, "https://api.example.com"),
        ({"host": "127.0.0.1", "schema": "http", "port": 8080}, "http://127.0.0.1:8080"),
        ({"host": "127.0.0.1:8080", "schema": "http"}, "http://127.0.0.1:8080"),
        ({"host": "http://127.0.0.1", "port": 8080}, "http://127.0.0.1:8080"),
        ({"host": "http://127.0.0.1:8080", "port": 9090}, "http://127.0.0.1:8080"),
        ({"host": "http://[::1]", "port": 8080}, "http://[::1]:8080"),
        ({"host": "http://localhost:8080/"}, "http://localhost:8080"),
        ({"host": "https://api.example.com/base/"}, "https://api.example.com/base"),
    ],
)
def test_host_schema_and_port_are_one_base_url(fields, url):
    assert settings_of(connection(**fields)).base_url == url


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"password": None}, "password"),
        ({"password": "  "}, "password"),
        ({"host": "http://api.example.com"}, "unencrypted"),
        ({"host": "api.example.com", "schema": "http"}, "unencrypted"),
        ({"host": "ftp://api.example.com"}, "host"),
        ({"host": "https://api.example.com?x=1"}, "host"),
        ({"extra": ["page_size"]}, "JSON object"),
        ({"extra": "page_size=50 sp_apikey"}, "not valid JSON"),
        ({"extra": {"page_size": "many"}}, "page_size in the connection's extra must be a whole number"),
        ({"extra": {"page_size": 0}}, "page_size is 0"),
        ({"extra": {"page_size": 101}}, "page_size is 101"),
        ({"extra": {"page_size": 50.9}}, "page_size in the"),
        ({"extra": {"page_size": True}}, "page_size in the"),
        ({"extra": '{"page_size": 1e400}'}, "page_size in the"),
        ({"extra": {"max_in_flight": "-1"}}, "max_in_flight is -1"),
        ({"extra": {"requests_per_second": "nan"}}, "requests_per_second is nan"),
        ({"extra": {"requests_per_second": 0}}, "requests_per_second is 0"),
        ({"extra": {"connect_timeout": {}}}, "connect_timeout in the connection's extra must be a number"),
        ({"extra": {"read_timeout": "inf"}}, "read_timeout is inf"),
        ({"extra": {"read_timeout": False}}, "read_timeout in the"),
    ],
)
def test_an_invalid_value_is_named(fields, named):
    with pytest.raises(A360ConfigError) as caught:
        settings_of(connection(**fields))
    assert named in str(caught.value)
    assert "sp_apikey" not in str(caught.value)


def test_an_integer_may_have_a_decimal_point():
    assert settings_of(connection(extra={"page_size": "50.0"})).page_size == 50


def test_a_warning_names_unknown_fields_of_extra_without_their_values(caplog):
    extra = {"page_size": 7, "verify": False, "api_token": "hush-hush-value", "": 1}
    with caplog.at_level(logging.WARNING):
        assert settings_of(connection(extra=extra)).page_size == 7
    (message,) = [record.getMessage() for record in caplog.records if record.name.endswith("hooks.connection")]
    assert "verify" in message
    assert "api_token" in message
    assert "page_size" not in message.partition(" Known fields: ")[0]
    assert "hush-hush-value" not in caplog.text


def test_known_fields_of_extra_cause_no_warning(caplog):
    with caplog.at_level(logging.WARNING):
        settings_of(connection(extra=EXTRA))
    assert not [record for record in caplog.records if record.name.startswith("airflow_provider_a360")]


@pytest.mark.parametrize("secret", [12345, ["a"], {"a": "b"}, True])
def test_a_secret_that_is_not_a_string_is_refused_without_being_shown(connect, secret):
    hook = connect({"conn_type": "a360", "password": "key-of-ours", "extra": {"personal_data_secret": secret}})
    with pytest.raises(A360ConfigError, match="personal_data_secret") as caught:
        hook.personal_data_secret  # noqa: B018
    assert "12345" not in str(caught.value)


@pytest.mark.parametrize("extra", [{}, {"personal_data_secret": ""}, {"personal_data_secret": None}])
def test_a_missing_secret_is_none(connect, extra):
    assert connect({"conn_type": "a360", "password": "key-of-ours", "extra": extra}).personal_data_secret is None


def test_the_error_for_an_undefined_connection_names_it_and_the_remedy():
    with pytest.raises(A360ConfigError, match=r"'nowhere'.*a360_conn_id"):
        A360Hook("nowhere").get_conn()


def test_the_sandboxs_connection_works(connect, sandbox):
    hook = connect(sandbox.connection_uri)
    assert hook.flow(example.MAIN_FLOW).flow.name == "Order follow-up"
    assert [flow.id for flow in hook.flows()] == [flow.id for flow in sandbox.account.flows]


def test_a_password_without_a_login_is_a_static_key(connect, sandbox):
    hook = connect({"conn_type": "a360", "password": sandbox.api_key, "host": sandbox.url}, "with_key")
    before = len(sandbox.requests)
    hook.flow(example.MAIN_FLOW)
    assert [seen.path for seen in sandbox.requests[before:]] == [f"/a360/autoresponders/{example.MAIN_FLOW}"]


def test_the_error_for_wrong_credentials_does_not_show_them(connect, sandbox):
    hook = connect({"conn_type": "a360", "login": "we", "password": "wrong-secret-of-ours", "host": sandbox.url})
    with pytest.raises(A360AuthError, match="Check the connection") as caught:
        hook.flow(example.MAIN_FLOW)
    assert "wrong-secret-of-ours" not in str(caught.value)


def test_the_connection_is_read_once_and_the_client_kept(connect, sandbox, monkeypatch):
    hook = connect(sandbox.connection_uri)
    client = hook.get_conn()
    monkeypatch.delenv("AIRFLOW_CONN_A360_DEFAULT")
    assert hook.get_conn() is client
    assert hook.personal_data_secret is None


def test_the_hook_has_every_method_of_the_client(connect, sandbox):
    methods = [name for name in dir(A360Client) if not name.startswith("_") and callable(getattr(A360Client, name))]
    assert methods
    for name in methods:
        of_hook, of_client = (inspect.signature(getattr(owner, name)).parameters for owner in (A360Hook, A360Client))
        assert [(one.name, one.kind, one.default) for one in of_hook.values()] == [
            (one.name, one.kind, one.default) for one in of_client.values()
        ]
    hook = connect(sandbox.connection_uri)
    assert hook.element_stats(example.EMAIL, "email", "2026-11-19", "2026-11-19").sent > 0
    assert len(list(hook.contacts(example.START, "maintrigger"))) == len(sandbox.account.element(example.START).events)


def test_the_hooks_names_are_those_of_the_provider_info():
    (connection_type,) = get_provider_info()["connection-types"]
    assert connection_type["connection-type"] == A360Hook.conn_type == "a360"
    assert connection_type["hook-name"] == A360Hook.hook_name
    assert connection_type["hook-class-name"] == f"{A360Hook.__module__}.{A360Hook.__qualname__}"
    assert A360Hook().a360_conn_id == A360Hook.default_conn_name == "a360_default"


def test_no_request_is_sent_before_a_method_is_called(connect, sandbox, monkeypatch):
    monkeypatch.setattr(account, "_shared_objects", {})
    before = len(sandbox.requests)
    hook = connect(sandbox.connection_uri)
    client = hook.get_conn()
    A360Client(client.settings)
    assert hook.personal_data_secret is None
    assert sandbox.requests[before:] == []
    assert client.requests == 0
    client.flow(example.MAIN_FLOW)
    assert len(sandbox.requests[before:]) == client.requests == 2


def rotate(monkeypatch, sandbox, secret):
    """Replace the client secret at the service, and revoke all tokens."""
    monkeypatch.setattr(tokens, "CLIENT_SECRET", secret)
    sandbox.revoke_tokens()


def test_a_new_secret_in_the_connection_is_used_after_the_next_401(connect, sandbox, monkeypatch):
    fields = {"conn_type": "a360", "login": sandbox.client_id, "host": sandbox.url}
    hook = connect({**fields, "password": sandbox.client_secret})
    client = hook.client(deadline=5)
    for one in (hook, client):
        assert one.flow(example.MAIN_FLOW).flow.id == example.MAIN_FLOW
    rotate(monkeypatch, sandbox, "the new one")
    connect({**fields, "password": "the new one"})
    for one in (hook, client):
        assert one.flow(example.MAIN_FLOW).flow.id == example.MAIN_FLOW


def test_a_secret_replaced_only_at_the_service_causes_one_retry(connect, sandbox, monkeypatch):
    hook = connect(sandbox.connection_uri)
    hook.flow(example.MAIN_FLOW)
    rotate(monkeypatch, sandbox, "the new one")
    with pytest.raises(A360RevokedError, match="accepted before"):
        hook.flow(example.MAIN_FLOW)
    with pytest.raises(A360AuthError):
        connect(sandbox.connection_uri).flow(example.MAIN_FLOW)


def test_a_connection_deleted_meanwhile_is_named(connect, sandbox, monkeypatch, caplog):
    hook = connect(sandbox.connection_uri)
    hook.flow(example.MAIN_FLOW)
    rotate(monkeypatch, sandbox, "the new one")
    monkeypatch.delenv("AIRFLOW_CONN_A360_DEFAULT")
    with pytest.raises(A360RevokedError):
        hook.flow(example.MAIN_FLOW)
    assert "'a360_default' doesn't exist" in caplog.text


@pytest.mark.parametrize("name", ["sp_apikey_0123456789", "9f8e7d6c5b4a39281706f5e4d3c2b1a0", "a secret, typed here"])
def test_a_secret_entered_as_a_field_name_is_not_shown(caplog, name):
    settings_of(connection(extra={name: "", "verify": 1}))
    assert "verify" in caplog.text
    assert name not in caplog.text


def test_airflow_masks_a_token_that_another_client_requested(connect, sandbox, monkeypatch):
    monkeypatch.setattr(account, "_shared_objects", {})
    client = A360Client(connect(sandbox.connection_uri).get_conn().settings)
    client.flow(example.MAIN_FLOW)
    token = client._transport._credentials._token
    assert redact(f"Bearer {token}") == f"Bearer {token}"
    A360Hook().flow(example.MAIN_FLOW)
    assert redact(f"Bearer {token}") == "Bearer ***"


def test_airflow_masks_each_token(connect, sandbox, monkeypatch):
    monkeypatch.setattr(account, "_shared_objects", {})
    hook = connect(sandbox.connection_uri)
    client = hook.get_conn()
    for _ in range(2):
        sandbox.revoke_tokens()
        client.flow(example.MAIN_FLOW)
        token = client._transport._credentials._token
        assert redact(f"Authorization: Bearer {token}") == "Authorization: Bearer ***"


def test_airflow_masks_the_secret_for_personal_data_before_it_is_used(monkeypatch):
    """Airflow masks the extra of a connection from the API server only as a whole, not its values."""
    key = "for the pseudonyms of our contacts"
    hook = A360Hook()
    monkeypatch.setattr(hook, "get_connection", lambda _: connection(extra={"personal_data_secret": key}))
    hook.get_conn()
    assert redact(f"hashed with {key}") == f"hashed with {key}"
    assert hook.personal_data_secret == key
    assert redact(f"hashed with {key}") == "hashed with ***"
