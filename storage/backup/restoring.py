"""An empty database is filled from a backup, wholly or not at all, whatever engine made it."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.pool import NullPool

from storage import migrate
from storage.backup.form import Kind, Manifest, NoBackup, Part, as_table, columns_of
from storage.backup.making import last_given, sequence_of
from storage.backup.reading import Backup
from storage.base import Base
from storage.database import session_on, sqlite_engine, with_driver
from storage.erasures import sync_folder
from storage.keys import Keyring
from storage.store import Store

AT_ONCE = 500  # rows in one statement, at most
ENOUGH = 4 * 2**20  # bytes of them after which they are written
VERSION = "alembic_version"
# What a database has that nobody used yet: its keys, the groups it comes with, a proof of writing.
FILLED = {"keys", "working_groups", "throttles"}

Finish = Callable[[Store], None]


class Occupied(Exception):
    """The database holds something."""


def restore_into(url: str, backup: Backup, keyring: Keyring, finish: Finish) -> None:
    """Fill a database that holds nothing, and bring it to the tables of this version.

    Nobody may serve it meanwhile. If anything fails, nothing is there; if the process is killed,
    too.

    Args:
        keyring: that of the backup.
        finish: called once all is there, in the transaction that lets it be seen.

    Raises:
        Occupied: the database holds something.
        NoBackup: the backup is not what its manifest says, or does not fit its own tables.
        OSError, DBAPIError: it cannot be written.
    """
    try:
        _restore(with_driver(url), backup, keyring, finish)
    except migrate.BrokenReferences as error:
        raise NoBackup(str(error)) from error


def _restore(made: sa.URL, backup: Backup, keyring: Keyring, finish: Finish) -> None:
    if made.get_backend_name() == "sqlite":
        with _new_file(Path(made.database or "")) as path:
            into = made.set(database=str(path))
            _fill(backup, create_engine(into, poolclass=NullPool, hide_parameters=True), None)
            _finish_apart(sqlite_engine(into, writer=True), keyring, finish)
    else:
        engine = create_engine(made, poolclass=NullPool, hide_parameters=True)
        _fill(backup, engine, lambda connection: _finish(connection, keyring, finish))


def check_empty(url: str) -> None:
    """Look whether a database can be restored into.

    Raises:
        Occupied: it cannot.
    """
    made = with_driver(url)
    is_sqlite = made.get_backend_name() == "sqlite"
    if is_sqlite and not Path(made.database or "").exists():
        return
    with create_engine(made, poolclass=NullPool, hide_parameters=True).connect() as connection:
        _check_empty(connection)


def _check_empty(connection: Connection) -> set[str]:
    """The tables that are there, all of them ours.

    Raises:
        Occupied: somebody used them, or there are others.
    """
    tables = set(sa.inspect(connection).get_table_names())
    if foreign := tables - {*Base.metadata.tables, VERSION}:
        raise Occupied(f"it has a table {min(foreign)}, which is none of ours")
    for name in sorted(tables - FILLED - {VERSION}):
        row = sa.select(sa.literal(1)).select_from(sa.table(name)).limit(1)
        if connection.execute(row).first() is not None:
            raise Occupied(f"its table {name} has rows")
    return tables


def _fill(backup: Backup, engine: Engine, then: Callable[[Connection], None] | None) -> None:
    """Make the tables that a backup is of, fill them, and bring them to this version."""
    manifest = backup.manifest
    with migrate.migrating(engine) as connection:
        for name in sorted(_check_empty(connection)):
            connection.execute(text(f'DROP TABLE "{name}" CASCADE'))
        migrate.upgrade_on(connection, manifest.revision)
        try:
            with _unreferenced(connection):
                for part in _fitting(connection, manifest):
                    _load(connection, backup, part)
        except IntegrityError as error:
            raise NoBackup("some of its rows refer to nothing, or are there twice") from error
        except DataError as error:
            raise NoBackup("one of its values is too long, or of another kind") from error
        _go_on_counting(connection, manifest)
        migrate.upgrade_on(connection, "head")
        _go_on_counting(connection, manifest)  # a migration may have made a table anew
        if then is not None:
            then(connection)


def _fitting(connection: Connection, manifest: Manifest) -> tuple[Part, ...]:
    """The parts, which are those of the tables that are there.

    Raises:
        NoBackup: they are not.
    """
    inspector = sa.inspect(connection)
    there = {
        name: columns_of(inspector, name) for name in inspector.get_table_names() if name != VERSION
    }
    parts = {part.table: part.columns for part in manifest.parts}
    if parts != there or len(parts) < len(manifest.parts):
        raise NoBackup(f"its tables are not those of its version ({manifest.revision})")
    return manifest.parts


def _load(connection: Connection, backup: Backup, part: Part) -> None:
    table = as_table(part.table, part.columns)
    connection.execute(table.delete())  # what the migrations put there
    rows: list[Mapping[str, Any]] = []
    size = 0
    for row in backup.rows(part):
        rows.append(row)
        size += sum(len(value) for value in row.values() if isinstance(value, str | bytes))
        if len(rows) >= AT_ONCE or size >= ENOUGH:
            connection.execute(table.insert(), rows)
            rows, size = [], 0
    if rows:
        connection.execute(table.insert(), rows)


@contextmanager
def _unreferenced(connection: Connection) -> Iterator[None]:
    """What refers to other rows is checked at the end: rows may come before those.

    On SQLite `migrate.migrating` does so.
    """
    if connection.dialect.name == "sqlite":
        yield
        return
    found = connection.execute(
        text(
            "SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) "
            "FROM pg_constraint "
            "WHERE contype = 'f' AND connamespace = current_schema()::regnamespace"
        )
    ).all()
    for table, name, _ in found:
        connection.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    yield
    for table, name, definition in found:
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")


def _go_on_counting(connection: Connection, manifest: Manifest) -> None:
    """Give no id again that was given, also of what is gone."""
    for part in manifest.parts:
        if part.columns.get("id") is Kind.integer:
            greatest = sa.select(sa.func.max(sa.column("id", sa.BigInteger())))
            in_table = connection.execute(greatest.select_from(sa.table(part.table))).scalar()
            last = max(part.last_id or 0, in_table or 0, last_given(connection, part.table) or 0)
            if last:
                _count_from(connection, part.table, last)


def _count_from(connection: Connection, table: str, last: int) -> None:
    given = {"table": table, "last": last}
    if connection.dialect.name == "sqlite":
        dropped = text("DELETE FROM sqlite_sequence WHERE name = :table")
        connection.execute(dropped, {"table": table})
        connection.execute(text("INSERT INTO sqlite_sequence VALUES (:table, :last)"), given)
    elif sequence := sequence_of(connection, table):
        connection.execute(text("SELECT setval(:table, :last)"), given | {"table": sequence})


def _finish_apart(engine: Engine, keyring: Keyring, finish: Finish) -> None:
    """On SQLite, a connection either makes tables anew or has what refers to a row go with it."""
    try:
        with engine.begin() as connection:
            _finish(connection, keyring, finish)
    finally:
        engine.dispose()


def _finish(connection: Connection, keyring: Keyring, finish: Finish) -> None:
    connection.dialect.preau_keyring = keyring  # type: ignore[attr-defined]
    store = Store(session_on(connection))
    finish(store)
    store.session.flush()


@contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """A file that takes the place of a database which holds nothing, once it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.restoring")
    beside = [path.with_name(f"{path.name}{end}") for end in ("-wal", "-shm", "-journal")]
    of_new = [new, *(new.with_name(f"{new.name}{end}") for end in ("-wal", "-shm", "-journal"))]
    for one in of_new:
        one.unlink(missing_ok=True)  # of a process that was killed
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        yield new
        check_empty(f"sqlite:///{path}")
        for one in beside:
            one.unlink(missing_ok=True)  # first: it must never be taken for the new one's
        new.replace(path)
        sync_folder(path.parent)
    finally:
        for one in of_new:
            one.unlink(missing_ok=True)
