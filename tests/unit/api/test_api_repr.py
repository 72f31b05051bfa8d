"""What objects show when they are printed, logged or part of a traceback."""

import io
from datetime import UTC, datetime
from typing import get_args, get_type_hints

import pytest
from rich.console import Console

from airflow_provider_a360.api.account import credentials_of, rate_limiter_of
from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.records import (
    Conversion,
    ConversionCount,
    Element,
    ElementStats,
    EmailContact,
    Flow,
    PushContact,
    Record,
    SmsContact,
)
from airflow_provider_a360.api.settings import Settings
from airflow_provider_a360.api.transport import Request
from airflow_provider_a360.export.element_stats import ElementRow

SECRET = "hush-hush-secret"
# Texts that say nothing about a contact: names in the account, and values from lists of the service's own.
HARMLESS = {
    Flow: {"name"},
    Element: {"type", "name"},
    ElementStats: {"element_type"},
    ElementRow: {"flow_name", "element_type", "element_name"},
    ConversionCount: {"type", "name"},
    Conversion: {"conversion_type"},
    EmailContact: {"delivered_status_meaning"},
    PushContact: {"status_meaning"},
    SmsContact: {"status_meaning", "price", "currency"},
}


def subclasses(kind):
    return [kind, *(lower for direct in kind.__subclasses__() for lower in subclasses(direct))]


RECORDS = [kind for kind in subclasses(Record)[1:] if kind.__module__.startswith("airflow_provider_a360.")]


def texts(kind):
    """The fields of a record that hold a text."""
    hints = get_type_hints(kind)
    return {name for name in kind.__struct_fields__ if str in (hints[name], *get_args(hints[name]))}


def filled(kind):
    """A record with a different text in each field that holds one."""
    return kind(**{name: f"canary-{name}" if name in texts(kind) else 7 for name in kind.__struct_fields__})


def printed(value):
    """The value as rich prints it, which reads objects field by field."""
    console = Console(file=io.StringIO(), width=500)
    console.print(value)
    return console.file.getvalue()


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_every_text_of_a_record_is_private_or_listed_as_harmless(kind):
    harmless = HARMLESS.get(kind, set())
    assert texts(kind) - harmless <= kind.PRIVATE
    assert harmless <= texts(kind) - kind.PRIVATE


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_printing_a_record_shows_no_private_field(kind):
    private = texts(kind) - HARMLESS.get(kind, set())
    row = filled(kind)
    for shown in (repr(row), str(row), repr([row]), f"{row}", printed(row)):
        assert not [name for name in private if f"canary-{name}" in shown]
        assert shown.count("<hidden>") == len(private)
        assert all(f"{name}=7" in shown for name in set(kind.__struct_fields__) - texts(kind))


def test_a_private_field_without_a_value_is_printed_as_none():
    row = filled(Conversion)
    row.email = None
    assert "email=None, phone=<hidden>" in repr(row)


def test_a_flow_is_printed_with_all_but_its_unknown_fields():
    flow = Flow(id=7, name="Welcome", status=1, created=datetime(2026, 11, 20, tzinfo=UTC), changed=None, extra="{}")
    assert repr(flow).startswith("Flow(id=7, name='Welcome', status=1, created=datetime.datetime(2026,")
    assert repr(flow).endswith("changed=None, extra=<hidden>)")


def test_printing_a_request_shows_neither_query_nor_body():
    login = Request("POST", "/oauth/access_token", body={"client_id": "me", "client_secret": SECRET})
    asked = Request("GET", "/a360/x", params={"email": "jane.doe@example.com"})
    assert repr(login) == str(login) == "Request(POST /oauth/access_token)"
    assert repr(asked) == "Request(GET /a360/x)"


@pytest.mark.parametrize("client_id", ["", "me"])
def test_printing_objects_that_hold_the_secret_does_not_show_it(client_id):
    settings = Settings(client_id=client_id, secret=SECRET)
    client = A360Client(settings)
    for one in (settings, client, client._transport, credentials_of(settings), rate_limiter_of(settings)):
        assert SECRET not in f"{one!r}{one}{printed(one)}"
