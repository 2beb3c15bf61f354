"""One campaign: the bot is killed while a crowd talks to it on a server that fails.

Every update must have been applied once, every answer must have come, and what came twice must be
explained by a kill or a cut: `campaigns.telegram.counting` looks.
"""

import asyncio

from campaigns.backstage import Backstage, is_quiet
from campaigns.server import Server
from campaigns.telegram.api import WatchedApi
from campaigns.telegram.counting import Cast, Tally, count
from campaigns.telegram.crowd import Member
from campaigns.telegram.lives import Killer
from campaigns.telegram.secretary import Secretary
from campaigns.telegram.someone import LOOK
from storage.store import Store

IN_GROUP = 0.3  # the share of the crowd that is in a working group
HESITANT = 4  # every so many leave a draft
ROUNDS = 100


async def campaign(
    url: str, kills: int, seed: int, people: int = 200, rounds: int = ROUNDS
) -> Tally:
    """Run one campaign on an empty database.

    Args:
        url: where; the database must exist and be empty.
        kills: how many times the bot is killed.
        seed: of the moments, of the faults and of what people do.
        people: how many there are, beside the secretariat.
        rounds: how often at most the secretariat broadcasts, or calls a meeting, in turn.
    """
    backstage, tally = Backstage(url), Tally()
    try:
        await backstage.prepare(0, 0)
        async with WatchedApi(seed) as api:
            cast = _cast(api, backstage, str(seed), people, rounds)
            await _run(Killer(Server(url), api, seed), api, backstage, cast, tally, kills)
    finally:
        backstage.close()
    return tally


def _cast(api: WatchedApi, backstage: Backstage, seed: str, people: int, rounds: int) -> Cast:
    crowd = [
        Member(api, f"N{number}", seed, hesitates=number % HESITANT == 0)
        for number in range(people)
    ]
    return Cast(crowd, Secretary(api, seed, backstage, rounds))


async def _run(
    killer: Killer, api: WatchedApi, backstage: Backstage, cast: Cast, tally: Tally, kills: int
) -> None:
    await killer.start()
    try:
        await killer.server.ready()
        await _enrol(cast, backstage)
        api.go_wrong()
        await _play(cast, killer, backstage, kills)
        if not await backstage.until(is_quiet, 120):
            tally.problems.append("something is under way for ever")
        while api.slowed:  # noqa: ASYNC110 (what was given up may still come)
            await asyncio.sleep(LOOK)
    finally:
        await killer.end()
    await count(backstage, api, cast, killer.kills, tally)


async def _enrol(cast: Cast, backstage: Backstage) -> None:
    """Everybody opens the bot; some are in a working group. Broadcasts are for all of them."""
    members = cast.crowd[: max(1, round(len(cast.crowd) * IN_GROUP))]
    async with asyncio.TaskGroup() as arrivals:
        for member in cast.crowd:
            arrivals.create_task(member.start())
        arrivals.create_task(cast.secretary.arrive())

    def numbers(store: Store) -> list[int]:
        accounts = [store.people.account("telegram", str(one.user.id)) for one in members]
        return [one.person_id for one in accounts if one is not None]

    for person in await backstage.database.read(numbers):
        await backstage.enrol(person)


async def _play(cast: Cast, killer: Killer, backstage: Backstage, kills: int) -> None:
    """Everybody lives while the bot is killed; the poll closes near the end.

    Half the kills come while it polls; then it polls and has a webhook in turn.
    """
    closing = max(1, kills // 6)
    polling = (kills - closing) // 2
    voted, over = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as office:
        office.create_task(cast.secretary.live(over))
        async with asyncio.TaskGroup() as lives:
            for member in cast.crowd:
                lives.create_task(member.live(voted))
            await killer.kill(polling)
            killer.webhook = True
            await killer.kill(kills - closing - polling)
            voted.set()
        await backstage.close_poll_soon()
        await killer.kill(closing)
        over.set()
