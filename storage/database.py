"""One database, SQLite or PostgreSQL: its engines, its keys, and the threads that work on it.

Work is a plain function of a `Store`. Writes that wait at the same time share one commit; a group
that fails is redone one by one, so work must be repeatable until it is committed.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import (
    Connection,
    Engine,
    NullPool,
    create_engine,
    event,
    inspect,
    make_url,
)
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from storage import keys
from storage.store import Store
from storage.workers import Job, Workers

log = structlog.get_logger()

Item = TypeVar("Item")
T = TypeVar("T")
Work = Callable[[Store], T]
Together = Callable[[Store, list[Item]], list[T]]

TRIES = 3
BUSY_MS = 15_000
EMPTY_MS = 200  # for which the write-ahead log may keep others from writing, to be emptied
EMPTY_AGAIN = 5.0  # seconds until that is tried again
POSTGRESQL_OPTIONS = (
    "-c timezone=UTC -c statement_timeout=15000 -c lock_timeout=10000 "
    "-c idle_in_transaction_session_timeout=15000"
)


class NotMigrated(Exception):
    """The database has no tables yet, or those of another version."""


class Unavailable(Exception):
    """The database cannot be reached, or written to (its disk is full, its file is read-only)."""


class Database:
    """The one way to read and write.

    Args:
        url: `sqlite:///path` or `postgresql://…`.
        secrets: the operator's secret, then earlier ones still in use.
        secrets_by_now: gives them as they are later, if they may have been rotated meanwhile.

    Attributes:
        taken_back_at: when something that was perhaps on its way was last taken back or erased.
    """

    def __init__(
        self,
        url: str,
        secrets: Sequence[str],
        secrets_by_now: Callable[[], Sequence[str]] | None = None,
    ) -> None:
        self.url = with_driver(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._secrets = list(secrets)
        self._secrets_by_now = secrets_by_now or (lambda: self._secrets)
        if self.is_sqlite:
            self.engine = sqlite_engine(self.url, writer=True)
            self._read_engine = sqlite_engine(self.url, writer=False)
            threads = 1
        else:
            self.engine = _postgresql_engine(self.url)
            self._read_engine = self.engine.execution_options(isolation_level="AUTOCOMMIT")
            threads = 2  # one goes on while the other waits for a lock
        self._writers = Workers("writer", threads, self._write)
        self._lookers = Workers("looker", 1, self._look)  # small reads that many wait for
        self._readers = ThreadPoolExecutor(4, thread_name_prefix="reader")
        self._answers = True
        self._holds_erased = False  # the write-ahead log does, of SQLite
        self._empties_from = 0.0
        self.taken_back_at = float("-inf")  # in the seconds of `time.monotonic`

    def open(self) -> None:
        """Open the keys, making them in a new database.

        Raises:
            NotMigrated: the tables are not there.
            KeyRefused: the secret is not the one of this database.
        """
        if not inspect(self.engine).has_table(keys.KeyRow.__tablename__):
            raise NotMigrated
        with Session(self.engine) as session, session.begin():
            in_database = keys.Keys(session)
            kept = in_database.kept() or in_database.make(self._secrets[0])
            keyring = keys.Keyring.open(self._secrets, kept, self._data_keys)
        for engine in (self.engine, self._read_engine):
            engine.dialect.preau_keyring = keyring  # type: ignore[attr-defined]
        self.keyring = keyring
        self._writers.start()
        self._lookers.start()

    async def write(self, work: Work[T], *, last: bool = False) -> T:
        """Do `work` in a transaction; when this returns it is committed.

        Args:
            last: it goes after the others; see `Workers`.

        Raises:
            Unavailable: nothing was written; it may be tried again later.
        """
        return await self.write_with_others(_alone(work), None, last=last)

    async def write_with_others(
        self, work: Together[Item, T], item: Item, *, last: bool = False
    ) -> T:
        """Do `work` on an item, and on those that wait for the same work, in one transaction.

        Args:
            work: gives a result for each item, in order; it is also called with one alone.
            last: it goes after the others; see `Workers`.
        """
        return await _submitted(self._writers, work, item, last=last)

    @property
    def waiting(self) -> int:
        """How many writes wait for others."""
        return self._writers.waiting

    async def read_with_others(self, work: Together[Item, T], item: Item) -> T:
        """As `write_with_others`, for a small read that many may ask for at the same time."""
        return await _submitted(self._lookers, work, item)

    async def read(self, work: Work[T]) -> T:
        """Do `work` on what is committed, without waiting for writers."""
        return await asyncio.wrap_future(self._readers.submit(self._read, work))

    def write_now(self, work: Work[T]) -> T:
        """As `write`, for the command line and threads."""
        job = Job(_alone(work), None, None)
        self._writers.submit(job)
        assert isinstance(job.future, Future)
        done: T = job.future.result()
        return done

    def read_now(self, work: Work[T]) -> T:
        return self._read(work)

    def close(self) -> None:
        self._writers.stop()
        self._lookers.stop()
        self._readers.shutdown()
        self.engine.dispose()
        self._read_engine.dispose()

    def _data_keys(self) -> Mapping[int, bytes]:
        """The data keys as they are by now, read on a connection of its own.

        Who asks is in a transaction, perhaps on the only connection of its pool.
        """
        own = create_engine(self.url, poolclass=NullPool, hide_parameters=True)
        with Session(own) as session:
            kept = keys.Keys(session).kept()
        return keys.opened(self._secrets_by_now(), kept)[keys.DATA]

    def _read(self, work: Work[T]) -> T:
        try:
            with self._read_engine.connect() as connection:
                return work(Store(session_on(connection)))
        except DBAPIError as error:
            raise self._named(error) from error

    def _write(self, group: Sequence[Job]) -> None:
        """Do a group in one transaction; if it fails, each job in one of its own, some again."""
        try:
            results, store = self._commit(group)
        except BaseException as error:
            if len(group) > 1:
                for job in group:
                    self._write([job])
            elif _passing(error) and group[0].tries < TRIES:
                group[0].tries += 1
                self._write(group)
            else:
                group[0].error = self._named(error)
            return
        self._note(None)
        for job, result in zip(group, results, strict=True):
            job.result = result
        if store.deliveries.taken_back:
            self.taken_back_at = time.monotonic()
        self._holds_erased |= store.erased and self.is_sqlite
        if self._holds_erased:
            self._empty_journal()

    def _look(self, group: Sequence[Job]) -> None:
        """Do a group of reads; if it fails, each by itself."""
        try:
            results = self._read(lambda store: _results(store, group))
        except BaseException as error:
            if len(group) > 1:
                for job in group:
                    self._look([job])
            else:
                group[0].error = error
            return
        for job, result in zip(group, results, strict=True):
            job.result = result

    def _commit(self, group: Sequence[Job]) -> tuple[list[Any], Store]:
        """The results, and the store, which says what else there is to do."""
        with self.engine.begin() as connection:
            session = session_on(connection)
            store = Store(session)
            results = _results(store, group)
        return results, store

    def _empty_journal(self) -> None:
        """Leave nothing of what was erased in the write-ahead log, or try again later.

        Whoever reads for long, as a backup does, keeps it: nobody waits for that. What was erased
        is committed: a log that cannot be emptied now is no failure of it.
        """
        if time.monotonic() < self._empties_from:
            return
        self._empties_from = time.monotonic() + EMPTY_AGAIN
        try:
            with self.engine.connect() as connection:
                journal = connection.connection.driver_connection
                assert journal is not None
                journal.execute(f"PRAGMA busy_timeout={EMPTY_MS}")
                try:
                    [held, *_] = journal.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                finally:
                    journal.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        except (DBAPIError, sqlite3.Error) as error:
            log.warning("the write-ahead log could not be emptied", reason=str(error))
        else:
            self._holds_erased = bool(held)
            self._empties_from = self._empties_from if held else 0.0

    def _named(self, error: BaseException) -> BaseException:
        """An error as callers know it."""
        if not isinstance(error, DBAPIError) or not _is_away(error):
            return error
        self._note(error)
        return Unavailable(first_line(error))

    def _note(self, error: DBAPIError | None) -> None:
        """Log once that the database went away, and once that it is back."""
        answers = error is None
        if answers == self._answers:
            return
        self._answers = answers
        if error is None:
            log.warning("the database answers again")
        else:
            log.warning("the database does not answer", reason=first_line(error))


async def _submitted(
    workers: Workers, work: Together[Item, T], item: Item, *, last: bool = False
) -> T:
    job = Job(work, item, asyncio.get_running_loop(), last=last)
    workers.submit(job)
    assert isinstance(job.future, asyncio.Future)
    done: T = await job.future
    return done


def _results(store: Store, group: Sequence[Job]) -> list[Any]:
    """The result of each job; those that follow each other with the same work are done as one."""
    results: list[Any] = []
    for work, jobs in groupby(group, key=lambda job: job.work):
        results += work(store, [job.item for job in jobs])
        store.session.flush()
        store.session.expunge_all()
    return results


def _alone(work: Work[T]) -> Together[None, T]:
    return lambda store, _: [work(store)]


def session_on(connection: Connection) -> Session:
    """A session in a transaction that is not its own to end."""
    return Session(
        connection,
        autoflush=False,
        expire_on_commit=False,
        join_transaction_mode="rollback_only",
    )


def _passing(error: BaseException) -> bool:
    """Whether the same work may succeed if it is simply done again (a deadlock, a lost link)."""
    return isinstance(error, OperationalError)


# SQLSTATE classes: connection, resources, operator intervention; and the extended codes of SQLite.
AWAY_POSTGRESQL = ("08", "53", "57P")
AWAY_SQLITE = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_BUSY")


def _is_away(error: DBAPIError) -> bool:
    if isinstance(error.orig, sqlite3.Error):
        name = getattr(error.orig, "sqlite_errorname", "")
        return name.startswith(AWAY_SQLITE)
    if not isinstance(error, OperationalError):
        return False
    state = getattr(error.orig, "sqlstate", "")
    # None: no server said it, the link itself failed.
    return state is None or state.startswith(AWAY_POSTGRESQL)


def first_line(error: DBAPIError) -> str:
    """What the driver says, without the statement or its parameters."""
    return (str(error.orig).strip().splitlines() or [type(error.orig).__name__])[0]


def with_driver(url: str) -> URL:
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def _postgresql_engine(url: URL) -> Engine:
    return create_engine(
        url,
        pool_size=5,
        max_overflow=5,
        pool_timeout=10,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"options": POSTGRESQL_OPTIONS, "connect_timeout": 5},
    )


def sqlite_engine(url: URL, *, writer: bool) -> Engine:
    """One writer that begins at once, so that it waits instead of failing; readers apart."""
    path = Path(url.database or "")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    engine = create_engine(
        url,
        pool_size=1 if writer else 4,
        max_overflow=0,
        hide_parameters=True,
        isolation_level=None if writer else "AUTOCOMMIT",
        connect_args={"check_same_thread": False, "timeout": BUSY_MS / 1000},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # SQLAlchemy says when a transaction begins
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",
            "temp_store=MEMORY",
            f"query_only={'OFF' if writer else 'ON'}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    if writer:

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
