"""Addresses and numbers are kept, hashed or dropped; spellings of the same one have the same hash."""

import hashlib
import hmac
from datetime import date

import pytest

from airflow_provider_a360.api.errors import A360ConfigError
from airflow_provider_a360.export.conversions import Conversions
from airflow_provider_a360.export.personal import email_hash, phone_hash, row_transform
from airflow_provider_a360.sandbox import example

KEY = b"a long random text"
DAY = date(2026, 11, 18)


@pytest.mark.parametrize(
    "written",
    [
        "rené@example.com",
        "  rené@example.com\n",
        "RENÉ@Example.COM",
        "rene\u0301@example.com",
        "RENE\u0301@EXAMPLE.COM",
    ],
)
def test_spellings_of_an_address_have_the_same_hash(written):
    assert email_hash(KEY, written) == hmac.new(KEY, "rené@example.com".encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    "written",
    [
        "12025550123",
        "+12025550123",
        "0012025550123",
        "+1 (202) 555-0123",
        " 1.202.555.0123 ",
        "1\u00a0202\u00a05550123",
    ],
)
def test_spellings_of_a_number_have_the_same_hash(written):
    assert phone_hash(KEY, written) == hmac.new(KEY, b"12025550123", hashlib.sha256).hexdigest()


def test_hashes_differ_between_people_and_keys():
    hashes = [
        *(email_hash(KEY, address) for address in ("ada@example.com", "bo@example.com", "ad.a@example.com")),
        *(phone_hash(KEY, number) for number in ("12025550123", "12025550124")),
        email_hash(b"another", "ada@example.com"),
        phone_hash(b"another", "12025550123"),
    ]
    assert len(set(hashes)) == len(hashes)


@pytest.mark.parametrize("nothing", ["", " ", "-", "00"])
def test_number_without_digits_has_no_hash(nothing):
    assert phone_hash(KEY, nothing) is None


@pytest.fixture
def people(serve):
    """Return a function that exports three conversions with an unknown field."""
    export = serve()
    flow = export.account.flow(example.MAIN_FLOW)
    rows = [
        {"id": 3, "email": " Ada@Example.com", "phone": "+1 202 555 0123"},
        {"id": 2, "email": None, "phone": None},
        {"id": 1, "email": " ", "phone": ""},
    ]
    shared = {"conversion_type": "goal", "flow_id": example.PAID, "conversion_date": f"{DAY} 10:00:00", "note": "Ada's"}

    def rows_of(personal_data, secret=None, to="lake"):
        listed = [{**shared, **row} for row in rows]
        # One answer for the list, one for the list of the days before, one for the request that confirms the list's
        # end.
        for items in (listed, [], listed[-1:]):
            body = {"total": len(items) and len(listed), "items": items}
            export.sandbox.answer_next(f"/a360/autoresponders/{flow.id}/conversions/list", body=body)
        # For a single flow, two lists are requested at the same time, and either could get this answer.
        flows = [flow.id, example.PAUSED_FLOW]
        manifest = export(Conversions(), DAY, flows=flows, transform=row_transform(personal_data, secret), to=to)
        return export.read(manifest["files"][0])

    return rows_of


def test_keep_changes_nothing(people):
    rows = people("keep")
    assert [(row["email"], row["phone"]) for row in rows[:2]] == [(" Ada@Example.com", "+1 202 555 0123"), (None, None)]
    assert [row["extra"] for row in rows] == 3 * ['{"note":"Ada\'s"}']


def test_drop_removes_addresses_numbers_and_unknown_fields(people):
    rows = people("drop")
    assert [row["conversion_id"] for row in rows] == [3, 2, 1]
    assert {row[name] for row in rows for name in ("email", "phone", "extra")} == {None}


def test_hash_is_keyed_and_removes_unknown_fields(people):
    ada, nobody, _ = people("hash", KEY.decode())
    assert (ada["email"], ada["phone"]) == (email_hash(KEY, "ada@example.com"), phone_hash(KEY, "12025550123"))
    assert (nobody["email"], nobody["phone"]) == (None, None)
    assert (ada["extra"], nobody["extra"]) == (None, None)


def test_empty_address_and_number_have_no_hash(people):
    *_, empty = people("hash", KEY.decode())
    assert (empty["email"], empty["phone"]) == (None, None)


def test_hashes_depend_on_the_secret_only(people):
    first, again, other = people("hash", "a"), people("hash", "a", to="again"), people("hash", "b", to="other")
    assert first == again
    assert first[0]["email"] != other[0]["email"]
    assert first[0]["phone"] != other[0]["phone"]


def test_hashed_file_holds_no_address_or_number(export):
    kept = export.rows(export(Conversions(), DAY, to="kept"))
    manifest = export(Conversions(), DAY, transform=row_transform("hash", "s"), to="hashed")
    assert [row["email"] for row in export.rows(manifest)] == [
        row["email"] and email_hash(b"s", row["email"]) for row in kept
    ]
    (content,) = export.tree("hashed").values()
    assert b"@" not in content
    phones = [row["phone"].encode() for row in kept if row["phone"]]
    assert phones
    assert not [phone for phone in phones if phone in content]


@pytest.mark.parametrize("secret", [None, ""])
def test_hash_without_a_secret_is_refused(secret):
    with pytest.raises(A360ConfigError, match="personal_data_secret"):
        row_transform("hash", secret)


@pytest.mark.parametrize("word", ["", "Hash", "none", None, "keep "])
def test_unknown_value_is_refused(word):
    with pytest.raises(A360ConfigError, match="keep, hash, drop"):
        row_transform(word, "s")
