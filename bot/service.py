"""Everything that runs together in one process, started and stopped in order."""

import asyncio
import contextlib
from collections.abc import Sequence

from bot.clock import Clock
from bot.dispatcher import Dispatcher
from bot.platforms.base import Platform
from bot.sender import Sender
from bot.settings import Settings
from bot.ticker import Job, Ticker
from storage.database import Database


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
            database, settings, clock, self.platforms, woken=self.sender.wake
        )
        self.ticker = Ticker(
            database,
            list(jobs),
            self.dispatcher.settled_until,
            after=self.deliver,
            queued=self.sender.wake,
        )
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(self.sender.run(), name="sender")]
        for platform in self.platforms.values():
            run = platform.run(self.dispatcher)
            self._tasks.append(asyncio.create_task(run, name=platform.name))
        self.ticker.start()

    async def deliver(self) -> None:
        """Send all that is due now."""
        while await self.sender.send_due():
            pass

    async def wait(self) -> None:
        """Until something ends that should not; its error is raised."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def stop(self) -> None:
        self.ticker.stop()
        for platform in self.platforms.values():
            await platform.close()
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
