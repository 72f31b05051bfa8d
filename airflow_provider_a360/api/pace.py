"""How often an account may be asked."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

# The service counts arrivals, and a late packet draws two of them together: a second of ours is a little longer.
_SLACK = 1.03


class Pace:
    """At most so many requests in any second, for all threads that use one account.

    The first second's requests may go at once; from then on each waits until the one `burst` places ahead of it is a
    second old. That is as close to the limit as a limit by the second lets anybody come.
    """

    def __init__(
        self,
        per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        burst = max(1, int(per_second))
        self.per_second = per_second
        self._window = max(1.0, burst / per_second) * _SLACK
        self._sent: deque[float] = deque(maxlen=burst)
        self._held_until = 0.0
        self._turnstile = threading.Lock()
        self._clock, self._sleep = clock, sleep

    def wait(self) -> None:
        """Return when the next request may be sent."""
        with self._turnstile:
            while (delay := self._due() - self._clock()) > 0:
                self._sleep(delay)
            self._sent.append(self._clock())

    def hold(self, seconds: float) -> None:
        """Let nobody send for so long: the service refused one of us."""
        self._held_until = max(self._held_until, self._clock() + seconds)

    def _due(self) -> float:
        full = len(self._sent) == self._sent.maxlen
        return max(self._held_until, self._sent[0] + self._window if full else 0.0)
