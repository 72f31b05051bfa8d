"""The progress lines of a long export."""

import logging
from types import SimpleNamespace

import pytest

from airflow_provider_a360.export.datasets import Diagnostics
from airflow_provider_a360.export.progress import Progress, format_estimate


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, logger="airflow_provider_a360.export.progress")
    return lambda: [record.getMessage() for record in caplog.records if "so far" in record.getMessage()]


def test_progress_is_logged_every_ten_seconds(lines):
    now, client = [0.0], SimpleNamespace(requests=5)
    progress = Progress(client, Diagnostics(requests_expected=300), clock=lambda: now[0])
    for second in range(1, 31):
        now[0], client.requests = float(second), 5 + 4 * second
        for _ in range(100):
            progress.add_rows(1)
    assert lines() == [
        "901 rows so far; 40 of about 300 requests, 4.0 per second, about 65 seconds left.",
        "1901 rows so far; 80 of about 300 requests, 4.0 per second, about 55 seconds left.",
        "2901 rows so far; 120 of about 300 requests, 4.0 per second, about 45 seconds left.",
    ]


def test_more_requests_than_expected(lines):
    now, client = [0.0], SimpleNamespace(requests=0)
    progress = Progress(client, Diagnostics(requests_expected=10), clock=lambda: now[0])
    now[0], client.requests = 10.0, 20
    progress.add_rows(1)
    assert lines() == ["1 rows so far; 20 of about 20 requests, 2.0 per second, about 0 seconds left."]


def test_short_export_logs_no_progress(lines):
    now, client = [0.0], SimpleNamespace(requests=0)
    progress = Progress(client, Diagnostics(), clock=lambda: now[0])
    now[0], client.requests = 9.9, 20
    progress.add_rows(1)
    assert lines() == []


@pytest.mark.parametrize(
    ("requests", "per_second", "said"),
    [
        (1, 10, "about 1 request, under a minute"),
        (5, 10, "about 5 requests, under a minute"),
        (599, 10, "about 599 requests, under a minute"),
        (600, 10, "about 600 requests, a minute"),
        (3650, 10, "about 3650 requests, 6 minutes"),
        (30, 0.1, "about 30 requests, 5 minutes"),
    ],
)
def test_format_estimate(requests, per_second, said):
    assert format_estimate(requests, per_second) == said
