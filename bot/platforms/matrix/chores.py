"""What is done about rooms in the background: few things at once, at the pace, again if refused."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from bot.pace import Pace
from bot.platforms.base import SendFailed
from storage.database import Unavailable

log = structlog.get_logger()

AT_ONCE = 4  # chores
SHORTEST_WAIT, LONGEST_WAIT = 2.0, 600.0  # seconds between two tries of one
# Chores of one room, and those that one person causes: so many in a row, then one in so long.
ROOM_BURST, ROOM_SECONDS = 3, 300.0
PERSON_BURST, PERSON_SECONDS = 30, 10.0
SHARE = 3  # of so many calls one at most is for a chore: people are answered meanwhile
PATIENCE = 6  # of so many calls one at least is for a chore, if there is something to do


@dataclass(eq=False)
class Chore:
    """Something to do about a room.

    Attributes:
        room_id: the room; it waits for no other chore of the same room, but takes its place.
        whose: who causes it: those of different people take turns.
        do: does it, or raises `SendFailed`: it is then tried again, unless that is final.
        rank: 0 goes before 1.
    """

    room_id: str
    whose: str
    do: Callable[[], Awaitable[None]]
    rank: int = 0
    tries: int = field(default=0, init=False)


class Throttle:
    """How often each may have something done: some in a row, then one in so many seconds."""

    def __init__(self, burst: int, seconds: float, clock: Callable[[], float]) -> None:
        self._saved, self._seconds, self._clock = (burst - 1) * seconds, seconds, clock
        self._ends: OrderedDict[str, float] = OrderedDict()

    def wait(self, who: str) -> float:
        """Seconds until it may be done."""
        now = self._clock()
        return max(0.0, self._ends.get(who, now) - self._saved - now)

    def count(self, who: str) -> None:
        """Note that it is done."""
        now = self._clock()
        self._ends[who] = max(self._ends.get(who, now), now) + self._seconds
        self._ends.move_to_end(who)
        while self._ends and next(iter(self._ends.values())) <= now:
            self._ends.popitem(last=False)


class Chores:
    """Does chores while `run` runs.

    Args:
        pace: how fast the homeserver may be called: a chore takes its turn as messages do.
    """

    def __init__(self, pace: Pace, clock: Callable[[], float] = time.monotonic) -> None:
        self._pace = pace
        self._clock = clock
        self._known: dict[str, Chore] = {}
        self._lines: tuple[OrderedDict[str, deque[Chore]], ...] = (OrderedDict(), OrderedDict())
        self._news = asyncio.Event()
        self._rooms = Throttle(ROOM_BURST, ROOM_SECONDS, clock)
        self._people = Throttle(PERSON_BURST, PERSON_SECONDS, clock)
        self._next_turn = float("-inf")
        self._turns = asyncio.Lock()

    def put(self, chore: Chore) -> None:
        """Have something done, in place of what was to be done about the room."""
        self._known[chore.room_id] = chore
        self._queue(chore)

    def drop(self, room_id: str) -> None:
        """What was to be done about a room makes no sense any more."""
        self._known.pop(room_id, None)

    def __contains__(self, room_id: str) -> bool:
        return room_id in self._known

    async def run(self) -> None:
        """Do them until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            chore = await self._next()
            if self._known.get(chore.room_id) is not chore:
                continue
            wait = self._throttled(chore)
            if wait:
                self._later(chore, wait)
            else:
                await self._turn()
                await self._try(chore)

    def _throttled(self, chore: Chore) -> float:
        """Seconds until a chore may be begun; if none, it is counted."""
        if chore.tries:
            return 0.0
        wait = max(self._rooms.wait(chore.room_id), self._people.wait(chore.whose))
        if not wait:
            self._rooms.count(chore.room_id)
            self._people.count(chore.whose)
        return wait

    async def _try(self, chore: Chore) -> None:
        """Do a chore; then it is done with, or waits to be tried again."""
        wait = 0.0
        try:
            await chore.do()
        except SendFailed as failed:
            if failed.for_all:
                self._next_turn = max(self._next_turn, self._clock() + failed.wait)
            if not failed.final:
                wait = max(failed.wait, SHORTEST_WAIT)
        except Unavailable:
            wait = SHORTEST_WAIT
        except Exception:
            log.exception("something about a room failed", room=chore.room_id)
        if self._known.get(chore.room_id) is not chore:
            return
        if wait:
            wait = max(wait, min(SHORTEST_WAIT * 2 ** min(chore.tries, 16), LONGEST_WAIT))
            chore.tries += 1
            self._later(chore, wait)
        else:
            del self._known[chore.room_id]

    def _later(self, chore: Chore, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._queue, chore)

    def _queue(self, chore: Chore) -> None:
        self._lines[chore.rank].setdefault(chore.whose, deque()).append(chore)
        self._news.set()

    async def _next(self) -> Chore:
        """What is to be done next: of the person whose turn it is."""
        while True:
            for lines in self._lines:
                if lines:
                    whose, line = lines.popitem(last=False)
                    chore = line.popleft()
                    if line:
                        lines[whose] = line
                    return chore
            self._news.clear()
            await self._news.wait()

    async def _turn(self) -> None:
        """Wait until the homeserver may be called.

        Messages are quicker to take their turn: after so many of them it is a chore's.
        """
        async with self._turns:
            until = self._clock() + PATIENCE / self._pace.rate
            while delay := self._delay():
                is_next = self._clock() >= max(until, self._next_turn) and not self._pace.paused
                if is_next:
                    break
                await asyncio.sleep(delay)
            self._pace.take("", in_group=False)
            self._next_turn = self._clock() + SHARE / self._pace.rate

    def _delay(self) -> float:
        return max(self._pace.delay(), self._next_turn - self._clock(), 0.0)
