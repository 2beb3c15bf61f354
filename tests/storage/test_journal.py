"""What was erased leaves the write-ahead log of SQLite, and nobody waits for that."""

import sqlite3
import time
from pathlib import Path

import pytest

from storage import database
from storage.database import Database
from storage.store import Store
from tests.conftest import NOW, SECRET


def test_a_long_read_holds_up_nobody(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sqlite_url.removeprefix("sqlite:///")
    log = Path(f"{path}-wal")
    db = Database(sqlite_url, [SECRET])
    db.open()
    person = db.write_now(lambda store: store.people.arrive("web", "a", "fr", NOW)[0].person_id)

    def other(store: Store) -> None:
        store.audit.add("polls.opened", NOW, via="web")

    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM people").fetchall()
    began = time.monotonic()
    db.write_now(lambda store: store.erase(person, NOW))
    db.write_now(other)
    assert time.monotonic() - began < 3
    assert log.stat().st_size > 0
    reader.execute("COMMIT")
    reader.close()
    db.write_now(other)
    assert log.stat().st_size > 0  # not yet tried again
    monkeypatch.setattr(database, "EMPTY_AGAIN", 0.0)
    db._empties_from = 0.0
    db.write_now(other)
    assert log.stat().st_size == 0
    db.close()
