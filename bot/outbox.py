"""What is to be sent by one platform, in memory: in which order, and how fast."""

import asyncio
import contextlib
from collections.abc import Collection, Coroutine, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

import structlog

from bot.errands import HELD, Calls, Errand
from bot.pace import Pace, Start
from bot.platforms.base import SendFailed
from bot.slots import RANKS, Line, Slots, rank_of
from storage.deliveries import Failure, Kind

log = structlog.get_logger()

SIDE_BY_SIDE = 64  # calls in flight, at least
FOR_REPLIES = 0.25  # the part of them that is left to replies
AHEAD = 0.15  # seconds of calls for broadcasts that are noted before their turn
BACK = 2.0  # seconds that it may take until that is claimed
SHORTEST_PAUSE = 1.0  # seconds
AFTER_OTHERS = 1.0  # seconds that a chat for which nobody answered waits longer than others
GRACE = 4.0  # seconds for the calls in flight, at the end
LAST_RANK = 0.5  # behind others of a kind
LAST = 1.0  # seconds then to note which were not made


@dataclass(eq=False)
class _Lane:
    """One chat. Of its places in the heaps only the one of its last `turn` counts."""

    errands: list[Errand] = field(default_factory=list)
    busy: bool = False
    held_until: float = 0.0
    turn: int = 0


_Place = tuple[float, int, int, int]  # what it is sorted by (two), the turn, the chat


class Outbox:
    """Calls a platform: replies first, then the rest by kind, in order within a chat.

    One call is in flight in a chat; those of different chats go side by side. It works while it
    holds something, on the event loop in which it is given that.
    """

    def __init__(self, pace: Pace, calls: Calls) -> None:
        self.pace = pace
        self.calls = calls
        self._held: dict[int, Errand] = {}
        self._lines: dict[Line, float] = {}
        self._lanes: dict[int, _Lane] = {}
        self._later: list[_Place] = []  # by when the chat may be called again
        self._unnoted: list[_Place] = []
        self._ready: list[_Place] = []
        self._ahead: set[Errand] = set()  # noted, or being noted, and not called for yet
        self._in_flight = 0
        self._given = self._turns = 0
        self._wake, self._empty = asyncio.Event(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pump: asyncio.Task[None] | None = None
        self._closed = False

    def __contains__(self, delivery_id: int) -> bool:
        return delivery_id in self._held

    @property
    def held(self) -> list[int]:
        """The ids of all that waits or is in flight."""
        return list(self._held)

    def slots(self) -> Slots:
        """What turns there are, to be given to what is claimed."""
        now = self.pace.clock()
        self._lines = {line: end for line, end in self._lines.items() if end > now}
        waiting = [0] * len(RANKS)  # of a chat only one counts: the others wait for each other
        for lane in self._lanes.values():
            if lane.errands:
                waiting[rank_of(lane.errands[0].kind)] += 1
        return Slots(self.pace.rate, now, now + self.pace.paused, waiting, self._lines)

    def put(self, errands: Sequence[Errand], given: Slots | None = None) -> None:
        """Take errands, in order; those that it holds already stay as they are.

        Args:
            given: the turns that were given to what is not among them.
        """
        if given is not None:
            self._lines |= given.ends
        if self._closed:
            return  # they stay leased until somebody else takes them
        for errand in errands:
            if errand.delivery_id not in self._held:
                self._given += 1
                errand.order = self._given
                self._held[errand.delivery_id] = errand
                lane = self._lanes.setdefault(errand.chat_id, _Lane())
                if errand.attempts > 1:
                    lane.held_until = 0.0  # it is what the chat was waiting for
                self._queue(lane, errand)
                self._place(errand.chat_id)
        self._go_on()

    async def settled(self) -> None:
        """Wait until it holds nothing."""
        while self._held:
            self._empty.clear()
            await self._empty.wait()

    async def close(self) -> None:
        """Let the calls in flight end; what was not called for stays leased.

        If the database is away meanwhile, what it holds says what is in doubt: perhaps too much.
        """
        self._closed = True
        if self._pump is not None:
            self._pump.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=GRACE)
        for task in self._tasks:
            task.cancel()
        if self._ahead:
            try:
                async with asyncio.timeout(LAST):
                    await self.calls.undo(list(self._ahead))
            except TimeoutError:
                log.warning("the database is away: some calls are in doubt", calls=len(self._ahead))
            self._ahead.clear()

    def _go_on(self) -> None:
        self._wake.set()
        if self._pump is None and self._held and not self._closed:
            self._pump = asyncio.create_task(self._work())

    async def _work(self) -> None:
        try:
            while self._held:
                self._wake.clear()
                wait = self._step()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._wake.wait()
        finally:
            self._pump = None

    def _step(self) -> float | None:
        """Start what may be started; seconds until there is more to do, None if nobody knows."""
        now = self.pace.clock()
        while self._first(self._later) is not None and self._later[0][0] <= now:
            self._place(heappop(self._later)[-1])
        waits = [self._later[0][0] - now] if self._later else []
        self._note_ahead()
        if self._first(self._unnoted) is not None and self.pace.paused > AHEAD:
            waits.append(self.pace.paused - AHEAD)
        while (chat_id := self._first(self._ready)) is not None:
            if self._in_flight >= self._room(self._lanes[chat_id].errands[0]):
                break
            if delay := self.pace.delay():
                waits.append(delay)
                break
            heappop(self._ready)
            self._start(chat_id)
            self._note_ahead()
        return min(waits, default=None)

    def _room(self, errand: Errand) -> float:
        """How many calls may be in flight before this one waits for another to end."""
        most = max(SIDE_BY_SIDE, self.pace.rate)
        return most if errand.kind is Kind.reply else most * (1 - FOR_REPLIES)

    def _first(self, heap: list[_Place]) -> int | None:
        """The chat that stands first, once the places that count no more are gone."""
        while heap:
            *_, turn, chat_id = heap[0]
            lane = self._lanes.get(chat_id)
            if lane is not None and lane.turn == turn:
                return chat_id
            heappop(heap)
        return None

    def _place(self, chat_id: int) -> None:
        """Have a chat wait where it has to; its places so far count no more."""
        lane, now = self._lanes[chat_id], self.pace.clock()
        self._turns += 1
        lane.turn = self._turns
        if lane.busy:
            return
        if not lane.errands:
            if lane.held_until > now:
                heappush(self._later, (lane.held_until, 0, lane.turn, chat_id))
            else:
                del self._lanes[chat_id]
            return
        errand = lane.errands[0]
        delay = self.pace.chat_delay(errand.call.chat, errand.call.in_group)
        at = max(now + delay, lane.held_until)
        if at > now:
            heappush(self._later, (at, errand.order, lane.turn, chat_id))
        elif errand.kind is not Kind.broadcast or errand.noted:
            rank = rank_of(errand.kind) + LAST_RANK * errand.last
            heappush(self._ready, (rank, errand.order, lane.turn, chat_id))
        elif errand not in self._ahead:
            heappush(self._unnoted, (0, errand.order, lane.turn, chat_id))

    def _queue(self, lane: _Lane, errand: Errand) -> None:
        heappush(lane.errands, errand)

    def _unqueue(self, lane: _Lane, errand: Errand) -> None:
        lane.errands.remove(errand)
        heapify(lane.errands)

    def _drop(self, errand: Errand) -> None:
        """It is no more this outbox's to send."""
        self._held.pop(errand.delivery_id, None)
        self._ahead.discard(errand)
        if not self._held:
            self._empty.set()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _note_ahead(self) -> None:
        """Have the next calls for broadcasts noted before their turn comes; few, lest one dies."""
        if self.pace.paused > AHEAD:
            return
        room = max(2, round(self.pace.rate * AHEAD)) - len(self._ahead)
        noted: list[Errand] = []
        while len(noted) < room and (chat_id := self._first(self._unnoted)) is not None:
            heappop(self._unnoted)
            noted.append(self._lanes[chat_id].errands[0])
        if noted:
            self._ahead.update(noted)
            self._spawn(self._note(noted))

    async def _note(self, errands: list[Errand]) -> None:
        wanted: Collection[int] = ()
        try:
            wanted = await self.calls.begin(errands)
        except Exception:
            log.exception("calls not noted")
        for errand in errands:
            errand.noted = errand.delivery_id in wanted
            lane = self._lanes.get(errand.chat_id)
            if lane is None or errand not in lane.errands:
                continue  # it was put back meanwhile, with what was before it
            if not errand.noted:
                self._unqueue(lane, errand)
                self._drop(errand)
            self._place(errand.chat_id)
        self._go_on()

    def _start(self, chat_id: int) -> None:
        lane = self._lanes[chat_id]
        errand = heappop(lane.errands)
        self._ahead.discard(errand)
        self._in_flight += 1
        lane.busy = True
        start = self.pace.take(errand.call.chat, errand.call.in_group, errand.call.messages)
        self._spawn(self._run(lane, errand, start))

    async def _run(self, lane: _Lane, errand: Errand, start: Start) -> None:
        try:
            await self._call(lane, errand, start)
        except Exception:  # it stays leased, and is claimed again
            log.exception("call not noted", delivery=errand.delivery_id)
            self._drop(errand)
        finally:
            self._in_flight -= 1
            lane.busy = False
            self._place(errand.chat_id)
            self._go_on()

    async def _call(self, lane: _Lane, errand: Errand, start: Start) -> None:
        try:
            message = await self.calls.make(errand)
            self.pace.answered(start)
        except SendFailed as failure:
            if failure.for_all:
                await self._refused(lane, errand, failure)
            else:
                await self._failed(lane, errand, failure)
            return
        if message is not None:
            await self.calls.sent(errand, message)
        self._drop(errand)

    async def _refused(self, lane: _Lane, errand: Errand, failure: SendFailed) -> None:
        """All wait; the refused one stays first in its chat.

        If nobody answered, others find out whether somebody is back: it might itself be the cause.
        """
        pause = max(failure.wait, SHORTEST_PAUSE)
        self.pace.pause(pause)
        if failure.reason is Failure.unreachable:
            lane.held_until = self.pace.clock() + pause + AFTER_OTHERS
        if errand.noted:
            await self.calls.undo([errand])
            errand.noted = False
        self._queue(lane, errand)

    async def _failed(self, lane: _Lane, errand: Errand, failure: SendFailed) -> None:
        behind, stays, back = sorted(lane.errands), list[Errand](), 0.0
        for one in behind:
            self._unqueue(lane, one)
        try:
            stays, back = await self.calls.failed(errand, failure, behind)
        finally:
            for one in {errand, *behind}.difference(stays):
                self._drop(one)
            for one in stays:
                self._queue(lane, one)
        if back:
            lane.held_until = self.pace.clock() + min(back, HELD) + BACK
