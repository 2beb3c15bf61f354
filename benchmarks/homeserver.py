"""People on a real homeserver, in rooms with two bots: Préau, and one of bare nio.

A client with keys takes long to make, so few people have one: they write to each bot in an
encrypted direct chat. Others only have a chat in clear, or fill rooms.
"""

import asyncio
from collections.abc import Awaitable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import aiohttp
from nio import (
    AsyncClient,
    AsyncClientConfig,
    KeysQueryResponse,
    KeysUploadResponse,
    RoomSendResponse,
    SyncResponse,
)
from nio.store import SqliteMemoryStore

from tests.homeserver import Member, Synapse

V3 = "/_matrix/client/v3"
MEGOLM = {"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
MESSAGE, RESPONSE = "m.room.message", "org.matrix.msc3381.poll.response"
AT_ONCE = 8  # what is made side by side

T = TypeVar("T")


@dataclass(frozen=True)
class Account:
    """Somebody, with one device.

    Attributes:
        direct: their direct chat with each bot, by the bot's user id.
    """

    user_id: str
    token: str
    device: str
    direct: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Writer:
    """Somebody whose client is nio, and has keys."""

    account: Account
    client: AsyncClient

    async def look(self) -> None:
        """See one's rooms, and who reads there with what keys."""
        assert isinstance(await self.client.sync(timeout=0, full_state=True), SyncResponse)
        if self.client.should_query_keys:
            assert isinstance(await self.client.keys_query(), KeysQueryResponse)

    async def write(self, bot: str, kind: str, content: dict[str, Any]) -> None:
        """Say something to a bot, encrypted."""
        room = self.account.direct[bot]
        answer = await self.client.room_send(room, kind, content, ignore_unverified_devices=True)
        assert isinstance(answer, RoomSendResponse), answer

    async def say(self, bot: str, text: str, **relates: Any) -> None:
        content = {"msgtype": "m.text", "body": text}
        await self.write(bot, MESSAGE, {**content, "m.relates_to": relates} if relates else content)

    async def vote(self, bot: str, card: "Card", *, native: bool) -> None:
        """Cast a ballot: by the native poll, or else by the number of the first option."""
        if native:
            relation = {"rel_type": "m.reference", "event_id": card.poll}
            chosen = {RESPONSE: {"answers": [card.answer]}, "m.relates_to": relation}
            await self.write(bot, RESPONSE, chosen)
        else:
            await self.say(bot, "1", **{"m.in_reply_to": {"event_id": card.text}})


@dataclass(frozen=True)
class Card:
    """What somebody was shown of a poll: two events, and how the first option is chosen."""

    text: str
    poll: str
    answer: str


class World:
    """All who are there: use it as an asynchronous context manager.

    Args:
        server: which is running.
        writers: how many people have keys.
        readers: how many others have a direct chat with each bot, in clear.
        rooms: how many Préau is in at least; the others are groups.
    """

    def __init__(self, server: Synapse, writers: int, readers: int, rooms: int) -> None:
        self.server = server
        self.preau: Member = server.register("preau")
        self.bare: Member = server.register("bare")
        self.writers: list[Writer] = []
        self.readers: list[Account] = []
        self.bots: dict[str, Account] = {}
        self._sizes = writers, readers, rooms - writers - readers
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._http = await self._stack.enter_async_context(aiohttp.ClientSession())
        for bot in (self.preau, self.bare):
            self.bots[bot.user_id] = await self._log_in(bot)
        writers, readers, groups = self._sizes
        self.writers = await side_by_side(self._writer() for _ in range(writers))
        self.readers = await side_by_side(self._person() for _ in range(readers))
        owner, preau = self.readers[0], self.preau.user_id
        named = [{"name": f"Groupe {number}"} for number in range(groups)]
        await side_by_side(self._room(owner, preau, **name) for name in named)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def ask(self, method: str, path: str, body: object = None, token: str = "") -> Any:
        """One request; an assertion fails if it is refused."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        address = f"{self.server.url}{V3}{path}"
        async with self._http.request(method, address, json=body, headers=headers) as answer:
            found = await answer.json()
            assert answer.status == 200, found
            return found

    async def _log_in(self, member: Member) -> Account:
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": member.user_id},
            "password": member.password,
        }
        made = await self.ask("POST", "/login", body)
        return Account(member.user_id, made["access_token"], made["device_id"])

    async def _person(self, **more: Any) -> Account:
        """Somebody new, in a direct chat with each bot."""
        account = await self._log_in(await asyncio.to_thread(self.server.register))
        for bot in self.bots:
            account.direct[bot] = await self._room(account, bot, is_direct=True, **more)
        return account

    async def _writer(self) -> Writer:
        account = await self._person(initial_state=[MEGOLM])
        config = AsyncClientConfig(store=SqliteMemoryStore, store_sync_tokens=False)
        client = AsyncClient(self.server.url, account.user_id, config=config)
        client.restore_login(account.user_id, account.device, account.token)
        self._stack.push_async_callback(client.close)
        self._stack.callback(client.store.database.close)
        assert isinstance(await client.keys_upload(), KeysUploadResponse)
        return Writer(account, client)

    async def _room(self, account: Account, bot: str, **more: Any) -> str:
        """A room that somebody makes, where a bot is."""
        body = {"invite": [bot], "preset": "trusted_private_chat", **more}
        room = str((await self.ask("POST", "/createRoom", body, account.token))["room_id"])
        await self.ask("POST", f"/join/{room}", {}, self.bots[bot].token)
        return room


async def side_by_side(work: Iterable[Awaitable[T]], at_once: int = AT_ONCE) -> list[T]:
    """Do some of it at a time."""
    turns = asyncio.Semaphore(at_once)

    async def do(one: Awaitable[T]) -> T:
        async with turns:
            return await one

    return await asyncio.gather(*(do(one) for one in work))
