"""Limit how many requests per second an account gets from this process."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from weakref import WeakKeyDictionary

log = logging.getLogger(__name__)

# The service counts arrivals, and network delays can move two requests closer together, so add 10 ms to each second.
_WINDOW_FACTOR = 1.01
# After a 429, send at 0.7 of the rate. Each request sent gives back 0.02 of the full rate. Several processes that share
# an account find their shares of its limit in this way.
_DECREASE, _INCREASE = 0.7, 0.02
_SHORT_WAIT = 1.0
_LOG_INTERVAL = 10.0


class RateLimiter:
    """Allow a number of requests in any second, for all threads that use one account.

    The first second's requests may be sent at once. After that, each waits until the request `burst` places before it
    is a second old, which is as fast as a limit per second permits. After a 429, requests are spaced evenly and sent
    more slowly for a while, because other processes may be using the account.

    :param per_second: requests per second; may be below 1.
    :param clock: a monotonic clock, in seconds.
    """

    def __init__(self, per_second: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates: WeakKeyDictionary[object, float] = WeakKeyDictionary()
        self._sent: deque[float] = deque()
        self._blocked_until = 0.0
        self._share, self._slowed_at = 1.0, float("-inf")
        self._refusals, self._logged_at = 0, float("-inf")
        # Held while waiting, so that threads take turns.
        self._turn = threading.Lock()
        # Held for moments only.
        self._lock = threading.Lock()
        self._clock = clock
        self._set_rate(per_second)

    def join(self, user: object, per_second: float) -> None:
        """Register the rate of a client. The lowest rate of all living clients applies to all of them.

        :param user: the client; it no longer counts once it is garbage-collected.
        :param per_second: requests per second.
        """
        with self._lock:
            self._rates[user] = per_second

    def wait(self, sleep: Callable[[float], object]) -> None:
        """Wait until the next request may be sent.

        :param sleep: sleeps for a number of seconds. If it raises, the request doesn't count as sent.
        """
        with self._turn:
            while (delay := self._next_at() - self._clock()) > 0:
                sleep(delay)
            self._sent.append(self._clock())
            self._share = min(1.0, self._share + _INCREASE)
        self._log_refusals()

    def slow_down(self, seconds: float) -> None:
        """Lower the rate after a 429.

        :param seconds: how long the refused request waits before its retry. If that is over a second, all requests of
            the account wait so long; a shorter wait concerns the refused request only, as the limit is per second.
        """
        now = self._clock()
        # Requests in flight at the same time are refused together and count once.
        if now >= self._slowed_at + 1.0:
            self._share, self._slowed_at = max(_INCREASE, self._share * _DECREASE), now
        if seconds > _SHORT_WAIT:
            self._blocked_until = max(self._blocked_until, now + seconds)
        with self._lock:
            self._refusals += 1
        self._log_refusals()

    def _log_refusals(self) -> None:
        """Log how many requests were refused since the last line, every ten seconds at most."""
        now = self._clock()
        with self._lock:
            count = self._refusals
            if not count or now < self._logged_at + _LOG_INTERVAL:
                return
            self._refusals, self._logged_at = 0, now
        log.info(
            "Requests refused by the account's rate limit (429) and retried: %d. The rate is now %.1f per second.",
            count,
            self.per_second * self._share,
        )

    def _set_rate(self, per_second: float) -> None:
        burst = max(1, int(per_second))
        self.per_second = per_second
        self._window = max(1.0, burst / per_second) * _WINDOW_FACTOR
        self._sent = deque(self._sent, maxlen=burst)

    def _next_at(self) -> float:
        """Return the time at which the next request may be sent."""
        with self._lock:
            lowest = min(self._rates.values(), default=self.per_second)
        if lowest != self.per_second:
            self._set_rate(lowest)
        at = self._blocked_until
        if len(self._sent) == self._sent.maxlen:
            at = max(at, self._sent[0] + self._window)
        if self._sent and self._share < 1.0:
            at = max(at, self._sent[-1] + 1.0 / (self.per_second * self._share))
        return at
