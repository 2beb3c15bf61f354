"""A copy is made on a snapshot: what happened meanwhile is looked at again."""

from datetime import timedelta

from sqlalchemy import func, select

from bot.settings import Settings
from scheduled.exports import keep, make
from storage.database import Database
from storage.exports import Exported
from storage.files import File
from storage.grants import Role
from storage.store import Store
from tests.conftest import NOW


def asked(store: Store) -> int:
    account, _ = store.people.arrive("web", "one", "fr", NOW)
    store.exports.ask(account.person_id, NOW)
    return account.person_id


def asked_for(store: Store, what: Exported) -> int:
    """Somebody of the secretariat, who asked for a table."""
    person = asked(store)
    store.grants.give(person, Role.secretariat, NOW)
    for export in (store.exports.ask(person, NOW), store.exports.ask(person, NOW, what)):
        if not export.what.is_table:
            store.exports.drop(export)
    return person


def files(store: Store) -> int:
    return int(store.session.execute(select(func.count()).select_from(File)).scalar_one())


def test_nothing_is_kept_of_who_was_erased_meanwhile(db: Database, settings: Settings) -> None:
    person = db.write_now(asked)
    made = db.read_now(lambda store: make(store, NOW, settings))
    assert made is not None
    db.write_now(lambda store: store.erase(person, NOW))
    assert db.write_now(lambda store: keep(store, NOW, made)) is False
    assert db.read_now(files) == 0


def test_two_processes_keep_one_copy(db: Database, settings: Settings) -> None:
    db.write_now(asked)
    made = db.read_now(lambda store: make(store, NOW, settings))
    assert made is not None
    for _ in range(2):
        db.write_now(lambda store: keep(store, NOW, made))
    assert db.read_now(files) == 2
    assert db.read_now(lambda store: make(store, NOW, settings)) is None


def test_its_files_are_no_orphans_and_go_with_it(db: Database, settings: Settings) -> None:
    db.write_now(asked)
    made = db.read_now(lambda store: make(store, NOW, settings))
    assert made is not None
    db.write_now(lambda store: keep(store, NOW, made))
    later = NOW + timedelta(days=3)
    orphans = db.read_now(lambda store: [one.id for one in store.files.orphans(later)])
    assert db.read_now(lambda store: store.exports.files_among(orphans)) == set(orphans)
    db.write_now(lambda store: store.exports.forget_old(NOW + timedelta(seconds=1)))
    assert db.read_now(files) == 0


def test_a_table_that_may_say_what_was_erased_meanwhile_is_made_anew(
    db: Database, settings: Settings
) -> None:
    db.write_now(lambda store: asked_for(store, Exported.reports))
    made = db.read_now(lambda store: make(store, NOW, settings))
    assert made is not None
    later = NOW + timedelta(seconds=1)
    assert db.write_now(lambda store: store.exports.drop_tables(Exported.reports, later)) == []
    assert db.write_now(lambda store: keep(store, later, made)) is True
    assert db.read_now(files) == 0
    again = db.read_now(lambda store: make(store, later, settings))
    assert again is not None
    assert db.write_now(lambda store: keep(store, later, again)) is False
    assert db.read_now(files) == 1
    assert db.write_now(lambda store: store.exports.drop_tables(Exported.members, later)) == []
    assert db.write_now(lambda store: store.exports.drop_tables(Exported.reports, later)) != []
    assert db.read_now(files) == 0


def test_a_table_is_made_each_time_and_once_at_a_time(db: Database, settings: Settings) -> None:
    person = db.write_now(lambda store: asked_for(store, Exported.members))

    def ask(store: Store) -> int:
        return store.exports.ask(person, NOW, Exported.members).id

    first = db.write_now(ask)
    assert db.write_now(ask) == first
    made = db.read_now(lambda store: make(store, NOW, settings))
    assert made is not None
    db.write_now(lambda store: keep(store, NOW, made))
    assert db.write_now(ask) != first
