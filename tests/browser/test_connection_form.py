"""A person fills in the connection's form on Airflow's page; the hook reads what was typed."""

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
    pages.add_connection(conn_id)
    pages.fill(standard)
    if extra:
        pages.unfold("Extra Fields")
        pages.fill(extra)
    pages.save()


@pytest.fixture(scope="module")
def saved(pages):
    """A connection of which every field was typed in; tests only look at it."""
    add(pages, "saved", STANDARD | SECRET, EXTRA | HASH_KEY)
    return "saved"


def values(pages):
    """What the unfolded form holds, by label."""
    labels = pages.texts("//*[@role='dialog']//label")
    return {label: pages.field(label).get_attribute("value") for label in labels if "*" not in label}


def test_the_form_asks_for_what_applies_and_for_nothing_else(pages):
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


def test_what_is_left_empty_has_its_default(pages, read):
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


def test_saving_again_keeps_the_secrets_and_what_was_not_touched(pages, read):
    add(pages, "again", STANDARD | SECRET, EXTRA | HASH_KEY)
    pages.edit_connection("again")
    pages.fill({"Client ID": "another-client"})
    pages.unfold("Extra Fields")
    assert values(pages) == EXTRA | dict.fromkeys(HASH_KEY, "***")
    pages.fill({"Page size": "", "Read timeout": "30"})
    pages.save()
    assert read("again") == TYPED | {"client_id": "another-client", "page_size": 100, "read_timeout": 30}


def test_new_secrets_take_the_place_of_old_ones_and_one_can_be_taken_away(pages, read):
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


def test_a_number_out_of_its_range_is_put_right_on_the_page(pages, read):
    add(pages, "out_of_range", SECRET, {"Page size": "500", "Concurrent requests": "0"})
    settings = read("out_of_range")
    assert (settings["page_size"], settings["max_in_flight"]) == (100, 1)


def test_what_was_saved_elsewhere_is_kept(pages, server, read):
    extra = {"page_size": 7, "personal_data_secret": HIDDEN[1]}
    made = {"conn_type": "a360", "password": HIDDEN[0], "extra": json.dumps(extra)}
    server.rest("POST", "connections", connection_id="elsewhere", **made)
    pages.edit_connection("elsewhere")
    pages.fill({"Client ID": "our-client"})
    pages.save()
    expected = Settings(client_id="our-client", secret=HIDDEN[0], page_size=7)
    assert read("elsewhere") == dataclasses.asdict(expected) | {"personal_data_secret": HIDDEN[1]}


def test_the_button_beside_a_connection_says_whether_the_account_answers(pages, server, sandbox):
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


def test_what_the_form_saves_can_be_tested(pages, server, sandbox):
    """Also the fields left empty, which the form saves as null."""
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
def test_range_and_default_on_the_page_are_those_of_the_client(name):
    field = NUMBERS[name]
    lowest, highest = field["schema"]["minimum"], field["schema"]["maximum"]
    for value in (lowest, highest):
        assert getattr(Settings(secret="s", **{name: value}), name) == value
    for value in (lowest / 2, highest * 2):
        with pytest.raises(A360ConfigError, match=name):
            Settings(secret="s", **{name: value})
    assert field["description"].endswith(f"Default: {getattr(Settings(secret='s'), name):g}.")
