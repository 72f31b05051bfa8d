"""What is shown of objects when somebody prints them, logs them or reads them in a traceback."""

import io
from datetime import UTC, datetime
from typing import get_type_hints

import pytest
from rich.console import Console

from airflow_provider_a360.api.account import credentials_of, rate_limiter_of
from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.records import CONTACTS, Conversion, Flow, TriggeredContact
from airflow_provider_a360.api.settings import Settings
from airflow_provider_a360.api.transport import Request

SECRET = "hush-hush-secret"
# Texts that the service chooses from a list of its own.
OPEN = {"conversion_type", "delivered_status_meaning", "status_meaning", "price", "currency"}
OF_PEOPLE = [Conversion, TriggeredContact, *(kind for kind, *_ in CONTACTS.values())]


def of_somebody(kind):
    """A row with a text of its own in each field that holds texts."""
    hints = get_type_hints(kind)
    return kind(**{name: f"canary-{name}" if hints[name] == str | None else 7 for name in kind.__struct_fields__})


def printed(value):
    """The value as a console prints it that takes objects apart."""
    console = Console(file=io.StringIO(), width=500)
    console.print(value)
    return console.file.getvalue()


@pytest.mark.parametrize("kind", OF_PEOPLE, ids=lambda kind: kind.__name__)
def test_a_row_of_a_person_shows_ids_and_no_text_of_theirs(kind):
    row = of_somebody(kind)
    closed = [name for name in kind.__struct_fields__ if str(getattr(row, name)).startswith("canary-")]
    closed = [name for name in closed if name not in OPEN]
    assert {"email", "phone", "extra"} <= set(closed)
    for shown in (repr(row), str(row), repr([row]), f"{row}", printed(row)):
        assert not [name for name in closed if f"canary-{name}" in shown]
        assert "<hidden>" in shown
        assert "element_id=7" in shown or "id=7" in shown


def test_a_field_without_a_value_is_seen_to_have_none():
    row = of_somebody(Conversion)
    row.email = None
    assert "email=None, phone=<hidden>" in repr(row)


def test_other_rows_show_what_they_hold_but_for_what_is_not_known():
    flow = Flow(id=7, name="Welcome", status=1, created=datetime(2026, 11, 20, tzinfo=UTC), changed=None, extra="{}")
    assert repr(flow).startswith("Flow(id=7, name='Welcome', status=1, created=datetime.datetime(2026,")
    assert repr(flow).endswith("changed=None, extra=<hidden>)")


def test_a_request_shows_where_it_goes_and_not_what_it_carries():
    login = Request("POST", "/oauth/access_token", body={"client_id": "me", "client_secret": SECRET})
    asked = Request("GET", "/a360/x", params={"email": "jane.doe@example.com"})
    assert repr(login) == str(login) == "Request(POST /oauth/access_token)"
    assert repr(asked) == "Request(GET /a360/x)"


@pytest.mark.parametrize("client_id", ["", "me"])
def test_nothing_that_holds_the_secret_shows_it(client_id):
    settings = Settings(client_id=client_id, secret=SECRET)
    client = A360Client(settings)
    for one in (settings, client, client._transport, credentials_of(settings), rate_limiter_of(settings)):
        assert SECRET not in f"{one!r}{one}{printed(one)}"
