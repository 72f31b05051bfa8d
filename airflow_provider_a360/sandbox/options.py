"""What a caller may turn in the sandbox: the service's manners, its open questions and its faults."""

from dataclasses import dataclass, field
from typing import Any, Literal


def _option(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(slots=True, kw_only=True)
class SandboxOptions:
    """Settings of a sandbox, read anew at every request, so they may be changed while it runs.

    A share is a number from 0 to 1; which requests it meets depends on the sandbox's seed and their number only.
    """

    latency: float = _option(0.0, "seconds before each response")
    requests_per_second: int = _option(
        10, "requests that any one second may hold, token requests included; 0 for no limit"
    )
    rate_limit_style: Literal["429", "429-seconds", "429-date", "2020202020-200", "2020202020-400"] = _option(
        "429", "answer over the limit: a bare 429, one with Retry-After, or error code 2020202020 with that status"
    )
    share_429: float = _option(0.0, "share of requests answered as if over the limit")
    share_html_404: float = _option(0.0, "share of GETs answered 404 with a proxy's HTML page")
    share_5xx: float = _option(0.0, "share of requests answered 502 with an HTML body")
    share_token_502: float = _option(0.0, "share of token requests answered 502")
    token_life: float = _option(3600.0, "seconds that a token is valid, as told in expires_in")
    token_requests: int = _option(0, "requests after which a token is revoked before its time; 0 for never")
    past_end: Literal["empty", "404", "400", "204"] = _option("empty", "what a page past a list's end answers")
    empty_list: Literal["empty", "404", "204"] = _option("empty", "what a list without rows answers")
    empty_statistics: Literal["zeros", "404", "204"] = _option("zeros", "what statistics without data answer")
    page_cap: int = _option(0, "most rows that a page of any list holds, whatever `limit` says; 0: as asked")
    drop_rows: float = _option(
        0.0, "share of each list's rows dropped after a page is cut, so that pages come short; always the same rows"
    )
    total: Literal["right", "raw", "missing", "high", "low", "page"] = _option(
        "right",
        "`total` of a list: the rows that can be seen, the dropped ones too, no such field, about half as many again, "
        "about half, or the rows of this page",
    )
    served_rows: int = _option(0, "most rows of a list that are ever served, whatever its total says; 0: all")
    most_offset: int = _option(0, "highest offset that a list accepts, 400 beyond it; 0: any")
    endless: bool = _option(
        default=False,
        text="whether made-up rows without end follow a conversion list's last row; such a list has no total",
    )
    order: Literal["newest", "oldest", "start"] = _option(
        "newest", "order of conversion lists: newest conversion first, oldest first, or newest start first"
    )
    ids_by_kind: bool = _option(
        default=False,
        text="whether the conversions of a flow are numbered for each kind by itself, so that ids repeat",
    )
    rows_key: str = _option("", "key under which lists put their rows; empty: the page's `data` or `items`")
    nest_lists: bool = _option(default=False, text="whether a list's answer is wrapped in `data` once more")
    nest_statistics: bool = _option(
        default=False,
        text="whether statistics, conversion counts and flow details are wrapped in `data` once more",
    )
    zero_date: Literal["null", "0000-00-00 00:00:00", "-0001-11-30 00:00:00"] = _option(
        "null", "how a date that isn't there is printed"
    )
    deleted_status: int = _option(200, "status that the statistics of deleted elements answer; an error unless 200")
    deleted_lists_all: bool = _option(
        default=False, text="whether the statistics of deleted elements list the elements still in the flow too"
    )
    repeat_elements: bool = _option(default=False, text="whether flow details and total-stats list each element twice")
    flows_without_details: int = _option(0, "listed flows, from the list's end, whose details answer 404")
    grow_every: int = _option(
        0, "requests of conversion lists from one change of the list to the next; 0: it holds still"
    )
    grow_rows: int = _option(1, "rows that each change adds beside the list's newest conversion")
    remove_rows: int = _option(0, "rows that each change removes from the list")
    day_offset_hours: float = _option(0.0, "hours that the service's own clock is ahead of GMT when it cuts a day")
    lte_includes_day: bool = _option(
        default=True, text="whether `lte` takes in the whole of its day, or only its first second"
    )
    filter_by: Literal["conversion_date", "start_date"] = _option(
        "conversion_date", "date that conversions are filtered by"
    )
    filter_goals_by: Literal["", "conversion_date", "start_date"] = _option(
        "", "date that goal conversions are filtered by; empty: as all conversions"
    )
    one_bound: bool = _option(default=True, text="whether a filter may have only one of its two dates; 400 if not")
    condition_path: Literal["trigger", "email"] = _option(
        "trigger", "path that answers a Condition's filtered statistics: /stats/trigger/, or /stats/email/ as printed"
    )
    share_truncated: float = _option(0.0, "share of GETs whose body ends before its Content-Length")
    share_html: float = _option(0.0, "share of GETs answered 200 with HTML instead of JSON")
    share_reset: float = _option(0.0, "share of GETs whose connection is reset in mid-body")
    share_stall: float = _option(0.0, "share of GETs that stop in mid-body for a while")
    stall_seconds: float = _option(5.0, "seconds that a stalled body stops")
