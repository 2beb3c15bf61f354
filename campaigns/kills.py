"""The server is killed while people report, vote, answer, broadcast and are reminded.

Every acknowledged message must have been applied once and answered once, and everybody must have
been told once, whatever was killed: `campaigns.counting` looks.
"""

import asyncio
import random
from contextlib import AsyncExitStack

from campaigns.backstage import Backstage, is_leaving, is_quiet
from campaigns.counting import Cast, count
from campaigns.people import Contributor, Tally
from campaigns.secretaries import Convener, Herald
from campaigns.server import Server

LONGEST_UP = 2.0  # seconds for which a server lives
EARLY = 0.3  # how many kills come before it is ready
EARLIEST_READY = 2.0  # seconds
AIMED = 0.5  # how many kills wait until something is leaving
AIM = 3.0  # seconds for which they wait
AIM_MISSED = 0.2  # seconds by which they come too late


async def campaign(
    url: str, kills: int, seed: int, people: int = 6, readers: int = 400, in_group: int = 200
) -> Tally:
    """Run one campaign on an empty database.

    Args:
        url: where; the database must exist and be empty.
        kills: how many times the server is killed.
        seed: of the moments and of what people do.
        people: how many report, vote and answer.
        readers: how many more are only told; `in_group`: how many of them of meetings too.
    """
    backstage, tally = Backstage(url), Tally()
    try:
        await backstage.prepare(readers, in_group)
        await _run(Server(url), backstage, tally, kills, seed, people)
    finally:
        backstage.close()
    return tally


async def _run(
    server: Server, backstage: Backstage, tally: Tally, kills: int, seed: int, people: int
) -> None:
    given = (server, backstage, tally, str(seed))
    cast = Cast(
        crowd=[Contributor(str(number), *given) for number in range(people)],
        herald=Herald("herald", *given),
        convener=Convener("convener", *given),
    )
    await server.start()
    try:
        async with AsyncExitStack() as stack:
            for person in cast.everybody:
                await stack.enter_async_context(person)
            await _play(cast, Killer(server, backstage, tally, seed), kills)
            if not await backstage.until(is_quiet):
                tally.problems.append("something is under way for ever")
            pages = {person.chat: await person.whole_page() for person in cast.everybody}
    finally:
        await server.kill()
    await count(backstage, cast, pages, tally)


async def _play(cast: Cast, killer: "Killer", kills: int) -> None:
    """Everybody arrives and lives while the server is killed; the poll closes near the end.

    Contributors stop before it does: what was acknowledged by then counts.
    """
    closing, arrived = max(1, kills // 5), asyncio.Barrier(len(cast.everybody))
    voted, over = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as secretariat:
        for secretary in (cast.herald, cast.convener):
            secretariat.create_task(secretary.live(arrived, over))
        async with asyncio.TaskGroup() as lives:
            for person in cast.crowd:
                lives.create_task(person.live(arrived, voted))
            await killer.kill(kills - closing)
            voted.set()
        await killer.backstage.close_poll_soon()
        await killer.kill(closing)
        over.set()


class Killer:
    """Kills at random: before the server is ready, at any time, or when something is leaving."""

    def __init__(self, server: Server, backstage: Backstage, tally: Tally, seed: int) -> None:
        self.server = server
        self.backstage = backstage
        self.tally = tally
        self.dice = random.Random(seed)

    async def kill(self, times: int) -> None:
        for left in range(times, 0, -1):
            early = self.dice.random() < EARLY and left < times
            if early:
                await asyncio.sleep(self.dice.uniform(0.5, EARLIEST_READY))
            else:
                await self.server.ready()
                await self._moment()
            await self.server.kill()
            self.tally.kills += 1
            self.tally.amid += await self.backstage.database.read(is_leaving)
            await self.server.start()
        await self.server.ready()

    async def _moment(self) -> None:
        await asyncio.sleep(self.dice.uniform(0.05, LONGEST_UP))
        if self.dice.random() < AIMED:
            await self.backstage.until(is_leaving, AIM)
            await asyncio.sleep(self.dice.uniform(0, AIM_MISSED))
