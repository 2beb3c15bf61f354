"""People at their pages, who insist until each message is acknowledged.

A message keeps its id however often it is sent again; 200 means that it was committed.
"""

import asyncio
import contextlib
import json
import random
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from bot.platforms.web.safety import COOKIE
from campaigns.backstage import Backstage
from campaigns.server import Server
from storage.meetings import Attendance

STORY = "Le réseau de notre école tombe chaque matin, et personne ne sait qui doit le réparer ({})."
OPTIONS, ANSWER = 4, "meetings.answer:"
PATIENCE = 300.0  # seconds for one message, over any number of restarts of a busy machine
DOUBTED = 0.1  # how many messages are sent again though they were acknowledged
AGAIN = 0.1  # seconds before a try is repeated

Event = dict[str, Any]


@dataclass
class Tally:
    """What a campaign counted; `amid` are the kills that left something half sent."""

    kills: int = 0
    amid: int = 0
    acknowledged: int = 0
    retried: int = 0
    broadcasts: int = 0
    reminders: int = 0
    notices: int = 0
    problems: list[str] = field(default_factory=list)


def action_of(choice: Event) -> str:
    """The action of a button, in its id."""
    return str(choice["id"]).split(".", 2)[2]


class Person:
    """Somebody at a page.

    Attributes:
        seen: the events of their page so far.
        brought: how many answers their messages must have brought.
    """

    def __init__(
        self, name: str, server: Server, backstage: Backstage, tally: Tally, seed: str
    ) -> None:
        self.name = name
        self.server = server
        self.backstage = backstage
        self.tally = tally
        self.dice = random.Random(f"{seed}-{name}")
        self.id = 0
        self.chat = 0
        self.seen: list[Event] = []
        self.brought = 0
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Person":
        jar = aiohttp.CookieJar(unsafe=True)
        timeout = aiohttp.ClientTimeout(total=5)
        self._http = aiohttp.ClientSession(cookie_jar=jar, timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._http is not None
        await self._http.close()

    async def arrive(self, **body: str) -> None:
        assert self._http is not None
        await self._post("/api/v1/session", {"id": uuid.uuid4().hex, **body})
        [token] = [one.value for one in self._http.cookie_jar if one.key == COOKIE]
        self.id, self.chat = await self.backstage.whose(token)
        self.brought = len(await self.look())

    async def say(self, text: str, brings: int = 1) -> list[Event]:
        return await self._send({"text": text}, brings)

    async def press(self, action: str, brings: int = 1) -> list[Event]:
        """Press the newest button whose action begins so."""
        return await self._send({"choice": self.button(action)["id"]}, brings)

    def button(self, action: str) -> Event:
        found = self.offered(action)
        if found is None:
            newest = [action_of(one) for one in self.seen[-1]["choices"]]
            raise AssertionError(f"{self.name}: no button {action!r}, but {newest}")
        return found[0]

    def offered(self, action: str) -> list[Event] | None:
        """The buttons of the newest message with some whose action begins so."""
        for event in reversed(self.seen):
            found = [one for one in event["choices"] if action_of(one).startswith(action)]
            if found:
                return found
        return None

    async def look(self) -> list[Event]:
        """What is new on the page: an answer is there before its message is acknowledged."""
        new: list[Event] = await self._insist(lambda: self._read(len(self.seen)))
        self.seen += new
        return new

    async def whole_page(self) -> list[Event]:
        page: list[Event] = await self._insist(lambda: self._read(0))
        return page

    async def _send(self, said: dict[str, Any], brings: int) -> list[Event]:
        message = {"id": uuid.uuid4().hex, **said}
        await self._post("/api/v1/messages", message)
        if self.dice.random() < DOUBTED:
            await self._post("/api/v1/messages", message)
        self.brought += brings
        self.tally.acknowledged += 1
        return await self.look()

    async def _post(self, path: str, body: dict[str, Any]) -> None:
        """Post until it is acknowledged, always the same."""

        async def post() -> bool | None:
            assert self._http is not None
            async with self._http.post(self.server.base + path, json=body) as response:
                if response.status not in (200, 429):
                    raise AssertionError(f"{self.name}: {response.status} {await response.text()}")
                return response.status == 200 or None

        await self._insist(post)

    async def _insist(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """Do it again until it gives something; a server that is gone will be back."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    done = await work()
                except (aiohttp.ClientError, OSError):
                    self.tally.retried += 1
                else:
                    if done is not None:
                        return done
                await asyncio.sleep(AGAIN)

    async def _read(self, after: int) -> list[Event]:
        assert self._http is not None
        found: list[Event] = []
        address = f"{self.server.base}/api/v1/events?after={after}"
        async with self._http.get(address, raise_for_status=True) as response:
            async for line in response.content:
                if line.startswith(b"data: "):
                    found.append(json.loads(line[6:]))
                if line.startswith(b": caught up"):
                    return [event for event in found if event["kind"] != "toast"]
        raise aiohttp.ClientConnectionError


class Contributor(Person):
    """Somebody of a working group, who tells, votes and says whether they come.

    Attributes:
        answers: their last word on each meeting, by meeting and schedule, where it was kept.
        steady: they never say that they are not coming, so that every reminder is for them.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.told: list[str] = []
        self.vote: int | None = None
        self.answers: dict[tuple[int, int], Attendance] = {}
        self.steady = self.dice.random() < 0.5

    async def enter(self) -> None:
        await self.arrive()
        await self.backstage.enrol(self.id)

    async def live(self, arrived: asyncio.Barrier, over: asyncio.Event) -> None:
        await self.enter()
        await arrived.wait()
        await self._tell()
        while self.offered(ANSWER) is None:  # until they were called to a meeting
            await self.look()
            await asyncio.sleep(AGAIN)
        for act in (self._answer, self._answer, self._vote):
            await act()
        while not over.is_set():
            await self._some_act()()
            with contextlib.suppress(TimeoutError):  # so that nobody is throttled for long
                await asyncio.wait_for(over.wait(), self.dice.uniform(0.1, 1.0))

    def _some_act(self) -> Callable[[], Awaitable[None]]:
        [act] = self.dice.choices([self._tell, self._vote, self._answer], weights=[1, 2, 4])
        return act

    async def _tell(self) -> None:
        story = STORY.format(f"{self.name}-{len(self.told)}")
        first = not self.told
        await self.say("témoigner")
        await self.say(story)
        await self.say("1")
        await self.say("5")
        if first:
            await self.say("3")
            await self.say("Mayotte")
        await self.say("2")
        await self.say("1", brings=2 if first else 1)  # the first time, a return code too
        self.told.append(story)

    async def _vote(self) -> None:
        """From the list, whose first line is the poll, or at once on its card."""
        new = await self.say("votes")
        if not any(".polls.vote:" in one["id"] for event in new for one in event["choices"]):
            await self.press("polls.show")
        cards = self.offered("polls.vote:")
        assert cards is not None
        option = self.dice.randrange(OPTIONS)
        await self._send({"choice": cards[option]["id"]}, brings=1)
        self.vote = option

    async def _answer(self) -> None:
        """One tap on the newest card; a refusal says that the meeting was moved or cancelled."""
        await self.look()
        cards = self.offered(ANSWER)
        if cards is None:
            return
        possible = cards[:-1] if self.steady else cards
        chosen = self.dice.choice(possible)
        message, (_, meeting, version, answer) = _message_of(chosen), action_of(chosen).split(":")
        new = await self._send({"choice": chosen["id"]}, brings=1)
        if any(event["kind"] == "edit" and event["message"] == message for event in new):
            self.answers[int(meeting), int(version)] = Attendance(answer)


def _message_of(choice: Event) -> int:
    """The message under which a button stands."""
    return int(str(choice["id"]).partition(".")[0])
