"""The lives of the bot, and of its homeserver: how each is ended."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from urllib.parse import unquote

from campaigns.matrix.gate import SYNC, Gate, Passed, Trap
from campaigns.server import Server
from tests.homeserver import Member, Synapse

LONGEST_UP = 4.0  # seconds for which it lives once it is ready
EARLIEST, LATEST = 0.5, 6.0  # seconds after which it is killed when that is early
AIM, LONG_AIM = 8.0, 40.0  # seconds for which a trap is set; the long one from a start on
MOST_BEFORE = 6  # calls that go by before a trap is sprung
DELAYS = (0.0, 0.0, 0.05, 0.3)  # seconds between a call and the kill, at most
RATE = "15"  # calls a second
EVERY = 4  # every so many kills the homeserver goes away before
AFTERWARDS = 3.0  # seconds at most that are left to the bot to find it again
CHATTER_EVERY = 5  # every so many kills much is said in the group meanwhile

Ways = dict[str, Callable[[Passed], bool] | None]


def ways(readers: Collection[str]) -> Ways:
    """The calls in which the bot is killed, by what is said of them; None is at any time.

    Args:
        readers: rooms in which only broadcasts are said.
    """
    return {
        "any time": None,
        "early": None,
        "as it began": lambda one: one.method != "GET" and "/account_data/" in one.path,
        "as something was said": _says,
        "amid a broadcast": lambda one: _says(one) and _room(one) in readers,
        "as a sync was answered": lambda one: SYNC in one.path and b'"timeline"' in one.answer,
        "as keys were shared": lambda one: "/sendToDevice/" in one.path,
    }


def _says(passed: Passed) -> bool:
    return passed.method == "PUT" and "/send/" in passed.path


def _room(passed: Passed) -> str:
    return unquote(passed.path.partition("/rooms/")[2].partition("/")[0])


class Killer:
    """Kills by seeded chance: early, at any time, or in the middle of a call.

    Args:
        bot: the account of the bot.
        chatter: has much said in a group, while the bot is not there.

    Attributes:
        kills: how often it was killed, by how; `homeserver`: likewise.
        readers: see `ways`.
    """

    def __init__(
        self,
        server: Server,
        homeserver: Synapse,
        gate: Gate,
        bot: Member,
        chatter: Callable[[], Awaitable[None]],
        seed: int,
    ) -> None:
        self.server = server
        self.server_of_all = homeserver
        self.gate = gate
        self.bot = bot
        self.chatter = chatter
        self.kills: Counter[str] = Counter()
        self.homeserver: Counter[str] = Counter()
        self.readers: Collection[str] = ()
        self._dice = random.Random(seed)
        self._sprung = asyncio.Event()
        self._how = ""
        self._life = 0
        self._left: list[str] = []

    async def start(self) -> None:
        self._how, self._life = "", self._life + 1
        await self.server.start(
            PREAU_MATRIX_HOMESERVER=self.gate.url,
            PREAU_MATRIX_USER=self.bot.user_id,
            PREAU_MATRIX_PASSWORD=self.bot.password,
            PREAU_MATRIX_RATE=RATE,
        )

    async def kill(self, times: int) -> None:
        """Kill so often, in every way in turn; it lives at the end."""
        chosen = ways(self.readers)
        for _ in range(times):
            number = self.kills.total()
            if number % EVERY == 1:
                await self._restart_homeserver(number)
            self._left = self._left or self._dice.sample(list(chosen), len(chosen))
            how = self._left.pop()
            await self._wait(how, chosen[how])
            self._strike(how)
            await self.server.kill()
            self.gate.trap = None
            if number % CHATTER_EVERY == 2:
                await self.chatter()
            await self.start()
        await self.server.ready()

    async def end(self) -> None:
        """Stop it for good, when nothing is left to do."""
        await self.server.kill()

    async def _restart_homeserver(self, number: int) -> None:
        """Have the homeserver go away under the bot, in each way in turn."""
        kill = number % (2 * EVERY) == 1
        if self._dice.random() < 0.5:
            await self.server.ready()
        await asyncio.to_thread(self.server_of_all.restart, kill=kill)
        self.homeserver["killed" if kill else "stopped"] += 1
        await asyncio.sleep(self._dice.uniform(0, AFTERWARDS))

    async def _wait(self, how: str, takes: Callable[[Passed], bool] | None) -> None:
        if how == "early":
            await asyncio.sleep(self._dice.uniform(EARLIEST, LATEST))
            return
        begins = how == "as it began"
        if not begins:
            await self.server.ready()
            await asyncio.sleep(self._dice.uniform(0.05, LONGEST_UP))
        if takes is None:
            return
        self._sprung.clear()
        after, life = 0 if begins else self._dice.randrange(MOST_BEFORE), self._life
        delay = self._dice.uniform(0, self._dice.choice(DELAYS))
        self.gate.trap = Trap(takes, after, delay, lambda: self._spring(how, life))
        try:
            await asyncio.wait_for(self._sprung.wait(), LONG_AIM if begins else AIM)
        except TimeoutError:
            self.gate.trap = None

    def _spring(self, how: str, life: int) -> None:
        if life == self._life:
            self._strike(f"{how}, in the call")
            self._sprung.set()

    def _strike(self, how: str) -> None:
        if not self._how:
            self._how = how
            self.kills[how] += 1
            self.server.strike()
