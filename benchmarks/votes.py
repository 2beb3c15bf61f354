"""Durable votes: from the post to the commit to the event, beside the raw driver.

The raw driver replays, one transaction a vote, the very statements that votes were seen to make.
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import psycopg
from sqlalchemy import event

import handlers  # noqa: F401 (declares every command)
from benchmarks.server import SECRET, serving, settings_for
from bot.clock import Clock
from bot.dispatcher import Dispatcher
from bot.messages import Incoming
from bot.platforms.web.choices import choice_id
from bot.platforms.web.platform import WebChat
from storage.database import Database
from storage.polls import PERSONS, Elector, Electorate
from storage.store import Store

VOTERS = 2000
AT_ONCE = 64
LISTENING = 40
CONNECTIONS = 8

Statement = tuple[str, Any]


@dataclass(frozen=True)
class Voter:
    token: str
    choice: str
    address: str


def fill(url: str) -> list[Voter]:
    """A public poll and its electors, each with a session and a card to press."""
    database = Database(url, [SECRET])
    database.open()
    now = datetime.now(UTC)

    def seed(store: Store) -> list[Voter]:
        poll = store.polls.open(
            "Question ?",
            electorate=Electorate.public,
            closes_at=now + timedelta(days=1),
            now=now,
        )
        voters = []
        for number in range(VOTERS):
            account, _ = store.people.arrive("web", f"voter-{number}", "fr", now)
            chat = store.people.chat("web", account.address, account_id=account.id)
            store.conversations.begin(chat, account, "", now)
            store.session.add(
                Elector(poll_id=poll.id, person_id=account.person_id, college=PERSONS, weight=1)
            )
            token = store.sessions.begin(account.id, now)
            choice = choice_id(database.keyring, chat.id, "1", f"polls.vote:{poll.id}:0")
            voters.append(Voter(token, choice, account.address))
        return voters

    voters = database.write_now(seed)
    database.close()
    return voters


async def votes_per_second(url: str, voters: list[Voter]) -> float:
    """Post every vote, many at once; wait for the commits, and for events on some pages."""
    async with serving(url) as base:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as http:
            heard = [
                asyncio.create_task(_first_event(http, base, one)) for one in voters[:LISTENING]
            ]
            await asyncio.sleep(1)
            waiting = iter(voters)
            began = time.perf_counter()
            await asyncio.gather(*(_post(http, base, waiting) for _ in range(AT_ONCE)))
            await asyncio.gather(*heard)
            return len(voters) / (time.perf_counter() - began)


async def _post(http: aiohttp.ClientSession, base: str, waiting: Iterator[Voter]) -> None:
    for voter in waiting:
        message = {"id": "vote", "choice": voter.choice}
        cookies = {"Cookie": f"preau_session={voter.token}"}
        async with http.post(f"{base}/api/v1/messages", json=message, headers=cookies) as response:
            assert response.status == 200, await response.text()


async def _first_event(http: aiohttp.ClientSession, base: str, voter: Voter) -> None:
    cookies = {"Cookie": f"preau_session={voter.token}"}
    async with http.get(f"{base}/api/v1/events?after=0", headers=cookies) as response:
        async for line in response.content:
            if line.startswith(b"data: "):
                return


def statements_of_votes(url: str, voters: list[Voter]) -> list[list[Statement]]:
    """The statements that each vote makes, as the driver is given them."""
    database = Database(url, [SECRET])
    database.open()
    settings, clock = settings_for(url), Clock()
    web = WebChat(settings, database, clock)
    dispatcher = Dispatcher(database, settings, clock, {"web": web}, woken=lambda: None)
    made: list[Statement] = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def see(_c: Any, _k: Any, sql: str, given: Any, _x: Any, many: bool) -> None:
        if not sql.startswith(("BEGIN", "PRAGMA")):
            made.extend((sql, one) for one in (given if many else [given]))

    votes = []
    for voter in voters:
        incoming = Incoming(
            "web",
            voter.address,
            voter.address,
            "vote",
            clock.now(),
            choice="polls.vote:1:0",
            message="1",
        )
        made.clear()
        database.write_now(lambda store, incoming=incoming: dispatcher.apply(store, incoming))  # type: ignore[misc]
        votes.append(list(made))
    database.close()
    return votes


def raw_sqlite(path: str, votes: list[list[Statement]]) -> float:
    """Votes a second through `sqlite3`, in one thread, each committed with synchronous FULL."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")
    began = time.perf_counter()
    for vote in votes:
        connection.execute("BEGIN IMMEDIATE")
        for sql, given in vote:
            connection.execute(sql, given).fetchall()
        connection.execute("COMMIT")
    spent = time.perf_counter() - began
    connection.close()
    return len(votes) / spent


def raw_postgresql(url: str, votes: list[list[Statement]]) -> float:
    """Votes a second through psycopg, over as many connections as serve best."""

    def work(share: list[list[Statement]]) -> None:
        with psycopg.connect(url) as connection, connection.cursor() as cursor:
            for vote in share:
                for sql, given in vote:
                    cursor.execute(sql.encode(), given)
                connection.commit()

    began = time.perf_counter()
    _together(lambda n: work(votes[n::CONNECTIONS]))
    return len(votes) / (time.perf_counter() - began)


def _together(work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(n,)) for n in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
