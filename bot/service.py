"""Everything that runs together in one process, started and stopped in order."""

import asyncio
from collections.abc import Sequence

import structlog

from bot.clock import Clock
from bot.dispatcher import Dispatcher
from bot.platforms.base import Platform
from bot.sender import Sender
from bot.settings import Settings
from bot.ticker import Job, Ticker
from storage.database import Database

log = structlog.get_logger()

PATIENCE = 5.0  # seconds for what is on its way
LAST = 6.0  # seconds for all that runs to end, when we stop
CLOSING = 1.5  # seconds then for the platforms to say goodbye


class Service:
    """One process: its platforms, the dispatcher, the sender and the clock's jobs."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        clock: Clock,
        platforms: Sequence[Platform],
        jobs: Sequence[Job],
    ) -> None:
        self.platforms = {platform.name: platform for platform in platforms}
        self.sender = Sender(database, settings, clock, self.platforms)
        self.dispatcher = Dispatcher(
            database,
            settings,
            clock,
            self.platforms,
            woken=self.sender.wake,
            handed=self.sender.hand,
        )
        self.ticker = Ticker(
            database,
            list(jobs),
            clock.now,
            self.dispatcher.settled_until,
            after=self.deliver,
            queued=self.sender.wake,
        )
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(self.sender.run(), name="sender")]
        for platform in self.platforms.values():
            run = self._run(platform)
            self._tasks.append(asyncio.create_task(run, name=platform.name))
        self.ticker.start()

    async def _run(self, platform: Platform) -> None:
        """Serve a platform; what another run left unsaid there goes before what is said now."""
        await self.sender.recovered.wait()
        await platform.run(self.dispatcher)

    async def deliver(self) -> None:
        """Send all that is due now, or as much of it as a slow platform takes for a while."""
        await self.sender.recovered.wait()
        while await self.sender.send_due():
            pass
        await self.sender.settled(PATIENCE)

    async def wait(self) -> None:
        """Until something ends that should not; its error is raised."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def stop(self) -> None:
        """End what runs; what does not end in time is left as if the process had died."""
        self.ticker.stop()
        for task in self._tasks:
            task.cancel()
        await _ended(self._tasks, LAST)
        closing = [self.sender.close(), *(one.close() for one in self.platforms.values())]
        for error in await _ended([asyncio.create_task(one) for one in closing], CLOSING):
            log.warning("a platform was not closed well", exc_info=error)


async def _ended(tasks: Sequence[asyncio.Task[None]], at_most: float) -> list[BaseException]:
    """Wait until tasks have ended, for so many seconds; what went wrong in them."""
    done, late = await asyncio.wait(tasks, timeout=at_most)
    for task in late:
        task.cancel()
    errors = [task.exception() for task in done if not task.cancelled()]
    return [one for one in errors if one is not None]
