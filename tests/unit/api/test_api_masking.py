"""Where a long message is cut, nothing of anybody is left over."""

import pytest

from airflow_provider_a360.api.errors import A360RequestError
from airflow_provider_a360.api.masking import printable

# Of a message, 1,200 characters are read.
READ = 1200


def reason(text):
    """What an error says that the service gave that reason."""
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
def test_a_word_that_is_cut_in_two_is_left_out(whole, left):
    said = "No such contact:"
    text = f"{said:{READ - left}}{whole} is not known."
    assert text[READ - left : READ] == whole[:left]
    assert reason(text) == f"{said} \u2026"


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029])
def test_no_text_of_the_service_steers_the_terminal(code):
    assert printable(f"a{chr(code)}b") == "a b"
    assert reason(f"a{chr(code)}b") == "a b"


@pytest.mark.parametrize("code", [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
def test_no_text_of_the_service_turns_the_direction_of_others(code):
    assert printable(f"a{chr(code)}b") == "ab"
    assert reason(f"a{chr(code)}b") == "ab"


def test_other_characters_are_printed_as_they_are():
    text = "Ünïcode \u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd \U0001f600\u200d"
    assert printable(text) == text
