"""What an update costs beside full tables, and how long the loop waits when much is due at once."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from itertools import cycle
from statistics import median

from sqlalchemy import insert, literal, select

import handlers  # noqa: F401 (declares every command)
from benchmarks.deliveries import opened
from benchmarks.server import settings_for
from benchmarks.votes import Voter
from bot.__main__ import tune
from bot.clock import Clock
from bot.dispatcher import Dispatcher
from bot.messages import Incoming
from bot.platforms.web.platform import WebChat
from bot.sender import Sender
from scheduled.meetings import remind
from storage.groups import Belonging, Membership
from storage.meetings import Plan
from storage.people import Person
from storage.store import Store
from storage.types import Instant, Named

WATCHED = 10.0  # seconds
PROBE = 0.002  # seconds
PAUSE = 0.05  # seconds between two votes


def seconds_an_update(url: str, voters: list[Voter]) -> float:
    """The median time that a vote takes, alone in its transaction."""
    clock, spent = Clock(), []
    with opened(url) as database:
        web = WebChat(settings_for(url), database, clock)
        dispatcher = Dispatcher(
            database, settings_for(url), clock, {"web": web}, woken=lambda: None
        )
        for number, voter in enumerate(voters):
            incoming = _pressed(voter, f"update-{number}", clock)
            began = time.perf_counter()
            database.write_now(
                lambda store, incoming=incoming: dispatcher.apply(store, incoming)  # type: ignore[misc]
            )
            spent.append(time.perf_counter() - began)
    return sorted(spent)[len(spent) // 2]


def _pressed(voter: Voter, update: str, clock: Clock) -> Incoming:
    return Incoming(
        "web",
        voter.address,
        voter.address,
        update,
        clock.now(),
        choice="polls.vote:1:0",
        message="1",
    )


def while_all_are_reminded(url: str, voters: list[Voter]) -> tuple[float, float]:
    """Everybody is reminded of one meeting: for how long the loop was late at most, and the median
    time of a vote meanwhile, in seconds.
    """
    with opened(url) as database:
        database.write_now(_meeting_of_all)
        clock, settings = Clock(), settings_for(url)
        web = WebChat(settings, database, clock)
        sender = Sender(database, settings, clock, {"web": web})
        dispatcher = Dispatcher(database, settings, clock, {"web": web}, woken=sender.wake)

        async def watch() -> tuple[float, float]:
            until = asyncio.get_running_loop().time() + WATCHED
            sending = asyncio.create_task(sender.run())
            reminding = asyncio.create_task(
                database.write(lambda store: remind(store, datetime.now(UTC)))
            )
            voting = asyncio.create_task(_vote(dispatcher, voters, until))
            latest = await _watch(until)
            await reminding
            sending.cancel()
            return latest, median(await voting)

        tune()
        return asyncio.run(watch())


def _meeting_of_all(store: Store) -> None:
    """A group of all people, and a meeting of it in a day, whose reminder is due now."""
    now = datetime.now(UTC)
    everybody = select(
        literal(1),
        Person.id,
        literal(Belonging.member, Named(Belonging)),
        literal(now, Instant()),
    )
    columns = ["group_id", "person_id", "state", "since"]
    store.session.execute(insert(Membership).from_select(columns, everybody))
    start = now + timedelta(days=1)
    plan = Plan(start, start + timedelta(hours=1), "Europe/Paris", link="https://example.org/")
    store.meetings.call(1, plan, 1, now - timedelta(days=2))


async def _vote(dispatcher: Dispatcher, voters: list[Voter], until: float) -> list[float]:
    """Vote after vote; what each took."""
    loop, spent = asyncio.get_running_loop(), []
    for number, voter in enumerate(cycle(voters)):
        began = loop.time()
        if began > until:
            break
        await dispatcher.receive(_pressed(voter, f"meanwhile-{number}", dispatcher.clock))
        spent.append(loop.time() - began)
        await asyncio.sleep(PAUSE)
    return spent


async def _watch(until: float) -> float:
    loop, latest = asyncio.get_running_loop(), 0.0
    while (asked := loop.time()) < until:
        await asyncio.sleep(PROBE)
        latest = max(latest, loop.time() - asked - PROBE)
    return latest
