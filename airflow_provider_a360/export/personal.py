"""E-mail addresses and phone numbers: kept, hashed or dropped."""

from __future__ import annotations

import hashlib
import hmac
import logging
import unicodedata
from collections.abc import Callable

from airflow_provider_a360.api.errors import A360ConfigError
from airflow_provider_a360.api.records import Conversion
from airflow_provider_a360.export import options

log = logging.getLogger(__name__)

_SHORT = 16


def row_transform(personal_data: str, secret: str | None) -> Callable[[Conversion], Conversion]:
    """What is done to each row.

    "hash" puts `email_hash` and `phone_hash` in the places of address and number; "drop" leaves null there. Both leave
    `extra` null: what is in it is not known.

    Raises: A360ConfigError for another word, and for "hash" without a secret.
    """
    options.check("personal_data", personal_data)
    if personal_data == "keep":
        return lambda row: row
    if personal_data == "drop":
        return _drop
    if not secret:
        raise A360ConfigError(
            'personal_data="hash" needs personal_data_secret in the connection\'s extra: a long random text that all '
            "exports to be joined share. Without one, anybody could find an address by hashing guesses."
        )
    if len(secret) < _SHORT:
        log.warning(
            "personal_data_secret is shorter than %d characters: it could be guessed, and addresses with it.", _SHORT
        )
    key = secret.encode()

    def hashed(row: Conversion) -> Conversion:
        row.email = None if row.email is None else email_hash(key, row.email)
        row.phone = None if row.phone is None else phone_hash(key, row.phone)
        row.extra = None
        return row

    return hashed


def fingerprint(secret: str | None) -> str:
    """Tells keys from each other, and nothing else of them; empty without one."""
    return _hash(secret.encode(), "fingerprint of the key") or "" if secret else ""


def email_hash(key: bytes, email: str) -> str | None:
    """HMAC-SHA-256, in hexadecimal digits, of the address without spaces around it, in NFC and lower case."""
    return _hash(key, unicodedata.normalize("NFC", email.strip()).lower())


def phone_hash(key: bytes, phone: str) -> str | None:
    """HMAC-SHA-256, in hexadecimal digits, of the number's digits without a leading 00."""
    digits = "".join(character for character in phone if character.isdecimal())
    return _hash(key, digits.removeprefix("00"))


def _hash(key: bytes, text: str) -> str | None:
    """None for nothing: hashed, all who have no address would look like one person."""
    return hmac.digest(key, text.encode(), hashlib.sha256).hex() if text else None


def _drop(row: Conversion) -> Conversion:
    row.email = row.phone = row.extra = None
    return row
