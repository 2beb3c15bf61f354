"""The loop: what a sync gives is applied, room beside room, and then counts as read.

What was read is kept with the keys that came with it, in one transaction: the homeserver forgets
those keys once it is asked for more. After a crash we go on from before the first thing that was
not applied; what is given again is known by its event.
"""

import asyncio
import random
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from functools import partial

import structlog

from bot.clock import Clock
from bot.platforms.matrix.batches import Batch, next_batch
from bot.platforms.matrix.client import (
    Client,
    DeviceLost,
    ServerRefused,
    TakenOver,
    Unreachable,
)
from bot.platforms.matrix.lanes import Events, Lanes, Progress
from bot.platforms.matrix.login import SYNC
from bot.platforms.matrix.reading import Given, Reading, Rooms, Take, until_done
from bot.platforms.matrix.telling import Tell
from bot.platforms.matrix.together import together
from bot.platforms.matrix.undecrypted import Undecrypted
from storage.database import Database, Unavailable
from storage.store import Store

log = structlog.get_logger()

BRIEF = 0.25  # seconds for what a sync gave, before more is asked for
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds between two tries to sync
MOST_UNDER_WAY = 10_000  # events that came and are not applied, each of at most 64 KiB

InHand = Callable[[datetime], AbstractContextManager[None]]


class Syncing:
    """Reads all that is said to us.

    Args:
        take: applies one answer: what was said, or several files with the words after them. When
            it returns it is committed; `Unavailable` has it called again.
        tell: see `bot.platforms.matrix.telling.Telling`.
        in_hand: has closings wait for what was received at some moment.

    Attributes:
        ready: the rooms are known.
    """

    def __init__(
        self,
        client: Client,
        database: Database,
        clock: Clock,
        rooms: Rooms,
        take: Take,
        tell: Tell,
        in_hand: InHand,
    ) -> None:
        self._client = client
        self._database = database
        self._clock = clock
        self._rooms = rooms
        self._in_hand = in_hand
        self._undecrypted = Undecrypted(client, database, clock, tell)
        self._reading = Reading(client, self._undecrypted, rooms, take)
        self._lanes = Lanes()
        self._progress = Progress(None)
        self._kept: str | None = None
        self._synced = asyncio.Event()
        self._trouble = ""
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Read until cancelled; it may be run again.

        Raises:
            ServerRefused: our login is none any more.
            DeviceLost: our device cannot go on.
            TakenOver: another process serves our account.
        """
        since = self._kept = await until_done(lambda: self._database.read(_checkpoint))
        self._lanes, self._progress = Lanes(), Progress(since)
        self._reading.begin()
        await until_done(self._undecrypted.load)
        try:
            await together(self._read_on(since), self._tend())
        finally:
            await self._undecrypted.close()
            await self._lanes.close()
            await self._keep_at_last()

    async def _read_on(self, since: str | None) -> None:
        while True:
            since = await self._once(since)

    async def _once(self, since: str | None) -> str:
        """One sync; where to go on."""
        await self._progress.fewer(MOST_UNDER_WAY)
        batch, now = await self._next(since)
        # Who has never read anything does not begin with what was said long ago.
        tasks = self._read(batch, since, now) if since is not None else {}
        self._progress.begin(batch.next_batch, tasks)
        self.ready.set()
        if tasks:
            await asyncio.wait(tasks, timeout=BRIEF)
        await until_done(self._keep)
        self._synced.set()
        return str(batch.next_batch)

    async def _next(self, since: str | None) -> tuple[Batch, datetime]:
        """The next sync, of which rooms took their part, however long the homeserver is away."""
        pause = 0.0
        while True:
            try:
                batch = await next_batch(self._client, since, whole=not self.ready.is_set())
                now = self._clock.now()
                await until_done(partial(self._rooms.heed, batch, now))
            except ServerRefused:
                raise
            except Exception as error:
                pause = await self._rest(error, pause)
            else:
                if pause:
                    log.warning("the homeserver answers again")
                return batch, now

    async def _rest(self, error: Exception, pause: float) -> float:
        """Wait after a sync that failed, longer each time, and say so once; how long it was."""
        wait = error.wait if isinstance(error, Unreachable) else 0.0
        if not pause and isinstance(error, Unreachable):
            log.warning("the homeserver does not answer", reason=str(error))
        elif not pause:  # what it says may be what somebody wrote
            at = traceback.extract_tb(error.__traceback__)[-1]
            log.error("a sync cannot be read", reason=type(error).__name__, at=f"{at[0]}:{at[1]}")
        pause = min(max(pause * 2, SHORTEST_PAUSE), LONGEST_PAUSE)
        await asyncio.sleep(max(wait, pause * random.uniform(0.5, 1.0)))  # noqa: S311
        return pause

    async def _tend(self) -> None:
        """Have our keys tended after each sync, beside the next: it takes as long as others do."""
        while True:
            await self._synced.wait()
            self._synced.clear()
            try:
                await self._client.maintain()
            except (DeviceLost, TakenOver):
                raise
            except Exception:  # we can still read
                log.exception("our keys could not be tended")

    def _read(self, batch: Batch, since: str, now: datetime) -> Events:
        """Have read what was held until its key came, and what was said."""
        for room_id, numbers in self._undecrypted.arrived().items():
            self._lanes.put(room_id, self._reading.held(room_id, numbers))
        return {
            self._lanes.put(
                room_id,
                self._reading.room(room_id, Given(since, timeline, now)),
                self._in_hand(now),
            ): len(timeline.events)
            for room_id, timeline in batch.said.items()
        }

    async def _keep(self) -> None:
        """Write the keys that came, and how far all is applied.

        Raises:
            Unavailable: nothing was written.
        """
        until = self._progress.until()

        def note(store: Store) -> None:
            store.matrix.put(SYNC, "", {"next_batch": until})

        await self._client.crypto.flush(self._database, note if until != self._kept else None)
        self._kept = until

    async def _keep_at_last(self) -> None:
        with suppress(Unavailable):  # then some of it will be given again
            await self._keep()


def _checkpoint(store: Store) -> str | None:
    kept = store.matrix.get(SYNC)
    return kept["next_batch"] if kept else None
