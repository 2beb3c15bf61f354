"""Somebody with the Telegram app, who goes on once what they said was taken."""

import asyncio
import random
import time

from campaigns.telegram.api import WatchedApi
from tests.bot_api import Message

LOOK = 0.1  # seconds between two looks at the screen
PATIENCE = 180.0  # seconds for what must come, over any number of restarts
WAITED = (0.0, 6.0)  # seconds at most for an answer: some do not wait for it
THOUGHT = 0.15  # seconds between two acts, for each person in the crowd: so they are answered


class Someone:
    """A person in a private chat with the bot.

    Attributes:
        given: how many updates the bot was given of them.
        brought: how many answers these must have brought.
    """

    def __init__(self, api: WatchedApi, name: str, seed: str) -> None:
        self.api = api
        self.name = name
        self.user = api.user(name)
        self.dice = random.Random(f"{seed}-{name}")
        self.given = 0
        self.brought = 0

    async def start(self, payload: str = "", brings: int = 1) -> None:
        await self._taken([self.user.start(payload)], brings)

    async def say(self, text: str, brings: int = 1) -> None:
        await self._taken([self.user.say(text)], brings)

    async def edit(self, message: Message, text: str, brings: int = 1) -> None:
        await self._taken([self.user.edit(message, text)], brings)

    async def press(self, *actions: str, after: int = 0, brings: int = 1) -> None:
        """Press buttons of one message, the newest whose first action begins so, all at once.

        Args:
            after: the message that it comes after.
        """
        message = await self.offered(actions[0], after=after)
        datas = [_data(message, action) for action in actions]
        await self._taken([self.user.press(message, data=data) for data in datas], brings)

    async def offered(self, *actions: str, after: int = 0) -> Message:
        """Wait for the newest message with a button whose action begins so."""
        latest = time.monotonic() + PATIENCE
        while time.monotonic() < latest:
            for message in reversed(self.user.chat.from_bot):
                if message.id > after and any(_offers(message, one) for one in actions):
                    return message
            await asyncio.sleep(LOOK)
        said = [one.text for one in self.user.chat.messages[-6:]]
        raise AssertionError(f"{self.name}: {actions} never came after {after}: {said}")

    @property
    def last(self) -> int:
        """The number of the last message of the chat."""
        return max(self.user.chat.by_id, default=0)

    def number_in(self, message: Message, action: str) -> int:
        """The number of what a button is about."""
        return int(_data(message, action).split(":")[1])

    async def think(self) -> None:
        await asyncio.sleep(self.dice.uniform(0.5, 1 + THOUGHT * len(self.api.users)))

    async def _taken(self, updates: list[int | None], brings: int) -> None:
        """Wait until updates are confirmed, and a while for an answer."""
        self.given += len(updates)
        self.brought += brings
        before, pending = self._seen(), self.api.updates.pending
        async with asyncio.timeout(PATIENCE):
            while any(one in pending for one in updates):  # noqa: ASYNC110 (nothing tells of it)
                await asyncio.sleep(LOOK)
        latest = time.monotonic() + self.dice.uniform(*WAITED)
        while self._seen() == before and time.monotonic() < latest:  # noqa: ASYNC110
            await asyncio.sleep(LOOK)

    def _seen(self) -> tuple[int, int]:
        said = self.user.chat.from_bot
        return len(said), sum(one.edited for one in said)


def _offers(message: Message, action: str) -> bool:
    return any((one.data or "").startswith(action) for row in message.buttons for one in row)


def _data(message: Message, action: str) -> str:
    for row in message.buttons:
        for button in row:
            if button.data is not None and button.data.startswith(action):
                return button.data
    raise AssertionError(f"no button {action!r} among {message.labels}")
