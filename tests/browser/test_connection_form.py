"""The connection's form on Airflow's page, and what the hook reads from it."""

import dataclasses
import json

import pytest

from airflow_provider_a360.api.errors import A360ConfigError
from airflow_provider_a360.api.settings import Settings
from airflow_provider_a360.get_provider_info import get_provider_info

(FORM,) = get_provider_info()["connection-types"]
FIELDS = FORM["conn-fields"]
NUMBERS = {name: field for name, field in FIELDS.items() if "string" not in field["schema"]["type"]}
STANDARD = {"Base URL": "https://api.example.com/base", "Client ID": "our-client"}
SECRET = {"Client secret, or API key": 's/ecret "of: ours@'}
EXTRA = {
    "Requests per second": "2.5",
    "Page size": "50",
    "Concurrent requests": "3",
    "Connect timeout": "1.5",
    "Read timeout": "20",
}
HASH_KEY = {"Personal-data secret": "long & random-key"}
TYPED = {
    "client_id": "our-client",
    "secret": 's/ecret "of: ours@',
    "base_url": "https://api.example.com/base",
    "requests_per_second": 2.5,
    "page_size": 50,
    "max_in_flight": 3,
    "connect_timeout": 1.5,
    "read_timeout": 20.0,
    "personal_data_secret": "long & random-key",
}
HIDDEN = (TYPED["secret"], TYPED["personal_data_secret"])


def add(pages, conn_id, standard, extra=None):
    """Add a connection with the form."""
    pages.add_connection(conn_id)
    pages.fill(standard)
    if extra:
        pages.unfold("Extra Fields")
        pages.fill(extra)
    pages.save()


@pytest.fixture(scope="module")
def saved(pages):
    """Return the id of a saved connection with all fields filled in. Tests must not change it."""
    add(pages, "saved", STANDARD | SECRET, EXTRA | HASH_KEY)
    return "saved"


def values(pages):
    """Return the values of the unfolded section, by label."""
    labels = pages.texts("//*[@role='dialog']//label")
    return {label: pages.field(label).get_attribute("value") for label in labels if "*" not in label}


def test_the_form_has_only_the_fields_that_apply(pages):
    pages.add_connection("looked_at")
    pages.field("Client ID")
    assert values(pages).keys() == {"Description", "Base URL", "Client ID", "Client secret, or API key"}
    assert pages.field("Base URL").get_attribute("placeholder") == "https://api.sendpulse.com"
    assert "API key" in pages.field("Client ID").get_attribute("placeholder")
    secret = pages.field("Client secret, or API key")
    assert secret.get_attribute("type") == "password"
    assert "sp_apikey_" in secret.get_attribute("placeholder")
    pages.unfold("Extra Fields")
    pages.field("Personal-data secret")
    assert values(pages) == dict.fromkeys([*EXTRA, *HASH_KEY], "")
    assert pages.field("Personal-data secret").get_attribute("type") == "password"
    read = pages.texts("//*[@role='dialog']//*[@data-part='helper-text']")
    assert read[-len(FIELDS) :] == [field["description"] for field in FIELDS.values()]


def test_the_hook_reads_what_was_typed(saved, read):
    assert read(saved) == TYPED


def test_an_empty_field_has_its_default(pages, read):
    add(pages, "key_alone", {"Client secret, or API key": "sp_apikey_made_up"})
    assert read("key_alone") == dataclasses.asdict(Settings(secret="sp_apikey_made_up")) | {
        "personal_data_secret": None
    }


def test_secrets_are_masked_in_the_page_and_in_the_rest_api(pages, server, saved):
    pages.edit_connection(saved)
    assert pages.field("Client secret, or API key").get_attribute("value") == "***"
    pages.unfold("Extra Fields")
    assert pages.field("Personal-data secret").get_attribute("value") == "***"
    pages.unfold("Extra Fields JSON")
    pages.see("//*[contains(@class, 'view-line')][contains(., 'personal_data_secret')]")
    one, every = server.rest("GET", f"connections/{saved}"), server.rest("GET", "connections")
    assert one["password"] == json.loads(one["extra"])["personal_data_secret"] == "***"
    assert one in every["connections"]
    shown = pages.browser.page_source + json.dumps(one) + json.dumps(every)
    assert not [secret for secret in HIDDEN if secret in shown or json.dumps(secret)[1:-1] in shown]


def test_saving_again_keeps_secrets_and_unchanged_fields(pages, read):
    add(pages, "again", STANDARD | SECRET, EXTRA | HASH_KEY)
    pages.edit_connection("again")
    pages.fill({"Client ID": "another-client"})
    pages.unfold("Extra Fields")
    assert values(pages) == EXTRA | dict.fromkeys(HASH_KEY, "***")
    pages.fill({"Page size": "", "Read timeout": "30"})
    pages.save()
    assert read("again") == TYPED | {"client_id": "another-client", "page_size": 100, "read_timeout": 30}


def test_secrets_can_be_replaced_and_removed(pages, read):
    add(pages, "renewed", STANDARD | SECRET, EXTRA | HASH_KEY)
    pages.edit_connection("renewed")
    pages.fill({"Client secret, or API key": "a new one"})
    pages.unfold("Extra Fields")
    pages.fill({"Personal-data secret": "another key"})
    pages.save()
    assert read("renewed") == TYPED | {"secret": "a new one", "personal_data_secret": "another key"}
    pages.edit_connection("renewed")
    pages.unfold("Extra Fields")
    pages.fill({"Personal-data secret": ""})
    pages.save()
    assert read("renewed") == TYPED | {"secret": "a new one", "personal_data_secret": None}


def test_the_page_corrects_a_number_out_of_range(pages, read):
    add(pages, "out_of_range", SECRET, {"Page size": "500", "Concurrent requests": "0"})
    settings = read("out_of_range")
    assert (settings["page_size"], settings["max_in_flight"]) == (100, 1)


def test_fields_saved_with_the_rest_api_are_kept(pages, server, read):
    extra = {"page_size": 7, "personal_data_secret": HIDDEN[1]}
    fields = {"conn_type": "a360", "password": HIDDEN[0], "extra": json.dumps(extra)}
    server.rest("POST", "connections", connection_id="elsewhere", **fields)
    pages.edit_connection("elsewhere")
    pages.fill({"Client ID": "our-client"})
    pages.save()
    expected = Settings(client_id="our-client", secret=HIDDEN[0], page_size=7)
    assert read("elsewhere") == dataclasses.asdict(expected) | {"personal_data_secret": HIDDEN[1]}


def test_the_test_button_shows_whether_the_account_answers(pages, server, sandbox):
    # With a port: without one, Airflow 3.3.2 refuses to test a connection of any type (apache/airflow#73298).
    host, _, port = sandbox.url.rpartition(":")
    for conn_id, secret in (("answers", sandbox.client_secret), ("refuses", "wrong-secret-of-ours")):
        account = {"conn_type": "a360", "login": sandbox.client_id, "password": secret, "host": host, "port": int(port)}
        server.rest("POST", "connections", connection_id=conn_id, **account)
    number = len(sandbox.account.flows)
    for conn_id, says in (
        ("answers", f"Connected. The account has {number} flows."),
        ("refuses", "401 Client authentication failed"),
    ):
        pages.open("connections")
        pages.see(f"//tr[contains(., '{conn_id}')]//button[@aria-label='Test Connection']").click()
        pages.see(f"//*[@data-scope='toast'][@data-part='description'][contains(., '{says}')]")
        assert "wrong-secret-of-ours" not in pages.browser.page_source


def test_a_connection_saved_with_the_form_can_be_tested(pages, server, sandbox):
    """The form saves empty fields as null, which the hook must accept."""
    typed = {
        "Base URL": sandbox.url,
        "Client ID": sandbox.client_id,
        "Client secret, or API key": sandbox.client_secret,
    }
    add(pages, "tested", typed)
    saved = server.rest("GET", "connections/tested")
    assert json.loads(saved["extra"]) == dict.fromkeys(FIELDS)
    assert server.rest("POST", "connections/test", **saved)["status"]


@pytest.mark.parametrize("name", NUMBERS)
def test_the_pages_ranges_and_defaults_are_those_of_the_client(name):
    field = NUMBERS[name]
    lowest, highest = field["schema"]["minimum"], field["schema"]["maximum"]
    for value in (lowest, highest):
        assert getattr(Settings(secret="s", **{name: value}), name) == value
    for value in (lowest / 2, highest * 2):
        with pytest.raises(A360ConfigError, match=name):
            Settings(secret="s", **{name: value})
    assert field["description"].endswith(f"Default: {getattr(Settings(secret='s'), name):g}.")
