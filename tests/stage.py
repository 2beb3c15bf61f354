"""A whole service on loopback, and whoever comes in."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr
from yarl import URL

from bot.pace import Pace
from bot.platforms.base import Platform
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


class Stage:
    """A whole service on loopback, and whoever comes in.

    Args:
        api: a Bot API server, on which people come in by Telegram; else they come to the page.
        webhook: whether it posts its updates to us, instead of being polled.
    """

    def __init__(
        self,
        settings: Settings,
        db: Database,
        now: datetime,
        api: BotApi | None = None,
        *,
        webhook: bool = False,
    ) -> None:
        if api is not None:
            settings = settings.model_copy(update=telegram_settings(api))
        if webhook:
            settings = settings.model_copy(update=webhook_settings())
        self.settings = settings
        self.db = db
        self.api = api
        self.clock = StillClock(now)
        self.telegram = Telegram(settings, db, self.clock) if api else None
        if self.telegram is not None:  # people in tests do not wait for each other
            self.telegram.pace = Pace(1000, chat_seconds=0, group_minute=10_000)
        more = self.telegram.routes() if self.telegram else []
        self.web = WebChat(settings, db, self.clock, more=more)
        platforms: list[Platform] = [self.web, *([self.telegram] if self.telegram else [])]
        self.service = Service(settings, db, self.clock, platforms, jobs(settings))
        self._sessions: list[aiohttp.ClientSession] = []

    async def open(self) -> None:
        await self.service.start()
        await asyncio.wait_for(self.web.listening.wait(), 5)

    async def close(self) -> None:
        for session in self._sessions:
            await session.close()
        await self.service.stop()

    @property
    def done(self) -> DeliveryState:
        """What a delivery comes to where people are."""
        return DeliveryState.sent if self.api else DeliveryState.on_page

    def delivered(self, count: int) -> str:
        """How the secretariat is told that so many were reached."""
        return f"Envoyés : {count}." if self.api else f"Déposés sur la page web : {count}."

    def chatter(self, name: str = "Camille") -> Chatter:
        """Somebody with Telegram, who has not opened the bot yet."""
        assert self.api is not None
        return Chatter(self.api, self.api.user(name), self.settle)

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
        while await self.db.read(lambda store: store.deliveries.is_due(self.clock.now())):
            await self.service.deliver()
        await self.service.sender.settled(PATIENCE)

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
        """Somebody who comes by the link of an invitation."""
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

    async def organisation(self, key: str, name: str, *, signatory: bool = True) -> None:
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
                key, is_signatory=signatory, college=None, names=names
            )
        )

    async def advance(self, step: timedelta | None = None, to: datetime | None = None) -> None:
        """Move the clock, doing what falls due on the way, and send it."""
        target = to or (self.clock.now() + step if step is not None else None)
        await self.service.ticker.advance(self.clock, target)
        await self.service.deliver()
