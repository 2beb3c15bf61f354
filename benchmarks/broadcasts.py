"""A broadcast on Telegram as fast as a server allows that enforces its rates, and an answer
meanwhile; beside it python-telegram-bot's own rate limiter.
"""

import asyncio
import math
import random
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp

from benchmarks.bot_api import TOKEN
from benchmarks.deliveries import opened
from benchmarks.server import process
from benchmarks.telegram import STOCK, arrived, on_telegram
from storage.broadcasts import DELAY, Audience, AudienceKind, BroadcastKind
from storage.store import Store

RATE = 30
CLOSED = 5  # seconds for which everything is refused
PAUSE = 2.0  # seconds between two things that a person says meanwhile, more or less
BEGINS = 60.0  # seconds within which the first message goes

# What the server does past 30 a second; `burst` is how many over it are forgiven.
SERVERS: dict[str, tuple[Mapping[str, int], bool]] = {
    "strict": ({}, False),
    "burst": ({"burst": RATE}, False),
    "refused 5 s": ({}, True),
}


@dataclass(frozen=True)
class Sent:
    """How a broadcast went.

    Attributes:
        rate: messages a second, of the time in which any were allowed.
        stock: the same of python-telegram-bot's limiter, meanwhile; None if it is not installed.
        refusals: calls refused because they came too fast.
        late: seconds within which 95 of 100 answers came to a person who wrote meanwhile.
    """

    rate: float
    stock: float | None
    refusals: int
    late: float


class Api:
    """`python -m tests.bot_api` as a process, through its `/control`."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self._http = http

    async def do(self, name: str, **more: Any) -> dict[str, Any]:
        async with self._http.post(f"{self.url}/control", json={"do": name, **more}) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == 200, answer
            return answer

    async def sent(self) -> int:
        done: dict[str, int] = (await self.do("stats"))["done"]
        return done.get("sendmessage", 0)

    async def until_sent(self, count: int, seconds: float) -> None:
        """Wait for so many messages, at most so long."""
        await self.do("until", methods=["sendMessage"], count=count, seconds=seconds)

    async def rate(self, chats: range, closed: float) -> float:
        """Messages a second from the first to the last of a broadcast, answers among them.

        Args:
            chats: to which it went.
            closed: seconds of that in which nothing was allowed.
        """
        calls = (await self.do("calls"))["calls"]
        sent = [
            (at, chat in chats)
            for method, chat, at, error in calls
            if method == "sendmessage" and not error
        ]
        times: list[float] = [at for at, to_one in sent if to_one]
        counted = [at for at, _ in sent if times[0] < at <= times[-1]]
        return len(counted) / (times[-1] - times[0] - closed)


@asynccontextmanager
async def serving(people: int, rates: Mapping[str, int]) -> AsyncIterator[tuple[Api, range]]:
    """A server with rates and people; yield it, and their chats."""
    command = ("-m", "tests.bot_api", "--port", "0", "--empty", "--token", TOKEN)
    running = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert running.stdout is not None
        line = (await asyncio.wait_for(running.stdout.readline(), 30)).decode()
        async with aiohttp.ClientSession() as http:
            api = Api(line.split()[1], http)
            made = (await api.do("users", count=people, known=True))["users"]
            await api.do("rates", in_all=RATE, **rates)
            yield api, range(made[0], made[0] + people)
    finally:
        running.terminate()
        await running.wait()


def fill(url: str, chats: range) -> None:
    """People in these chats, and a broadcast to them all whose time has come."""

    def seed(store: Store) -> None:
        now = datetime.now(UTC)
        everyone, before = Audience(AudienceKind.everyone), now - DELAY
        first, *_ = [arrived(store, chat, before) for chat in chats]
        broadcast = store.broadcasts.compose("Bonjour !", BroadcastKind.news, everyone, before)
        store.broadcasts.confirm(broadcast.id, first, len(chats), before)

    with opened(url) as database:
        database.write_now(seed)


async def broadcast(url: str, name: str, people: int) -> Sent:
    """Send to all of them, on the server of that name; the database is empty yet."""
    rates, closes = SERVERS[name]
    async with AsyncExitStack() as opened_here:
        ours, chats = await opened_here.enter_async_context(serving(people, rates))
        fill(url, chats)
        beside = None
        if STOCK.exists():
            beside, _ = await opened_here.enter_async_context(serving(people, rates))
            await opened_here.enter_async_context(_stock(beside, chats))
        await opened_here.enter_async_context(process(url, on_telegram(ours.url, RATE)))
        await ours.until_sent(1, BEGINS)
        writing = asyncio.create_task(_write(ours, people, [ours, beside] if closes else []))
        await ours.until_sent(people, BEGINS + 2 * people / RATE)
        writing.cancel()
        closed = CLOSED if closes else 0
        return Sent(
            rate=await ours.rate(chats, closed),
            stock=await beside.rate(chats, closed) if beside else None,
            refusals=sum((await ours.do("stats"))["refusals"].values()),
            late=_within((await ours.do("delays", users=[chats.stop]))["delays"]),
        )


@asynccontextmanager
async def _stock(api: Api, chats: range) -> AsyncIterator[None]:
    running = await asyncio.create_subprocess_exec(
        *(str(STOCK), "-m", "benchmarks.limiter", api.url, TOKEN, str(chats[0]), str(len(chats))),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def _write(api: Api, people: int, closing: list[Api | None]) -> None:
    """Somebody who is not written to asks for help again and again.

    Half-way some servers refuse everything for a while, in which nothing is asked: who asks then is
    answered after it, by anybody.
    """
    [person] = (await api.do("users", count=1))["users"]
    await api.do("start", users=[person])
    while True:
        await asyncio.sleep(PAUSE * random.uniform(0.8, 1.2))
        if closing and await api.sent() > people / 2:
            for one in closing:
                if one is not None:
                    await one.do("faults", refuse_all=CLOSED)
            closing = []
            await asyncio.sleep(CLOSED + 1)
        await api.do("say", text="aide", users=[person])


def _within(delays: list[float]) -> float:
    """The time within which 95 of 100 came."""
    return sorted(delays)[math.ceil(0.95 * len(delays)) - 1]
