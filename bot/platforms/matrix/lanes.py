"""Rooms side by side, that of one room in order; and how far everything is done."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from contextvars import ContextVar
from functools import partial

import structlog

log = structlog.get_logger()

AT_ONCE = 64  # rooms
LONG = 1.0  # seconds after which a room that is at it, as with a file, is beside these
AGAIN = 0.25  # seconds before it is looked again how much is left
LAST = 2.0  # seconds for what is being done when we stop

Work = Callable[[], Awaitable[None]]
Events = Mapping[asyncio.Task[None], int]  # how many each task applies
_place: "ContextVar[_Place]" = ContextVar("place")  # of the task that works


def step_aside() -> None:
    """Let other rooms have the place of this one: what comes next may take a while."""
    place = _place.get(None)
    if place is not None:
        place.give_up()


class Lanes:
    """Does work, each room's in the order in which it was given."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AT_ONCE)
        self._last: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def put(
        self, room_id: str, work: Work, meanwhile: AbstractContextManager[None] | None = None
    ) -> asyncio.Task[None]:
        """Have something done after all that was given for the room; the task ends with it.

        Args:
            meanwhile: entered soon, and left when it is done.
        """
        before = self._last.get(room_id)
        task = asyncio.create_task(self._do(room_id, before, work, meanwhile or nullcontext()))
        self._last[room_id] = task
        self._tasks.add(task)
        task.add_done_callback(partial(self._forget, room_id))
        return task

    async def close(self) -> None:
        """End what ends soon, and break off the rest."""
        tasks = list(self._tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=LAST)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _do(
        self,
        room_id: str,
        before: asyncio.Task[None] | None,
        work: Work,
        meanwhile: AbstractContextManager[None],
    ) -> None:
        with meanwhile:
            if before is not None:
                await asyncio.wait([before])
            async with self._place():
                try:
                    await work()
                except Exception:  # nor could it be done the next time
                    log.exception("what was said in a room could not be read", room=room_id)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """One of the few places; who takes long gives it up to somebody else."""
        await self._free.acquire()
        place = _Place(self._free)
        _place.set(place)
        soon = asyncio.get_running_loop().call_later(LONG, place.give_up)
        try:
            yield
        finally:
            soon.cancel()
            place.give_up()

    def _forget(self, room_id: str, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._last.get(room_id) is task:
            del self._last[room_id]


class _Place:
    def __init__(self, free: asyncio.Semaphore) -> None:
        self._free = free
        self._is_held = True

    def give_up(self) -> None:
        """Leave it to somebody else, unless that was done."""
        if self._is_held:
            self._is_held = False
            self._free.release()


class Progress:
    """How far all that syncs gave is applied: what is behind something slow does not count.

    Args:
        until: how far it was in an earlier run.
    """

    def __init__(self, until: str | None) -> None:
        self._until = until
        self._under_way: list[tuple[str, Events]] = []

    def begin(self, until: str, tasks: Events) -> None:
        """A sync gave something to do; with that, all is applied until there."""
        self._under_way.append((until, tasks))

    def until(self) -> str | None:
        """Where to go on after a crash."""
        left: list[tuple[str, Events]] = []
        for until, tasks in self._under_way:
            rest = {task: events for task, events in tasks.items() if not _is_done(task)}
            if rest:
                left.append((until, rest))
            elif left:  # it is only behind something slow
                left[-1] = until, left[-1][1]
            else:
                self._until = until
        self._under_way = left
        return self._until

    async def fewer(self, most: int) -> None:
        """Wait until less than so many events are not applied, all of which are kept in memory."""
        self.until()
        while sum(sum(tasks.values()) for _, tasks in self._under_way) >= most:
            await asyncio.wait(self._under_way[0][1], timeout=AGAIN)
            self.until()


def _is_done(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled()
