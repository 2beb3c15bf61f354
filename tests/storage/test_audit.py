"""The audit log: ids only, details that can be erased, and a chain in which nothing changes."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select, update

from storage.audit import BY_COMMAND_LINE, AuditBatch, AuditDetails, AuditEntry, Filter, Verified
from storage.audit.chain import LINK
from storage.database import Database
from storage.store import Store
from tests.conftest import NOW

Harm = Callable[[Store], object]

# Of three acts of `noted`, as links were made at first.
FIRST_FORM = bytes.fromhex("bd2a23f4feda3c15c810d709bf297224080f4cb617ead6afc0fab2aaa45731eb")


def noted(store: Store, count: int = 3) -> None:
    for one in range(count):
        store.audit.add("polls.opened", NOW, via="web", by=7, about=f"poll:{one}")


def chained(db: Database) -> Verified:
    """Three links: of three acts, of two, one with details, and of one."""

    def make(store: Store) -> None:
        noted(store)
        store.session.flush()
        assert not store.audit.chain(NOW)
        store.session.flush()
        store.audit.add("members.role_ended", NOW, via="matrix", by=8, about="person:7")
        store.audit.add(
            "limits.banned", NOW, via="web", by=8, about="person:9", details={"why": "un girafon"}
        )
        store.session.flush()
        store.audit.chain(NOW + timedelta(minutes=1))
        store.session.flush()
        store.audit.add("keys.rotated", NOW, via=BY_COMMAND_LINE)
        store.session.flush()
        store.audit.chain(NOW + timedelta(minutes=2))

    db.write_now(make)
    return verified(db)


def verified(db: Database) -> Verified:
    return db.read_now(lambda store: store.audit.verify())


def test_what_was_noted_holds(db: Database) -> None:
    found = chained(db)
    assert found.problems == []
    assert [head.number for head in found.heads] == [1, 2, 3]
    assert (found.entries, found.waiting, found.erased) == (6, 0, 0)
    assert verified(db) == found


def test_what_is_not_chained_yet_waits_for_the_next_link(db: Database) -> None:
    before = chained(db)
    db.write_now(noted)
    after = verified(db)
    assert (after.problems, after.waiting, after.heads) == ([], 3, before.heads)
    db.write_now(lambda store: store.audit.chain(NOW))
    assert [*before.heads, verified(db).heads[-1]] == verified(db).heads


def test_many_acts_make_several_links(db: Database) -> None:
    db.write_now(lambda store: noted(store, LINK + 1))
    assert db.write_now(lambda store: store.audit.chain(NOW))
    assert not db.write_now(lambda store: store.audit.chain(NOW))
    assert not db.write_now(lambda store: store.audit.chain(NOW))
    assert (len(verified(db).heads), verified(db).problems) == (2, [])


def change(**values: object) -> Harm:
    wanted = update(AuditEntry).where(AuditEntry.about == "poll:1").values(**values)
    return lambda store: store.session.execute(wanted)


HARMS: dict[str, Harm] = {
    "the act": change(act="polls.cancelled"),
    "who": change(actor_id=8),
    "nobody": change(actor_id=None),
    "when": change(at=NOW - timedelta(seconds=1)),
    "what": change(about="poll:9"),
    "from where": change(via="matrix"),
    "a commitment": change(commitment=bytes(32)),
    "another link": change(batch=2),
    "out of the chain": change(batch=None),
    "no such link": change(batch=9),
    "taken away": lambda store: store.session.execute(
        delete(AuditEntry).where(AuditEntry.about == "poll:1")
    ),
    "put in": lambda store: store.session.add(
        AuditEntry(at=NOW, act="polls.opened", actor_id=7, about="poll:8", via="web", batch=1)
    ),
    "a link taken away": lambda store: store.session.execute(
        delete(AuditBatch).where(AuditBatch.number == 2)
    ),
    "a link changed": lambda store: store.session.execute(
        update(AuditBatch).where(AuditBatch.number == 1).values(hash=bytes(32))
    ),
    "when a link was made": lambda store: store.session.execute(
        update(AuditBatch).where(AuditBatch.number == 1).values(made_at=NOW - timedelta(days=1))
    ),
    "how many a link has": lambda store: store.session.execute(
        update(AuditBatch).where(AuditBatch.number == 3).values(entries=2)
    ),
    "other details": lambda store: store.session.execute(
        update(AuditDetails).values(details={"why": "un autre"})
    ),
    "another salt": lambda store: store.session.execute(
        update(AuditDetails).values(salt=bytes(16))
    ),
}


@pytest.mark.parametrize("harm", HARMS)
def test_what_was_changed_is_found(db: Database, harm: str) -> None:
    chained(db)
    db.write_now(HARMS[harm])
    assert verified(db).problems != []


def test_a_link_of_the_first_form_still_holds(db: Database) -> None:
    """It covered its acts, but not when it was made."""

    def make(store: Store) -> None:
        noted(store)
        store.session.flush()
        store.audit.chain(NOW)
        store.session.flush()
        store.session.execute(update(AuditBatch).values(hash=FIRST_FORM))
        noted(store)
        store.session.flush()
        store.session.expire_all()
        store.audit.chain(NOW)

    db.write_now(make)
    found = verified(db)
    assert (found.problems, len(found.heads)) == ([], 2)
    db.write_now(change(about="poll:9"))
    assert len(verified(db).problems) == 2


@pytest.mark.parametrize("length", [0, 2, 16])
def test_details_that_do_not_open_are_found(db: Database, length: int) -> None:
    chained(db)
    with db.engine.begin() as connection:
        # Bytes of which none were encrypted.
        connection.exec_driver_sql(f"UPDATE audit_details SET details = substr(salt, 1, {length})")
    assert verified(db).problems != []


def test_an_end_that_was_cut_off_is_missed_in_what_was_kept_elsewhere(db: Database) -> None:
    before = chained(db).heads

    def cut(store: Store) -> None:
        store.session.execute(delete(AuditEntry).where(AuditEntry.batch == 3))
        store.session.execute(delete(AuditBatch).where(AuditBatch.number == 3))

    db.write_now(cut)
    after = verified(db)
    assert after.problems == []  # nothing inside can tell
    assert before[-1] not in after.heads


def test_details_go_with_a_person_and_the_chain_still_holds(db: Database) -> None:
    heads = chained(db).heads
    db.write_now(lambda store: store.audit.forget_person(9))
    after = verified(db)
    assert (after.problems, after.erased, after.heads) == ([], 1, heads)
    assert db.read_now(lambda store: count(store, AuditDetails)) == 0


def test_details_go_with_time_and_acts_stay(db: Database) -> None:
    chained(db)
    db.write_now(lambda store: store.audit.forget_details(NOW))
    assert db.read_now(lambda store: count(store, AuditDetails)) == 1
    db.write_now(lambda store: store.audit.forget_details(NOW + timedelta(seconds=1)))
    assert db.read_now(lambda store: count(store, AuditDetails)) == 0
    assert db.read_now(lambda store: count(store, AuditEntry)) == 6
    assert verified(db).problems == []


def test_an_act_that_is_undone_is_not_noted(db: Database) -> None:
    def undone(store: Store) -> None:
        with suppress(LookupError), store.savepoint():
            noted(store)
            raise LookupError

    db.write_now(undone)
    assert db.read_now(lambda store: count(store, AuditEntry)) == 0


def test_acts_are_filtered(db: Database) -> None:
    chained(db)

    def acts(wanted: Filter) -> list[str]:
        found = db.read_now(lambda store: store.audit.latest(wanted))
        return [f"{one.act} {one.about}".strip() for one in found]

    assert acts(Filter(noun="polls")) == [f"polls.opened poll:{one}" for one in (2, 1, 0)]
    assert acts(Filter(noun="poll")) == []
    assert acts(Filter(actor_id=8)) == ["limits.banned person:9", "members.role_ended person:7"]
    assert acts(Filter(about=["person:9"])) == ["limits.banned person:9"]
    assert acts(Filter(since=NOW + timedelta(seconds=1))) == []
    assert db.read_now(lambda store: store.audit.actors(Filter(), 9)) == [8, 7]


def count(store: Store, model: type[AuditEntry | AuditDetails]) -> int:
    return store.session.execute(select(func.count()).select_from(model)).scalar_one()
