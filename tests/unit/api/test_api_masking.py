"""Messages of the service are masked, shortened and safe to print."""

import pytest

from airflow_provider_a360.api.errors import A360RequestError
from airflow_provider_a360.api.masking import printable

# Of a message, 1,200 characters are read.
READ = 1200


def reason(text):
    """The reason of an error for which the service gave this text."""
    return A360RequestError("GET", "/a360/x", 422, text).reason


@pytest.mark.parametrize(
    "whole",
    [
        "jane.doe@example.com",
        "jane.doe%40example.com",
        "+12025550123",
        "sp_apikey_0a1b2c3d",
        "amFuZS5kb2VAZXhhbXBsZS5jb20=",
    ],
)
@pytest.mark.parametrize("left", [2, 8])
def test_a_word_at_the_end_of_a_shortened_message_is_dropped(whole, left):
    said = "No such contact:"
    text = f"{said:{READ - left}}{whole} is not known."
    assert text[READ - left : READ] == whole[:left]
    assert reason(text) == f"{said} \u2026"


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029])
def test_control_characters_of_the_service_are_replaced(code):
    assert printable(f"a{chr(code)}b") == "a b"
    assert reason(f"a{chr(code)}b") == "a b"


@pytest.mark.parametrize("code", [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
def test_marks_that_change_the_direction_of_text_are_removed(code):
    assert printable(f"a{chr(code)}b") == "ab"
    assert reason(f"a{chr(code)}b") == "ab"


def test_other_characters_are_unchanged():
    text = "Ünïcode \u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd \U0001f600\u200d"
    assert printable(text) == text
