"""Deliveries by the million: the fan-out, the claims, and what an update costs beside them.

The raw driver does the same on a copy: the same rows, the same indexes, one transaction a batch.
"""

import resource
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, text

from benchmarks.server import SECRET
from scheduled.broadcasts import leave
from storage.broadcasts import DELAY, Audience, AudienceKind, Broadcast, BroadcastKind
from storage.database import Database
from storage.deliveries import Operation, PageEvent, Placed
from storage.store import Store

RECIPIENTS = 1_000_000
CLAIMED = 10_000
BATCH = 100

_PEOPLE = {
    "sqlite": """
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
        INSERT INTO people (language, created_at) SELECT 'fr', '2026-11-24 00:00:00' FROM n""",
    "postgresql": """
        INSERT INTO people (language, created_at)
        SELECT 'fr', '2026-11-24' FROM generate_series(1, {count})""",
}
_INDEX = {"sqlite": "randomblob(32)", "postgresql": "decode(md5(id::text), 'hex')"}
_ACCOUNTS = """
    INSERT INTO accounts
        (person_id, platform, address, address_index, created_at, last_seen_at)
    SELECT id, 'web', :address, {index}, created_at, created_at FROM people ORDER BY id"""
_CHATS = """
    INSERT INTO chats
        (account_id, platform, address, address_index, kind, state, last_event, last_message)
    SELECT id, 'web', :address, {index}, 'direct', 'active', 0, 0 FROM accounts ORDER BY id"""
_FAN_OUT = """
    INSERT INTO deliveries
        (notice_id, person_id, thread, kind, operation, state, due_at, attempts)
    SELECT {notice}, id, '', 'broadcast', 'send', 'waiting', '{now}', 0 FROM people
    WHERE erased_at IS NULL
    AND EXISTS (
        SELECT 1 FROM accounts JOIN chats ON account_id = accounts.id
        WHERE person_id = people.id AND chats.state = 'active')
    AND NOT EXISTS (SELECT 1 FROM mutes WHERE person_id = people.id AND kind = 'news')
    ON CONFLICT DO NOTHING"""
_DUE = """
    SELECT id FROM deliveries
    WHERE state = 'waiting' AND kind = 'broadcast' AND notice_id = {notice} AND due_at <= '{now}'
    ORDER BY due_at, id LIMIT {most}"""
_LEASE = """
    UPDATE deliveries SET state = 'sending', leased_until = '{now}', attempts = attempts + 1
    WHERE id IN ({ids}) RETURNING id, person_id, body"""
_SENT = """
    UPDATE deliveries
    SET state = 'on_page', chat_id = {mark}, body = {mark}, event = 1, message = '1',
        done_at = '{now}'
    WHERE id = {mark}"""
_WORDS: dict[str, Any] = {"markup": "x" * 400, "choices": [], "files": []}


def populate(url: str, count: int = RECIPIENTS) -> int:
    """People, each with a chat of the same id, and a broadcast that is leaving, in a new database.

    Returns:
        The id of the broadcast's notice, which has no deliveries yet.
    """
    with opened(url) as database:
        with _at_leisure(database) as connection:
            dialect = database.url.get_backend_name()
            connection.execute(text(_PEOPLE[dialect].format(count=count)))
            for table, statement in (("accounts", _ACCOUNTS), ("chats", _CHATS)):
                address = database.keyring.encrypt(f"{table}.address", b"somewhere")
                connection.execute(
                    text(statement.format(index=_INDEX[dialect])), {"address": address}
                )
            connection.execute(text("ANALYZE"))  # as a database in service has it done
        return database.write_now(
            lambda store: store.deliveries.announce("broadcasts.said", {}, datetime.now(UTC))
        )


def fan_out(url: str) -> tuple[float, float, int]:
    """Seconds from when a broadcast leaves to its last waiting row, MiB it took, the notice.

    It is written and confirmed as the secretariat does, and made to leave by the clock's own job.
    """
    with opened(url) as database:
        broadcast = database.write_now(_confirmed)
        before, began = _memory(), time.perf_counter()
        most = before
        while database.write_now(lambda store: leave(store, datetime.now(UTC))):
            most = max(most, _memory())
        seconds, memory = time.perf_counter() - began, most - before
        left = database.read_now(lambda store: store.session.get_one(Broadcast, broadcast))
        assert left.notice_id is not None
        return seconds, memory, left.notice_id


def _confirmed(store: Store) -> int:
    everyone, now = Audience(AudienceKind.everyone), datetime.now(UTC) - DELAY
    broadcast = store.broadcasts.compose("x", BroadcastKind.news, everyone, now)
    store.broadcasts.confirm(broadcast.id, 1, RECIPIENTS, now)
    return broadcast.id


def claims_per_second(url: str) -> float:
    """Deliveries claimed and acknowledged a second, a batch a transaction."""
    with opened(url) as database:

        def one_batch(store: Store) -> int:
            now = datetime.now(UTC)
            claimed = store.deliveries.claim(now, BATCH)
            event = PageEvent(1, Operation.send, "1", _WORDS, now)
            store.deliveries.place_on_pages(
                [Placed(one.id, one.person_id or 0, event) for one in claimed]
            )
            return len(claimed)

        began = time.perf_counter()
        done = sum(database.write_now(one_batch) for _ in range(CLAIMED // BATCH))
        assert done == CLAIMED
        return done / (time.perf_counter() - began)


def send_all_but_the_last(url: str, notice: int) -> None:
    """Mark as sent all that waits, but what one more round of claims takes."""
    with opened(url) as database, _at_leisure(database) as connection:
        connection.execute(
            text(
                "UPDATE deliveries SET state = 'sent' WHERE notice_id = :notice "
                "AND state = 'waiting' AND id <= "
                "(SELECT max(id) FROM deliveries WHERE notice_id = :notice) - :left"
            ),
            {"notice": notice, "left": CLAIMED},
        )
    if not url.startswith("sqlite"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM deliveries")  # as a database in service has it done


class Raw:
    """A raw driver, in the way in which the database is really used."""

    def __init__(self, url: str) -> None:
        self.is_sqlite = url.startswith("sqlite")
        self.connection: Any
        if self.is_sqlite:
            self.connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
            for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
                self.connection.execute(f"PRAGMA {pragma}")
        else:
            self.connection = psycopg.connect(url, autocommit=True)
        self.mark = "?" if self.is_sqlite else "%s"

    def fan_out(self, notice: int) -> float:
        began = time.perf_counter()
        with self._transaction():
            self.connection.execute(_FAN_OUT.format(notice=notice, now=_now()))
        return time.perf_counter() - began

    def claims_per_second(self, notice: int) -> float:
        body, began = b"x" * 500, time.perf_counter()
        for _ in range(CLAIMED // BATCH):
            with self._transaction():
                due = _DUE.format(notice=notice, now=_now(), most=BATCH)
                lock = "" if self.is_sqlite else " FOR UPDATE SKIP LOCKED"
                ids = [row[0] for row in self.connection.execute(due + lock).fetchall()]
                assert len(ids) == BATCH
                lease = _LEASE.format(ids=",".join(map(str, ids)), now=_now())
                leased = self.connection.execute(lease).fetchall()
                sent = _SENT.format(mark=self.mark, now=_now())
                self.connection.cursor().executemany(
                    sent, [(person, body, one) for one, person, _ in leased]
                )
        return CLAIMED / (time.perf_counter() - began)

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.connection.execute("BEGIN IMMEDIATE" if self.is_sqlite else "BEGIN")
        yield
        self.connection.execute("COMMIT")


@contextmanager
def _at_leisure(database: Database) -> Iterator[Connection]:
    """A transaction whose statements may take long: they prepare, and are not measured."""
    with database.engine.begin() as connection:
        if not database.is_sqlite:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        yield connection


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _memory() -> float:
    """What this process holds in memory, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url, [SECRET])
    database.open()
    try:
        yield database
    finally:
        database.close()
