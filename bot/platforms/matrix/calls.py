"""What is done in a room: messages sent, changed and taken back through a client of nio."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Protocol

from aiohttp import ClientError
from nio import EncryptionError, LocalProtocolError

from bot.platforms.base import Call, SendFailed
from bot.platforms.matrix import wording
from bot.platforms.matrix.client import Client, ServerRefused
from bot.platforms.matrix.doubt import in_doubt, made_at, said
from bot.platforms.matrix.failures import not_reached, taken
from bot.platforms.matrix.pace import LearningPace
from bot.platforms.matrix.sending import UNKNOWN_WAIT, Content, put, room_in
from bot.platforms.matrix.uploads import FileGone, ReadFile, Uploads
from bot.platforms.matrix.wording import MESSAGE, POLL_END, POLL_START, Place
from bot.rendering import texts_for
from bot.settings import Settings
from storage.database import Unavailable
from storage.deliveries import Failure, Kind, Operation

LONGEST = 50.0  # seconds for one call, files included

# Nothing was sent, or nobody knows: the same transaction id makes it once.
_NOT_REACHED = (
    ClientError,
    OSError,
    ServerRefused,
    EncryptionError,
    LocalProtocolError,
    Unavailable,
)


class Rooms(Protocol):
    """See `bot.platforms.matrix.rooms.Rooms`."""

    def is_direct(self, room_id: str) -> bool: ...

    def absence(self, room_id: str) -> float: ...

    def is_known_group(self, room_id: str) -> bool: ...

    async def open_direct(self, user_id: str) -> str: ...


class Calls:
    """What the sender asks for, done by a client.

    Args:
        client: logged in, and in the rooms that it knows.
        read_file: gives a file's media type and content by its number; None if it is gone.
        rooms: gives those in which we are, and who is there.
        pace: is told what the server refuses.
        now: the business clock.
    """

    def __init__(
        self,
        client: Client,
        settings: Settings,
        read_file: ReadFile,
        rooms: Callable[[], Rooms],
        pace: LearningPace,
        now: Callable[[], datetime],
    ) -> None:
        self.client = client
        self._rooms = rooms
        self.pace = pace
        self.now = now
        self.uploads = Uploads(client, read_file, lambda: pace.take("", in_group=False))
        self._texts = texts_for(settings.language, settings.zone)

    async def do(self, call: Call) -> str:
        """Do it; return the ids of the events as they now stand, separated by spaces.

        The body is one that `wording.parts` made.

        Raises:
            SendFailed: it was not done, or has to be done again.
        """
        try:
            async with asyncio.timeout(LONGEST):
                return await self._do(call)
        except SendFailed as failure:
            if failure.for_all and failure.reason is Failure.refused:
                self.pace.refused(failure.wait)
            if failure.reason is Failure.removed and self._is_among_others(call.chat):
                raise SendFailed(Failure.refused, final=True) from None  # only this is forbidden
            raise
        except FileGone:
            raise SendFailed(Failure.refused, final=True) from None
        except _NOT_REACHED as error:
            raise not_reached(error) from None

    async def _do(self, call: Call) -> str:
        if call.chat.startswith("@"):
            raise SendFailed(Failure.not_found, moved_to=await self._rooms().open_direct(call.chat))
        if call.operation is Operation.delete:
            return await self._delete(call)
        await self._know_room(call.chat)
        if call.operation is Operation.end:
            return await self._end(call)
        self._check(call)
        return await (self._send(call) if call.operation is Operation.send else self._edit(call))

    async def _know_room(self, room_id: str) -> None:
        """See that we are in a room. One that was entered a moment ago may not be known yet."""
        if room_id not in self.client.rooms:
            taken(await self.client.joined_members(room_id))
            raise SendFailed(Failure.refused, wait=UNKNOWN_WAIT)

    def _is_among_others(self, room_id: str) -> bool:
        room = self.client.rooms.get(room_id)
        return room is not None and len(room.users) > 1

    def _check(self, call: Call) -> None:
        """See that what is for one person is read by them, and by nobody else."""
        room, rooms = room_in(self.client, call.chat), self._rooms()
        if call.in_group:
            return
        if rooms.is_direct(call.chat):
            if wait := rooms.absence(call.chat):
                raise SendFailed(Failure.refused, wait=wait, absent=True)
            return
        if room.users.keys() <= {self.client.user_id}:
            raise SendFailed(Failure.removed, final=True)
        if rooms.is_known_group(call.chat):
            raise SendFailed(Failure.not_private)
        raise SendFailed(Failure.refused, wait=UNKNOWN_WAIT)

    async def _send(self, call: Call) -> str:
        body, tx = call.body, call.body["tx"]
        poll_tx, known = f"{tx}-poll", dict[str, str]()
        if in_doubt(body, self.client.device_id, self.now()):
            known = await said(self.client, call.chat, {tx, poll_tx}, made_at(body))
        card = known.get(tx) or await self._put(call, MESSAGE, await self._content(call), tx)
        ballot = body.get("ballot")
        if ballot is None or call.in_group:
            return card
        asked = wording.poll(ballot["question"], body["choices"], card)
        try:
            poll = known.get(poll_tx) or await self._put(call, POLL_START, asked, poll_tx)
        except SendFailed as failure:
            if failure.final:  # the text alone is enough
                return card
            raise
        self.pace.take(call.chat, in_group=False)  # two events
        return f"{card} {poll}"

    async def _edit(self, call: Call) -> str:
        assert call.message is not None
        changed = wording.in_place_of(call.message, await self._content(call))
        await self._put(call, MESSAGE, changed, call.body["tx"])
        return call.message

    async def _delete(self, call: Call) -> str:
        event_id = call.message
        assert event_id is not None
        answer = await self.client.room_redact(call.chat, event_id, tx_id=f"gone-{event_id}")
        if getattr(answer, "status_code", None) != "M_NOT_FOUND":
            taken(answer)
        return event_id

    async def _end(self, call: Call) -> str:
        """End a poll, whoever is there by now: nothing is told."""
        event_id = call.message
        assert event_id is not None
        end = wording.poll_end(event_id, self._texts.plain("matrix.poll_ended"))
        await put(self.client, call.chat, POLL_END, end, f"end-{event_id}")
        return event_id

    async def _put(self, call: Call, kind: str, content: Content, tx: str) -> str:
        if call.thread and "m.relates_to" not in content:
            content = wording.in_thread(content, call.thread)
        return await put(self.client, call.chat, kind, content, tx, partial(self._check, call))

    async def _content(self, call: Call) -> Content:
        body = call.body
        if body["files"]:
            [[number, name, _]] = body["files"]
            encrypted = room_in(self.client, call.chat).encrypted
            return await self.uploads.content(number, name, encrypted=encrypted)
        place = Place(call.in_group, self.client.user_id, self._texts)
        quiet = call.kind in (Kind.broadcast, Kind.notice)  # the rules of clients silence notices
        return wording.text(body["markup"], body["choices"], place, quiet=quiet)
