"""Mask tokens, addresses and phone numbers in texts of the service. Pure."""

from __future__ import annotations

import re

_SECRET = re.compile(r"(?i)bearer\s+\S+|sp_apikey_\w+")
_ADDRESS = re.compile(r"[^\s<>\"',;:]+(?:@|%40)[^\s<>\"',;:]+")
# Seven digits or more are a phone number, unless they are a date.
_NUMBER = re.compile(r"(?<![\d-])\+?(?!\d{4}-\d\d-\d\d)\d(?:[\s().-]{0,2}\d){6,}")
# Tokens without "Bearer", addresses in base64, identifiers of contacts.
_OPAQUE = re.compile(r"(?=[\w.+=-]*\d)[\w.+=-]{20,}")
# Control characters and line ends; marks that change the direction of text in a terminal.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LONGEST = 300
_MOST_READ = 4 * _LONGEST


def printable(text: str) -> str:
    """Make a text of the service safe to print on a terminal.

    :param text: a name or a message.
    :return: the text with spaces instead of control characters, and without marks that change its direction.
    """
    return _DIRECTION.sub("", _CONTROL.sub(" ", text))


def scrub(text: str) -> str:
    """Mask whatever could be a token, an address or a phone number, and shorten the text to 300 characters.

    :param text: a text that may hold personal data or secrets.
    :return: the text for a log line or a message.
    """
    words = printable(text[:_MOST_READ]).split()
    # Patterns are slow in long texts. Drop the last word of a shortened text, which may be half an address.
    text = " ".join(words if len(text) <= _MOST_READ else [*words[:-1], "…"])
    for pattern, instead in (
        (_SECRET, "[secret]"),
        (_ADDRESS, "[address]"),
        (_OPAQUE, "[secret]"),
        (_NUMBER, "[number]"),
    ):
        text = pattern.sub(instead, text)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
