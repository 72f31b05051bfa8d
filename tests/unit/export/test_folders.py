"""The folder contains every option that changes the rows, so different exports never overwrite each other."""

from datetime import date
from itertools import chain, combinations, product

import pytest

from airflow_provider_a360.api.days import Days
from airflow_provider_a360.export.conversions import Conversions
from airflow_provider_a360.export.element_stats import ElementStatistics

TYPES = ["action", "email", "filter", "goal", "maintrigger", "messenger", "push", "sms", "trigger"]
DAYS = [Days(date(2026, 11, first), date(2026, 11, last)) for first, last in [(1, 1), (1, 2), (2, 2), (1, 30)]]


@pytest.mark.parametrize(
    ("dataset", "folder"),
    [
        (Conversions(), "conversions{}/dt=2026-11-20"),
        (Conversions("maintrigger"), "conversions-maintrigger{}/dt=2026-11-20"),
        (Conversions("goal"), "conversions-goal{}/dt=2026-11-20"),
        # A goal belongs to one flow, so its folder never has by_flow.
        (Conversions("goal", 641435), "conversions-goal-641435/dt=2026-11-20"),
        (Conversions(goal_id="641435"), "conversions-goal-641435/dt=2026-11-20"),
        (ElementStatistics(), "element_stats{}/dt=2026-11-20"),
        (ElementStatistics(["email"]), "element_stats-email{}/dt=2026-11-20"),
        (ElementStatistics(["email", "sms"]), "element_stats-email-sms{}/dt=2026-11-20"),
        (ElementStatistics(include_deleted=False), "element_stats-without_deleted{}/dt=2026-11-20"),
        (ElementStatistics(grain="run"), "element_stats-run{}/days=2026-11-20_2026-11-20"),
        (
            ElementStatistics(["email"], include_deleted=False, grain="run"),
            "element_stats-run-email-without_deleted{}/days=2026-11-20_2026-11-20",
        ),
    ],
)
def test_folder(dataset, folder):
    day = Days(date(2026, 11, 20), date(2026, 11, 20))
    assert dataset.folder(day, by_flow=False) == folder.format("")
    assert dataset.folder(day, by_flow=True) == folder.format("-by_flow")


def is_per_run(dataset):
    return isinstance(dataset, ElementStatistics) and dataset.grain == "run"


def test_no_two_exports_share_a_folder():
    some_types = [None, *map(list, chain.from_iterable(combinations(TYPES, size) for size in range(1, len(TYPES) + 1)))]
    kinds = [Conversions("all"), Conversions("maintrigger"), Conversions("goal")]
    statistics = [ElementStatistics(*options) for options in product(some_types, [True, False], ["day", "run"])]
    exports = list(product([*kinds, *statistics], [True, False]))
    exports += [(Conversions("goal", goal), True) for goal in (1, 11, 111)]
    folders = [
        dataset.folder(part, by_flow=by_flow)
        for dataset, by_flow in exports
        for days in DAYS
        for part in ([days] if is_per_run(dataset) else days.parts(1))
        # Runs over several days write the same daily files, so count each day once.
        if days is DAYS[-1] or is_per_run(dataset)
    ]
    assert len(folders) == len(set(folders))
