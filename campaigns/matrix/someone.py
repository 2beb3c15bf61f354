"""Somebody in a room with the bot, who says and chooses, whether it answers at once or later."""

import asyncio
import random
import re
import time
from collections import deque

from campaigns.matrix.patient import Patient
from tests.homeserver import Event, Synapse

WAITED = (0.0, 6.0)  # seconds at most for an answer: some do not wait for it
MOST_A_MINUTE = 28  # things said: after an hour of silence the bot hears two minutes in one
MINUTE = 60.0
_NUMBERED = re.compile(r"^(\d+)\. (.+)$", re.MULTILINE)


class Someone:
    """A person who has a direct chat with the bot.

    Attributes:
        client: what they write with.
        room: their direct chat.
        given: the events that the homeserver acknowledged and the bot must have applied, each
            with its room.
        brought: how many answers these must have brought in the direct chat.
        last: what they said last there, in words.
    """

    def __init__(self, server: Synapse, name: str, seed: str, *, encrypted: bool = True) -> None:
        self.client = Patient(server, name)
        self.name = name
        self.encrypted = encrypted
        self.dice = random.Random(f"{seed}-{name}")
        self.bot = ""
        self.room = ""
        self.given: list[tuple[str, str]] = []
        self.brought = 0
        self.last = ""
        self._said_at: deque[float] = deque(maxlen=MOST_A_MINUTE)

    async def meet(self, bot: str) -> None:
        """Open a direct chat; the bot says what it does."""
        self.bot = bot
        self.room = await self.client.direct(bot, encrypted=self.encrypted)
        self.brought += 1
        await self.client.until(lambda: bool(self.heard), "greeting")

    @property
    def heard(self) -> list[Event]:
        """What the bot said in the direct chat."""
        return self.client.heard[self.room]

    async def say(self, text: str, brings: int = 1) -> None:
        await self._pause()
        self.last = await self.client.say(self.room, text)
        await self._given(self.last, brings)

    async def reply(self, to: Event, text: str, brings: int = 1) -> None:
        """Reply to a message, or to one that was edited."""
        await self._pause()
        target = to.content.get("m.relates_to", {}).get("event_id", to.id)
        await self._given(await self.client.reply(self.room, target, text), brings)

    async def edit(self, event_id: str, text: str, brings: int = 1) -> None:
        await self._pause()
        await self._given(await self.client.edit(self.room, event_id, text), brings)

    async def ballot(self, poll: Event, *answers: str) -> None:
        """Answer a native poll, so often, at once."""
        await self._pause()
        for answer in answers:
            event_id = await self.client.ballot(self.room, poll.id, answer)
            self.given.append((self.room, event_id))
        await self._given(None, len(answers))

    async def say_in(self, room: str, text: str) -> None:
        """Say something to the bot in a group; whether it answers is its affair."""
        await self._pause()
        self.given.append((room, await self.client.say(room, text)))

    async def press(self, label: str, after: int = 0, brings: int = 1) -> None:
        """Choose, by its number, the newest line that begins so.

        Args:
            after: how many messages of the bot come before it.
        """
        await self.client.until(lambda: self.offered(label, after) is not None, f"line {label!r}")
        offered = self.offered(label, after)
        assert offered is not None
        message, number = offered
        await self.reply(message, number, brings)

    def offered(self, label: str, after: int = 0) -> tuple[Event, str] | None:
        """The newest message with a numbered line that begins so, and its number."""
        for event in reversed(self.heard[after:]):
            for number, line in lines(event):
                if line.startswith(label):
                    return event, number
        return None

    async def think(self) -> None:
        await asyncio.sleep(self.dice.uniform(1, 6))

    async def _given(self, event_id: str | None, brings: int) -> None:
        """Something was acknowledged: wait a while for an answer."""
        if event_id is not None:
            self.given.append((self.room, event_id))
        self.brought += brings
        before, patience = len(self.heard), self.dice.uniform(*WAITED)
        await self.client.came(lambda: len(self.heard) > before, patience)

    async def _pause(self) -> None:
        """Say no more than may be applied in one minute."""
        if len(self._said_at) == MOST_A_MINUTE:
            await asyncio.sleep(max(0.0, self._said_at[0] + MINUTE - time.monotonic()))
        self._said_at.append(time.monotonic())


def lines(event: Event) -> list[tuple[str, str]]:
    """The numbered lines of a message as it reads now: numbers and labels."""
    content = event.content.get("m.new_content", event.content)
    return _NUMBERED.findall(str(content.get("body", "")))
