"""Where a long message is cut, nothing of anybody is left over."""

import pytest

from airflow_provider_a360.api.errors import A360RequestError

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
