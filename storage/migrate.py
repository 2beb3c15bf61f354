"""Bring a database to the tables of this version, or back.

Alembic is imported only to migrate: a server that starts just compares two revisions.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
REVISIONS = sorted(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
HEAD = REVISIONS[-1]
BUSY_MS = 60_000
LOCK = 0x70726561  # "prea": the advisory lock of those who migrate this database


class NewerDatabase(Exception):
    """The database was made by a newer version of the program."""


class BrokenReferences(Exception):
    """A migration left rows that refer to nothing; all of it was undone."""


def configuration(scripts: Path = MIGRATIONS) -> "Config":
    """Alembic's configuration, without a connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts))
    return config


def upgrade(engine: Engine, revision: str = "head", scripts: Path = MIGRATIONS) -> bool:
    """Migrate in one transaction; say whether there was anything to do.

    Raises:
        BrokenReferences: rows would refer to nothing.
    """
    with migrating(engine) as connection:
        return upgrade_on(connection, revision, scripts)


def upgrade_on(connection: Connection, revision: str, scripts: Path = MIGRATIONS) -> bool:
    """As `upgrade`, in the transaction of `migrating`."""
    from alembic import command

    before = revision_of(connection)
    config = configuration(scripts)
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    return revision_of(connection) != before


def downgrade(engine: Engine, revision: str, scripts: Path = MIGRATIONS) -> None:
    """Go back, in one transaction; for tests and for those who know what they drop."""
    from alembic import command

    with migrating(engine) as connection:
        config = configuration(scripts)
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def is_current(database: Engine | Connection) -> bool:
    """Whether the database has exactly the tables of this version.

    Raises:
        NewerDatabase: it has those of a version that is not known here.
    """
    if isinstance(database, Engine):
        with database.connect() as connection:
            return is_current(connection)
    at = revision_of(database)
    if at is not None and at not in REVISIONS:
        raise NewerDatabase
    return at == HEAD


def revision_of(connection: Connection) -> str | None:
    """Of which version a database has the tables; None if it has none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    at: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return at


@contextmanager
def migrating(engine: Engine) -> Iterator[Connection]:
    """A connection of its own, in a transaction that nobody else migrates beside."""
    make = _on_sqlite if engine.dialect.name == "sqlite" else _on_postgresql
    own = make(engine)
    try:
        with own.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
            yield connection
            if connection.dialect.name == "sqlite":
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
                if broken is not None:
                    raise BrokenReferences(f"{broken[0]} refers to missing {broken[2]}")
    finally:
        own.dispose()


def _on_sqlite(engine: Engine) -> Engine:
    """SQLite changes a table by rebuilding it, and dropping the old one would fire its cascades.

    Foreign keys are therefore off, which is possible only outside a transaction, and checked at
    the end.
    """
    own = create_engine(engine.url, poolclass=NullPool, isolation_level=None)

    @event.listens_for(own, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None
        for pragma in (f"busy_timeout={BUSY_MS}", "foreign_keys=OFF", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(own, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return own


def _on_postgresql(engine: Engine) -> Engine:
    """Without the time-outs that protect a server: a table may take long to be rebuilt."""
    return create_engine(
        engine.url,
        poolclass=NullPool,
        connect_args={"options": "-c timezone=UTC", "connect_timeout": 5},
    )
