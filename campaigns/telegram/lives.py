"""The lives of the bot: when each began and was ended, and by which way of receiving updates."""

import asyncio
import random
import time
from dataclasses import dataclass

from campaigns.server import Server
from campaigns.telegram.api import SENDING, Trap, WatchedApi

LONGEST_UP = 4.0  # seconds for which it lives once it is ready
EARLIEST, LATEST = 0.5, 2.5  # seconds after which it is killed when that is early
AIM = 3.0  # seconds for which a trap is set
MOST_BEFORE = 12  # calls that go by before a trap is sprung
SECRET = "a-secret-of-the-webhook"  # noqa: S105 (of no use elsewhere)
REFUSAL = 5.0  # seconds for which everything is refused, once
TRAPS = {
    "any time": None,
    "early": None,
    "as something was sent": (SENDING, ""),
    "amid a broadcast": (("sendmessage",), "Annonce "),
    "as updates were given": (("getupdates",), ""),
    "as a press was committed": (("answercallbackquery",), ""),
}


@dataclass
class Life:
    """One life, in monotonic seconds; `how` it ended."""

    began: float
    ended: float = float("inf")
    how: str = ""


class Killer:
    """Kills by seeded chance: early, at any time, or in the middle of a call.

    Attributes:
        lives: all so far.
        webhook: from now on, every other life is given updates by a webhook.
    """

    def __init__(self, server: Server, api: WatchedApi, seed: int) -> None:
        self.server = server
        self.api = api
        self.seed = seed
        self.lives: list[Life] = []
        self.webhook = False
        self._dice = random.Random(seed)
        self._sprung = asyncio.Event()

    @property
    def kills(self) -> list[Life]:
        return [life for life in self.lives if life.how]

    async def start(self) -> None:
        settings = {"PREAU_TELEGRAM_TOKEN": self.api.token, "PREAU_TELEGRAM_API_URL": self.api.url}
        if self.webhook and len(self.lives) % 2:
            settings["PREAU_TELEGRAM_WEBHOOK_URL"] = self.server.base
            settings["PREAU_TELEGRAM_WEBHOOK_SECRET"] = SECRET
        self.lives.append(Life(time.monotonic()))
        await self.server.start(**settings)

    async def kill(self, times: int) -> None:
        """Kill so often, in every way in turn; it lives at the end."""
        ways: list[str] = []
        for left in range(times, 0, -1):
            ways = ways or self._dice.sample(list(TRAPS), len(TRAPS))
            how = ways.pop()
            await self._wait(how)
            self._strike(how)
            await self.server.kill()
            if left == times // 2:
                self.api.faults.refuse_all(REFUSAL)
            await self.start()
        await self.server.ready()

    async def end(self) -> None:
        """Stop it for good, when nothing is left to do."""
        self.lives[-1].ended = time.monotonic()
        await self.server.kill()

    async def _wait(self, how: str) -> None:
        if how == "early":
            await asyncio.sleep(self._dice.uniform(EARLIEST, LATEST))
            return
        await self.server.ready()
        await asyncio.sleep(self._dice.uniform(0.05, LONGEST_UP))
        aim = TRAPS[how]
        if aim is None:
            return
        self._sprung.clear()
        methods, words = aim
        after = self._dice.randrange(MOST_BEFORE)
        self.api.trap = Trap(methods, words, after, lambda: self._spring(how))
        try:
            await asyncio.wait_for(self._sprung.wait(), AIM)
        except TimeoutError:
            self.api.trap = None

    def _spring(self, how: str) -> None:
        self._strike(f"{how}, in the call")
        self._sprung.set()

    def _strike(self, how: str) -> None:
        life = self.lives[-1]
        if not life.how:
            life.how, life.ended = how, time.monotonic()
            self.server.strike()
