"""What a caller may turn in the sandbox: the service's manners, its open questions and its faults."""

from dataclasses import dataclass, field
from typing import Any, Literal


def _knob(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(slots=True, kw_only=True)
class Knobs:
    """Settings of a sandbox, read anew at every request, so they may be changed while it runs.

    A share is a number from 0 to 1; which requests it meets depends on the sandbox's seed and their number only.
    """

    latency: float = _knob(0.0, "seconds before each response")
    requests_per_second: int = _knob(
        10, "requests that any one second may hold, token requests included; 0 for no limit"
    )
    rate_limit_style: Literal["429", "429-seconds", "429-date", "2020202020-200", "2020202020-400"] = _knob(
        "429", "answer over the limit: a bare 429, one with Retry-After, or error code 2020202020 with that status"
    )
    share_429: float = _knob(0.0, "share of requests answered as if over the limit")
    share_5xx: float = _knob(0.0, "share of requests answered 502 with an HTML body")
    share_token_502: float = _knob(0.0, "share of token requests answered 502")
    token_life: float = _knob(3600.0, "seconds that a token is valid, as told in expires_in")
    token_requests: int = _knob(0, "requests after which a token is revoked before its time; 0 for never")
    past_end: Literal["empty", "404"] = _knob("empty", "what a page past a list's end answers")
    empty_list: Literal["empty", "404"] = _knob("empty", "what a list without rows answers")
    empty_statistics: Literal["zeros", "404"] = _knob("zeros", "what statistics without data answer")
    grow_every: int = _knob(
        0, "requests of conversion lists from one change of the list to the next; 0: it holds still"
    )
    grow_rows: int = _knob(1, "rows that each change adds at the head of the list")
    remove_rows: int = _knob(0, "rows that each change removes from the list")
    day_offset_hours: float = _knob(0.0, "hours that the service's own clock is ahead of GMT when it cuts a day")
    lte_includes_day: bool = _knob(
        default=True, text="whether `lte` takes in the whole of its day, or only its first second"
    )
    filter_by: Literal["conversion_date", "start_date"] = _knob(
        "conversion_date", "date that conversions are filtered by"
    )
    condition_path: Literal["trigger", "email"] = _knob(
        "trigger", "path that answers a Condition's filtered statistics: /stats/trigger/, or /stats/email/ as printed"
    )
    share_truncated: float = _knob(0.0, "share of GETs whose body ends before its Content-Length")
    share_html: float = _knob(0.0, "share of GETs answered 200 with HTML instead of JSON")
    share_reset: float = _knob(0.0, "share of GETs whose connection is reset in mid-body")
    share_stall: float = _knob(0.0, "share of GETs that stop in mid-body for a while")
    stall_seconds: float = _knob(5.0, "seconds that a stalled body stops")
