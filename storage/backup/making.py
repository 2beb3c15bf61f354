"""One consistent snapshot of a database, written as it is read."""

import hashlib
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import IO

import sqlalchemy as sa
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.pool import NullPool

from storage import migrate
from storage.backup.form import FORMAT, MANIFEST, Manifest, Part, as_table, columns_of, line_of
from storage.base import Base
from storage.database import BUSY_MS, NotMigrated, with_driver

AT_ONCE = 200  # rows in memory: each may hold a photo
FAST = 1  # what is encrypted cannot be compressed, and base64 already is by this


def back_up(url: str, to: IO[bytes], now: datetime, made_by: str) -> Manifest:
    """Write all that a database holds; whoever serves it meanwhile does not wait.

    Raises:
        NotMigrated: it has no tables.
        NewerDatabase: they are those of a newer version.
        OSError: it cannot be written.
    """
    with _snapshot(url) as connection, _archive(to) as archive:
        revision = migrate.revision_of(connection)
        if revision is None:
            raise NotMigrated
        if revision not in migrate.REVISIONS:
            raise migrate.NewerDatabase
        inspector = sa.inspect(connection)
        there = set(inspector.get_table_names())
        parts = tuple(
            _write(archive, connection, inspector, table.name)
            for table in Base.metadata.sorted_tables
            if table.name in there
        )
        manifest = Manifest(FORMAT, revision, made_by, now, parts)
        archive.writestr(MANIFEST, manifest.written())
    return manifest


def _archive(to: IO[bytes]) -> zipfile.ZipFile:
    return zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, compresslevel=FAST)


def _write(
    archive: zipfile.ZipFile, connection: Connection, inspector: sa.Inspector, name: str
) -> Part:
    columns = columns_of(inspector, name)
    table = as_table(name, columns)
    order = [table.c[column] for column in inspector.get_pk_constraint(name)["constrained_columns"]]
    digest, count = hashlib.sha256(), 0
    last_id = last_given(connection, name) if "id" in columns else None
    streamed = connection.execution_options(stream_results=True, yield_per=AT_ONCE)
    with archive.open(f"{name}.jsonl", "w", force_zip64=True) as part:
        for row in streamed.execute(sa.select(table).order_by(*order)):
            line = line_of(row)
            digest.update(line)
            part.write(line)
            count += 1
    return Part(name, columns, count, digest.hexdigest(), last_id)


def last_given(connection: Connection, table: str) -> int | None:
    """The last id that a table gave; None if it gives none, or gave none yet."""
    if connection.dialect.name == "sqlite":
        given = text("SELECT seq FROM sqlite_sequence WHERE name = :table")
        found: int | None = connection.execute(given, {"table": table}).scalar()
        return found or None  # a table that was rebuilt while it was empty notes 0
    sequence = sequence_of(connection, table)
    if sequence is None:
        return None
    last = sa.literal_column("last_value", sa.BigInteger())
    was_given = sa.literal_column("is_called", sa.Boolean())
    counter = sa.select(last, was_given).select_from(text(sequence))
    last_id, is_given = connection.execute(counter).one()
    return last_id if is_given else None


def sequence_of(connection: Connection, table: str) -> str | None:
    """By what PostgreSQL gives ids in a table."""
    named = text("SELECT pg_get_serial_sequence(:table, 'id')")
    found: str | None = connection.execute(named, {"table": table}).scalar()
    return found


@contextmanager
def _snapshot(url: str) -> Iterator[Connection]:
    """A connection that reads, and sees nothing of what is written meanwhile."""
    made = with_driver(url)
    snapshot = _of_sqlite if made.get_backend_name() == "sqlite" else _of_postgresql
    with snapshot(made) as connection:
        yield connection


@contextmanager
def _of_sqlite(url: sa.URL) -> Iterator[Connection]:
    engine = create_engine(
        url, poolclass=NullPool, hide_parameters=True, connect_args={"timeout": BUSY_MS / 1000}
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    with engine.begin() as connection:
        yield connection


@contextmanager
def _of_postgresql(url: sa.URL) -> Iterator[Connection]:
    """Without the time-outs that protect a server; nobody migrates it meanwhile."""
    engine = create_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={"options": "-c timezone=UTC", "connect_timeout": 5},
    )
    with engine.connect() as connection:
        # Before the snapshot: what a migration writes anew would be seen as empty by an older one.
        connection.execute(text(f"SELECT pg_advisory_lock_shared({migrate.LOCK})"))
        connection.commit()
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        yield connection
