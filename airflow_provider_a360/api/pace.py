"""How often an account may be asked."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

# The service counts arrivals, and a late packet draws two of them together: a second of ours is 10 ms longer.
_SLACK = 1.01
# How a process that shares the account with others finds its share: a second with refusals takes three tenths of its
# rate, and each request that is sent gives back a fiftieth of the whole.
_LOST, _REGAINED = 0.7, 0.02
_SHORT = 1.0


class Pace:
    """At most so many requests in any second, for all threads that use one account.

    The first second's requests may go at once; from then on each waits until the one `burst` places ahead of it is a
    second old. That is as close to the limit as a limit by the second lets anybody come. After a refusal they go one by
    one, and more slowly for a while: other processes may share the account.
    """

    def __init__(self, per_second: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        burst = max(1, int(per_second))
        self.per_second = per_second
        self._window = max(1.0, burst / per_second) * _SLACK
        self._sent: deque[float] = deque(maxlen=burst)
        self._held_until = 0.0
        self._share, self._slowed = 1.0, float("-inf")
        self._turnstile = threading.Lock()
        self._clock = clock

    def wait(self, sleep: Callable[[float], object]) -> None:
        """Return when the next request may be sent; where `sleep` raises, none is."""
        with self._turnstile:
            while (delay := self._due() - self._clock()) > 0:
                sleep(delay)
            self._sent.append(self._clock())
            self._share = min(1.0, self._share + _REGAINED)

    def refused(self, seconds: float) -> None:
        """The service refused one of us, who waits for so long: go on more slowly, as others who use the account seem
        to be under way. Where that is longer than a second, nobody sends meanwhile: the limit is one by the second, so
        a shorter wait is the refused one's alone.
        """
        now = self._clock()
        # Several that were under way together are refused together, and are one reason to slow down.
        if now >= self._slowed + 1.0:
            self._share, self._slowed = max(_REGAINED, self._share * _LOST), now
        if seconds > _SHORT:
            self._held_until = max(self._held_until, now + seconds)

    def _due(self) -> float:
        due = self._held_until
        if len(self._sent) == self._sent.maxlen:
            due = max(due, self._sent[0] + self._window)
        if self._sent and self._share < 1.0:
            due = max(due, self._sent[-1] + 1.0 / (self.per_second * self._share))
        return due
