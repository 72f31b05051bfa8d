"""Authentication, recorded requests, prepared responses, the server and the pytest fixture."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from airflow_provider_a360.sandbox import example
from airflow_provider_a360.sandbox.account import Account
from airflow_provider_a360.sandbox.server import Sandbox

FLOW = f"/autoresponders/{example.MAIN_FLOW}"


def token(sandbox, **how):
    return requests.post(f"{sandbox.url}/oauth/access_token", timeout=5, **how)


@pytest.mark.parametrize("how", ["json", "data"])
def test_client_credentials_get_a_token_by_json_and_by_form(serve, how):
    call = serve()
    form = {
        "grant_type": "client_credentials",
        "client_id": call.sandbox.client_id,
        "client_secret": call.sandbox.client_secret,
    }
    answer = token(call.sandbox, **{how: form})
    assert answer.status_code == 200
    assert answer.json() == {"access_token": answer.json()["access_token"], "token_type": "Bearer", "expires_in": 3600}
    call.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    assert call.get(FLOW).status_code == 200
    call.sandbox.revoke_tokens()
    assert call.get(FLOW).status_code == 401


def test_wrong_credentials(call):
    form = {"grant_type": "client_credentials", "client_id": call.sandbox.client_id, "client_secret": "wrong"}
    answer = token(call.sandbox, json=form)
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"
    assert token(call.sandbox, json=form | {"grant_type": "password"}).status_code == 400
    assert token(call.sandbox, data=b"{", headers={"Content-Type": "application/json"}).status_code == 400


@pytest.mark.parametrize("header", [None, "", "Bearer nonsense", "Bearer sp_apikey_other", "Basic abc"])
def test_requests_without_a_valid_bearer_token_are_refused(call, header):
    headers = {} if header is None else {"Authorization": header}
    for path in ("/a360/autoresponders/list", "/user/info", "/a360/events/delete-log"):
        answer = requests.get(call.sandbox.url + path, headers=headers, timeout=5)
        assert answer.status_code == 401
        assert answer.json() == {"message": "Unauthorized!", "error_code": 401}


def test_user_info_accepts_the_api_key(call):
    assert call.sandbox.api_key.startswith("sp_apikey_")
    assert call.session.get(f"{call.sandbox.url}/user/info").status_code == 200


def test_requests_are_recorded_in_order_without_secrets_or_addresses(serve):
    call = serve()
    call.get(FLOW, limit=5, email="ada@example.com")
    call.session.post(f"{call.sandbox.url}/a360/events/delete-log", json={"email": "ada@example.com"})
    token(call.sandbox, json={"client_secret": call.sandbox.client_secret})
    seen = call.sandbox.requests
    assert [(s.method, s.path, s.query, s.status, s.had_bearer) for s in seen] == [
        ("GET", f"/a360{FLOW}", {"limit": "5"}, 200, True),
        ("POST", "/a360/events/delete-log", {}, 200, True),
        ("POST", "/oauth/access_token", {}, 400, False),
    ]
    assert seen[0].at < seen[1].at < seen[2].at
    assert "ada" not in repr(seen)
    assert call.sandbox.api_key not in repr(seen)


def test_answer_next_sets_the_next_responses(serve):
    call = serve()
    call.sandbox.answer_next("/a360/autoresponders", status=503, body="<html>", headers={"Retry-After": "7"}, times=2)
    call.sandbox.answer_next("/a360/stats", body={"result": False})
    answer = call.get(FLOW)
    assert (answer.status_code, answer.text, answer.headers["Retry-After"]) == (503, "<html>", "7")
    assert call.data("/stats/email/1/group-stat") == {"result": False}
    assert call.get("/stats/email/1/group-stat").status_code == 404
    assert [call.get(FLOW).status_code for _ in range(2)] == [503, 200]


def test_the_connection_is_one_that_airflow_reads(call):
    connection = json.loads(call.sandbox.connection_uri)
    assert connection == {
        "conn_type": "a360",
        "login": call.sandbox.client_id,
        "password": call.sandbox.client_secret,
        "host": call.sandbox.url,
    }


def test_the_clock_starts_at_the_time_for_which_an_account_was_generated():
    opened = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
    account = Account.generate(now=opened, drain=timedelta(seconds=0.3))
    with Sandbox(account) as sandbox:
        headers = {"Authorization": f"Bearer {sandbox.api_key}"}
        queue, deadline = 12, time.monotonic() + 10
        while queue:
            assert time.monotonic() < deadline
            queue = requests.get(f"{sandbox.url}/a360{FLOW}", headers=headers, timeout=5).json()["in_queue"]
            sandbox.requests.clear()
            sandbox.options.requests_per_second = 0
        newest = max(row.conversion_date for row in account.flow(example.MAIN_FLOW).conversions)
        assert newest <= opened + timedelta(minutes=5)


def test_a_port_in_use_is_an_error_and_a_free_one_is_used():
    with Sandbox(Account()) as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            Sandbox(Account(), port=port)
    with Sandbox(Account(), port=port) as second:
        assert second.url == first.url


def test_it_imports_neither_airflow_nor_the_client():
    code = (
        "import sys; import airflow_provider_a360.sandbox.server; "
        "bad = [m for m in sys.modules if m.split('.')[0] == 'airflow' or m.startswith(('airflow_provider_a360.api', "
        "'airflow_provider_a360.export', 'airflow_provider_a360.hooks'))]; assert not bad, bad"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )


def test_serve_forever_ends_with_an_interrupt(tmp_path):
    code = (
        # Processes that a shell starts in the background ignore interrupts.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from airflow_provider_a360.sandbox.server import Sandbox; "
        "sandbox = Sandbox(); print(sandbox.url, flush=True); sandbox.serve_forever()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        url = process.stdout.readline().strip()
        session = requests.Session()
        session.mount(
            "http://", requests.adapters.HTTPAdapter(max_retries=requests.adapters.Retry(connect=5, backoff_factor=0.1))
        )
        assert session.get(f"{url}/user/info", timeout=10).status_code == 401
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(timeout=10) == 0
        finally:
            process.kill()


USERS_TEST = """
import os, json, requests, pytest

def ask(sandbox, path):
    return requests.get(sandbox.url + path, headers={"Authorization": f"Bearer {sandbox.api_key}"}, timeout=5)

def test_plain(a360_sandbox):
    assert json.loads(os.environ["AIRFLOW_CONN_A360_DEFAULT"])["host"] == a360_sandbox.url
    assert ask(a360_sandbox, "/a360/autoresponders/list").status_code == 200

@pytest.mark.a360_sandbox(seed=3, share_5xx=1)
def test_marked(a360_sandbox):
    assert a360_sandbox.options.share_5xx == 1
    assert ask(a360_sandbox, "/a360/autoresponders/list").status_code == 502

@pytest.mark.a360_sandbox(share_5xx=1)
class TestClass:
    @pytest.mark.a360_sandbox(share_5xx=0, latency=0.01)
    def test_the_closest_mark_wins(self, a360_sandbox):
        assert (a360_sandbox.options.share_5xx, a360_sandbox.options.latency) == (0, 0.01)

def test_gone():
    assert "AIRFLOW_CONN_A360_DEFAULT" not in os.environ
"""


def test_the_pytest_fixture_in_another_test_suite(tmp_path: Path):
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["airflow_provider_a360.sandbox.pytest_plugin"]\n')
    (tmp_path / "test_users.py").write_text(USERS_TEST)
    environment = {name: value for name, value in os.environ.items() if name != "AIRFLOW_CONN_A360_DEFAULT"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    command = [sys.executable, "-m", "pytest", "-q", "--strict-markers", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "4 passed" in done.stdout, done.stdout + done.stderr
