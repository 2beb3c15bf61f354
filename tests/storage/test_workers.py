"""Threads that outlive what goes wrong: a cancelled job, a failing one, a loop that ended."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future

import pytest

from storage.database import Database
from storage.people import Person
from storage.store import Store
from storage.workers import LAST, Job, Workers
from tests.conftest import NOW


async def test_a_cancelled_write_stops_nobody(db: Database) -> None:
    """A probe that gave up while the database was away must not end its writer."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await db.write(lambda store: store.session.query(Person).count())
    for _ in range(6):
        async with asyncio.timeout(5):
            assert await db.write(lambda store: store.session.query(Person).count()) == 0


def test_a_group_of_cancelled_jobs_is_not_done() -> None:
    done: list[Sequence[Job]] = []
    workers = Workers("tests", 1, done.append)
    workers.start()
    job = Job(None, None, None)
    job.future.cancel()
    workers.submit(job)
    workers.stop()
    assert done == []


def test_nobody_works_before_or_after() -> None:
    workers = Workers("tests", 1, lambda group: None)
    with pytest.raises(RuntimeError):
        workers.submit(Job(None, None, None))


def test_one_who_is_long_at_it_holds_nobody_up() -> None:
    """A write that waits for a lock lets the next one by."""
    begun, leave = threading.Event(), threading.Event()

    def do(group: Sequence[Job]) -> None:
        begun.set()
        for job in group:
            job.result = job.item == "quick" or leave.wait(5)

    workers = Workers("tests", 2, do)
    workers.start()
    slow, quick = Job(None, "slow", None), Job(None, "quick", None)
    workers.submit(slow)
    assert begun.wait(2)
    workers.submit(quick)
    assert isinstance(quick.future, Future)
    assert isinstance(slow.future, Future)
    assert quick.future.result(2)
    assert not slow.future.done()
    leave.set()
    assert slow.future.result(2)
    workers.stop()


def test_what_found_no_place_in_a_group_is_done_before_the_end() -> None:
    begun, leave = threading.Event(), threading.Event()
    done = list[Job]()

    def do(group: Sequence[Job]) -> None:
        begun.set()
        assert leave.wait(5)
        done.extend(group)

    workers = Workers("tests", 1, do)
    workers.start()
    workers.submit(Job(None, None, None))
    assert begun.wait(2)
    for last in [False] + [True] * (LAST + 1):
        workers.submit(Job(None, None, None, last=last))
    stopping = threading.Thread(target=workers.stop)
    stopping.start()
    leave.set()
    stopping.join(5)
    assert len(done) == LAST + 3


async def test_what_fails_in_a_group_fails_alone(db: Database) -> None:
    def together(store: Store, items: list[int]) -> list[int]:
        if 3 in items:
            raise ValueError("three")
        for item in items:
            store.session.add(Person(language=f"l{item}", created_at=NOW))
        return [item * 2 for item in items]

    jobs = [db.write_with_others(together, item) for item in range(6)]
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert [one for one in results if not isinstance(one, ValueError)] == [0, 2, 4, 8, 10]
    assert await db.read(lambda store: store.session.query(Person).count()) == 5
