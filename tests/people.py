"""People who say and press, and look at what came back."""

import asyncio
import json
import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from yarl import URL

from bot.clock import MovableClock
from bot.platforms.web.platform import WebChat
from bot.platforms.web.safety import COOKIE
from bot.service import Service
from bot.settings import Settings
from bot.texts import normalise
from scheduled import jobs
from storage.database import Database
from storage.grants import Role
from storage.store import Store

PATIENCE = 10.0  # seconds for what the server has to say already


class StillClock(MovableClock):
    """A clock that stands still until it is moved."""

    def __init__(self, at: datetime) -> None:
        super().__init__()
        self._at = at

    def now(self) -> datetime:
        return self._at

    def advance_to(self, moment: datetime) -> None:
        self._at = max(self._at, moment)


@dataclass
class Answer:
    """What one saying or pressing brought: the events, newest last."""

    events: list[dict[str, Any]]

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [event for event in self.events if event["kind"] in ("message", "edit")]

    @property
    def text(self) -> str:
        return "\n".join(str(event["text"]) for event in self.messages)

    @property
    def labels(self) -> list[str]:
        return [choice["label"] for choice in self.messages[-1]["choices"]]

    def __contains__(self, words: str) -> bool:
        return words in self.text


@dataclass
class Someone:
    """A person at a page, with a cookie jar of their own."""

    http: aiohttp.ClientSession
    base: str
    settled: Callable[[], Awaitable[None]]
    last: int = 0
    seen: list[dict[str, Any]] = field(default_factory=list)
    offered: list[dict[str, Any]] = field(default_factory=list)

    async def post(self, path: str, body: object, **kwargs: Any) -> tuple[int, dict[str, Any]]:
        async with self.http.post(self.base + path, json=body, **kwargs) as response:
            return response.status, await response.json()

    async def enter(self, **body: str) -> "Someone":
        status, answer = await self.post("/api/v1/session", body)
        assert status == 200, answer
        await self.look()
        return self

    async def say(self, text: str, **more: str) -> Answer:
        message = {"id": uuid.uuid4().hex, "text": text, **more}
        status, answer = await self.post("/api/v1/messages", message)
        assert status == 200, answer
        return await self.look()

    async def press(self, label: str) -> Answer:
        """Press the newest button that begins with a label."""
        choice = self.button(label)
        message = {"id": uuid.uuid4().hex, "choice": choice["id"]}
        status, answer = await self.post("/api/v1/messages", message)
        assert status == 200, answer
        return await self.look()

    def button(self, label: str) -> dict[str, Any]:
        """The newest button of that name, else the newest whose name begins so."""
        wanted = normalise(label)
        named: list[tuple[str, dict[str, Any]]] = [
            (normalise(choice["label"]), choice) for choice in reversed(self.offered)
        ]
        exact = [choice for name, choice in named if name == wanted]
        begins = [choice for name, choice in named if name.startswith(wanted)]
        for choice in (*exact, *begins):
            return choice
        raise AssertionError(f"no button {label!r} among {[name for name, _ in named]}")

    async def send_photo(self, data: bytes, name: str = "IMG_2041.jpg") -> tuple[int, Answer]:
        form = aiohttp.FormData()
        form.add_field("id", uuid.uuid4().hex)
        form.add_field("file", data, filename=name, content_type="image/jpeg")
        async with self.http.post(self.base + "/api/v1/messages", data=form) as response:
            status = response.status
            await response.read()
        return status, await self.look()

    async def look(self) -> Answer:
        """The events since the last look, once all that is due has been sent."""
        await self.settled()
        found: list[dict[str, Any]] = []
        address = f"{self.base}/api/v1/events?after={self.last}"
        async with self.http.get(address) as response:
            if response.status != 200:
                return Answer([])
            async with asyncio.timeout(PATIENCE):
                async for line in response.content:
                    if line.startswith(b"data: "):
                        found.append(self._received(json.loads(line[6:])))
                    if line.startswith(b": caught up"):
                        break
        return Answer(found)

    def _received(self, event: dict[str, Any]) -> dict[str, Any]:
        if event["kind"] != "toast":
            assert event["id"] == self.last + 1, "events without gaps"
            self.last = event["id"]
        self.seen.append(event)
        self.offered += event["choices"]
        return event

    async def status(self) -> int:
        """What the events answer: 200 with a session, 403 without."""
        async with self.http.get(f"{self.base}/api/v1/events?after=0") as response:
            return response.status


class Stage:
    """A whole service on loopback, and whoever comes in."""

    def __init__(self, settings: Settings, db: Database, now: datetime) -> None:
        self.settings = settings
        self.db = db
        self.clock = StillClock(now)
        self.web = WebChat(settings, db, self.clock)
        self.service = Service(settings, db, self.clock, [self.web], jobs(settings))
        self._sessions: list[aiohttp.ClientSession] = []

    async def open(self) -> None:
        await self.service.start()
        await asyncio.wait_for(self.web.listening.wait(), 5)

    async def close(self) -> None:
        for session in self._sessions:
            await session.close()
        await self.service.stop()

    async def settle(self) -> None:
        """Send all that is due, whoever does it: the sender's own loop runs as well."""
        while await self.db.read(lambda store: store.deliveries.is_due(self.clock.now())):
            await self.service.deliver()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.web.port}"

    def stranger(self) -> Someone:
        """A browser that has no session yet."""
        jar = aiohttp.CookieJar(unsafe=True)
        self._sessions.append(aiohttp.ClientSession(cookie_jar=jar))
        return Someone(self._sessions[-1], self.base, self.settle)

    async def newcomer(self) -> Someone:
        return await self.stranger().enter()

    async def invited(self, role: Role, organisation: str | None = None) -> Someone:
        """Somebody who comes with an invitation."""
        now = self.clock.now()

        code = await self.db.write(
            lambda store: store.invitations.invite(
                role=role, organisation_id=organisation, now=now, expires_at=now + timedelta(days=7)
            )
        )
        return await self.stranger().enter(code=code)

    async def unsigned(self, person: int) -> Someone:
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


STORY = (
    "Nous avons prêté des tablettes à une classe de sixième. Le réseau tombait chaque matin, "
    "puis une borne a été déplacée et tout a changé."
)


async def report(someone: Someone, story: str = STORY, *, public: bool = True) -> str:
    """Give a report from the first word to its number."""
    await someone.say("témoigner")
    await someone.say(story)
    await someone.press("Une expérience vécue")
    answer = await someone.press("Le réseau et le matériel")
    if "Qui êtes-vous" in answer:
        await someone.press("Parent d'élève")
        await someone.say("974")
    await someone.press("Tout le monde" if public else "Le comité seulement")
    sent = await someone.press("Envoyer")
    found = re.search(r"REX-\d{4}-\d{5}", sent.text)
    assert found, sent.text
    return found[0]
