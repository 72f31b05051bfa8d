"""Ids, names and days as authors write them and as templates render them."""

import re
from datetime import UTC, date, datetime, timedelta, timezone

import pendulum
import pytest

from airflow_provider_a360.api import arguments
from airflow_provider_a360.api.errors import A360ConfigError
from airflow_provider_a360.operators import rendered

KYIV = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        (7, [7]),
        ("7", [7]),
        (" 7 ", [7]),
        (7.0, [7]),
        ([7, "8"], [7, 8]),
        ((7, 8), [7, 8]),
        (range(3, 5), [3, 4]),
        ([8, 7, "8", 8], [8, 7]),
        ([], []),
        ("7, 8", [7, 8]),
        ("[7, 8]", [7, 8]),
        ("['7', \"8\"]", [7, 8]),
        ("(7, 8)", [7, 8]),
        ("[]", []),
        ("all", "all"),
        (" all ", "all"),
    ],
)
def test_flows_as_written_or_rendered(given, ids):
    assert rendered.identifiers(given) == ids


@pytest.mark.parametrize(
    "given",
    [
        None, "None", "null", "", "  ", "every", 0, -1, "-1", "0", 1.5, "1.5", True, [True], [None], "[None]",
        "[7, None]", "[7", "{7: 8}", {7: 8}, b"7", ["all"], [[7]], "7;8", "7,", "\u0667",
        float("nan"), float("inf"), "{{ flow }}",
    ],
)  # fmt: skip
def test_an_invalid_flow_is_refused_with_its_value(given):
    with pytest.raises(A360ConfigError, match="flow_ids is ") as caught:
        rendered.identifiers(given)
    assert caught.value.args


@pytest.mark.parametrize("given", [None, "None", "", 0, -3, True, "x", 2.5, [1], object()])
def test_an_invalid_id_is_refused_with_the_parameters_name(given):
    with pytest.raises(A360ConfigError, match=r"goal_id is .*; it must be an id of the service"):
        arguments.identifier(given, "goal_id")


@pytest.mark.parametrize(
    ("given", "day"),
    [
        (date(2026, 11, 20), date(2026, 11, 20)),
        (datetime.fromisoformat("2026-11-20T23:59"), date(2026, 11, 20)),
        (datetime(2026, 11, 20, 23, 59, tzinfo=UTC), date(2026, 11, 20)),
        (datetime(2026, 11, 21, 1, 59, tzinfo=KYIV), date(2026, 11, 20)),
        (pendulum.datetime(2026, 11, 21, 1, tz="Europe/Kyiv"), date(2026, 11, 20)),
        (pendulum.date(2026, 11, 20), date(2026, 11, 20)),
        ("2026-11-20", date(2026, 11, 20)),
        (" 2026-11-20 ", date(2026, 11, 20)),
        ("2026-11-20T10:00:00", date(2026, 11, 20)),
        ("2026-11-20 10:00:00", date(2026, 11, 20)),
        ("2026-11-20T23:00:00Z", date(2026, 11, 20)),
        ("2026-11-21T01:00:00+02:00", date(2026, 11, 20)),
        ("2026-11-19T20:00:00-05:00", date(2026, 11, 20)),
    ],
)
def test_days_as_written_or_rendered(given, day):
    found = arguments.day(given, "first_day")
    assert found == day
    assert type(found) is date


@pytest.mark.parametrize("given", [None, "None", "", "yesterday", "20.11.2026", "2026-02-30", "{{ ds }}", 0, [], {}])
def test_an_invalid_day_is_refused_with_the_parameters_name(given):
    with pytest.raises(A360ConfigError, match=re.escape(f"first_day is {given!r}; it must be a day such as")):
        arguments.day(given, "first_day")


def test_a_day_outside_of_the_calendar_is_refused():
    with pytest.raises(A360ConfigError, match="last_day"):
        arguments.day("9999-12-31T23:00:00-05:00", "last_day")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, None),
        ("None", None),
        ("", None),
        ([], None),
        ("[]", None),
        ("email", ["email"]),
        ("sms, email", ["email", "sms"]),
        (["sms", "email", "sms"], ["email", "sms"]),
        ("['sms', 'email']", ["email", "sms"]),
    ],
)
def test_names_as_written_or_rendered(given, found):
    assert rendered.names(given, "element_types") == found


@pytest.mark.parametrize("given", [7, [7], "[7]", [None]])
def test_an_invalid_name_is_refused(given):
    with pytest.raises(A360ConfigError, match="element_types is "):
        rendered.names(given, "element_types")


@pytest.mark.parametrize(
    ("given", "found"), [(True, True), ("True", True), (" true ", True), (False, False), ("FALSE", False)]
)
def test_booleans_as_written_or_rendered(given, found):
    assert rendered.boolean(given, "include_deleted") is found


@pytest.mark.parametrize("given", [None, "None", "", 1, 0, "yes", "1", []])
def test_an_invalid_boolean_is_refused(given):
    with pytest.raises(A360ConfigError, match="include_deleted is "):
        rendered.boolean(given, "include_deleted")
