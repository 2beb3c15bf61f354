"""One campaign: the bot is killed, and its homeserver, while a crowd talks to it.

Whatever the homeserver acknowledged must have been applied once, every answer must have come once,
and everybody must have been told once: `campaigns.matrix.counting` looks.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlalchemy import func, select

from campaigns.backstage import Backstage, is_quiet
from campaigns.matrix.counting import Cast, Tally, count
from campaigns.matrix.crowd import Member
from campaigns.matrix.gate import Gate
from campaigns.matrix.lives import Killer
from campaigns.matrix.patient import Patient, said_by
from campaigns.matrix.readers import Reader
from campaigns.matrix.rooms import Room
from campaigns.matrix.secretary import Secretary
from campaigns.matrix.someone import Someone
from campaigns.server import Server
from storage.conversations import Update
from storage.store import Store
from tests.homeserver import Synapse

PLAIN = 2  # of the crowd have a room that is not encrypted
IN_GROUP = 0.3  # the share of the crowd that is in a working group
IN_ROOM = 3  # of the crowd are in the room of a group
AT_ONCE = 6  # people who arrive
ROUNDS = 100
PATIENCE = 180.0  # seconds until all is done, at the end
READ_WITHIN = 60.0  # seconds in which people have read all that was said


async def campaign(
    url: str, kills: int, seed: int, people: int = 14, readers: int = 50, rounds: int = ROUNDS
) -> Tally:
    """Run one campaign on an empty database.

    Args:
        url: where; the database must exist and be empty.
        kills: how many times the bot is killed.
        seed: of the moments, of what goes wrong and of what people do.
        people: how many talk, beside the secretariat; `readers`: how many more are told.
        rounds: how often at most the secretariat broadcasts, or calls a meeting, in turn.

    Raises:
        NotInstalled: there is no Synapse.
    """
    backstage, tally = Backstage(url), Tally()
    try:
        await backstage.prepare(0, 0)
        async with _homeserver() as homeserver, Gate(homeserver.url, seed) as gate:
            cast = _cast(homeserver, backstage, str(seed), people, readers, rounds)
            bot = homeserver.register("preau")
            chatter = cast.crowd[0].chatter
            killer = Killer(Server(url), homeserver, gate, bot, chatter, seed)
            async with AsyncExitStack() as clients:
                await _run(killer, clients, backstage, cast, tally, kills)
    finally:
        backstage.close()
    return tally


@asynccontextmanager
async def _homeserver() -> AsyncIterator[Synapse]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        made = Synapse(Path(folder))
        await asyncio.to_thread(made.start)
        try:
            yield made
        finally:
            await asyncio.to_thread(made.stop, kill=True)


def _cast(
    homeserver: Synapse, backstage: Backstage, seed: str, people: int, readers: int, rounds: int
) -> Cast:
    crowd = [
        Member(homeserver, f"n{number}", seed, encrypted=number < people - PLAIN)
        for number in range(people)
    ]
    told = [Reader(homeserver, f"reader{number}", seed) for number in range(readers)]
    return Cast(crowd, Secretary(homeserver, seed, backstage, rounds), told, [])


async def _run(
    killer: Killer,
    clients: AsyncExitStack,
    backstage: Backstage,
    cast: Cast,
    tally: Tally,
    kills: int,
) -> None:
    await killer.start()
    try:
        await killer.server.ready()
        await _enrol(killer, clients, cast, backstage)
        device = await backstage.database.read(_device)
        killer.gate.go_wrong()
        await _play(cast, killer, backstage, kills)
        killer.gate.go_well()
        tally.problems += await _ended(cast, backstage)
        if await backstage.database.read(_device) != device:
            tally.problems.append("a new device was made")
        rooms = await _rooms(cast, killer.bot.user_id)
    finally:
        await killer.end()
    await count(backstage, cast, rooms, killer, tally)


async def _enrol(killer: Killer, clients: AsyncExitStack, cast: Cast, backstage: Backstage) -> None:
    """Everybody meets the bot; some are in a working group, some in the room of a group."""
    bot, free = killer.bot.user_id, asyncio.Semaphore(AT_ONCE)

    async def arrive(one: Someone) -> None:
        async with free:
            await clients.enter_async_context(one.client)
            await (one.arrive(bot) if isinstance(one, Secretary) else one.meet(bot))

    async with asyncio.TaskGroup() as arrivals:
        for one in cast.everybody:
            arrivals.create_task(arrive(one))
    killer.readers = {one.room for one in cast.readers}
    cast.groups.append(await _group(cast, bot))
    called = cast.crowd[-max(1, round(len(cast.crowd) * IN_GROUP)) :]
    for member in called:
        member.is_called = True

    def numbers(store: Store) -> list[int]:
        accounts = [store.people.account("matrix", one.client.user_id) for one in called]
        return [one.person_id for one in accounts if one is not None]

    for person in await backstage.database.read(numbers):
        await backstage.enrol(person)


async def _group(cast: Cast, bot: str) -> str:
    """A room of a group where some of the crowd are, and the secretariat, who shows the poll."""
    owner, *members = cast.crowd[:IN_ROOM]
    guests = [one.client for one in (*members, cast.secretary)]
    invited = [bot, *(client.user_id for client in guests)]
    room = await owner.client.group("Salon", *invited, joins=False)
    for client in guests:
        await client.invitation()
        await client.join(room)
    for client in (owner.client, *guests):
        await client.joined(room, bot)
        await client.until(partial(_has_heard, client, room), "greeting")
    for member in (owner, *members):
        member.group = room
    await cast.secretary.show_poll(room)
    return room


async def _play(cast: Cast, killer: Killer, backstage: Backstage, kills: int) -> None:
    """Everybody lives while the bot is killed; the poll closes near the end."""
    closing = max(1, kills // 6)
    voted, over = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as office:
        office.create_task(cast.secretary.live(over))
        async with asyncio.TaskGroup() as lives:
            for member in cast.crowd:
                lives.create_task(member.live(voted))
            await killer.kill(kills - closing)
            voted.set()
        await backstage.until(_all_applied(cast), PATIENCE)
        await backstage.close_poll_soon()
        await killer.kill(closing)
        over.set()


async def _ended(cast: Cast, backstage: Backstage) -> list[str]:
    """Wait until all is applied, sent and read; what did not end."""
    problems = []
    if not await backstage.until(_all_applied(cast), PATIENCE):
        problems.append("something is not applied")
    if not await backstage.until(_is_still, PATIENCE):
        problems.append("something is under way for ever")
    for one in cast.readers:
        one.client.wake()
    return problems


def _all_applied(cast: Cast) -> Callable[[Store], bool]:
    def look(store: Store) -> bool:
        given = sum(len(one.given) for one in cast.everybody)
        arrivals = len(cast.everybody) + len(cast.groups)
        kept = store.session.scalar(select(func.count()).select_from(Update)) or 0
        return kept >= given + arrivals

    return look


def _is_still(store: Store) -> bool:
    """Whether nothing is under way, and every card shows what is so."""
    now = datetime.now(UTC)
    return is_quiet(store) and not store.following.changed(now) and not store.rooms.changed(now)


async def _rooms(cast: Cast, bot: str) -> list[Room]:
    """All rooms of the bot, once everybody has read what was said there."""
    places = [(one.room, one.client) for one in cast.everybody]
    places += [(room, cast.secretary.client) for room in cast.groups]
    rooms = []
    for room, client in places:
        said = await said_by(client, room, bot)
        awaited = {one["event_id"] for one in said}
        await client.came(partial(_has_read, client, awaited), READ_WITHIN)
        rooms.append(Room(room, client, said))
    return rooms


def _has_read(client: Patient, awaited: set[str]) -> bool:
    return awaited <= {one.id for one in client.events}


def _has_heard(client: Patient, room: str) -> bool:
    return bool(client.heard[room])


def _device(store: Store) -> str | None:
    return (store.matrix.get("login") or {}).get("device_id")
