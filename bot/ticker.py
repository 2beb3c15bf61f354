"""What time does: periodic ticks over due rows, and a clock that visits each due instant."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot.clock import MovableClock
from storage.database import Database, Unavailable
from storage.store import Store

log = structlog.get_logger()


@dataclass(frozen=True)
class Job:
    """Something that time does.

    Args:
        name: for the log.
        run: called with the store and the moment; it does what is due by then, in one
            transaction. True: more is to be done at once, in another.
        next_due: the next moment at which there is something to do, if any.
        prepare: slow work done before on a snapshot, so that nobody waits for it; `run` is then
            given its result too, and must check that it still holds. None: nothing to do.
        every: seconds between two ticks.
        settled: its moment is the one up to which everything received is applied.
    """

    name: str
    run: Callable[..., bool | None]
    next_due: Callable[[Store], datetime | None] | None = None
    prepare: Callable[[Store, datetime], Any] | None = None
    every: float = 1.0
    settled: bool = False


class Ticker:
    """Ticks every job; `advance` moves the demo's clock through each due event on the way.

    Args:
        now: the moment.
        settled_until: the moment up to which everything received is applied.
        after: called after each due event on the way.
        queued: called when a job left something for the sender.
    """

    def __init__(
        self,
        database: Database,
        jobs: list[Job],
        now: Callable[[], datetime],
        settled_until: Callable[[], datetime],
        after: Callable[[], Awaitable[Any]],
        queued: Callable[[], None],
    ) -> None:
        self.database = database
        self.jobs = jobs
        self.now = now
        self.settled_until = settled_until
        self.after = after
        self.queued = queued
        self._stopped = False
        self._scheduler = AsyncIOScheduler(
            timezone="UTC",
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    def start(self) -> None:
        for job in self.jobs:
            self._scheduler.add_job(
                self._tick,
                "interval",
                seconds=job.every,
                args=[job],
                id=job.name,
                next_run_time=datetime.now(UTC),  # a server that restarts often sweeps too
            )
        self._scheduler.start()

    def stop(self) -> None:
        self._stopped = True
        self._scheduler.pause()  # at once: what would begin and end in one turn is a failure to it
        self._scheduler.shutdown(wait=False)

    async def advance(self, clock: MovableClock, to: datetime | None) -> datetime:
        """Move the clock to a moment, or to the next event, running what falls due on the way."""
        while True:
            due = await self.database.read(self._next_due)
            if due is None or (to is not None and max(due, clock.now()) > to):
                break
            clock.advance_to(max(due, clock.now()))
            for job in self.jobs:
                await self._tick(job)
            await self.after()
            if to is None:
                return clock.now()
            if await self.database.read(self._next_due) == due:
                break  # it waits for something other than time
        if to is not None:
            clock.advance_to(to)
        return clock.now()

    def _next_due(self, store: Store) -> datetime | None:
        moments = [job.next_due(store) for job in self.jobs if job.next_due is not None]
        return min((moment for moment in moments if moment is not None), default=None)

    async def _tick(self, job: Job) -> None:
        try:
            while await self._run(job):
                pass
        except asyncio.CancelledError:
            if not self._stopped:  # else the scheduler would log a stop as a failure
                raise

    async def _run(self, job: Job) -> bool:
        """Do what is due; say whether more is to be done at once."""
        try:
            now = self.settled_until() if job.settled else self.now()
            if job.next_due is not None and not await self._has_due(job.next_due, now):
                return False
            given: tuple[Any, ...] = ()
            if job.prepare is not None:
                prepare = job.prepare
                prepared = await self.database.read(lambda store: prepare(store, now))
                if prepared is None:
                    return False
                given = (prepared,)
            more, queued = await self.database.write(lambda store: _run(job, store, now, given))
        except Unavailable:
            return False  # the next tick finds the same rows
        except Exception:
            log.exception("job failed", job=job.name)
            return False
        if queued:
            self.queued()
        return more and not self._stopped

    async def _has_due(self, next_due: Callable[[Store], datetime | None], now: datetime) -> bool:
        due = await self.database.read(next_due)
        return due is not None and due <= now


def _run(job: Job, store: Store, now: datetime, given: tuple[Any, ...]) -> tuple[bool, bool]:
    """Run a job; say whether it has more to do, and whether it left something to send."""
    more = bool(job.run(store, now, *given))
    return more, store.deliveries.queued
