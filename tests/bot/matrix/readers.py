"""Préau as it reads a real homeserver, with rooms that are as simple as can be."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from typing import Any

import aiohttp
from nio import SyncResponse

from bot.clock import Clock
from bot.messages import Incoming
from bot.platforms.matrix.events import Arrival
from bot.platforms.matrix.login import SYNC
from bot.platforms.matrix.standing import other_in
from bot.platforms.matrix.syncing import Syncing
from storage.database import Unavailable
from tests.bot.matrix.accounts import Account, Watched
from tests.homeserver.client import PATIENCE


class Deaf(Watched):
    """A client to which the server's messages to its device come late, or never.

    Attributes:
        deaf: whether they are held back.
    """

    deaf = False
    _held: tuple[Any, ...] = ()

    async def parse_body(self, transport_response: aiohttp.ClientResponse) -> Any:
        body = await super().parse_body(transport_response)
        if "next_batch" in body:
            given = body.setdefault("to_device", {}).setdefault("events", [])
            given[:0], self._held = self._held, ()
            if self.deaf:
                self._held, given[:] = tuple(given), []
        return body

    def lose(self) -> None:
        """What is held back never comes."""
        self._held = ()


def deaf(account: Account) -> Deaf:
    """A client that can be kept from getting the keys of what is written to it."""
    made = Deaf(account.client().settings, account.database)
    account.clients.append(made)
    return made


class Reader:
    """One process: what it takes, in the order in which it was taken.

    Attributes:
        taken: what was taken, answer by answer.
        told: rooms that were told that something could not be read.
        mute: how many times nothing can be told.
        stuck: words that are being taken for ever.
        broken: words that cannot be taken.
        away: how many times the database is away before something is taken.
        in_hand: moments that closings wait for.
        running: the reading.
    """

    def __init__(self, client: Watched, clock: Clock | None = None) -> None:
        self.client = client
        self.taken: list[list[Arrival]] = []
        self.told: list[str] = []
        self.mute = 0
        self.stuck: set[str] = set()
        self.broken: set[str] = set()
        self.away = 0
        self.in_hand: list[datetime] = []
        self.syncing = Syncing(
            client,
            client.database,
            clock or Clock(),
            self,
            self.take,
            self._tell,
            self._holding,
        )
        self.running: asyncio.Task[None]

    # What is asked of rooms

    def person_in(self, room_id: str) -> str | None:
        return other_in(self.client.rooms[room_id], self.client.user_id)

    async def heed(self, response: SyncResponse, at: datetime) -> None:
        for room_id in response.rooms.invite:
            await self.client.join(room_id)

    async def take(self, answer: list[Arrival]) -> None:
        text = answer[0].incoming.text or ""
        if text in self.stuck:
            await asyncio.Event().wait()
        if text in self.broken:
            raise RuntimeError("what was said cannot be taken")
        if self.away:
            self.away -= 1
            raise Unavailable
        self.taken.append(answer)

    async def _tell(self, room_id: str) -> bool:
        if self.mute:
            self.mute -= 1
            return False
        self.told.append(room_id)
        return True

    @contextmanager
    def _holding(self, received_at: datetime) -> Iterator[None]:
        self.in_hand.append(received_at)
        yield
        self.in_hand.remove(received_at)

    # What a test does with it

    @asynccontextmanager
    async def reading(self, *, killed: bool = False) -> AsyncIterator["Reader"]:
        """Read as long as the context lasts; what ends the reading ends the test.

        Args:
            killed: it ends as a process does that is killed.
        """
        self.running = running = asyncio.create_task(self.syncing.run())
        ready = asyncio.create_task(self.syncing.ready.wait())
        try:
            await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
            yield self
        finally:
            if killed:
                self.syncing._keep_at_last = _nothing  # type: ignore[method-assign]
            ready.cancel()
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    @property
    def heard(self) -> list[Incoming]:
        return [one.incoming for answer in self.taken for one in answer]

    def words(self, room_id: str | None = None) -> list[str | None]:
        """What was heard, in one room or in all."""
        return [one.text for one in self.heard if room_id in (None, one.chat)]

    async def hears(self, *texts: str, room: str | None = None) -> None:
        """Wait until so much was heard; it must be this, in this order."""
        await self.until(lambda: len(self.words(room)) >= len(texts))
        assert self.words(room) == list(texts)

    async def until(self, settled: Callable[[], object]) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not settled():  # noqa: ASYNC110 (some of it is in the database)
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"heard {self.words()}") from None

    def kept(self) -> str | None:
        """How far it was read, as the database has it."""
        row = self.client.database.read_now(lambda store: store.matrix.get(SYNC))
        return row["next_batch"] if row else None

    def held(self) -> int:
        """How many events wait for their key."""
        return len(self.client.database.read_now(lambda store: store.inbox.waiting("matrix")))


async def reader(account: Account, made: Watched | None = None) -> Reader:
    """Another process of the account, which has not begun to read."""
    client = made or account.client()
    await client.open()
    return Reader(client)


async def _nothing() -> None:
    pass
