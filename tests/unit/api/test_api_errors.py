"""Exceptions and logs have the service's reason, and no personal data or secrets."""

import base64
import copy
import pickle
import traceback
from urllib.parse import quote

import pytest
from api_support import TOKEN_PATH, connect, connect_by_key

from airflow_provider_a360.api.errors import (
    A360AnswerError,
    A360AuthError,
    A360Error,
    A360FlowNotFoundError,
    A360FormatError,
    A360RequestError,
    A360TransientError,
    scrub,
)
from airflow_provider_a360.sandbox import example

EMAIL = "jane.doe+orders@example.com"
TOKEN = "3f9a0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f70"
JWT = f"eyJhbGciOiJIUzI1NiJ9.{base64.urlsafe_b64encode(EMAIL.encode()).decode()}.c2lnbmF0dXJlIG9mIGl0"
B64 = base64.b64encode(EMAIL.encode()).decode()
PHONES = ["12025550123", "+12025550123", "1 202 555 0123", "+1 (202) 555-0123", "202-555-0123", "202.555.01.23"]
PERSONAL = [EMAIL, EMAIL.upper(), quote(EMAIL), B64, *PHONES]
SECRETS = [f"Bearer {TOKEN}", f"bearer {JWT}", TOKEN, JWT, "sp_apikey_0a1b2c3d4e5f"]
HIDDEN = [*PERSONAL, *SECRETS]

BODIES = {
    "message": lambda text: {"message": f"Nothing is known of {text}, sorry", "error_code": 422},
    "field": lambda text: {"type": "validation_error", "messages": {"email": [f"{text} is taken"]}},
    "field name": lambda text: {"messages": {text: ["is taken"]}},
    "errors": lambda text: {"result": False, "errors": {"email": text}},
    "list of errors": lambda text: {"result": False, "errors": [f"<{text}>"]},
    "oauth": lambda text: {"error": "invalid_client", "error_description": f"for {text}"},
    "bare string": lambda text: f'"{text}"',
    "text": lambda text: f"Nothing is known of {text}",
    "html": lambda text: f"<html><p>Nothing is known of {text}</p></html>",
}


def all_text(error, caplog):
    """All text of an exception and the log, with chained exceptions and debug lines."""
    logged = "\n".join(f"{record.getMessage()} {record.exc_text}" for record in caplog.records)
    shown = "".join(traceback.format_exception(error)) + repr(error) + str(error.__dict__) if error else ""
    return shown + logged


def failure(call):
    try:
        call()
    except A360Error as error:
        return error
    return None


def names_none(text):
    flat = text.lower()
    digits = "".join(letter for letter in text if letter.isdigit())
    return (
        "jane.doe" not in flat
        and B64.lower() not in flat
        and TOKEN not in flat
        and JWT.lower() not in flat
        and "0a1b2c3d4e5f" not in flat
        and "5550123" not in digits
    )


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("status", [200, 400, 401, 403, 429, 500])
def test_no_error_and_no_log_line_holds_a_token_an_address_or_a_number(sandbox, caplog, status, body):
    caplog.set_level("DEBUG")
    client = connect_by_key(sandbox.url, deadline=0.015)
    for text in HIDDEN:
        caplog.clear()
        sandbox._prepared.clear()
        sandbox.answer_next("/a360/stats/", status=status, body=body(text), times=99)
        error = failure(lambda: client.element_stats(example.EMAIL, "email"))
        assert error or status == 200
        assert names_none(all_text(error, caplog)), text


@pytest.mark.parametrize("status", [200, 400, 401, 502])
def test_the_error_of_a_failed_login_quotes_nothing_secret(sandbox, caplog, status):
    caplog.set_level("DEBUG")
    sandbox.answer_next(TOKEN_PATH, status=status, body={"error": f"{TOKEN} of {EMAIL}", "access": TOKEN}, times=99)
    with pytest.raises((A360AuthError, A360TransientError)) as caught:
        connect(sandbox, deadline=0.05).flow(example.MAIN_FLOW)
    assert names_none(all_text(caught.value, caplog))
    assert sandbox.client_secret not in all_text(caught.value, caplog)


def test_a_successful_response_leaves_no_personal_data_in_the_log(sandbox, caplog):
    caplog.set_level("DEBUG")
    client = connect(sandbox)
    people = list(client.contacts(example.EMAIL, "email"))[:300]
    tokens = {client._transport._credentials._token, sandbox.client_secret}
    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert "addresses" in logged
    assert not any(secret in logged for secret in tokens)
    assert not any(person.email in logged for person in people if person.email)
    assert not any(person.phone in logged for person in people if person.phone)


def test_the_deletion_of_event_logs_leaves_no_personal_data_in_the_log(sandbox, caplog):
    caplog.set_level("DEBUG")
    sandbox.answer_next("/a360/events/", status=422, body={"message": f"No {EMAIL} with {PHONES[0]}"})
    with pytest.raises(A360RequestError) as caught:
        connect(sandbox).delete_event_logs(email=EMAIL, phone=PHONES[0])
    assert names_none(all_text(caught.value, caplog))


@pytest.mark.parametrize("row", [{"id": EMAIL}, {"id": 1, "sent_date": EMAIL}, {"id": 1, "is_spam": EMAIL}, {"id": []}])
def test_a_row_in_another_form_is_named_by_its_field_only(sandbox, caplog, row):
    sandbox.answer_next("/a360/stats/", body={"data": [{**row, "email": EMAIL, "phone": PHONES[0]}], "total": 1})
    with pytest.raises(A360FormatError) as caught:
        list(connect(sandbox).contacts(example.EMAIL, "email"))
    assert names_none(all_text(caught.value, caplog))


def test_messages_of_fields_are_shown(sandbox):
    body = {
        "type": "validation_error",
        "messages": {"limit": ["The limit field is required."], "offset": ["The offset field is required.", "Really."]},
    }
    sandbox.answer_next("/a360/stats/", status=400, body=body)
    with pytest.raises(A360RequestError) as caught:
        connect(sandbox).element_stats(example.EMAIL, "email")
    assert str(caught.value) == (
        f"GET /a360/stats/email/{example.EMAIL}/group-stat: 400 limit: The limit field is required.; "
        "offset: The offset field is required. Really. Fix the field that the message names; "
        "if it names none, check the connection's host."
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"message": "Wrong flow", "error_code": 422}, "Wrong flow"),
        ({"result": False, "errors": {"flow": "unknown", "day": ["late", "odd"]}}, "flow: unknown; day: late odd"),
        ({"errors": ["one", 2, "three"]}, "one; three"),
        ({"errors": "only one"}, "only one"),
        ({"message": "", "messages": []}, "no message"),
        ({"error_code": 9}, "without a message, error_code 9"),
        ('"A bare string"', "A bare string"),
        ("[1, 2]", "no message"),
        ("<html>secret</html>", "no message"),
        ("", "no message"),
        ("\xff\xfe".encode("latin1"), "no message"),
    ],
)
def test_the_services_own_message_is_the_reason(sandbox, body, reason):
    sandbox.answer_next("/a360/stats/", status=422, body=body)
    with pytest.raises(A360RequestError) as caught:
        connect(sandbox).element_stats(example.EMAIL, "email")
    assert (caught.value.status, caught.value.reason) == (422, reason)


def test_a_query_is_not_part_of_the_message(sandbox):
    with pytest.raises(A360RequestError) as caught:
        list(connect(sandbox).contacts(example.EMAIL, "email", sort_field=EMAIL))
    assert caught.value.path == f"/a360/stats/email/{example.EMAIL}/addresses"
    assert names_none(str(caught.value))


def test_a_long_message_is_shortened_quickly():
    assert len(scrub("word " * 100_000)) < 310
    assert len(scrub("x" * 1_000_000)) < 310
    assert names_none(scrub("word " * 238 + EMAIL * 3))


@pytest.mark.parametrize(
    "text",
    [
        "The limit field is required.",
        "No statistics from 2026-11-20 10:00:00 to 2026-11-21 10:00:00",
        "Flow 292692 is not active, element 641433 neither",
        "fields.send_date_from.expression must be gte",
    ],
)
def test_harmless_parts_of_a_message_are_not_masked(text):
    assert scrub(text) == text


@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
@pytest.mark.parametrize(
    "error",
    [
        A360TransientError("GET", "/a360/x", 429, "busy", retry_after=3),
        A360AuthError("POST", TOKEN_PATH, None, "no access_token"),
        A360FlowNotFoundError(7),
        A360FormatError("A row has no id."),
    ],
)
def test_an_error_can_be_pickled_and_copied(error, again):
    other = again(error)
    assert (type(other), str(other), other.__dict__) == (type(error), str(error), error.__dict__)


def test_only_a_429_counts_as_rate_limited():
    assert A360TransientError("GET", "/x", 429, "busy").limited
    assert not A360TransientError("GET", "/x", 503, "busy").limited
    assert issubclass(A360TransientError, A360AnswerError)
