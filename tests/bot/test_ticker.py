"""What the clock does: as often as there is something to do, and no longer than it may."""

import asyncio
import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from bot.ticker import Job, Ticker
from storage.database import Database
from storage.store import Store
from tests.people import StillClock

NOW = datetime(2027, 1, 11, 9, tzinfo=UTC)


def ticker(db: Database, job: Job) -> Ticker:
    async def nothing() -> None:
        pass

    return Ticker(db, [job], lambda: NOW, lambda: NOW, after=nothing, queued=lambda: None)


async def test_a_job_with_more_to_do_goes_on_at_once_each_time_in_its_own_transaction(
    db: Database,
) -> None:
    commits, seen = 0, []
    over = asyncio.Event()
    loop = asyncio.get_running_loop()

    @event.listens_for(db.engine, "commit")
    def count(_: Any) -> None:
        nonlocal commits
        commits += 1

    def slice_of(store: Store, now: datetime) -> bool:
        seen.append(commits)
        if len(seen) == 3:
            loop.call_soon_threadsafe(over.set)
        return len(seen) < 3

    ticking = ticker(db, Job("slices", slice_of, every=3600))
    ticking.start()
    await asyncio.wait_for(over.wait(), 10)
    ticking.stop()
    event.remove(db.engine, "commit", count)
    assert seen == [0, 1, 2]


async def test_a_tick_that_is_stopped_is_no_failure(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    began, may_end = threading.Event(), threading.Event()

    def look(store: Store, now: datetime) -> None:
        began.set()
        may_end.wait(10)

    ticking = ticker(db, Job("slow", lambda *_: None, prepare=look, every=3600))
    ticking.start()
    await asyncio.to_thread(began.wait, 10)
    with caplog.at_level(logging.ERROR):
        ticking.stop()
        for _ in range(10):
            await asyncio.sleep(0)
    may_end.set()
    assert caplog.records == []


async def test_nor_is_one_that_was_to_begin(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    ticking = ticker(db, Job("soon", lambda *_: None, every=3600))
    with caplog.at_level(logging.ERROR):
        ticking.start()
        ticking.stop()
        await asyncio.sleep(0.05)
    assert caplog.records == []


async def test_only_what_must_be_settled_waits_for_what_is_in_hand(db: Database) -> None:
    """And time goes on although something that is due waits for that."""
    moments: dict[str, list[datetime]] = {"closing": [], "other": []}
    due = NOW + timedelta(minutes=1)

    def job(name: str, *, settled: bool) -> Job:
        def run(store: Store, now: datetime) -> None:
            moments[name].append(now)

        return Job(name, run, next_due=lambda _: due, settled=settled)

    async def nothing() -> None:
        pass

    clock = StillClock(due + timedelta(minutes=1))
    jobs = [job("closing", settled=True), job("other", settled=False)]
    ticking = Ticker(db, jobs, clock.now, lambda: NOW, after=nothing, queued=lambda: None)
    async with asyncio.timeout(5):
        await ticking.advance(clock, due + timedelta(minutes=2))
    assert moments == {"closing": [], "other": [due + timedelta(minutes=1)]}
    assert clock.now() == due + timedelta(minutes=2)
