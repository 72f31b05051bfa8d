"""Which settings are valid; an invalid one is an error before any request."""

import socket

import pytest

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.errors import A360ConfigError, A360TransientError
from airflow_provider_a360.api.settings import Settings


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"secret": ""}, "no password"),
        ({"base_url": "http://api.example.com"}, "unencrypted"),
        ({"base_url": "http://192.168.1.7:8080"}, "unencrypted"),
        ({"base_url": "http://127.0.0.1.example.com"}, "unencrypted"),
        ({"base_url": "http://localhost.example.com"}, "unencrypted"),
        ({"base_url": "https://me:hush@api.example.com"}, "user name or a password"),
        ({"base_url": "https://me@api.example.com"}, "user name or a password"),
        ({"base_url": "api.example.com"}, "not a base URL"),
        ({"base_url": "ftp://api.example.com"}, "not a base URL"),
        ({"base_url": "https://"}, "not a base URL"),
        ({"base_url": "https://api.example.com/?key=1"}, "not a base URL"),
        ({"base_url": "https://api.example.com/#top"}, "not a base URL"),
        ({"requests_per_second": 0}, "requests_per_second is 0"),
        ({"requests_per_second": -1}, "requests_per_second"),
        ({"requests_per_second": float("nan")}, "requests_per_second"),
        ({"requests_per_second": float("inf")}, "requests_per_second"),
        ({"page_size": 0}, "page_size is 0"),
        ({"page_size": 101}, "between 1 and 100"),
        ({"max_in_flight": 0}, "max_in_flight"),
        ({"max_in_flight": 65}, "max_in_flight"),
        ({"connect_timeout": 0}, "connect_timeout"),
        ({"read_timeout": 0}, "read_timeout"),
        ({"read_timeout": float("inf")}, "read_timeout"),
    ],
)
def test_an_invalid_setting_is_refused_with_its_name(given, message):
    with pytest.raises(A360ConfigError, match=message) as caught:
        Settings(**{"client_id": "me", "secret": "hush-hush", **given})
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("", "https://api.sendpulse.com"),
        ("  ", "https://api.sendpulse.com"),
        ("https://api.example.com/", "https://api.example.com"),
        ("https://api.example.com/proxy/", "https://api.example.com/proxy"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_base_urls(given, url):
    assert Settings(secret="key", base_url=given).base_url == url


def test_the_secret_is_not_shown():
    assert "hush" not in repr(Settings(client_id="me", secret="hush"))
    assert "hush" not in repr(A360Client(Settings(client_id="me", secret="hush")))


SECRETS = ("sp_apikey_0123456789abcdef", "9f8e7d6c5b4a39281706f5e4d3c2b1a0", "1234567890123")


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "form", ["{}", "http://{}", "https://{}", "https://{}/", "https://x.example.com/{}?a", "ftp://{}"]
)
def test_a_secret_typed_as_host_is_not_shown(monkeypatch, secret, form):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    shown = []

    def ask():
        settings = Settings(secret="key", base_url=form.format(secret))
        shown.append(repr(settings))
        A360Client(settings, deadline=0.01).flows()

    with pytest.raises((A360ConfigError, A360TransientError), match=r"[Tt]he connection's host") as caught:
        ask()
    assert secret not in f"{shown}{caught.value}"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.sendpulse.com",
        "https://a360-proxy.internal.example.com:8443",
        "http://127.0.0.1:80",
        "http://[::1]:8080",
        "https://192.168.100.200",
        "http://localhost:8080",
    ],
)
def test_a_real_host_is_shown_without_its_path(url):
    assert Settings(secret="key", base_url=f"{url}/sp_apikey_0123456789").shown_url == url


def test_a_number_that_may_be_a_secret_is_not_shown():
    with pytest.raises(A360ConfigError, match="page_size") as caught:
        Settings(secret="key", page_size=1234567890123)
    assert "1234567890123" not in str(caught.value)


def test_the_defaults_are_the_services_own_limits():
    settings = Settings(secret="key")
    assert (settings.requests_per_second, settings.page_size) == (10, 100)


def test_creating_a_client_sends_no_request(sandbox):
    assert A360Client(Settings(secret="key", base_url=sandbox.url)).requests == 0
    assert sandbox.requests == []
