"""Keep, hash or drop email addresses and phone numbers."""

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

_MIN_SECRET_LENGTH = 16


def row_transform(personal_data: str, secret: str | None) -> Callable[[Conversion], Conversion]:
    """Return the function that handles the personal data of each row.

    "hash" replaces the address by `email_hash` and the number by `phone_hash`; "drop" sets both to null. Both set
    `extra` to null, because it may hold personal data in fields that this package doesn't know.

    :param personal_data: "keep", "hash" or "drop".
    :param secret: the key for "hash", from the connection's `personal_data_secret`.
    :raises A360ConfigError: if `personal_data` has another value, or if "hash" has no secret.
    """
    options.check("personal_data", personal_data)
    if personal_data == "keep":
        return lambda row: row
    if personal_data == "drop":
        return _drop
    if not secret:
        raise A360ConfigError(
            'personal_data="hash" needs personal_data_secret in the connection\'s extra. Use a long random text, the '
            "same for all exports whose hashes you want to join. Without a secret, anyone could find an address by "
            "hashing guesses."
        )
    if len(secret) < _MIN_SECRET_LENGTH:
        log.warning(
            "personal_data_secret is shorter than %d characters. Anyone who guesses it can find addresses by hashing "
            "guesses; use a long random text.",
            _MIN_SECRET_LENGTH,
        )
    key = secret.encode()

    def hash_personal_data(row: Conversion) -> Conversion:
        row.email = None if row.email is None else email_hash(key, row.email)
        row.phone = None if row.phone is None else phone_hash(key, row.phone)
        row.extra = None
        return row

    return hash_personal_data


def secret_fingerprint(secret: str | None) -> str:
    """Return a text that differs between secrets and doesn't reveal them.

    :param secret: the key for "hash".
    :return: hexadecimal digits, or an empty string if there is no secret.
    """
    return _hash(secret.encode(), "fingerprint of the key") or "" if secret else ""


def email_hash(key: bytes, email: str) -> str | None:
    """Return the HMAC-SHA-256 of an address, after stripping spaces, Unicode normalization (NFC) and lower-casing.

    :param key: the secret, in UTF-8.
    :param email: the address as the service gives it.
    :return: hexadecimal digits, or None if nothing is left to hash.
    """
    return _hash(key, unicodedata.normalize("NFC", email.strip()).lower())


def phone_hash(key: bytes, phone: str) -> str | None:
    """Return the HMAC-SHA-256 of a phone number's digits, without a leading 00.

    :param key: the secret, in UTF-8.
    :param phone: the number as the service gives it.
    :return: hexadecimal digits, or None if the number has no digits.
    """
    digits = "".join(character for character in phone if character.isdecimal())
    return _hash(key, digits.removeprefix("00"))


def _hash(key: bytes, text: str) -> str | None:
    # A hash of the empty string would make all people without an address look like one person.
    return hmac.digest(key, text.encode(), hashlib.sha256).hex() if text else None


def _drop(row: Conversion) -> Conversion:
    row.email = row.phone = row.extra = None
    return row
