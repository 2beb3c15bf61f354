"""How fast a platform may be called: in all, in one chat, and in one group."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

# Seconds in which as many calls start as a second allows. Calls are counted where they arrive, and
# may catch up with each other on the way by what this is longer.
SECOND = 1.014
# By which the shortest time of an answer is thought longer with each call, until one is as short.
FORGETTING = 1.003
# Seconds at most by which a call is thought late: one with a file takes longer, and is not.
LATE = 0.05
# Seconds by which calls may go before their turn, so that an event loop that wakes late catches up.
EARLY = 0.25
MARGIN = 1.02  # of the times between calls in a chat
MINUTE = 60.0


@dataclass(eq=False)
class Start:
    """A call: when it started, later corrected by how long it may have been on its way."""

    at: float


class Pace:
    """Three rates and a pause. Nothing is kept of chats that were not called lately.

    Args:
        per_second: calls in any second, in all chats together.
        chat_seconds: between two calls in one chat.
        group_minute: calls in any minute in one group.
        clock: gives seconds that never go back.
    """

    def __init__(
        self,
        per_second: float,
        chat_seconds: float = 1.0,
        group_minute: int = 20,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rate = per_second / SECOND
        self.clock = clock
        self._between = chat_seconds * MARGIN
        self._group_minute = group_minute
        self._next = float("-inf")  # the turn of the next call, if they are evenly spaced
        self._last: deque[Start] = deque(maxlen=max(int(per_second), 1))
        self._shortest = float("inf")  # seconds until a call is answered
        self._paused_until = float("-inf")
        self._chats: OrderedDict[str, float] = OrderedDict()  # when each may be called again
        self._groups: OrderedDict[str, deque[float]] = OrderedDict()  # when each was called

    def wait(self, chat: str, in_group: bool) -> float:
        """Seconds until a call may start in a chat."""
        return max(self.delay(), self.chat_delay(chat, in_group))

    def delay(self) -> float:
        """Seconds until a call may start at all."""
        at = max(self._next - EARLY, self._paused_until)
        if len(self._last) == self._last.maxlen:
            at = max(at, self._last[0].at + SECOND)
        return max(0.0, at - self.clock())

    def chat_delay(self, chat: str, in_group: bool) -> float:
        """Seconds until a chat may be called again, if others leave room for it."""
        now = self.clock()
        free = self._chats.get(chat, now)
        calls = self._groups.get(chat) if in_group else None
        if calls is not None and len(calls) >= self._group_minute:
            free = max(free, calls[0] + MINUTE * MARGIN)
        return max(0.0, free - now)

    def take(self, chat: str, in_group: bool, count: int = 1) -> Start:
        """Note that a call starts, which makes `count` messages."""
        now = self.clock()
        self._next = max(self._next, now) + count / self.rate
        start = Start(now)
        self._last.extend([start] * count)
        self._chats[chat] = now + self._between * count
        self._chats.move_to_end(chat)
        if in_group:
            calls = self._groups.setdefault(chat, deque(maxlen=self._group_minute))
            calls.extend([now] * count)
            self._groups.move_to_end(chat)
        self._forget(now)
        return start

    def answered(self, start: Start) -> None:
        """Note that a call was answered.

        It is counted where it arrives: if it took longer than others it may have been late there,
        and the next second begins as much later.
        """
        took = self.clock() - start.at
        self._shortest = min(self._shortest * FORGETTING, took)
        start.at += min(took - self._shortest, LATE)

    def pause(self, seconds: float) -> None:
        """Let nobody call for some time; a longer pause stays as long as it is."""
        self._paused_until = max(self._paused_until, self.clock() + seconds)

    @property
    def paused(self) -> float:
        """How many seconds of a pause are left."""
        return max(0.0, self._paused_until - self.clock())

    @property
    def known(self) -> int:
        """Of how many chats something is kept."""
        return len(self._chats.keys() | self._groups.keys())

    def _forget(self, now: float) -> None:
        """Drop the chats that may be called at any time; the longest idle stand first."""
        while self._chats and next(iter(self._chats.values())) <= now:
            self._chats.popitem(last=False)
        while self._groups and next(iter(self._groups.values()))[-1] <= now - MINUTE * MARGIN:
            self._groups.popitem(last=False)
