"""Migrated PostgreSQL databases, lent to one test after another and emptied in between.

To copy one takes twice as long. Each loan bears another name: what a test before left running
does not find it.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from tests.servers import create, drop, url_of

ALONE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
SHAPE = """
SELECT count(*), max(oid::bigint), sum(relnatts), sum(relchecks)
FROM pg_class WHERE relnamespace = 'public'::regnamespace
"""
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
SEQUENCES = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public'"

Connection = psycopg.Connection[tuple[Any, ...]]


class Lending:
    """Lends copies of one database.

    Args:
        server: the URL of its maintenance database.
        template: the URL of what is copied.
    """

    def __init__(self, server: str, template: str) -> None:
        self._server = server
        self._template = template
        self._free: list[tuple[str, object]] = []  # names, and how they are shaped
        with psycopg.connect(template, autocommit=True) as connection:
            tables = [name for (name,) in connection.execute(TABLES)]
            self._rows = {name: rows for name in tables if (rows := _rows(connection, name))}
            sequences = connection.execute(SEQUENCES).fetchall()
        steps = [
            f"TRUNCATE {', '.join(tables)}"
        ]  # not emptied row by row: new ones keep their order
        steps += ["SET session_replication_role = replica"]  # whatever refers to what
        steps += [
            f"SELECT setval('{name}', {last or 1}, {last is not None})" for name, last in sequences
        ]
        self._emptying = ";".join(steps)

    @contextmanager
    def lent(self) -> Iterator[str]:
        """The URL of a database as the template is."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        shape = self._take(name)
        try:
            yield url_of(self._server, name)
        finally:
            if self._emptied(name, shape):
                self._free.append((name, shape))
            else:
                drop(self._server, name)

    def _take(self, name: str) -> object:
        """Have a database of a name; how it is shaped."""
        if self._free:
            before, shape = self._free.pop()
            with psycopg.connect(self._server, autocommit=True) as connection:
                connection.execute(f"ALTER DATABASE {before} RENAME TO {name}")
            return shape
        create(self._server, name, self._template)
        with psycopg.connect(url_of(self._server, name)) as connection:
            return connection.execute(SHAPE).fetchone()

    def _emptied(self, name: str, shape: object) -> bool:
        """Make a database what it was, if its tables are still those."""
        with psycopg.connect(url_of(self._server, name), autocommit=True) as connection:
            connection.execute(ALONE)
            if connection.execute(SHAPE).fetchone() != shape:
                return False
            with connection.transaction():
                connection.execute(self._emptying)
                for table, rows in self._rows.items():
                    with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                        copy.write(rows)
        return True


def _rows(connection: Connection, table: str) -> bytes:
    with connection.cursor().copy(f"COPY {table} TO STDOUT") as copy:
        return b"".join(copy)
