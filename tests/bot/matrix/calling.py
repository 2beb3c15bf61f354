"""Préau's calls to a real homeserver, and people who see what comes of them."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from PIL import Image

from bot.platforms.base import Call
from bot.platforms.matrix.calls import Calls
from bot.platforms.matrix.pace import LearningPace
from bot.platforms.matrix.standing import other_in
from bot.platforms.matrix.wording import parts
from bot.settings import Settings
from storage.deliveries import Kind, Operation
from tests.bot.matrix.accounts import Account, Watched, look
from tests.conftest import NOW
from tests.homeserver import Correspondent
from tests.voices import voice_note

Body = dict[str, Any]


def picture() -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (30, 20)).save(made, "PNG")
    return made.getvalue()


FILES: dict[int, tuple[str, bytes]] = {
    1: ("image/png", picture()),
    2: ("application/pdf", b"pages"),
    3: ("audio/ogg", voice_note()),
}


class Desk:
    """One process: a client that is logged in, and its calls.

    Attributes:
        room: where calls go that name no other.
        now: the business clock.
        heeds: it is known at once who came into a room.
        absent: seconds after which to look again for who is invited only.
    """

    def __init__(self, client: Watched, room: str = "") -> None:
        self.client = client
        self.room = room
        self.now: datetime = NOW
        self.files = dict(FILES)
        self.read: list[int] = []
        self.opened: list[str] = []
        self.heeds = True
        self.absent = 0.0
        self.pace = LearningPace()
        self.calls = Calls(
            client,
            Settings(_env_file=None),
            self._read_file,
            lambda: self,
            self.pace,
            lambda: self.now,
        )

    async def _read_file(self, number: int) -> tuple[str, bytes] | None:
        self.read.append(number)
        return self.files.get(number)

    def is_direct(self, room_id: str) -> bool:
        return other_in(self.client.rooms[room_id], self.client.user_id) is not None

    def absence(self, room_id: str) -> float:
        return self.absent

    def is_known_group(self, room_id: str) -> bool:
        return self.heeds and not self.is_direct(room_id)

    async def open_direct(self, user_id: str) -> str:
        self.opened.append(user_id)
        return self.room

    def bodies(
        self, text: str = "", *files: int, choices: list[list[str]] | None = None, **more: Any
    ) -> list[Body]:
        kept = [[number, "Pièce jointe", FILES[number][0]] for number in files]
        whole = {"markup": text, "choices": choices or [], "files": kept, **more}
        return parts(whole, self.client.device_id, self.now)

    async def make(self, body: Body, operation: Operation = Operation.send, **how: Any) -> str:
        """One call; `how` is what else it has."""
        given: dict[str, Any] = {
            "chat": self.room,
            "thread": "",
            "in_group": False,
            "message": None,
            "kind": Kind.reply,
        }
        return await self.calls.do(Call(operation=operation, body=body, **{**given, **how}))

    async def send(self, text: str = "", *files: int, **given: Any) -> str:
        """Send all parts of a message; the id of the last."""
        names = ("chat", "thread", "in_group", "kind")
        how = {name: given.pop(name) for name in names if name in given}
        sent = ""
        for body in self.bodies(text, *files, **given):
            sent = await self.make(body, **how)
        return sent

    async def edit(self, message: str, text: str, **given: Any) -> str:
        [body] = self.bodies(text, **given)
        return await self.make(body, Operation.edit, message=message)

    async def delete(self, message: str) -> str:
        return await self.make({}, Operation.delete, message=message)

    async def end(self, poll: str) -> str:
        return await self.make({}, Operation.end, message=poll)

    async def enter(self, room: str) -> None:
        """Accept an invitation."""
        await self.client.join(room)
        await self.see(lambda: room in self.client.rooms)

    async def see(self, settled: Any) -> None:
        """Sync until something is known."""
        while not settled():
            await look(self.client, wait=5000)

    def has_members(self, count: int, room: str = "") -> bool:
        return len(self.client.rooms[room or self.room].users) == count


@asynccontextmanager
async def talking(
    account: Account, *, encrypted: bool = True
) -> AsyncIterator[tuple[Desk, Correspondent]]:
    """A desk, and a person in a direct chat with it."""
    desk = Desk(await account.open())
    async with Correspondent(account.server, "camille") as person:
        desk.room = await person.direct(desk.client.user_id, encrypted=encrypted, joins=False)
        await desk.enter(desk.room)
        await person.joined(desk.room, desk.client.user_id)
        yield desk, person
