"""Mask tokens, addresses and phone numbers in text of the service. Pure."""

from __future__ import annotations

import re

_SECRET = re.compile(r"(?i)bearer\s+\S+|sp_apikey_\w+")
_ADDRESS = re.compile(r"[^\s<>\"',;:]+(?:@|%40)[^\s<>\"',;:]+")
# Seven digits make a phone number; a date, which has eight, stays readable.
_NUMBER = re.compile(r"(?<![\d-])\+?(?!\d{4}-\d\d-\d\d)\d(?:[\s().-]{0,2}\d){6,}")
# A token without its "Bearer", an address in base64, an identifier of a contact.
_OPAQUE = re.compile(r"(?=[\w.+=-]*\d)[\w.+=-]{20,}")
# Control characters and ends of lines; marks that turn the direction in which a terminal shows the text.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LONGEST = 300
_MOST_READ = 4 * _LONGEST


def printable(text: str) -> str:
    """Return a text of the service as it may be printed: no character of it steers the terminal that shows it.

    :param text: a name, a message.
    :return: the text with a space for each control character, and without those that turn its direction.
    """
    return _DIRECTION.sub("", _CONTROL.sub(" ", text))


def scrub(text: str) -> str:
    """Return the text with everything masked that could be a token, an address or a phone number, and cut to a length
    that fits a log line.
    """
    words = printable(text[:_MOST_READ]).split()
    # Patterns are slow in long texts, and the last word of a cut one may be half an address.
    text = " ".join(words if len(text) <= _MOST_READ else [*words[:-1], "…"])
    for pattern, instead in (
        (_SECRET, "[secret]"),
        (_ADDRESS, "[address]"),
        (_OPAQUE, "[secret]"),
        (_NUMBER, "[number]"),
    ):
        text = pattern.sub(instead, text)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
