"""People who say and press, and look at what came back."""

import asyncio
import json
import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import aiohttp

from bot.clock import MovableClock
from bot.texts import normalise

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
    def texts(self) -> list[str]:
        """What each message says: on some platforms files are messages that say nothing."""
        return [str(event["text"]) for event in self.messages if event["text"]]

    @property
    def text(self) -> str:
        return "\n".join(str(event["text"]) for event in self.messages)

    @property
    def files(self) -> list[dict[str, Any]]:
        """All that came with it: some platforms send files by themselves."""
        return [file for message in self.messages for file in message["files"]]

    @property
    def labels(self) -> list[str]:
        return [choice["label"] for choice in self.messages[-1]["choices"]]

    def __contains__(self, words: str) -> bool:
        return words in self.text


class Someone(Protocol):
    """A person in a chat, whatever the platform. `seen` is all that came back, newest last."""

    seen: list[dict[str, Any]]

    async def say(self, text: str) -> Answer: ...

    async def press(self, label: str) -> Answer:
        """Press the newest button of that name, else the newest whose name begins so."""
        ...

    def button(self, label: str) -> Any:
        """That button, as it is now, for `press_again`; an assertion fails if there is none."""
        ...

    async def press_again(self, button: Any) -> Answer:
        """Press a button as it was, whatever became of its message."""
        ...

    async def send_photo(self, data: bytes, name: str = "IMG_2041.jpg") -> tuple[int, Answer]:
        """Send a photo; the status of sending it, and what came back."""
        ...

    async def look(self) -> Answer:
        """What came or changed since the last look, once all that is due has been sent."""
        ...

    async def fetch(self, file: dict[str, Any]) -> tuple[int, bytes]:
        """The status of asking for a file that came, and what it holds."""
        ...


@dataclass
class Guest(Someone):
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

    async def enter(self, **body: str) -> "Guest":
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
        return await self.press_again(self.button(label))

    async def press_again(self, button: dict[str, Any]) -> Answer:
        message = {"id": uuid.uuid4().hex, "choice": button["id"]}
        status, answer = await self.post("/api/v1/messages", message)
        assert status == 200, answer
        return await self.look()

    def button(self, label: str) -> dict[str, Any]:
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

    async def fetch(self, file: dict[str, Any]) -> tuple[int, bytes]:
        async with self.http.get(self.base + str(file["url"])) as response:
            return response.status, await response.read()

    async def status(self) -> int:
        """What the events answer: 200 with a session, 403 without."""
        async with self.http.get(f"{self.base}/api/v1/events?after=0") as response:
            return response.status


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
