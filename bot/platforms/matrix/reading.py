"""What was said in rooms: decrypted, read, and applied in order."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

import structlog
from nio import SyncResponse

from bot.platforms.matrix.answers import answers, may_go_on
from bot.platforms.matrix.backfill import pages
from bot.platforms.matrix.batches import Timeline
from bot.platforms.matrix.client import Client
from bot.platforms.matrix.decrypting import Decryption, KeyMissing
from bot.platforms.matrix.events import (
    ENCRYPTED,
    REDACTION,
    Arrival,
    RoomView,
    Source,
    is_said,
    read,
    taken_back,
)
from bot.platforms.matrix.lanes import Work, step_aside
from bot.platforms.matrix.lines import Line
from bot.platforms.matrix.recent import Recent
from bot.platforms.matrix.undecrypted import Undecrypted
from storage.database import Unavailable

log = structlog.get_logger()

AGAIN = 1.0  # seconds before something is tried again that could not be applied
OURS = 2000  # ids of what we wrote that are remembered
FURTHER = 0.8  # seconds for what goes on with a file: clients send several one by one

T = TypeVar("T")
Take = Callable[[list[Arrival]], Awaitable[None]]


class Rooms(Protocol):
    """See `bot.platforms.matrix.rooms.Rooms`."""

    def person_in(self, room_id: str) -> str | None: ...

    async def heed(self, response: SyncResponse, at: datetime) -> None: ...


@dataclass(frozen=True)
class Given:
    """What a sync gave of a room: all since an earlier one, and when it came."""

    since: str
    timeline: Timeline
    at: datetime


class Reading:
    """Reads what was said in rooms, and has it applied.

    `room` and `held` give work, which is to be done in the order in which it was asked for.

    Args:
        take: see `Syncing`.
    """

    def __init__(self, client: Client, undecrypted: Undecrypted, rooms: Rooms, take: Take) -> None:
        self._client = client
        self._undecrypted = undecrypted
        self._rooms = rooms
        self._take = take
        self._decryption = Decryption()
        self._ours: Recent[str, bool] = Recent(OURS)
        self._lines: defaultdict[str, Line[Given]] = defaultdict(Line)

    def begin(self) -> None:
        """What was not read before is given again."""
        self._lines.clear()

    def room(self, room_id: str, given: Given) -> Work:
        """Apply what was said in a room; what has no key yet is held."""
        line = self._lines[room_id]
        line.put(given)
        return partial(self._room, room_id, line)

    def held(self, room_id: str, numbers: Iterable[int]) -> Work:
        """Apply what was held, and can be read now."""
        line = self._lines[room_id]
        line.put_barrier()
        return partial(self._held, room_id, line, numbers)

    async def _room(self, room_id: str, line: Line[Given]) -> None:
        """Apply what is next; what follows a file soon goes with it, and is read at once.

        What is read so early has been asked for by itself too: there is nothing left to do then,
        and only now does it count as applied.
        """
        given, left = line.take(), list[Arrival]()
        while given is not None:
            left = await self._read(room_id, given, left)
            if left:
                step_aside()
            given = await line.further(FURTHER) if left else None
        await self._take_one(left)
        self._forget(room_id, line)

    async def _read(self, room_id: str, given: Given, left: list[Arrival]) -> list[Arrival]:
        """Apply what was left before, and then was said; what may still go on is left."""
        try:
            async for page in pages(self._client, room_id, given.since, given.timeline):
                view = self._view(room_id)
                arrivals = [await self._arrival(event, view, given.at) for event in page]
                left = await self._apply([*left, *(one for one in arrivals if one is not None)])
        except Exception:  # nor could it be read the next time
            log.exception("what was said in a room could not be read", room=room_id)
        return left

    async def _held(self, room_id: str, line: Line[Given], numbers: Iterable[int]) -> None:
        line.pass_barrier()
        waiting = await until_done(lambda: self._undecrypted.waiting(room_id, numbers))
        view, arrivals, done = self._view(room_id), [], []
        for one in waiting:
            with suppress(KeyMissing):
                arrivals.append(self._understood(one.body["event"], view, one.received_at))
                done.append(one.id)
        await self._take_one(await self._apply([one for one in arrivals if one is not None]))
        await until_done(lambda: self._undecrypted.release(room_id, done))
        self._forget(room_id, line)

    def _forget(self, room_id: str, line: Line[Given]) -> None:
        if not line and self._lines.get(room_id) is line:
            del self._lines[room_id]

    def _view(self, room_id: str) -> RoomView:
        person, room = self._rooms.person_in(room_id), self._client.rooms.get(room_id)
        encrypted = room is not None and room.encrypted
        return RoomView(room_id, self._client.user_id, person, self._ours, encrypted)

    async def _arrival(self, event: Source, view: RoomView, at: datetime) -> Arrival | None:
        if event.get("sender") == view.me:
            self._ours.first(event["event_id"], True)
            return None
        if event.get("type") == REDACTION:
            await self._let_go(event, view.room_id)
        try:
            return self._understood(event, view, at)
        except KeyMissing:
            await until_done(lambda: self._undecrypted.hold(view.room_id, event, at))
            return await self._after_all(event, view, at)

    async def _after_all(self, event: Source, view: RoomView, at: datetime) -> Arrival | None:
        """What was held while its key came: else what was said later would be applied before it."""
        try:
            arrival = self._understood(event, view, at)
        except KeyMissing:
            return None
        numbers = self._undecrypted.of(view.room_id, event["event_id"])
        await until_done(lambda: self._undecrypted.release(view.room_id, numbers))
        return arrival

    def _understood(self, event: Source, view: RoomView, at: datetime) -> Arrival | None:
        """What an event says to us; whatever was written there, it ends nothing.

        Raises:
            KeyMissing: it cannot be decrypted yet.
        """
        try:
            if not is_said(event, view.me):
                return None
            if event.get("type") != ENCRYPTED:
                is_open = not view.encrypted or event.get("type") == REDACTION
                return read(event, view, at) if is_open else None
            clear = self._decryption.clear(self._client.olm, view.room_id, event)
            return read(clear, view, at) if clear is not None else None
        except KeyMissing:
            raise
        except Exception:
            log.exception("an event could not be read", room=view.room_id)
            return None

    async def _let_go(self, redaction: Source, room_id: str) -> None:
        """What was taken back before it could be read is read no more."""
        target = taken_back(redaction)
        numbers = self._undecrypted.of(room_id, target) if target else []
        if numbers:
            await until_done(lambda: self._undecrypted.release(room_id, numbers))

    async def _apply(self, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """Have things applied, one answer after the other; the last is left if it may go on."""
        found = list(answers(arrivals))
        left = found.pop() if found and may_go_on(found[-1]) else []
        for answer in found:
            await self._take_one(answer)
        return left

    async def _take_one(self, answer: list[Arrival]) -> None:
        """Have one answer applied, if it is any, however long the database is away."""
        if not answer:
            return
        try:
            await until_done(partial(self._take, answer))
        except Exception:  # nor could it be the next time
            event_id = answer[0].incoming.update_id
            log.exception("an event could not be taken", event_id=event_id)


async def until_done(do: Callable[[], Awaitable[T]]) -> T:
    """Do something, however long the database is away."""
    while True:
        try:
            return await do()
        except Unavailable:
            await asyncio.sleep(AGAIN)
