"""`preau backup` and `preau restore`: what is said, and that a kill leaves nothing half."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import insert, select

from storage.audit import AuditEntry
from storage.backup import Backup, Occupied, check_empty
from storage.database import Database
from storage.deliveries import Delivery, DeliveryState, Kind, Operation
from storage.lock import only_server
from storage.store import Store
from tests.conftest import NOW, SECRET
from tests.servers import database
from tests.test_cli import Preau, line_of, preau

__all__ = ["preau"]

NAME, STORY = "Zoulikha", "une histoire que personne d'autre ne raconte"
OTHER_SECRET = "another secret, as long as it has to be…"
LARGE = 8_000  # deliveries: half a second or more


def fill(store: Store) -> None:
    account, _ = store.people.arrive("telegram", "address-4242", "fr", NOW)
    store.people.get(account.person_id).name = NAME
    store.conversations.save_draft(account.person_id, "report", {"story": STORY}, NOW)


def opened(url: str) -> Database:
    db = Database(url, [SECRET])
    db.open()
    return db


@pytest.fixture
def source(database_url: str) -> Iterator[Database]:
    """What is served."""
    db = opened(database_url)
    db.write_now(fill)
    yield db
    db.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'restored' / 'preau.db'}"
    else:
        with database(request.getfixturevalue("postgresql_server")) as url:
            yield url


def names(url: str) -> list[str | None]:
    db = opened(url)
    found = db.read_now(lambda store: [store.people.get(one).name for one in _everybody(store)])
    db.close()
    return found


def _everybody(store: Store) -> list[int]:
    return list(store.session.scalars(store.people.everybody()))


def test_a_backup_needs_no_secret_and_holds_nothing_in_clear(
    source: Database, database_url: str, preau: Preau, tmp_path: Path
) -> None:
    said = preau("backup", "b.zip", DATABASE_URL=database_url)
    assert said.code == 0, said.err
    assert said.out.startswith("backed up: ")
    assert len(said.out.splitlines()) == 1
    raw = (tmp_path / "b.zip").read_bytes()
    with Backup(tmp_path / "b.zip") as backup:
        lines = repr([list(backup.rows(part)) for part in backup.manifest.parts]).encode()
    for secret in (NAME, STORY, "address-4242", SECRET):
        assert secret.encode() not in raw + lines
    assert stat.S_IMODE((tmp_path / "b.zip").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob(".b.zip*")] == []


def test_what_backup_says_to_programs(source: Database, database_url: str, preau: Preau) -> None:
    said = json.loads(preau("backup", "b.zip", "--json", DATABASE_URL=database_url).out)
    assert said["file"] == "b.zip"
    assert said["rows"] > 5
    assert said["bytes"] == Path("b.zip").stat().st_size


def test_to_standard_output(sqlite_url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bot", "backup", "-"]
    environment = os.environ | {"PREAU_DATABASE_URL": sqlite_url}
    done = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60)
    (tmp_path / "b.zip").write_bytes(done.stdout)
    with Backup(tmp_path / "b.zip") as backup:
        backup.check()
    assert done.stderr.startswith(b"backed up: ")


def test_what_backup_refuses(sqlite_url: str, preau: Preau, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("precious")
    assert "is there already" in line_of(preau("backup", "there", DATABASE_URL=sqlite_url))
    assert (tmp_path / "there").read_text() == "precious"
    assert "No such file" in line_of(preau("backup", "no/where", DATABASE_URL=sqlite_url))
    said = preau("backup", "b.zip", DATABASE_URL="sqlite:///nothing.db")
    assert (said.code, line_of(said)) == (1, "there is no database to back up: nothing.db")
    assert not (tmp_path / "nothing.db").exists()
    (tmp_path / "blank.db").touch()
    assert "preau migrate" in line_of(preau("backup", "b.zip", DATABASE_URL="sqlite:///blank.db"))
    assert not (tmp_path / "b.zip").exists()


def test_there_and_back(
    source: Database, database_url: str, empty_url: str, preau: Preau, tmp_path: Path
) -> None:
    assert preau("backup", "b.zip", DATABASE_URL=database_url).code == 0
    given = {"DATABASE_URL": empty_url, "SECRET_KEY": SECRET, "DATA_DIR": "kept"}
    said = preau("restore", "b.zip", **given)
    assert said.code == 1
    assert "no list of erasures at kept/erasures" in line_of(said)
    said = preau("restore", "b.zip", "--without-erasures", **given)
    assert said.code == 0, said.err
    assert "erased again: 0 people, 0 reports" in said.out
    assert names(empty_url) == [NAME]
    db = opened(empty_url)
    wanted = select(AuditEntry.act, AuditEntry.via)
    acts = db.read_now(lambda store: store.session.execute(wanted).all())
    assert [tuple(act) for act in acts] == [("backups.restored", "shell")]
    db.close()
    said = preau("restore", "b.zip", "--without-erasures", **given)
    assert said.code == 1
    assert "the database is not empty" in line_of(said)


def test_what_restore_refuses(
    sqlite_url: str, empty_url: str, preau: Preau, tmp_path: Path
) -> None:
    assert preau("backup", "b.zip", DATABASE_URL=sqlite_url).code == 0
    given = {"DATABASE_URL": empty_url, "SECRET_KEY": SECRET}

    def refused(*arguments: str, **other: str) -> str:
        said = preau("restore", *arguments, "--without-erasures", **(given | other))
        assert said.code == 1
        check_empty(empty_url)
        return line_of(said)

    assert "SECRET_KEY does not open" in refused("b.zip", SECRET_KEY=OTHER_SECRET)
    assert "No such file" in refused("none.zip")
    (tmp_path / "half.zip").write_bytes((tmp_path / "b.zip").read_bytes()[:-100])
    assert "half.zip cannot be restored" in refused("half.zip")
    assert preau("restore", "b.zip", DATABASE_URL=empty_url).code == 2  # no secret
    both = preau("restore", "b.zip", "--without-erasures", "--erasures", "x", **given)
    assert both.code == 2


def test_what_is_served_is_not_restored_into(sqlite_url: str, preau: Preau, tmp_path: Path) -> None:
    assert preau("backup", "b.zip", DATABASE_URL=sqlite_url).code == 0
    with only_server(tmp_path / "new.db"):
        given = {"DATABASE_URL": "sqlite:///new.db", "SECRET_KEY": SECRET}
        said = preau("restore", "b.zip", "--without-erasures", **given)
    assert said.code == 1
    assert "already served by another process" in line_of(said)


# Kills


def enlarge(store: Store) -> None:
    chat = store.people.chat("telegram", "address-4242", account_id=1)
    row = {
        "chat_id": chat.id,
        "kind": Kind.reply,
        "operation": Operation.send,
        "state": DeliveryState.sent,
        "due_at": NOW,
        "body": {"html": "x" * 200},
    }
    for start in range(0, LARGE, 1000):
        rows = [row | {"due_at": NOW + timedelta(seconds=start + n)} for n in range(1000)]
        store.session.execute(insert(Delivery), rows)


def killed(url: str, arguments: list[str], when: Callable[[], bool]) -> None:
    """The command dies once something is so; an assertion fails if it ends before."""
    environment = os.environ | {"PREAU_DATABASE_URL": url, "PREAU_SECRET_KEY": SECRET}
    process = subprocess.Popen([sys.executable, "-m", "bot", *arguments], env=environment)
    until = time.monotonic() + 60
    while not when():
        assert process.poll() is None, "it ended before it was killed"
        assert time.monotonic() < until
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL


@pytest.mark.servers
def test_a_kill_leaves_no_half_backup(source: Database, database_url: str, tmp_path: Path) -> None:
    source.write_now(enlarge)
    file = tmp_path / "b.zip"

    def half_written() -> bool:
        return any(path.stat().st_size > 100_000 for path in tmp_path.glob(".b.zip.*"))

    killed(database_url, ["backup", str(file)], half_written)
    assert not file.exists()


@pytest.mark.servers
def test_a_kill_leaves_nothing_half_restored(
    sqlite_url: str, empty_url: str, preau: Preau, tmp_path: Path
) -> None:
    source = opened(sqlite_url)
    source.write_now(fill)
    source.write_now(enlarge)
    source.close()
    assert preau("backup", "b.zip", DATABASE_URL=sqlite_url).code == 0
    arguments = ["restore", str(tmp_path / "b.zip"), "--without-erasures"]
    killed(empty_url, arguments, lambda: half_restored(empty_url))
    check_empty(empty_url)
    given = {"DATABASE_URL": empty_url, "SECRET_KEY": SECRET}
    said = preau("restore", "b.zip", "--without-erasures", **given)
    assert said.code == 0, said.err
    with pytest.raises(Occupied):
        check_empty(empty_url)
    assert list((tmp_path / "restored").glob("*.restoring*")) == []


def half_restored(url: str) -> bool:
    """Whether many rows are written, and none is committed."""
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///") + ".restoring")
        return path.exists() and path.stat().st_size > 1_500_000
    with psycopg.connect(url) as connection:
        busy = connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
            "AND query LIKE 'INSERT INTO deliveries%'"
        )
        return busy.fetchone() is not None
