"""Whose turn it is: updates of one chat wait for each other, and rest after those that come fast.

Who waits holds nothing that others need. What was refused is remembered for as long as it is, so
that a flood costs no more than a look at that.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from bot.messages import Incoming
from bot.refusing import Refusals
from storage.limits import NEWCOMERS

MOST_WAITING = 20  # updates of one chat that rests: more are refused

Key = tuple[str, str]


@dataclass
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0
    rests_until: float = 0.0  # in the seconds of the event loop


class Turns:
    def __init__(self) -> None:
        self._turns: dict[Key, _Turn] = {}
        self._refused = Refusals()
        self._arrivals: Counter[str] = Counter()
        self._counted_from: datetime | None = None

    @asynccontextmanager
    async def take(self, platform: str, chat: str) -> AsyncIterator[None]:
        """One update of a chat at a time, once the chat has rested."""
        key = platform, chat
        turn = self._turns.setdefault(key, _Turn())
        turn.users += 1
        try:
            async with turn.lock:
                rest = turn.rests_until - asyncio.get_running_loop().time()
                if rest > 0:
                    await asyncio.sleep(rest)
                yield
        finally:
            self._leave(key, turn)

    def rest(self, platform: str, chat: str, seconds: float) -> None:
        """Have a chat rest, of which an update was just applied; the next one waits for that."""
        if seconds <= 0:
            return
        key, loop = (platform, chat), asyncio.get_running_loop()
        turn = self._turns.setdefault(key, _Turn())
        turn.users += 1
        turn.rests_until = loop.time() + seconds
        loop.call_later(seconds, self._leave, key, turn)

    def _leave(self, key: Key, turn: _Turn) -> None:
        turn.users -= 1
        if not turn.users and self._turns.get(key) is turn:
            del self._turns[key]

    def is_resting(self, platform: str, chat: str) -> bool:
        """Whether an update of a chat waits, although nothing is done there."""
        turn = self._turns.get((platform, chat))
        return turn is not None and turn.rests_until > asyncio.get_running_loop().time()

    def is_full(self, platform: str, chat: str) -> bool:
        """Whether so much waits in a chat that rests that no more is taken."""
        turn = self._turns.get((platform, chat))
        return turn is not None and turn.rests_until > 0 and turn.users > MOST_WAITING

    # Refusals

    def refuse(self, incoming: Incoming, until: datetime) -> bool:
        """Remember that somebody is refused for a while; whether that is new."""
        return self._refused.add(_who(incoming), until)

    def refused_until(self, incoming: Incoming, now: datetime) -> datetime | None:
        """Until when somebody is refused, if they are."""
        return self._refused.until(_who(incoming), now)

    # Newcomers

    def arrived(self, platform: str, now: datetime) -> float:
        """Count a newcomer of a platform; how long their chat rests, where many come."""
        if self._counted_from is None or now >= self._counted_from + NEWCOMERS.window:
            self._arrivals.clear()
            self._counted_from = now
        self._arrivals[platform] += 1
        return NEWCOMERS.delay(self._arrivals[platform])


def _who(incoming: Incoming) -> tuple[str, str, str]:
    return incoming.platform, incoming.chat, incoming.sender
