"""A whole service on loopback, and whoever comes in."""

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from pydantic import SecretStr
from yarl import URL

from bot.pace import Pace
from bot.platforms.base import Platform
from bot.platforms.matrix.platform import Matrix
from bot.platforms.telegram.platform import Telegram
from bot.platforms.web.platform import WebChat
from bot.platforms.web.safety import COOKIE
from bot.service import Service
from bot.settings import Settings
from scheduled import jobs
from storage.database import Database, Unavailable
from storage.deliveries import DeliveryState
from storage.grants import Role
from storage.store import Store
from tests.bot_api import TOKEN, BotApi
from tests.chats import Chatter
from tests.homeserver import Client, Member, Synapse
from tests.matrix_people import Correspond
from tests.people import PATIENCE, Guest, Someone, StillClock

WEBHOOK_SECRET = "a-secret-of-the-webhook"


def telegram_settings(api: BotApi) -> dict[str, Any]:
    """What serves a Bot API server of the tests, as fast as it can."""
    return {
        "telegram_token": SecretStr(TOKEN),
        "telegram_api_url": api.url,
        "telegram_rate": 1000,
    }


def webhook_settings() -> dict[str, Any]:
    """What has updates posted to us, on a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return {
        "telegram_webhook_url": f"http://127.0.0.1:{port}",
        "telegram_webhook_secret": SecretStr(WEBHOOK_SECRET),
        "web_port": port,
    }


@dataclass(frozen=True)
class Homeserver:
    """Where people come in by Matrix.

    Attributes:
        bot: our account there.
        client: makes the client of somebody new.
        encrypted: whether their rooms are.
    """

    server: Synapse
    bot: Member
    client: Callable[[], Client]
    encrypted: bool = True

    @property
    def settings(self) -> dict[str, Any]:
        """What serves it, as fast as it can."""
        return {
            "matrix_homeserver": self.server.url,
            "matrix_user": self.bot.user_id,
            "matrix_password": SecretStr(self.bot.password),
            "matrix_rate": 1000,
        }


class Stage:
    """A whole service on loopback, and whoever comes in.

    Args:
        api: a Bot API server, on which people come in by Telegram; else they come to the page.
        webhook: whether it posts its updates to us, instead of being polled.
        homeserver: on which people come in by Matrix instead.
    """

    def __init__(
        self,
        settings: Settings,
        db: Database,
        now: datetime,
        api: BotApi | None = None,
        *,
        webhook: bool = False,
        homeserver: Homeserver | None = None,
    ) -> None:
        if homeserver is not None:
            settings = settings.model_copy(update=homeserver.settings)
        if api is not None:
            settings = settings.model_copy(update=telegram_settings(api))
        if webhook:
            settings = settings.model_copy(update=webhook_settings())
        self.settings = settings
        self.db = db
        self.api = api
        self.homeserver = homeserver
        self.clock = StillClock(now)
        self.telegram = Telegram(settings, db, self.clock) if api else None
        if self.telegram is not None:  # people in tests do not wait for each other
            self.telegram.pace = Pace(1000, chat_seconds=0, group_minute=10_000)
        more = self.telegram.routes() if self.telegram else []
        self.web = WebChat(settings, db, self.clock, more=more)
        self.matrix = Matrix(settings, db, self.clock) if homeserver else None
        called = [one for one in (self.telegram, self.matrix) if one is not None]
        platforms: list[Platform] = [self.web, *called]
        self.service = Service(settings, db, self.clock, platforms, jobs(settings))
        self._sessions: list[aiohttp.ClientSession] = []
        self._clients = AsyncExitStack()

    async def open(self) -> None:
        await self.service.start()
        await asyncio.wait_for(self.web.listening.wait(), 5)
        if self.matrix is not None:
            await asyncio.wait_for(self.matrix.ready.wait(), PATIENCE)

    async def close(self) -> None:
        for session in self._sessions:
            await session.close()
        await self._clients.aclose()
        await self.service.stop()

    @property
    def done(self) -> DeliveryState:
        """What a delivery comes to where people are."""
        is_called = self.api or self.homeserver
        return DeliveryState.sent if is_called else DeliveryState.on_page

    @property
    def in_place(self) -> str:
        """The event by which a press is answered: who types a number is answered after it."""
        return "message" if self.homeserver else "edit"

    def delivered(self, count: int) -> str:
        """How the secretariat is told that so many were reached."""
        is_sent = self.done is DeliveryState.sent
        return f"Envoyés : {count}." if is_sent else f"Déposés sur la page web : {count}."

    def chatter(self, name: str = "Camille") -> Chatter:
        """Somebody with Telegram, who has not opened the bot yet."""
        assert self.api is not None
        return Chatter(self.api, self.api.user(name), self.settle)

    def keep_clients_of(self, before: "Stage") -> None:
        """People who came in before a restart are here now."""
        self._clients, before._clients = before._clients, self._clients
        self._sessions, before._sessions = before._sessions, self._sessions

    async def correspondent(self) -> Correspond:
        """Somebody with a Matrix client, who opens a direct chat with us."""
        assert self.homeserver is not None
        client = await self._clients.enter_async_context(self.homeserver.client())
        bot, encrypted = self.homeserver.bot.user_id, self.homeserver.encrypted
        return await Correspond.meet(client, bot, self.settle, encrypted=encrypted)

    @contextmanager
    def database_away(self) -> Iterator[None]:
        """Nothing can be read or written meanwhile."""

        async def refuse(*_: object) -> Any:
            raise Unavailable

        ways = ("read", "read_with_others", "write", "write_with_others")
        with pytest.MonkeyPatch.context() as patch:
            for way in ways:
                patch.setattr(self.db, way, refuse)
            yield

    async def settle(self) -> None:
        """Send all that is due, whoever does it: the sender's own loop runs as well."""
        if self.telegram is not None:
            await self.telegram.settled()
        if self.matrix is not None:
            await asyncio.wait_for(self._caught_up(self.matrix), PATIENCE)
        while await self.db.read(lambda store: store.deliveries.is_due(self.clock.now())):
            await self.service.deliver()
        await self.service.sender.settled(PATIENCE)
        if self.matrix is not None:
            await asyncio.wait_for(self.matrix.settled(), PATIENCE)

    async def _caught_up(self, matrix: Matrix) -> None:
        """Wait until nothing happened that is not applied."""
        nothing = {"not_types": ["*"]}
        only = {"presence": nothing, "account_data": nothing, "room": {"ephemeral": nothing}}
        while True:
            kept = await self.db.read(lambda store: store.matrix.get("sync"))
            since = kept["next_batch"] if kept else ""
            query = urlencode({"since": since, "timeout": 0, "filter": json.dumps(only)})
            new = await matrix.client.ask("GET", f"/sync?{query}")
            held = await self.db.read(lambda store: store.inbox.waiting("matrix"))
            if kept and not held and not new.get("rooms") and not new.get("to_device"):
                return
            await asyncio.sleep(0.02)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.web.port}"

    def stranger(self) -> Guest:
        """A browser that has no session yet."""
        jar = aiohttp.CookieJar(unsafe=True)
        self._sessions.append(aiohttp.ClientSession(cookie_jar=jar))
        return Guest(self._sessions[-1], self.base, self.settle)

    async def guest(self, role: Role | None = None, organisation: str | None = None) -> Guest:
        """Somebody at the page, who may come with an invitation."""
        if role is None:
            return await self.stranger().enter()
        return await self.stranger().enter(code=await self._invitation(role, organisation))

    async def newcomer(self) -> Someone:
        if self.homeserver is not None:
            return await self.correspondent()
        if self.api is None:
            return await self.guest()
        chatter = self.chatter()
        await chatter.start()
        return chatter

    async def invited(self, role: Role, organisation: str | None = None) -> Someone:
        """Somebody who comes with an invitation."""
        return await self.redeems(await self._invitation(role, organisation))

    async def _invitation(self, role: Role, organisation: str | None) -> str:
        now = self.clock.now()
        return await self.db.write(
            lambda store: store.invitations.invite(
                role=role, organisation_id=organisation, now=now, expires_at=now + timedelta(days=7)
            )
        )

    async def redeems(self, code: str) -> Someone:
        """Somebody who comes by the link of an invitation, or types its code."""
        if self.homeserver is not None:
            someone = await self.correspondent()
            await someone.say(code)
            return someone
        if self.api is None:
            return await self.stranger().enter(code=code)
        chatter = self.chatter()
        await chatter.start(f"invitation-{code}")
        return chatter

    async def unsigned(self, person: int) -> Guest:
        """A person in a session that was opened without a role, whatever they hold."""

        def begin(store: Store) -> str:
            [account] = store.people.accounts_of(person)
            return store.sessions.begin(account.id, self.clock.now())

        someone = self.stranger()
        token = await self.db.write(begin)
        someone.http.cookie_jar.update_cookies({COOKIE: token}, URL(self.base))
        await someone.look()
        return someone

    async def organisation(
        self, key: str, name: str, *, signatory: bool = True, college: str | None = None
    ) -> None:
        from storage.organisations import OrganisationName

        names = [
            OrganisationName(
                organisation_id=key,
                starts_on=datetime(2015, 10, 1).date(),  # noqa: DTZ001 (a date)
                name=name,
                short_name=name,
            )
        ]
        await self.db.write(
            lambda store: store.organisations.add(
                key, is_signatory=signatory, college=college, names=names
            )
        )

    async def advance(self, step: timedelta | None = None, to: datetime | None = None) -> None:
        """Move the clock, doing what falls due on the way, and send it."""
        target = to or (self.clock.now() + step if step is not None else None)
        await self.service.ticker.advance(self.clock, target)
        await self.service.deliver()
