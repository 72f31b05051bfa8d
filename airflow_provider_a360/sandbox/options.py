"""The options of a sandbox, which are also the options of `airflow a360 sandbox`.

They set the rate limit and the faults, and they choose between readings of the service's documentation where it is
ambiguous.
"""

from dataclasses import dataclass, field
from typing import Any, Literal


def _option(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(slots=True, kw_only=True)
class SandboxOptions:
    """Configure how a sandbox answers.

    The sandbox reads the options with each request, so they can be changed while it runs. The help text of an option is
    in its field's metadata. A share is a number from 0 to 1; the sandbox's seed and the number of a request decide
    whether it is affected.
    """

    latency: float = _option(0.0, "seconds to wait before each response")
    requests_per_second: int = _option(
        10, "rate limit: requests accepted within any one second, token requests included; 0 for no limit"
    )
    rate_limit_style: Literal["429", "429-seconds", "429-date", "2020202020-200", "2020202020-400"] = _option(
        "429",
        "response over the rate limit: 429, 429 with a Retry-After in seconds or as a date, or error code 2020202020 "
        "with status 200 or 400",
    )
    share_429: float = _option(0.0, "share of requests answered as if over the rate limit")
    share_html_404: float = _option(0.0, "share of GET requests answered 404 with the HTML page of a proxy")
    share_5xx: float = _option(0.0, "share of requests answered 502 with an HTML page")
    share_token_502: float = _option(0.0, "share of token requests answered 502")
    token_life: float = _option(3600.0, "seconds until an access token expires, as returned in expires_in")
    token_requests: int = _option(0, "requests after which an access token is revoked early; 0 for never")
    past_end: Literal["empty", "404", "400", "204"] = _option(
        "empty", "response to a page past the end of a list: an empty page or this status"
    )
    empty_list: Literal["empty", "404", "204"] = _option(
        "empty", "response to a list without rows: an empty page or this status"
    )
    empty_statistics: Literal["zeros", "404", "204"] = _option(
        "zeros", "response to statistics without data: zeros or this status"
    )
    page_cap: int = _option(0, "maximum rows in a page of any list, whatever `limit` is; 0 for no maximum")
    drop_rows: float = _option(
        0.0, "share of each list's rows that pages leave out, so that they are short; always the same rows"
    )
    total: Literal["right", "raw", "missing", "high", "low", "page"] = _option(
        "right",
        "`total` of a list: right without the rows of --drop-rows, raw with them, missing, about half too high, about "
        "half, or the rows in this page",
    )
    served_rows: int = _option(0, "maximum rows of a list that can be read, whatever its total is; 0 for all")
    most_offset: int = _option(0, "highest offset that a list accepts, 400 above it; 0 for no maximum")
    endless: bool = _option(
        default=False,
        text="whether conversion lists continue after their last row, without end; such a list has no total",
    )
    order: Literal["newest", "oldest", "start"] = _option(
        "newest", "order of conversion lists: newest conversion first, oldest conversion first, or newest start first"
    )
    ids_by_kind: bool = _option(
        default=False,
        text="whether each kind of conversion in a flow has its own numbers, so that ids repeat between kinds",
    )
    rows_key: str = _option("", "key of the rows in a list's response; empty for the documented `data` or `items`")
    nest_lists: bool = _option(default=False, text="whether the response of a list is wrapped in another `data`")
    nest_statistics: bool = _option(
        default=False,
        text="whether statistics, conversion counts and flow details are wrapped in another `data`",
    )
    zero_date: Literal["null", "0000-00-00 00:00:00", "-0001-11-30 00:00:00"] = _option(
        "null", "how a missing date is written"
    )
    deleted_status: int = _option(200, "status of a request for the statistics of deleted elements; 200 for no error")
    deleted_lists_all: bool = _option(
        default=False, text="whether the statistics of deleted elements also contain the elements that still exist"
    )
    repeat_elements: bool = _option(
        default=False, text="whether flow details and total-stats contain each element twice"
    )
    flows_without_details: int = _option(0, "flows at the end of the flow list whose details answer 404")
    grow_every: int = _option(
        0, "change the conversion list with every Nth request of a conversion list; 0 for no changes"
    )
    grow_rows: int = _option(1, "rows that each change adds next to the newest conversion of the list")
    remove_rows: int = _option(0, "rows that each change removes from the list")
    day_offset_hours: float = _option(0.0, "hours by which the time zone of the service's days is ahead of UTC")
    lte_includes_day: bool = _option(
        default=True, text="whether `lte` includes its whole day, or only the first second of it"
    )
    filter_by: Literal["conversion_date", "start_date"] = _option(
        "conversion_date", "date by which conversions are filtered"
    )
    filter_goals_by: Literal["", "conversion_date", "start_date"] = _option(
        "", "date by which goal conversions are filtered; empty for the value of --filter-by"
    )
    one_bound: bool = _option(
        default=True, text="whether a filter may have only one of its two dates; otherwise the response is 400"
    )
    condition_path: Literal["trigger", "email"] = _option(
        "trigger", "path of the filtered statistics of a Condition: /stats/trigger/, or /stats/email/ as documented"
    )
    share_truncated: float = _option(0.0, "share of GET requests whose body ends before its Content-Length")
    share_html: float = _option(0.0, "share of GET requests answered 200 with HTML instead of JSON")
    share_reset: float = _option(0.0, "share of GET requests whose connection is reset in the middle of the body")
    share_stall: float = _option(0.0, "share of GET requests whose body stalls in the middle")
    stall_seconds: float = _option(5.0, "seconds that a stalled body pauses")
