"""What an update costs beside full tables, and how long the loop waits when much is due at once."""

import asyncio
import sys
import time
from datetime import UTC, datetime

from sqlalchemy import select

import handlers  # noqa: F401 (declares every command)
from benchmarks.deliveries import opened
from benchmarks.server import settings_for
from benchmarks.votes import Voter
from bot.__main__ import SWITCH
from bot.clock import Clock
from bot.dispatcher import Dispatcher
from bot.messages import Incoming, Reply
from bot.platforms.web.platform import WebChat
from bot.routing import NOTICES
from bot.sender import Sender
from storage.deliveries import Kind
from storage.people import Person

NOTICES["bench"] = lambda recipient, store: Reply("people.menu")

WATCHED = 10.0  # seconds
PROBE = 0.002  # seconds


def seconds_an_update(url: str, voters: list[Voter]) -> float:
    """The median time that a vote takes, alone in its transaction."""
    clock, spent = Clock(), []
    with opened(url) as database:
        web = WebChat(settings_for(url), database, clock)
        dispatcher = Dispatcher(
            database, settings_for(url), clock, {"web": web}, woken=lambda: None
        )
        for number, voter in enumerate(voters):
            incoming = Incoming(
                "web",
                voter.address,
                voter.address,
                f"update-{number}",
                clock.now(),
                choice="polls.vote:1:0",
                message="1",
            )
            began = time.perf_counter()
            database.write_now(
                lambda store, incoming=incoming: dispatcher.apply(store, incoming)  # type: ignore[misc]
            )
            spent.append(time.perf_counter() - began)
    return sorted(spent)[len(spent) // 2]


def longest_wait(url: str) -> float:
    """Seconds for which the loop was late at most, while everybody is reminded at once."""
    with opened(url) as database:
        web = WebChat(settings_for(url), database, Clock())
        sender = Sender(database, settings_for(url), Clock(), {"web": web})

        async def remind_and_watch() -> float:
            began = asyncio.get_running_loop().time()
            sending = asyncio.create_task(sender.run())
            fanning_out = asyncio.create_task(
                database.write(
                    lambda store: store.deliveries.notify(
                        "bench", {}, select(Person.id), datetime.now(UTC), kind=Kind.reminder
                    )
                )
            )
            latest = await _watch(began + WATCHED)
            assert fanning_out.done()
            sending.cancel()
            return latest

        interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH)
        try:
            return asyncio.run(remind_and_watch())
        finally:
            sys.setswitchinterval(interval)


async def _watch(until: float) -> float:
    loop, latest = asyncio.get_running_loop(), 0.0
    while (asked := loop.time()) < until:
        await asyncio.sleep(PROBE)
        latest = max(latest, loop.time() - asked - PROBE)
    return latest
