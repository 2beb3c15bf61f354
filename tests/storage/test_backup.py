"""A backup holds all that was there at one moment, and fills a database of either engine."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trials
from hypothesis import strategies as st
from sqlalchemy import create_engine, select, text

from bot.demo.seed import seed
from bot.settings import Settings
from storage import migrate
from storage.backup import (
    Backup,
    NewerBackup,
    NoBackup,
    Occupied,
    back_up,
    check_empty,
    restore_into,
)
from storage.base import Base
from storage.database import Database
from storage.keys import KeyRefused, Keyring
from storage.people import Person
from storage.store import Store
from tests.bot.test_photos import encoded
from tests.conftest import NOW, SECRET
from tests.servers import database

Content = dict[str, list[tuple[Any, ...]]]
NOWHERE = "sqlite:///%s/new.db"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where nothing is yet: no file, or a database that was just made."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'restored' / 'preau.db'}"
    else:
        with database(request.getfixturevalue("postgresql_server")) as url:
            yield url


@pytest.fixture
def seeded(settings: Settings, db: Database) -> Database:
    """The demo's committee, with a file and somebody who is gone."""

    def fill(store: Store) -> None:
        seed(store, settings, NOW)
        store.files.add(encoded("JPEG"), "image/jpeg", NOW, person_id=1)
        gone = Person(language="fr", created_at=NOW)
        store.session.add(gone)
        store.session.flush()
        store.session.delete(gone)

    db.write_now(fill)
    return db


def content(db: Database) -> Content:
    """Every row of every table, decrypted."""
    with db.engine.connect() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in Base.metadata.sorted_tables
        }


def made(url: str, path: Path) -> Path:
    with path.open("wb") as to:
        back_up(url, to, NOW, "tests")
    return path


def restored(path: Path, url: str, finish: Callable[[Store], None] = lambda _: None) -> None:
    with Backup(path) as backup:
        backup.check()
        restore_into(url, backup, Keyring.open([SECRET], backup.keys()), finish)


def opened(url: str) -> Database:
    db = Database(url, [SECRET])
    db.open()
    return db


@pytest.fixture(scope="module")
def whole(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(f"sqlite:///{sqlite_template}", tmp_path_factory.mktemp("whole") / "b")


def test_all_is_there_whatever_the_engines(
    seeded: Database, settings: Settings, empty_url: str, tmp_path: Path
) -> None:
    """Also what no model shows: ids that were given, and what is sealed."""
    before = content(seeded)
    assert sum(map(len, before.values())) > 500
    restored(made(settings.database_url, tmp_path / "one"), empty_url)
    made(empty_url, tmp_path / "two")
    with Backup(tmp_path / "one") as one, Backup(tmp_path / "two") as two:
        assert one.manifest.parts == two.manifest.parts
    other = opened(empty_url)
    assert content(other) == before
    assert migrate.is_current(other.engine)

    def arrive(store: Store) -> int:
        return store.people.arrive("web", "somebody", "fr", NOW)[0].person_id

    assert other.write_now(arrive) == seeded.write_now(arrive)
    other.close()


class Interrupted(io.BytesIO):
    """A file during whose first writing something else happens."""

    def __init__(self, happens: Callable[[], None]) -> None:
        super().__init__()
        self._happens: Callable[[], None] | None = happens

    def write(self, data: Any) -> int:
        if self._happens is not None:
            happens, self._happens = self._happens, None
            happens()
        return super().write(data)


def test_it_is_of_one_moment_and_nobody_waits(
    settings: Settings, db: Database, tmp_path: Path
) -> None:
    def arrive(name: str) -> None:
        db.write_now(lambda store: store.people.arrive("web", name, "fr", NOW))

    arrive("before")
    before = content(db)
    to = Interrupted(lambda: arrive("meanwhile"))
    back_up(settings.database_url, to, NOW, "tests")
    assert content(db) != before
    (tmp_path / "b").write_bytes(to.getvalue())
    url = f"sqlite:///{tmp_path / 'restored.db'}"
    restored(tmp_path / "b", url)
    other = opened(url)
    assert content(other) == before
    other.close()


def test_a_database_that_nobody_used_yet_is_empty(whole: Path, database_url: str) -> None:
    check_empty(database_url)
    restored(whole, database_url)
    opened(database_url).close()


def test_nothing_is_restored_over_data(db: Database, settings: Settings, whole: Path) -> None:
    db.write_now(lambda store: store.people.arrive("web", "somebody", "fr", NOW))
    before = content(db)
    with pytest.raises(Occupied):
        restored(whole, settings.database_url)
    assert content(db) == before


def test_nothing_is_restored_beside_others_tables(whole: Path, tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'other.db'}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE accounting (id INTEGER)"))
    with pytest.raises(Occupied, match="accounting"):
        restored(whole, str(engine.url))
    with engine.begin() as connection:
        connection.execute(text("SELECT id FROM accounting"))
    engine.dispose()


def test_if_it_cannot_be_finished_nothing_is_there(whole: Path, empty_url: str) -> None:
    def fail(store: Store) -> None:
        store.people.arrive("web", "somebody", "fr", NOW)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        restored(whole, empty_url, fail)
    check_empty(empty_url)
    restored(whole, empty_url)


# What is no backup


def rows(path: Path) -> dict[str, list[dict[str, Any]]]:
    with Backup(path) as backup:
        backup.check()
        return {part.table: list(backup.rows(part)) for part in backup.manifest.parts}


@trials(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_seen(data: st.DataObject, whole: Path, tmp_path: Path) -> None:
    """Whatever byte was changed, or wherever the end is cut off."""
    raw = bytearray(whole.read_bytes())
    place = data.draw(st.integers(0, len(raw) - 1))
    if data.draw(st.booleans()):
        raw[place] ^= data.draw(st.integers(1, 255))
    else:
        del raw[place:]
    damaged = tmp_path / "damaged"
    damaged.write_bytes(raw)
    try:
        found = rows(damaged)
    except (NoBackup, NewerBackup):
        return
    assert found == rows(whole)


def changed(whole: Path, to: Path, part: str, change: Callable[[bytes], bytes]) -> Path:
    """A backup of which one part is otherwise."""
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(to, "w") as new:
        for name in old.namelist():
            there = old.read(name)
            new.writestr(name, change(there) if name == part else there)
    return to


def said(whole: Path, to: Path, **otherwise: Any) -> Path:
    """A backup whose manifest says something else."""

    def change(written: bytes) -> bytes:
        return json.dumps(json.loads(written) | otherwise).encode()

    return changed(whole, to, "manifest.json", change)


@pytest.mark.parametrize(
    "change", [lambda rows: rows.replace(b"usages", b"usage"), lambda rows: rows + rows]
)
def test_what_was_changed_by_hand_is_seen(
    whole: Path, tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    path = changed(whole, tmp_path / "b", "working_groups.jsonl", change)
    with Backup(path) as backup, pytest.raises(NoBackup, match="not what the manifest says"):
        backup.check()


def test_a_row_without_an_end_is_refused(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.backup.reading.LONGEST_ROW", 1000)
    with Backup(whole) as backup:
        backup.check()
    path = changed(whole, tmp_path / "b", "keys.jsonl", lambda rows: rows + b"0" * 1000)
    with Backup(path) as backup, pytest.raises(NoBackup, match="without an end"):
        backup.check()


def forged(whole: Path, to: Path, table: str, rows: list[Any], **otherwise: Any) -> Path:
    """A backup in which a table is otherwise, as its manifest says as well."""
    data = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    with zipfile.ZipFile(whole) as archive:
        parts = json.loads(archive.read("manifest.json"))["parts"]
    of_it = {"rows": len(rows), "sha256": hashlib.sha256(data).hexdigest(), **otherwise}
    parts = [one | (of_it if one["table"] == table else {}) for one in parts]
    between = changed(whole, to.with_suffix(".part"), f"{table}.jsonl", lambda _: data)
    return said(between, to, parts=parts)


@pytest.mark.parametrize("number", [10**30, [1], {"a": 1}, True, 1.5, "1"])
def test_a_row_that_was_forged_is_refused(whole: Path, tmp_path: Path, number: Any) -> None:
    with zipfile.ZipFile(whole) as archive:
        first, *rows = map(json.loads, archive.read("working_groups.jsonl").splitlines())
    rows.insert(0, [number, *first[1:]])
    with pytest.raises(NoBackup, match="cannot be read"):
        restored(forged(whole, tmp_path / "b", "working_groups", rows), NOWHERE % tmp_path)
    assert not list(tmp_path.glob("new*"))


@pytest.mark.parametrize("last", ["9", 10**30, -1])
def test_a_count_that_was_forged_is_refused(whole: Path, tmp_path: Path, last: Any) -> None:
    path = forged(whole, tmp_path / "b", "people", [], last_id=last)
    with pytest.raises(NoBackup, match="manifest"), Backup(path):
        pass


def test_a_table_that_is_there_twice_is_refused(whole: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(whole) as archive:
        parts = json.loads(archive.read("manifest.json"))["parts"]
    with pytest.raises(NoBackup, match="its tables"):
        restored(said(whole, tmp_path / "b", parts=[*parts, parts[0]]), NOWHERE % tmp_path)


def test_a_key_that_is_none_is_refused(whole: Path, tmp_path: Path) -> None:
    with Backup(whole) as backup:
        keys = backup.keys()
        columns = next(one.columns for one in backup.manifest.parts if one.table == "keys")
    short = [[{**asdict(one), "sealed": "enp6"}[name] for name in columns] for one in keys]
    path = forged(whole, tmp_path / "b", "keys", short)
    with Backup(path) as backup, pytest.raises(KeyRefused):
        Keyring.open([SECRET], backup.keys())


def test_what_refers_to_nothing_is_refused(sqlite_url: str, empty_url: str, tmp_path: Path) -> None:
    db = opened(sqlite_url)
    db.write_now(lambda store: store.people.arrive("web", "somebody", "fr", NOW))
    db.close()
    path = changed(made(sqlite_url, tmp_path / "b"), tmp_path / "c", "people.jsonl", lambda _: b"")
    with zipfile.ZipFile(path) as archive:
        parts = json.loads(archive.read("manifest.json"))["parts"]
    nobody = {"rows": 0, "sha256": hashlib.sha256().hexdigest()}
    parts = [one | (nobody if one["table"] == "people" else {}) for one in parts]
    with pytest.raises(NoBackup, match="refer"):
        restored(said(path, tmp_path / "d", parts=parts), empty_url)
    check_empty(empty_url)


@pytest.mark.parametrize("newer", [{"format": 2}, {"revision": "9999"}])
def test_what_is_newer_is_refused(whole: Path, tmp_path: Path, newer: dict[str, Any]) -> None:
    path = said(whole, tmp_path / "newer", **newer)
    with pytest.raises(NewerBackup):
        Backup(path)


def test_tables_of_another_version_are_refused(whole: Path, tmp_path: Path) -> None:
    path = said(whole, tmp_path / "b", revision="0001")
    with pytest.raises(NoBackup, match="0001"):
        restored(path, f"sqlite:///{tmp_path / 'preau.db'}")
    assert not (tmp_path / "preau.db").exists()


def test_an_older_version_is_brought_to_this_one(sqlite_url: str, tmp_path: Path) -> None:
    db = opened(sqlite_url)
    migrate.downgrade(db.engine, "0011")
    db.close()
    path, url = made(sqlite_url, tmp_path / "b"), f"sqlite:///{tmp_path / 'new' / 'preau.db'}"
    with Backup(path) as backup:
        assert backup.manifest.revision == "0011"
    restored(path, url)
    other = opened(url)
    assert migrate.is_current(other.engine)
    other.close()


def test_another_secret_opens_no_backup(whole: Path) -> None:
    with Backup(whole) as backup, pytest.raises(KeyRefused):
        Keyring.open(["another secret, as long as it has to be…"], backup.keys())
