"""`preau verify`: whether the audit log holds, and whether its end is still there."""

from pathlib import Path

import pytest
from sqlalchemy import delete, update
from structlog.testing import CapturingLogger

from scheduled.audit import say_head
from storage.audit import AuditBatch, AuditEntry
from storage.database import Database
from storage.store import Store
from tests.conftest import NOW, SECRET
from tests.test_cli import Preau, preau

__all__ = ["preau"]


@pytest.fixture
def log(preau: Preau, tmp_path: Path) -> Database:
    """A database with two links, where the command finds it."""
    assert preau("migrate", SECRET_KEY=SECRET).code == 0
    database = Database(f"sqlite:///{tmp_path / 'preau.db'}", [SECRET])
    database.open()

    def note(store: Store) -> None:
        for _ in range(2):
            store.audit.add("polls.opened", NOW, via="web", by=1)
            store.session.flush()
            store.audit.chain(NOW)
            store.session.flush()

    database.write_now(note)
    return database


def test_a_log_that_holds(log: Database, preau: Preau) -> None:
    said = preau("verify", SECRET_KEY=SECRET)
    assert said.code == 0
    assert said.out.startswith("link 2 ")
    assert "2 acts in 2 links, 0 not chained yet" in said.out
    log.close()


def test_a_log_that_does_not(log: Database, preau: Preau) -> None:
    change = update(AuditEntry).where(AuditEntry.id == 1).values(actor_id=2)
    log.write_now(lambda store: store.session.execute(change))
    said = preau("verify", SECRET_KEY=SECRET)
    assert said.code == 1
    assert said.err == (
        "preau: the audit log does not hold: link 1: its acts, or its moment, were changed\n"
    )
    log.close()


def test_what_was_printed_finds_an_end_that_was_cut_off(
    log: Database, preau: Preau, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.txt"
    kept.write_text(preau("verify", SECRET_KEY=SECRET).out)
    assert preau("verify", str(kept), SECRET_KEY=SECRET).code == 0

    def cut(store: Store) -> None:
        store.session.execute(delete(AuditEntry).where(AuditEntry.batch == 2))
        store.session.execute(delete(AuditBatch).where(AuditBatch.number == 2))

    log.write_now(cut)
    assert preau("verify", SECRET_KEY=SECRET).code == 0
    said = preau("verify", str(kept), SECRET_KEY=SECRET)
    assert said.code == 1
    assert "the chain goes through it no more" in said.err
    log.close()


def test_the_log_of_the_process_serves_too(
    log: Database, preau: Preau, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = CapturingLogger()
    monkeypatch.setattr("scheduled.audit.log", said)
    log.write_now(lambda store: say_head(store, NOW))
    kept = tmp_path / "preau.log"
    kept.write_text(str(said.calls))
    assert "1 lines compared" in preau("verify", str(kept), SECRET_KEY=SECRET).out
    log.close()


def test_a_file_that_says_nothing_is_misused(log: Database, preau: Preau, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("hello")
    assert preau("verify", str(other), SECRET_KEY=SECRET).code == 2
    assert preau("verify", str(tmp_path / "none"), SECRET_KEY=SECRET).code == 2
    log.close()
