"""People report and vote while the server is killed; then what was acknowledged is counted.

Every acknowledged message must have been applied once and answered once, whatever was killed.
"""

import asyncio
import contextlib
import json
import os
import random
import socket
import sys
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from storage import migrate
from storage.database import Database
from storage.polls import Electorate
from storage.reports import ReportState
from storage.store import Store

SECRET = "the secret of a campaign, long enough to be taken"  # noqa: S105 (of no use elsewhere)
STORY = "Le réseau de notre école tombe chaque matin, et personne ne sait qui doit le réparer ({})."
OPTIONS = 4
CLOSING = timedelta(seconds=2)
PATIENCE = 60.0  # seconds for one message, over any number of restarts


@dataclass
class Tally:
    """What a campaign counted."""

    kills: int = 0
    acknowledged: int = 0
    retried: int = 0
    problems: list[str] = field(default_factory=list)


class Server:
    """`preau run` as a process that can be killed and comes back on the same port."""

    def __init__(self, url: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        self._environment = {
            **os.environ,
            "PREAU_DATABASE_URL": url,
            "PREAU_SECRET_KEY": SECRET,
            "PREAU_CONTROLLER": "campaign",
            "PREAU_DPO_CONTACT": "campaign",
            "PREAU_WEB_PORT": str(self.port),
        }
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot",
            "run",
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 30)
        assert line.startswith(b"ready "), line

    async def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()


class Person:
    """Somebody who tells and votes, and insists until each message is acknowledged."""

    def __init__(self, name: int, server: Server, tally: Tally, dice: random.Random) -> None:
        self.name = name
        self.server = server
        self.tally = tally
        self.dice = dice
        self.told: list[str] = []
        self.vote: int | None = None
        self.notices = 0
        self.acknowledged = 0
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Person":
        jar = aiohttp.CookieJar(unsafe=True)
        timeout = aiohttp.ClientTimeout(total=5)
        self._http = aiohttp.ClientSession(cookie_jar=jar, timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._http is not None
        await self._http.close()

    async def live(self, until: asyncio.Event) -> None:
        await self._post("/api/v1/session", {})
        while not until.is_set():
            await (self._tell() if self.dice.random() < 0.5 else self._vote())
        await self._check_page()

    async def hear_result(self) -> None:
        """The poll has closed: who voted is told the result, once."""
        if self.vote is None:
            return
        self.notices = 1
        told = sum("Résultat" in event["text"] for event in await self._events())
        if told != 1:
            self.tally.problems.append(f"{self.name}: told the result {told} times")

    async def _tell(self) -> None:
        story = STORY.format(f"{self.name}-{len(self.told)}")
        await self._say("témoigner")
        await self._say(story)
        await self._say("1")
        await self._say("5")
        if not self.told:
            await self._say("3")
            await self._say("Mayotte")
        await self._say("2")
        await self._say("1")
        self.told.append(story)

    async def _vote(self) -> None:
        await self._say("votes")
        if len(await self._options()) < OPTIONS:  # the list, whose first line is the poll
            await self._say("1")
        option = self.dice.randrange(OPTIONS)
        await self._send({"choice": (await self._options())[option]})
        self.vote = option

    async def _options(self) -> list[str]:
        """The options of the poll in the newest message, if that is its card."""
        choices = (await self._events())[-1]["choices"]
        return [one["id"] for one in choices if ".polls.vote:" in one["id"]]

    async def _say(self, text: str) -> None:
        await self._send({"text": text})

    async def _send(self, said: dict[str, Any]) -> None:
        await self._post("/api/v1/messages", {"id": uuid.uuid4().hex, **said})
        self.acknowledged += 1
        self.tally.acknowledged += 1

    async def _post(self, path: str, body: dict[str, Any]) -> None:
        """Post until it is acknowledged, always with the same id."""
        assert self._http is not None
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    async with self._http.post(self.server.base + path, json=body) as response:
                        if response.status == 200:
                            return
                        answer = await response.text()
                        if response.status != 429:
                            raise AssertionError(f"{response.status} {answer}")
                except (aiohttp.ClientError, TimeoutError, OSError):
                    self.tally.retried += 1
                await asyncio.sleep(0.1)

    @property
    def _expected(self) -> int:
        """A welcome, an answer to each message, a return code with the first report, notices."""
        return 1 + self.acknowledged + (1 if self.told else 0) + self.notices

    async def _events(self) -> list[dict[str, Any]]:
        """All the events of this person's page, read again until all that is due is there."""
        found: list[dict[str, Any]] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE / 2):
                while len(found) < self._expected:
                    found = await self._read_page()
        return found

    async def _read_page(self) -> list[dict[str, Any]]:
        assert self._http is not None
        found: list[dict[str, Any]] = []
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with self._http.get(f"{self.server.base}/api/v1/events?after=0") as response:
                while line := await asyncio.wait_for(response.content.readline(), 0.3):
                    if line.startswith(b"data: "):
                        found.append(json.loads(line[6:]))
        return [event for event in found if event["kind"] != "toast"]

    async def _check_page(self) -> None:
        """One answer to each message, numbered without gaps: nothing lost, nothing twice."""
        events = await self._events()
        numbers = [event["id"] for event in events]
        if numbers != list(range(1, len(numbers) + 1)):
            self.tally.problems.append(f"{self.name}: events {numbers}")
        if len(events) != self._expected:
            said = f"{len(events)} answers, {self._expected} expected"
            self.tally.problems.append(f"{self.name}: {said}")


async def campaign(url: str, kills: int, seed: int, people: int = 6) -> Tally:
    """Run one campaign on an empty database.

    Args:
        url: where; the database must exist and be empty.
        kills: how many times the server is killed.
        seed: of the moments and of what people do.
    """
    dice, tally = random.Random(seed), Tally()
    closing = max(1, kills // 5)
    _prepare(url)
    server, over = Server(url), asyncio.Event()
    await server.start()
    crowd = [Person(n, server, tally, random.Random(f"{seed}-{n}")) for n in range(people)]
    try:
        async with AsyncExitStack() as stack:
            for person in crowd:
                await stack.enter_async_context(person)
            async with asyncio.TaskGroup() as lives:
                for person in crowd:
                    lives.create_task(person.live(over))
                await _kill_at_random(server, kills - closing, dice, tally)
                over.set()
            await asyncio.to_thread(_close_soon, url)
            await _kill_at_random(server, closing, dice, tally)
            await asyncio.gather(*(person.hear_result() for person in crowd))
    finally:
        await server.kill()
    _count(url, crowd, tally)
    return tally


async def _kill_at_random(server: Server, kills: int, dice: random.Random, tally: Tally) -> None:
    for _ in range(kills):
        await asyncio.sleep(dice.uniform(0.05, 1.2))
        await server.kill()
        tally.kills += 1
        await server.start()


def _close_soon(url: str) -> None:
    """Let the poll close while the server is being killed."""
    database = _open(url)

    def bring_forward(store: Store) -> None:
        poll = store.polls.get(1)
        assert poll is not None
        poll.closes_at = datetime.now(UTC) + CLOSING

    database.write_now(bring_forward)
    database.close()


def _open(url: str) -> Database:
    database = Database(url, [SECRET])
    if not migrate.is_current(database.engine):
        migrate.upgrade(database.engine)
    database.open()
    return database


def _prepare(url: str) -> None:
    database, now = _open(url), datetime.now(UTC)
    database.write_now(
        lambda store: (
            store.polls.open(
                "Faut-il réparer le réseau ?",
                electorate=Electorate.public,
                closes_at=now + timedelta(days=1),
                now=now,
            ).id
        )
    )
    database.close()


def _count(url: str, crowd: list[Person], tally: Tally) -> None:
    """Compare what was acknowledged with what the database holds."""
    database = _open(url)

    def look(store: Store) -> tuple[list[str], tuple[int, ...]]:
        stories = []
        while (report := store.reports.next_waiting()) is not None:
            stories.append(report.story)
            report.state = ReportState.kept
            store.session.flush()
        poll = store.polls.get(1)
        assert poll is not None
        return sorted(stories), store.polls.tally(poll).persons

    stories, votes = database.write_now(look)
    database.close()
    told = sorted(story for person in crowd for story in person.told)
    if stories != told:
        tally.problems.append(f"{len(stories)} reports kept, {len(told)} acknowledged")
    cast = [person.vote for person in crowd if person.vote is not None]
    expected = tuple(cast.count(option) for option in range(4))
    if votes != expected:
        tally.problems.append(f"votes {votes}, {expected} acknowledged")
