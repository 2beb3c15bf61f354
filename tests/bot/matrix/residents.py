"""Préau in its rooms on a homeserver: it heeds each sync, and does its chores, without speaking."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import quote

from nio import SyncResponse

from bot.dispatcher import Dispatcher
from bot.messages import Incoming
from bot.pace import Pace
from bot.platforms.matrix.rooms import Rooms
from bot.platforms.matrix.whose import PLATFORM
from storage.people import Account as PersonsAccount
from storage.people import Chat
from storage.store import Store
from tests.bot.matrix.accounts import Account, Watched
from tests.conftest import NOW
from tests.homeserver import Correspondent
from tests.messenger import Messenger
from tests.people import StillClock

PATIENCE = 15.0  # seconds until something has happened, on a machine that is busy


class Resident:
    """One run of Préau on an account.

    Attributes:
        arrived: what was said of arrivals, once committed.
        told: what became of chats: the kind of news, the room, and where it moved.
    """

    def __init__(self, client: Watched, clock: StillClock, **settings: Any) -> None:
        self.client = client
        self.clock = clock
        self.database = client.database
        self.settings = client.settings.model_copy(update=settings)
        self.arrived: list[Incoming] = []
        self.told: list[tuple[str, ...]] = []
        self.dispatcher = Dispatcher(
            self.database, self.settings, clock, {PLATFORM: Messenger()}, lambda: None
        )
        self.pace = Pace(1000, chat_seconds=0, group_minute=1000)
        self.rooms = Rooms(client, self.database, self.settings, clock, self.pace, self, self._take)

    async def _take(self, incoming: Incoming) -> None:
        await self.dispatcher.receive(incoming)
        self.arrived.append(incoming)

    def __getattr__(self, name: str) -> Any:
        """What the rooms tell a receiver, noted."""

        async def tell(platform: str, *rest: Any) -> None:
            await getattr(self.dispatcher, name)(platform, *rest)
            if name == "came":
                self.told.extend((name, room_id) for room_id in rest[0])
            else:
                self.told.append((name, *map(str, rest[:-2])))

        if name not in ("lost", "moved", "opened_up", "came"):
            raise AttributeError(name)
        return tell

    async def begin(self, since: str = "") -> None:
        """The first sync, with all that is so."""
        response = await self.client.sync(timeout=0, since=since or None, full_state=True)
        await self.rooms.heed(response, self.clock.now())

    async def look(self, wait: int = 0) -> SyncResponse:
        """One sync, heeded; `wait` in milliseconds."""
        response = await self.client.sync(timeout=wait)
        assert isinstance(response, SyncResponse), response
        await self.rooms.heed(response, self.clock.now())
        await self.client.crypto.flush(self.database)
        return response

    async def until(self, settled: Callable[[], object]) -> None:
        """Look until something is so."""
        async with asyncio.timeout(PATIENCE):
            while not settled():
                await self.look(200)

    def chat(self, room_id: str) -> Chat | None:
        """What the database says of a room."""

        def read(store: Store) -> Chat | None:
            chat_id = store.people.chat_at(PLATFORM, room_id)
            chat = store.session.get(Chat, chat_id) if chat_id is not None else None
            if chat is not None:
                store.session.expunge(chat)
            return chat

        return self.database.read_now(read)

    def person_of(self, room_id: str) -> str | None:
        """The address of whose direct chat a room is, in the database."""
        chat = self.chat(room_id)
        if chat is None or chat.account_id is None:
            return None
        account_id = chat.account_id
        return self.database.read_now(
            lambda store: str(store.session.get_one(PersonsAccount, account_id).address)
        )


@asynccontextmanager
async def resident(
    account: Account, since: str = "", *, idle: bool = False, **settings: Any
) -> AsyncIterator[Resident]:
    """Préau begins, and ends.

    Args:
        since: how far an earlier run came.
        idle: whether it joins and leaves nothing.
    """
    made = Resident(await account.open(), StillClock(NOW), **settings)
    await made.rooms.begin()
    await made.begin(since)
    chores = asyncio.create_task(made.rooms.run())
    if idle:
        chores.cancel()
    try:
        yield made
    finally:
        chores.cancel()
        with suppress(asyncio.CancelledError):
            await chores


async def told_of(preau: Resident, news: str, room: str) -> tuple[str, ...]:
    """Wait until something was told of a room."""
    await preau.until(lambda: any(one[:2] == (news, room) for one in preau.told))
    return next(one for one in preau.told if one[:2] == (news, room))


async def welcomed(preau: Resident, anna: Correspondent, *, encrypted: bool = False) -> str:
    """A direct chat that is known to be one."""
    room = await anna.direct(preau.client.user_id, joins=False, encrypted=encrypted)
    await preau.until(lambda: room in [one.chat for one in preau.arrived])
    preau.told.clear()
    return room


async def set_state(person: Correspondent, room: str, type: str, key: str, content: object) -> str:
    path = f"/rooms/{quote(room)}/state/{type}/{quote(key)}"
    return str((await person.ask("PUT", path, content))["event_id"])
