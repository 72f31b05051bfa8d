"""How often an account may be asked."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from weakref import WeakKeyDictionary

log = logging.getLogger(__name__)

# The service counts arrivals, and a late packet draws two of them together: a second of ours is 10 ms longer.
_SLACK = 1.01
# How a process that shares the account with others finds its share: a second with refusals takes three tenths of its
# rate, and each request that is sent gives back a fiftieth of the whole.
_LOST, _REGAINED = 0.7, 0.02
_SHORT = 1.0
_SAID_EVERY = 10.0


class Pace:
    """At most so many requests in any second, for all threads that use one account.

    The first second's requests may go at once; from then on each waits until the one `burst` places ahead of it is a
    second old. That is as close to the limit as a limit by the second lets anybody come. After a refusal they go one by
    one, and more slowly for a while: other processes may share the account.
    """

    def __init__(self, per_second: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates: WeakKeyDictionary[object, float] = WeakKeyDictionary()
        self._sent: deque[float] = deque()
        self._held_until = 0.0
        self._share, self._slowed = 1.0, float("-inf")
        self._refusals, self._said = 0, float("-inf")
        self._turnstile = threading.Lock()
        # Held for a moment only, unlike the turnstile.
        self._noting = threading.Lock()
        self._clock = clock
        self._set(per_second)

    def join(self, user: object, per_second: float) -> None:
        """Name the rate of one who uses the account: the lowest that any living user names is everybody's.

        :param user: whoever asks; it stops counting when it is gone.
        :param per_second: requests in a second.
        """
        with self._noting:
            self._rates[user] = per_second

    def wait(self, sleep: Callable[[float], object]) -> None:
        """Return when the next request may be sent; where `sleep` raises, none is."""
        with self._turnstile:
            while (delay := self._due() - self._clock()) > 0:
                sleep(delay)
            self._sent.append(self._clock())
            self._share = min(1.0, self._share + _REGAINED)
        self._say_refusals()

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
        with self._noting:
            self._refusals += 1
        self._say_refusals()

    def _say_refusals(self) -> None:
        """Say how many there were since this was said last, every ten seconds at most."""
        now = self._clock()
        with self._noting:
            count = self._refusals
            if not count or now < self._said + _SAID_EVERY:
                return
            self._refusals, self._said = 0, now
        log.info(
            "Requests refused as beyond the account's limit (429), and sent again: %d. The pace is now %.1f a second.",
            count,
            self.per_second * self._share,
        )

    def _set(self, per_second: float) -> None:
        burst = max(1, int(per_second))
        self.per_second = per_second
        self._window = max(1.0, burst / per_second) * _SLACK
        self._sent = deque(self._sent, maxlen=burst)

    def _due(self) -> float:
        with self._noting:
            lowest = min(self._rates.values(), default=self.per_second)
        if lowest != self.per_second:
            self._set(lowest)
        due = self._held_until
        if len(self._sent) == self._sent.maxlen:
            due = max(due, self._sent[0] + self._window)
        if self._sent and self._share < 1.0:
            due = max(due, self._sent[-1] + 1.0 / (self.per_second * self._share))
        return due
