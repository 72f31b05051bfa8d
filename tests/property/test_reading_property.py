"""Properties of parsed values, arguments, days, responses, masking, the rate limiter and parallel calls."""

import json
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_a360.api import answers, arguments, values
from airflow_provider_a360.api.days import Days, date_filter
from airflow_provider_a360.api.decoding import record
from airflow_provider_a360.api.errors import A360AnswerError, A360ConfigError, A360FormatError
from airflow_provider_a360.api.masking import scrub
from airflow_provider_a360.api.parallel import in_order
from airflow_provider_a360.api.rate_limit import RateLimiter
from airflow_provider_a360.api.records import Conversion, ElementStats
from airflow_provider_a360.operators import rendered

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
days = st.dates(date(2000, 1, 3), date(2999, 12, 29))
ids = st.integers(1, 10**12)


def outcome(call, kind):
    """Return the result of a call and None, or None and the error of this kind that it raised."""
    try:
        return call(), None
    except kind as error:
        return None, error


@given(number=st.integers(-(10**18), 10**18), before=st.sampled_from(["", " ", "\t"]), zeros=st.integers(0, 3))
def test_a_counter_is_the_same_as_number_and_as_digits(number, before, zeros):
    digits = f"{'-' if number < 0 else ''}{'0' * zeros}{abs(number)}"
    assert values.integer(number, "n") == values.integer(before + digits + before, "n") == number


@given(value=anything)
def test_a_counter_is_a_number_null_or_an_error_by_name(value):
    found, error = outcome(lambda: values.integer(value, "the place"), A360FormatError)
    assert not error or str(error).startswith("the place is ")
    assert found is None or type(found) is int
    assert error or not isinstance(value, bool)


@given(value=anything | st.text(alphabet="0123456789-: T.Z+", max_size=26))
def test_a_moment_is_utc_null_or_an_error_by_name(value):
    found, error = outcome(lambda: values.moment(value, "the place"), A360FormatError)
    assert not error or str(error).startswith("the place is ")
    assert found is None or found.tzinfo is UTC


@given(at=st.datetimes(datetime.fromisoformat("1000-01-01")))
def test_a_moment_in_the_services_format_is_parsed(at):
    at = at.replace(microsecond=0)
    assert values.moment(at.strftime("%Y-%m-%d %H:%M:%S"), "at") == at.replace(tzinfo=UTC)


@given(
    year=st.integers(-9999, 0),
    day=st.tuples(st.integers(0, 12), st.integers(0, 31)),
    at=st.none() | st.times(),
    between=st.sampled_from([" ", "T"]),
    zone=st.sampled_from(["", "Z", "+00:00"]),
)
def test_a_date_of_the_year_0_or_before_is_null(year, day, at, between, zone):
    sign = "-" if year < 0 else ""
    printed = f"{sign}{abs(year):04}-{day[0]:02}-{day[1]:02}" + (f"{between}{at.isoformat()}{zone}" if at else "")
    assert values.moment(printed, "at") is None


@given(raw=st.dictionaries(st.text(max_size=10) | st.sampled_from(["sent", "error", "task"]), anything, max_size=5))
def test_no_field_of_a_row_is_lost(raw):
    try:
        row = record(ElementStats, raw, "A row", element_id=1, element_type="email")
    except A360FormatError:
        return
    kept = json.loads(row.extra or "{}")
    known = {*ElementStats.__struct_fields__, "error", "flow_id", "type", "task", "extra"}
    assert set(raw) - known <= set(kept)
    assert row.sent == values.integer(raw.get("sent"), "")


@given(raw=st.dictionaries(st.sampled_from(["id", "flow_id", "email", "phone", "conversion_date"]), anything))
def test_a_conversion_is_typed_or_refused(raw):
    row, error = outcome(lambda: record(Conversion, raw, "A conversion", flow_id=1), A360FormatError)
    if error:
        assert str(error).startswith("A conversion: ")
        return
    assert type(row.conversion_id) is int
    assert row.conversion_date.tzinfo is UTC
    assert row.phone is None or isinstance(row.phone, str)


@given(numbers=st.lists(ids, min_size=1, max_size=6))
def test_ids_are_the_same_in_every_notation(numbers):
    unique = list(dict.fromkeys(numbers))
    for form in (numbers, tuple(numbers), map(str, numbers), str(numbers), str(list(map(str, numbers)))):
        assert rendered.identifiers(form) == unique
    assert rendered.identifiers(", ".join(map(str, numbers))) == unique
    assert rendered.identifiers(numbers[0]) == rendered.identifiers(f" {numbers[0]} ") == [numbers[0]]


@given(value=anything)
def test_ids_are_positive_numbers_all_or_an_error_by_name(value):
    found, error = outcome(lambda: rendered.identifiers(value), A360ConfigError)
    assert not error or str(error).startswith("flow_ids is ")
    assert error or found == "all" or all(type(number) is int and number > 0 for number in found)


@given(day=days, hour=st.integers(0, 23), offset=st.integers(-23, 23))
def test_a_day_is_in_utc_in_every_notation(day, hour, offset):
    at = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
    local = at.astimezone(timezone(timedelta(hours=offset)))
    forms = [day, at, local, at.replace(tzinfo=None), str(day), at.isoformat(), local.isoformat(), f" {local} "]
    assert {arguments.day(form, "day") for form in forms} == {day}


@given(first=days, length=st.integers(1, 120), longest=st.integers(1, 40))
def test_parts_of_a_span_tile_it(first, length, longest):
    first = min(first, date(9999, 8, 1))
    span = Days(first, first + timedelta(days=length - 1))
    parts = list(span.parts(longest))
    assert [day for part in parts for day in part] == list(span)
    assert all(len(part) <= longest for part in parts)
    assert len(span) == length == sum(map(len, parts))
    assert all(day in span for day in span)
    assert span.first - timedelta(days=1) not in span
    assert span.last + timedelta(days=1) not in span


@given(first=days, length=st.integers(1, 40))
def test_a_wider_span_has_a_day_more_on_both_sides(first, length):
    first = min(first, date(9999, 11, 1))
    span = Days(first, first + timedelta(days=length - 1))
    assert list(span.widened())[1:-1] == list(span)
    with pytest.raises(A360ConfigError, match="comes before the first"):
        Days(span.last + timedelta(days=1), span.first)


@given(first=st.none() | days, last=st.none() | days)
def test_the_filter_has_the_api_pages_format(first, last):
    form = json.loads(date_filter(first, last))
    assert (form["type"], form["expression"]) == ("group", "and")
    found = [(name, one["name"], one["expression"], one["value"]) for name, one in form["fields"].items()]
    wanted = [("send_date_from", "user_stat_date", "gte", first), ("send_date_to", "user_stat_date", "lte", last)]
    assert found == [(*head, day.isoformat()) for *head, day in wanted if day]


@given(
    status=st.integers(200, 599),
    body=st.binary(max_size=40) | anything.map(lambda value: json.dumps(value).encode()),
    wait=st.text(max_size=12) | st.datetimes().map(lambda at: at.strftime("%a, %d %b %Y %H:%M:%S GMT")),
)
def test_an_answer_is_data_or_an_error_that_says_what_to_do(status, body, wait):
    read = lambda: answers.read("GET", "/a360/x", status, {"Retry-After": wait}, body)  # noqa: E731
    data, error = outcome(read, A360AnswerError)
    if error:
        assert str(error).startswith("GET /a360/x: ")
        assert str(error).endswith(error.remedy)
        assert getattr(error, "retry_after", None) is None or error.retry_after >= 0
        return
    assert 200 <= status < 300
    assert not isinstance(data, dict) or data.get("result") is not False


@given(
    fields=st.dictionaries(st.sampled_from(["result", "error_code", "message", "data"]), anything),
    code=st.sampled_from([None, 400, 403, 404, 500, 2020202020, 3030303030, "2020202020"]),
)
def test_a_200_with_an_error_code_is_an_error(fields, code):
    body = {**fields, "error_code": code} if code else fields
    wrong = bool(code) or fields.get("result") is False
    if not wrong:
        return
    with pytest.raises(A360AnswerError):
        answers.read("GET", "/a360/x", 200, {}, json.dumps(body).encode())


@given(
    local=st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789._+-", min_size=3, max_size=20),
    before=st.sampled_from(["", "of ", "<", '"', "email:", "(", "'"]),
    after=st.sampled_from(["", " is taken", ">", '"', ".", ", sorry", ")"]),
)
def test_every_address_is_masked(local, before, after):
    shown = scrub(f"{before}{local}@example.com{after}")
    assert "example.com" not in shown
    assert f"{local}@" not in shown


@given(
    parts=st.lists(st.integers(10, 999).map(str), min_size=4, max_size=5),
    separator=st.sampled_from(["", " ", "-", ".", ") ", " ("]),
    before=st.sampled_from(["", "+", "phone ", "phone:", "("]),
)
def test_every_phone_number_is_masked(parts, separator, before):
    shown = scrub(f"{before}{separator.join(parts)} is taken")
    assert sum(letter.isdigit() for letter in shown) == 0


@given(
    rate=st.one_of(st.integers(1, 20), st.floats(0.2, 20)),
    steps=st.lists(st.one_of(st.just(0.0), st.floats(0, 0.3), st.floats(0, 3)), min_size=1, max_size=80),
)
def test_no_second_holds_more_requests_than_the_rate(rate, steps):
    now = 1_000.0

    def sleep(seconds):
        nonlocal now
        now += seconds

    limiter = RateLimiter(rate, clock=lambda: now)
    sent = []
    for step in steps:
        now += step
        limiter.wait(sleep)
        sent.append(now)
    assert all(sum(1 for other in sent if at <= other < at + 1) <= max(1, rate) for at in sent)


@given(items=st.lists(st.integers(), max_size=30), at_once=st.integers(1, 4))
def test_parallel_calls_return_in_order(items, at_once):
    assert list(in_order(lambda item: item * 2, items, at_once)) == [item * 2 for item in items]


@given(fails=st.integers(0, 19), at_once=st.integers(1, 4))
def test_the_first_failed_call_stops_the_rest(fails, at_once):
    called, finished = [], []

    def call(item):
        called.append(item)
        if item == fails:
            raise ZeroDivisionError
        return item

    with pytest.raises(ZeroDivisionError):
        finished.extend(append_each(finished, in_order(call, range(500), at_once)))
    assert finished == list(range(fails))
    assert len(called) <= fails + 2 * at_once + 1


def append_each(finished, results):
    """Append the results one by one, so that those before an error are kept."""
    for result in results:
        finished.append(result)
    return ()


def test_calls_run_only_so_far_ahead_of_the_reader():
    started = []
    results = in_order(lambda item: started.append(item) or item, range(1_000), 3)
    assert next(results) == 0
    results.close()
    assert len(started) <= 6
