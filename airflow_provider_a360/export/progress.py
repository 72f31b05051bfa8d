"""How far an export is."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.export.datasets import Diagnostics

log = logging.getLogger(__name__)

_EVERY = 10.0


def format_estimate(requests: int, per_second: float) -> str:
    """How much is ahead, in words: "about 5 requests, under a minute"."""
    minutes = round(requests / per_second / 60)
    time_needed = (
        "under a minute" if requests < per_second * 60 else "a minute" if minutes == 1 else f"{minutes} minutes"
    )
    return f"about {requests} {'request' if requests == 1 else 'requests'}, {time_needed}"


class Progress:
    """A line in the log every ten seconds at the most."""

    def __init__(
        self, client: A360Client, diagnostics: Diagnostics, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rows = 0
        self._client, self._diagnostics, self._clock = client, diagnostics, clock
        self._sent_before, self._began = client.requests, clock()
        self._next = self._began + _EVERY

    @property
    def requests(self) -> int:
        """Requests sent since the export began."""
        return self._client.requests - self._sent_before

    @property
    def seconds(self) -> float:
        """Seconds since the export began."""
        return self._clock() - self._began

    def add_rows(self, rows: int) -> None:
        """So many more rows have been staged."""
        self.rows += rows
        if self._clock() < self._next:
            return
        self._next = self._clock() + _EVERY
        done, per_second = self.requests, self.requests / self.seconds
        expected = max(done, self._diagnostics.requests_expected)
        left = (expected - done) / per_second if per_second else 0.0
        log.info(
            "%d rows so far; %d of about %d requests, %.1f a second, %.0f seconds left.",
            self.rows,
            done,
            expected,
            per_second,
            left,
        )
