"""Statements that are compiled once for all tests, as a server compiles them once for its life.

SQLAlchemy keeps what it compiles by dialect, and makes a dialect for each engine: every test would
compile again all that it says. The tables are the same in all of them; the keys are read at each
use, from the dialect, where `Database.open` puts those of the database at hand.
"""

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.util import LRUCache

from storage.database import Database

STATEMENTS = 3000


class Compiled:
    """The dialects and statements of one process of tests, lent to one database at a time."""

    def __init__(self) -> None:
        self._lent: dict[tuple[bool, bool], Any] = {}

    def lend(self, db: Database) -> None:
        """To a database that is not open yet."""
        self._lend(db.engine, (db.is_sqlite, True))
        self._lend(db._read_engine, (db.is_sqlite, False))

    def _lend(self, engine: Engine, kind: tuple[bool, bool]) -> None:
        if kind not in self._lent:
            with engine.connect():  # it learns what it speaks to
                self._lent[kind] = engine.dialect, LRUCache(STATEMENTS)
        engine.dialect, engine._compiled_cache = self._lent[kind]
