"""The commands that send requests, and the test button of the connection page, which shows the output of `check`."""

import json
import socket
import ssl
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tenacity import wait_fixed

from airflow_provider_a360 import cli_account
from airflow_provider_a360.api import account, transport
from airflow_provider_a360.cli import airflow_commands, main
from airflow_provider_a360.hooks import a360
from airflow_provider_a360.hooks.a360 import A360Hook
from airflow_provider_a360.sandbox import example
from airflow_provider_a360.sandbox.account import Account
from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.server import TOKEN_PATH, Sandbox

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
LIST_PATH = "/a360/autoresponders/list"
SECRETS = (Sandbox.client_secret, Sandbox.api_key, "wrong-of-ours", "hush-hush")


@pytest.fixture(autouse=True)
def _isolated(monkeypatch):
    """Forget the clients of other tests, retry fast, and give up early."""
    monkeypatch.setattr(account, "_shared_objects", {})
    monkeypatch.setattr(transport, "_BACKOFF", wait_fixed(0.01))
    monkeypatch.setattr(a360, "INTERACTIVE_DEADLINE", 0.05)
    monkeypatch.setattr(cli_account, "INTERACTIVE_DEADLINE", 0.05)
    # The commands set this variable, so restore it after the test.
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")


@pytest.fixture
def sandbox():
    """Return a sandbox without a rate limit and with a fixed clock; tests may change its account."""
    account = Account.generate(now=NOW, first_day=NOW.date())
    with Sandbox(account, options=SandboxOptions(requests_per_second=0), clock=lambda: NOW) as server:
        yield server


@pytest.fixture
def connect(monkeypatch, sandbox):
    """Return a function that defines the connection to the sandbox with changed fields."""

    def define(conn_id="a360_default", **changed):
        fields = {"conn_type": "a360", "login": sandbox.client_id, "password": sandbox.client_secret}
        text = json.dumps({**fields, "host": sandbox.url, **changed})
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", text)

    return define


@pytest.fixture
def run(capsys):
    """Return a function that runs a command; it returns the output and the exit message or None."""

    def run_command(*arguments):
        ended = None
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as exit_:
            ended = exit_.code
        printed = capsys.readouterr().out
        assert not any(secret in f"{printed}{ended}" for secret in SECRETS)
        return printed, ended

    return run_command


@pytest.fixture
def closed_port():
    """Return a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def tls_port(tmp_path):
    """Return the port of a server with a self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    certificate = certificate.serial_number(1).not_valid_before(datetime.now(UTC) - timedelta(hours=1))
    certificate = certificate.not_valid_after(datetime.now(UTC) + timedelta(hours=1)).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "host.pem").write_bytes(certificate.public_bytes(pem) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "host.pem")
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.handle_error = lambda *_: None
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def no_name_server(monkeypatch):
    """Let every DNS lookup fail."""

    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)


def check_both(run, before=lambda: None):
    """Check that `check` and the button give the same message; return whether they succeeded, and the message."""
    before()
    ok, message = A360Hook().test_connection()
    before()
    assert run("check") == ((f"{message}\n", None) if ok else ("", message))
    assert not any(secret in message for secret in SECRETS)
    return ok, message


def test_check_prints_the_number_of_flows(run, connect, sandbox):
    connect()
    assert check_both(run) == (True, f"Connected. The account has {len(sandbox.account.flows)} flows.")
    sandbox.account.flows.clear()
    assert check_both(run) == (True, "Connected. The account has 0 flows.")


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"password": "wrong-of-ours"}, ["401", "client secret"]),
        ({"login": "", "password": "sp_apikey_wrong-of-ours"}, ["401", "static API key"]),
        ({"password": ""}, ["has no password"]),
        ({"host": "http://api.example.com"}, ["unencrypted"]),
        ({"host": "https://[api.example.com"}, ["host is not a valid base URL"]),
        ({"host": "https://us:hush-hush@[api.example.com"}, ["host is not a valid base URL"]),
        ({"host": "https://api.example.com:https"}, ["base URL or the proxy is not a valid URL"]),
        ({"host": "https://api.example.com", "port": 99999}, ["base URL or the proxy is not a valid URL"]),
        ({"extra": {"page_size": 0, "personal_data_secret": "hush-hush"}}, ["page_size is 0"]),
    ],
)
def test_the_error_for_a_wrong_connection_names_the_reason(run, connect, changed, named):
    connect(**changed)
    ok, message = check_both(run)
    assert not ok
    assert all(words in message for words in named), message


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (
            {"status": 403, "body": {"message": "Not in your plan", "error_code": 3030303030}},
            ["403 Not in", "plan includes"],
        ),
        ({"status": 403, "body": {"message": "Your IP is not allowed", "error_code": 403}}, ["Your IP", "allow-list"]),
        ({"status": 200, "body": {"data": 7}}, ["The list of flows", "has a int, not rows"]),
        ({"status": 400, "body": {"message": "Bad limit"}}, ["400 Bad limit"]),
    ],
)
def test_the_error_for_a_refusal_has_the_services_reason(run, connect, sandbox, answer, named):
    connect()
    ok, message = check_both(run, lambda: sandbox.answer_next(LIST_PATH, **answer))
    assert not ok
    assert all(words in message for words in named), message


@pytest.mark.parametrize("style", ["429", "2020202020-400"])
def test_the_error_for_an_exhausted_rate_limit_says_so(run, connect, sandbox, style):
    connect()
    sandbox.options.share_429, sandbox.options.rate_limit_style = 1.0, style
    ok, message = check_both(run)
    assert not ok
    assert "429" in message
    assert "rate limit is exhausted" in message
    assert len([seen for seen in sandbox.requests if seen.path == TOKEN_PATH]) > 2
    assert "run the task" not in message


def test_the_error_for_a_broken_service_does_not_mention_the_limit(run, connect, sandbox):
    connect()
    sandbox.options.share_5xx = 1.0
    ok, message = check_both(run)
    assert not ok
    assert "502" in message
    assert "limit" not in message


def test_the_error_for_a_refused_network_connection_names_the_url(run, connect, closed_port):
    connect(host=f"http://127.0.0.1:{closed_port}")
    ok, message = check_both(run)
    assert not ok
    assert (
        f"no response from http://127.0.0.1:{closed_port} (connection refused); check the connection's host" in message
    )


def test_the_error_for_an_unknown_host_says_so(run, connect, no_name_server):
    connect(host="https://nowhere.example.com")
    ok, message = check_both(run)
    assert not ok
    assert "no response from https://nowhere.example.com (host name could not be resolved)" in message


def test_the_error_for_a_self_signed_certificate_names_the_remedy(run, connect, tls_port):
    connect(host=f"https://127.0.0.1:{tls_port}")
    ok, message = check_both(run)
    assert not ok
    assert "certificate" in message
    assert "REQUESTS_CA_BUNDLE" in message


@pytest.mark.parametrize(
    "command",
    [("check", "nowhere"), ("flows", "--conn-id", "nowhere"), ("elements", 1, "--conn-id", "nowhere")],
    ids=lambda command: command[0],
)
def test_the_error_for_an_undefined_connection_is_the_same_for_all_commands(run, command):
    message = A360Hook("nowhere").test_connection()[1]
    assert run(*command) == ("", message)
    assert message.startswith("The connection 'nowhere' doesn't exist: create one of type a360")


def test_check_uses_the_given_connection(run, connect):
    connect(password="wrong-of-ours")
    connect("other")
    assert run("check", "other")[1] is None
    assert "401" in run("check")[1]


def test_flows_are_those_of_the_account(run, connect, sandbox):
    connect("other")
    sandbox.account.flows[1].status = 2
    printed, _ = run("flows", "--conn-id", "other", "--output", "json")
    meanings = {0: "New", 1: "Active", 3: "Pause"}
    assert json.loads(printed) == [
        {
            "id": str(flow.id),
            "name": flow.name,
            "status": str(flow.status),
            "status_meaning": meanings.get(flow.status),
            "created": flow.created.isoformat(),
            "changed": flow.changed.isoformat(),
        }
        for flow in sandbox.account.flows
    ]


def test_elements_are_those_of_the_flow_without_deleted_ones(run, connect, sandbox):
    connect()
    rows = json.loads(run("elements", example.MAIN_FLOW, "-o", "json")[0])
    there = [element for element in sandbox.account.flow(example.MAIN_FLOW).elements if not element.deleted]
    assert [(row["id"], row["type"]) for row in rows] == [(str(element.id), element.type) for element in there]
    assert list(rows[0]) == ["id", "type", "name", "created", "last_send"]
    email = next(row for row in rows if row["id"] == str(example.EMAIL))
    sent = sandbox.account.element(example.EMAIL).events
    assert email["name"] == "Thank you for your order"
    assert email["last_send"] == max(event.at for event in sent).isoformat()
    assert str(example.OLD_EMAIL) not in {row["id"] for row in rows}


@pytest.mark.parametrize(
    "typed",
    [
        {"login": "hush-hush", "password": ""},
        {"login": "hush-hush", "password": "me"},
        {"host": "hush-hush"},
        {"host": "http://hush-hush"},
        {"host": "https://hush-hush"},
        {"host": "https://hush-hush", "port": 8443},
        {"host": "https://api.example.com?hush-hush"},
        {"host": "api.example.com", "schema": "hush-hush"},
        {"host": "https://api.example.com:hush-hush"},
        {"extra": "hush-hush"},
        {"extra": '"hush-hush"'},
        {"extra": {"page_size": "hush-hush"}},
        {"extra": {"read_timeout": ["hush-hush"]}},
        {"extra": {"page_size": 0, "hush-hush 1": 1}},
    ],
    ids=str,
)
def test_a_secret_entered_in_the_wrong_field_is_not_shown(run, connect, no_name_server, caplog, typed):
    connect(**typed)
    ok, message = check_both(run)
    assert not ok
    for command in (("flows",), ("elements", example.MAIN_FLOW)):
        assert run(*command)[1]
    assert "hush" not in message + caplog.text


@pytest.mark.parametrize("output", ["table", "plain", "json", "yaml"])
def test_control_characters_in_names_are_not_printed(run, connect, sandbox, output):
    name = "red\x1b[31m\x07 gpj\u202e.exe\u2066\u200f\u061c two\nlines\x9b2J"
    for flow in sandbox.account.flows:
        flow.name = name
    for element in sandbox.account.flow(example.MAIN_FLOW).elements:
        element.name = name
    connect()
    for command in (("flows",), ("elements", example.MAIN_FLOW)):
        printed = run(*command, "--output", output)[0]
        if output == "json":
            assert "red [31m  gpj.exe two lines 2J" in printed
        assert not set("\x1b\x07\u202e\u2066\u200f\u061c\x9b") & set(printed)
        assert "\\u202e" not in printed


@pytest.mark.parametrize("output", ["table", "plain", "json", "yaml"])
def test_markup_in_names_is_printed_literally(run, connect, sandbox, output):
    names = ["[/b] Dear [name], 100% :smile:", "Ünïcode, " + "long " * 60 + "end"]
    for flow, name in zip(sandbox.account.flows, names, strict=False):
        flow.name = name
    connect()
    printed, ended = run("flows", "--output", output)
    assert ended is None
    if output in ("json", "yaml"):
        assert [row["name"] for row in yaml.safe_load(printed)][:2] == names
    else:
        assert names[0] in printed
        assert "Ünïcode" in printed


def test_an_account_without_flows_prints_an_empty_list(run, connect, sandbox):
    connect()
    sandbox.account.flows.clear()
    assert json.loads(run("flows", "--output", "json")[0]) == []
    assert run("flows") == ("No data found\n", None)


def test_the_error_for_an_unknown_flow_names_the_remedy(run, connect):
    connect()
    printed, ended = run("elements", 5)
    assert printed == ""
    assert ended.startswith("Flow 5 does not exist in this account. List the flows with `airflow a360 flows` (before")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("elements", "9" * 5000), "flow_id is '999"),
        (("elements", "x"), "flow_id is 'x'; it must be an id"),
        (("elements", 0), "flow_id is '0'; it must be an id"),
        (("sandbox", "--port", "99999999999999999999"), "Port 99999999999999999999 can't be used"),
        (("sandbox", "--port", "70000"), "Port 70000 can't be used (a port is a number from 0 to 65535)"),
    ],
)
def test_an_invalid_number_ends_a_command_with_one_line(command, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main([str(part) for part in command])
    printed = f"{ended.value.code}{capsys.readouterr().err}"
    assert message in printed
    assert len(printed) < 500


def test_a_refused_list_prints_the_message_of_check(run, connect, closed_port):
    connect(host=f"http://127.0.0.1:{closed_port}")
    assert run("flows") == run("check")
    assert run("elements", example.MAIN_FLOW) == run("check")


def test_both_command_lines_have_the_same_commands(capsys):
    (group,) = airflow_commands()
    with pytest.raises(SystemExit):
        main(["--help"])
    printed = capsys.readouterr().out
    names = [command.name for command in group.subcommands]
    assert names == ["demo", "sandbox", "check", "flows", "elements"]
    assert all(f"    {name} " in printed for name in names)


def test_the_commands_import_only_a_few_small_modules():
    """Airflow imports the commands for each of its own commands."""
    code = """
import sys
import airflow.cli.cli_config
before = {"airflow_provider_a360", *sys.modules}
from airflow_provider_a360.cli import airflow_commands
airflow_commands()
print(*sorted(set(sys.modules) - before))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.split() == [
        "airflow_provider_a360.api",
        "airflow_provider_a360.api.arguments",
        "airflow_provider_a360.api.errors",
        "airflow_provider_a360.api.masking",
        "airflow_provider_a360.cli",
        "airflow_provider_a360.hooks",
        "airflow_provider_a360.sandbox",
        "airflow_provider_a360.sandbox.options",
    ]
