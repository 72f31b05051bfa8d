"""Log how far an export is."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.export.datasets import Diagnostics

log = logging.getLogger(__name__)

_LOG_INTERVAL = 10.0
"""Seconds between two progress lines."""


def format_estimate(requests: int, per_second: float) -> str:
    """Return an estimate for the log, such as "about 5 requests, under a minute".

    :param requests: the number of requests.
    :param per_second: the rate limit, in requests per second.
    """
    minutes = round(requests / per_second / 60)
    duration = "under a minute" if requests < per_second * 60 else "a minute" if minutes == 1 else f"{minutes} minutes"
    return f"about {requests} {'request' if requests == 1 else 'requests'}, {duration}"


class Progress:
    """Count rows and requests, and log them at most every ten seconds.

    :param client: the client whose requests are counted.
    :param diagnostics: holds the expected number of requests.
    :param clock: returns the current time in seconds.
    """

    def __init__(
        self, client: A360Client, diagnostics: Diagnostics, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rows = 0
        self._client, self._diagnostics, self._clock = client, diagnostics, clock
        self._requests_before, self._start = client.requests, clock()
        self._next_log = self._start + _LOG_INTERVAL

    @property
    def requests(self) -> int:
        """Number of requests sent since the export began."""
        return self._client.requests - self._requests_before

    @property
    def seconds(self) -> float:
        """Seconds since the export began."""
        return self._clock() - self._start

    def add_rows(self, rows: int) -> None:
        """Count rows, and log the progress if ten seconds have passed since the last line.

        :param rows: the number of rows that were staged.
        """
        self.rows += rows
        if self._clock() < self._next_log:
            return
        self._next_log = self._clock() + _LOG_INTERVAL
        sent, per_second = self.requests, self.requests / self.seconds
        expected = max(sent, self._diagnostics.requests_expected)
        seconds_left = (expected - sent) / per_second if per_second else 0.0
        log.info(
            "%d rows so far; %d of about %d requests, %.1f per second, about %.0f seconds left.",
            self.rows,
            sent,
            expected,
            per_second,
            seconds_left,
        )
