"""Keys are rotated while others work, and without the right secret nothing starts."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import select, text, update
from structlog.testing import capture_logs

from scheduled.keys import Renewal
from storage.audit import AuditEntry
from storage.database import Database
from storage.keys import KeyRow
from storage.store import Store
from tests.conftest import NOW, SECRET
from tests.test_cli import Preau, line_of, preau

__all__ = ["preau"]

NEW_SECRET = "the next secret, as long as it has to be…"


class Operator:
    """Who rotates the secret in a file, on a database that others have open."""

    def __init__(self, url: str, preau: Preau, folder: Path) -> None:
        self.url = url
        self.preau = preau
        self.file = folder / "secret"
        self.file.write_text(SECRET)

    def open(self, secret: str) -> Database:
        db = Database(self.url, [secret], lambda: [self.file.read_text()])
        db.open()
        return db

    def rotate(self, *arguments: str, previous: str = SECRET) -> str:
        self.file.write_text(NEW_SECRET)
        said = self.preau(
            "rotate-key",
            *arguments,
            DATABASE_URL=self.url,
            SECRET_KEY_FILE=str(self.file),
            PREVIOUS_SECRET_KEYS=json.dumps([previous] if previous else []),
        )
        assert said.code == 0, said.err
        return said.out


@pytest.fixture
def operator(database_url: str, preau: Preau, tmp_path: Path) -> Operator:
    return Operator(database_url, preau, tmp_path)


@pytest.fixture
def running(operator: Operator) -> Iterator[Database]:
    """A process that serves, with the secret of before."""
    db = operator.open(SECRET)
    yield db
    db.close()


def arrive(db: Database, name: str) -> int:
    def work(store: Store) -> int:
        account, _ = store.people.arrive("web", name, "fr", NOW)
        store.people.get(account.person_id).name = name
        return account.person_id

    return db.write_now(work)


def name_of(db: Database, person: int) -> str | None:
    return db.read_now(lambda store: store.people.get(person).name)


def version_of(db: Database, person: int) -> int:
    """Of the data key that encrypted a name."""
    with db.engine.connect() as connection:
        raw = connection.execute(text("SELECT name FROM people WHERE id = :id"), {"id": person})
        return int(bytes(raw.scalar_one())[0])


def test_a_running_process_goes_on(operator: Operator, running: Database) -> None:
    person = arrive(running, "anna")
    assert "rotated: 3 keys" in operator.rotate()
    assert name_of(running, person) == "anna"
    arrive(running, "jean")
    new = operator.open(NEW_SECRET)  # the earlier one is not needed any more
    assert name_of(new, person) == "anna"
    new.close()
    acts = running.read_now(lambda store: list(store.session.scalars(select(AuditEntry.act))))
    assert acts == ["keys.rotated"]


def test_it_may_be_done_again(operator: Operator, running: Database) -> None:
    operator.rotate()
    assert operator.rotate() == "nothing to rotate: SECRET_KEY opens every key\n"
    assert operator.rotate(previous="") == "nothing to rotate: SECRET_KEY opens every key\n"


def test_the_earlier_secret_opens_nothing_more(
    operator: Operator, running: Database, preau: Preau
) -> None:
    operator.rotate()
    for command in (["rotate-key"], ["run"], ["migrate"]):
        said = preau(*command, DATABASE_URL=operator.url, SECRET_KEY=SECRET)
        assert said.code == 1
        assert "SECRET_KEY does not open this database" in said.err


def test_without_a_secret_nothing_starts(operator: Operator, preau: Preau) -> None:
    for command in (["rotate-key"], ["run"], ["restore", "b.zip"]):
        said = preau(*command, DATABASE_URL=operator.url)
        assert said.code == 2
        assert "set PREAU_SECRET_KEY or PREAU_SECRET_KEY_FILE" in said.err.splitlines()[-1]


def test_what_no_secret_opens_is_left_as_it_is(
    operator: Operator, running: Database, preau: Preau
) -> None:
    given = {"DATABASE_URL": operator.url, "SECRET_KEY": NEW_SECRET}
    said = preau("rotate-key", **given, PREVIOUS_SECRET_KEYS="a-third-one-as-long-as-the-others")
    assert (said.code, line_of(said)) == (1, "SECRET_KEY does not open this database")
    operator.open(SECRET).close()


def test_a_new_data_key_is_for_what_is_written_from_now_on(
    operator: Operator, running: Database
) -> None:
    before = arrive(running, "anna")
    assert "made: data key 2" in operator.rotate("--new-data-key")
    other = operator.open(NEW_SECRET)
    after = arrive(other, "jean")
    assert [version_of(other, one) for one in (before, after)] == [1, 2]
    assert name_of(running, after) == "jean"  # which it did not know
    assert name_of(other, before) == "anna"
    assert version_of(running, arrive(running, "zoe")) == 2
    other.close()


def test_a_new_data_key_is_taken_up_by_the_clock(operator: Operator, running: Database) -> None:
    operator.rotate("--new-data-key")
    assert version_of(running, arrive(running, "anna")) == 1
    running.write_now(lambda store: Renewal().look(store, NOW))
    assert version_of(running, arrive(running, "jean")) == 2


def test_many_threads_meet_a_new_key_at_once(operator: Operator, running: Database) -> None:
    operator.rotate("--new-data-key")
    other = operator.open(NEW_SECRET)
    person = arrive(other, "anna")
    other.close()
    found: list[str | None] = []

    def read() -> None:
        found.append(name_of(running, person))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    writing = arrive(running, "jean")
    for thread in threads:
        thread.join(30)
    assert found == ["anna"] * 8
    assert name_of(running, writing) == "jean"


def test_a_process_that_cannot_open_the_new_key_says_so_once(
    operator: Operator, running: Database
) -> None:
    """Its secret was in its environment: it goes on, and is to be started again."""
    operator.rotate("--new-data-key")
    operator.file.write_text(SECRET)
    structlog.reset_defaults()  # the command logs nothing
    renewal = Renewal()
    with capture_logs() as logs:
        for _ in range(2):
            running.write_now(lambda store: renewal.look(store, NOW))
    assert [one["event"] for one in logs] == ["a new data key cannot be opened"]
    assert version_of(running, arrive(running, "anna")) == 1


def test_there_is_an_end_of_versions(operator: Operator, running: Database, preau: Preau) -> None:
    last = update(KeyRow).where(KeyRow.purpose == "data").values(version=255)
    running.write_now(lambda store: store.session.execute(last))
    with pytest.raises(Exception, match="255 data keys"):
        running.write_now(lambda store: store.keys.add_data_key(SECRET))
