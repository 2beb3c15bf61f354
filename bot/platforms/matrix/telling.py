"""That something could not be read: said in its room until it was said, and not too often."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from datetime import datetime, timedelta

from bot.clock import Clock
from storage.database import Database, Unavailable

KIND = "told"
SELDOM = timedelta(minutes=10)  # after which a room is told again
SHORTEST_PAUSE, LONGEST_PAUSE = 15.0, 600.0  # seconds before it is tried again

Tell = Callable[[str], Awaitable[bool]]


class Telling:
    """Tells rooms that something there could not be read.

    When a room was last told is kept: a restart neither forgets to tell nor tells twice.

    Args:
        tell: says it in a room; False: it was not said, for now.
    """

    def __init__(self, database: Database, clock: Clock, tell: Tell) -> None:
        self._database = database
        self._clock = clock
        self._tell = tell
        self._told: dict[str, datetime] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def load(self, rooms: Collection[str]) -> None:
        """Go on with what another run told.

        Args:
            rooms: in which something waits; the others are forgotten.

        Raises:
            Unavailable: the database is away.
        """
        kept = await self._database.read(lambda store: store.matrix.all(KIND))
        self._told = {one["room"]: datetime.fromisoformat(one["at"]) for one in kept}
        gone = [room for room in self._told if room not in rooms and not self._wait(room)]
        if gone:
            await self._database.write(lambda store: store.matrix.drop(KIND, gone))

    def knows(self, room_id: str, received_at: datetime) -> bool:
        """Whether a room was told since something was received there."""
        told = self._told.get(room_id)
        return told is not None and told >= received_at

    async def tell(
        self, room_id: str, received_at: datetime, is_missing: Callable[[], bool]
    ) -> None:
        """Have a room told of what was received there, as long as it cannot be read."""
        pause = SHORTEST_PAUSE
        async with self._turns[room_id]:
            while is_missing() and not self.knows(room_id, received_at):
                if wait := self._wait(room_id):
                    await asyncio.sleep(wait)
                elif await self._tell(room_id):
                    await self._note(room_id)
                else:
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, LONGEST_PAUSE)

    def _wait(self, room_id: str) -> float:
        """Seconds until a room may be told again."""
        told = self._told.get(room_id)
        since = self._clock.now() - told if told is not None else SELDOM
        return max((SELDOM - since).total_seconds(), 0.0)

    async def _note(self, room_id: str) -> None:
        """Keep that a room was told; if that cannot be, another run may tell it again."""
        self._told[room_id] = now = self._clock.now()
        row = {"room": room_id, "at": now.isoformat()}
        with suppress(Unavailable):
            await self._database.write(lambda store: store.matrix.put(KIND, room_id, row))
