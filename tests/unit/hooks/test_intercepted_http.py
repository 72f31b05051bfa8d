"""Tests can intercept the hook's requests with responses, requests-mock or an adapter."""

import json

import pytest
import requests
import requests_mock
import responses
from responses import matchers

from airflow_provider_a360.api import account
from airflow_provider_a360.api.errors import A360RequestError
from airflow_provider_a360.hooks.a360 import A360Hook

URL = "https://api.sendpulse.com"
LIST = f"{URL}/a360/autoresponders/292692/conversions/list/all"
PAGE = {
    "total": 1,
    "items": [
        {
            "id": 7,
            "flow_id": 641435,
            "conversion_type": "goal",
            "email": "ann@example.com",
            "phone": None,
            "conversion_date": "2026-11-03 10:00:00",
            "start_date": "2026-11-02 10:00:00",
        }
    ],
}


@pytest.fixture(autouse=True)
def _connection(monkeypatch):
    """Define a connection, and forget the clients of other tests."""
    monkeypatch.setattr(account, "_shared_objects", {})
    fields = {"conn_type": "a360", "login": "client", "password": "secret"}
    monkeypatch.setenv("AIRFLOW_CONN_A360_DEFAULT", json.dumps(fields))


def columns_of(rows):
    """Return the columns to compare."""
    return [(row.flow_id, row.element_id, row.conversion_id, row.email) for row in rows]


CONVERSIONS = [(292692, 641435, 7, "ann@example.com")]


@responses.activate
def test_responses_can_answer_the_hook():
    token = {"access_token": "a-token", "expires_in": 3600}
    login = responses.post(f"{URL}/oauth/access_token", json=token)
    page = responses.get(
        LIST,
        json=PAGE,
        match=[
            matchers.header_matcher({"Authorization": "Bearer a-token"}),
            matchers.query_param_matcher({"limit": 100, "offset": 0}),
        ],
    )
    responses.get(LIST, json={"total": 1, "items": []})
    assert columns_of(A360Hook().conversions(292692)) == CONVERSIONS
    assert json.loads(login.calls[0].request.body)["client_id"] == "client"
    assert (login.call_count, page.call_count) == (1, 1)


@responses.activate
def test_responses_can_refuse_a_request():
    responses.post(f"{URL}/oauth/access_token", json={"access_token": "a-token"})
    responses.get(LIST, status=400, json={"message": "Wrong"})
    with pytest.raises(A360RequestError, match="400 Wrong"):
        A360Hook().conversions(292692)


def test_requests_mock_can_answer_the_hook():
    with requests_mock.Mocker() as mock:
        mock.post(f"{URL}/oauth/access_token", json={"access_token": "a-token"})
        mock.get(LIST, json=PAGE)
        assert columns_of(A360Hook().conversions(292692)) == CONVERSIONS
        assert mock.last_request.headers["Authorization"] == "Bearer a-token"


class CannedAdapter(requests.adapters.BaseAdapter):
    """An adapter that answers from memory, as record-and-replay libraries do."""

    def __init__(self):
        super().__init__()
        self.paths = []

    def send(self, request, **_):
        self.paths.append(request.path_url.partition("?")[0])
        answer = {"access_token": "a-token"} if request.method == "POST" else PAGE
        response = requests.Response()
        response.status_code = 200
        response.request = request
        response._content = json.dumps(answer).encode()
        return response

    def close(self):
        pass


def test_an_adapter_mounted_on_the_hooks_session_can_answer():
    hook, adapter = A360Hook(), CannedAdapter()
    hook.get_conn().session.mount("https://", adapter)
    assert columns_of(hook.conversions(292692)) == CONVERSIONS
    assert adapter.paths[0] == "/oauth/access_token"
