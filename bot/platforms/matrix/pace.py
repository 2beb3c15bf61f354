"""How fast a homeserver may be called when nobody knows: it is tried, and refuses."""

import time
from collections.abc import Callable

from bot.pace import EARLY, Pace, Start

FIRST = 1.0  # calls a second, before anything is known
FASTEST = 50.0
SLOWEST = 0.05
BURST = 8  # calls that may go at once if there were none before: servers count the same way
SILENCE = 5.0  # seconds without calls
# Calls as fast as they may go, and seconds of them at least, after which it is tried faster: before
# the first refusal, and after one.
EAGER, CAREFUL = (4, 1.0), (20, 10.0)
DOUBLING, TIMID = 1.0, 0.05  # how much faster
STEEPEST = 8  # by which the rate falls at most: one refusal alone says little


class LearningPace(Pace):
    """One rate for all chats, which grows until the server refuses, and falls to what it took.

    It doubles until the first refusal; after one it grows little, and more each time that is well
    taken. Only calls that had to wait for each other say anything about what the server takes.

    Args:
        fixed: calls a second, if that is known: then nothing is learnt.
        clock: gives seconds that never go back.
    """

    def __init__(
        self, fixed: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(FIRST if fixed is None else fixed, chat_seconds=0, clock=clock)
        self._learns = fixed is None
        self._good = self.rate  # what was taken for a while
        self._taken = 0  # at this rate
        self._since: float | None = None  # when the first of these was called; None: none was
        self._in_a_row = 0
        self._growth = DOUBLING

    def delay(self) -> float:
        """Seconds until a call may start at all."""
        if not self._learns:
            return super().delay()
        at = max(self._next - self._saved, self._paused_until)
        return max(0.0, at - self.clock())

    def take(self, chat: str, in_group: bool, count: int = 1) -> Start:
        """Note that a call starts; a homeserver counts groups as all other rooms."""
        now = self.clock()
        if self._since is None or self._next + SILENCE <= now:  # what was before says nothing
            self._since, self._taken = now, 0
        return super().take(chat, False, count)

    def answered(self, start: Start) -> None:
        """Note that the server took a call."""
        super().answered(start)
        if not self._learns or self.paused:
            return
        self._taken += 1
        if self.delay() == 0:
            return
        self._in_a_row += 1
        calls, seconds = EAGER if self._growth == DOUBLING else CAREFUL
        if self._in_a_row >= max(calls, self.rate * seconds):
            self._good = self.rate
            self._change(min(self.rate * (1 + self._growth), FASTEST))
            self._growth = min(self._growth * 2, DOUBLING)

    def refused(self, wait: float) -> None:
        """Note that the server takes nothing for some seconds.

        Calls that were on their way meanwhile are refused for the same reason.
        """
        known = self.paused > 0
        self.pause(wait)
        if not self._learns or known:
            return
        now = self.clock()
        self._good = min(self._good, self._took(now + wait))
        self._change(max(self._good, self.rate / STEEPEST, SLOWEST))
        self._growth = TIMID
        self._since, self._taken = now + wait, 0
        self._next = now + wait + self._saved  # one call may then start

    def _took(self, until: float) -> float:
        """What the server takes a second, as far as is known, if its next call is at a moment."""
        if self._good < self.rate:  # it was tried faster since
            return self._good
        if self._since is None or not self._taken:
            return self.rate / 2
        return self._taken / max(until - self._since, 0.001)

    @property
    def _saved(self) -> float:
        """Seconds by which calls may go before their turn, since there were none before."""
        return max(EARLY, BURST / self.rate)

    def _change(self, rate: float) -> None:
        now = self.clock()
        waiting = max(self._next - now, 0.0) * self.rate  # calls that went before their turn
        self.rate = rate
        self._next = now + waiting / rate
        self._in_a_row, self._since = 0, None
