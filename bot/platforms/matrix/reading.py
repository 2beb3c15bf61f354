"""What was said in rooms: decrypted, read, and applied in order."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

import structlog
from nio import SyncResponse

from bot.platforms.matrix.answers import answers
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
from bot.platforms.matrix.recent import Recent
from bot.platforms.matrix.undecrypted import Undecrypted
from storage.database import Unavailable

log = structlog.get_logger()

AGAIN = 1.0  # seconds before something is tried again that could not be applied
OURS = 2000  # ids of what we wrote that are remembered

T = TypeVar("T")
Take = Callable[[list[Arrival]], Awaitable[None]]


class Rooms(Protocol):
    """See `bot.platforms.matrix.rooms.Rooms`."""

    def person_in(self, room_id: str) -> str | None: ...

    async def heed(self, response: SyncResponse, at: datetime) -> None: ...


class Reading:
    """Reads what was said in rooms, and has it applied.

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

    async def room(self, room_id: str, since: str, timeline: Timeline, at: datetime) -> None:
        """Apply what was said in a room since an earlier sync; what has no key yet is held."""
        async for page in pages(self._client, room_id, since, timeline):
            view = self._view(room_id)
            arrivals = [await self._arrival(event, view, at) for event in page]
            await self._apply(arrivals)

    async def held(self, room_id: str, numbers: Iterable[int]) -> None:
        """Apply what was held, and can be read now."""
        waiting = await until_done(lambda: self._undecrypted.waiting(room_id, numbers))
        view, arrivals, done = self._view(room_id), [], []
        for one in waiting:
            with suppress(KeyMissing):
                arrivals.append(self._understood(one.body["event"], view, one.received_at))
                done.append(one.id)
        await self._apply(arrivals)
        await until_done(lambda: self._undecrypted.release(room_id, done))

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
            return None

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

    async def _apply(self, arrivals: Iterable[Arrival | None]) -> None:
        """Have things applied, one answer after the other, however long the database is away."""
        for answer in answers(one for one in arrivals if one is not None):
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
