"""What is claimed, in which order, and through which index."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, literal, select, union_all, update

from storage.base import dialect_of
from storage.broadcasts import Broadcast, BroadcastKind, BroadcastState
from storage.database import Database
from storage.deliveries import Delivery, DeliveryState, Kind, Operation, Outgoing
from storage.people import Person
from storage.store import Store
from tests.conftest import NOW


def people(store: Store, count: int) -> list[int]:
    somebody = [Person(language="fr", created_at=NOW) for _ in range(count)]
    store.session.add_all(somebody)
    store.session.flush()
    return [one.id for one in somebody]


def say(store: Store, people: list[int], kind: Kind = Kind.notice, due_at: datetime = NOW) -> int:
    recipients = union_all(*(select(literal(one)) for one in people)).subquery()
    return store.deliveries.notify(
        "people.menu", {}, select(recipients.c[0]), NOW, due_at=due_at, kind=kind
    )


def broadcast(store: Store, people: list[int]) -> Broadcast:
    made = Broadcast(
        kind=BroadcastKind.news,
        body="x",
        audience={},
        state=BroadcastState.leaving,
        composed_at=NOW,
        notice_id=say(store, people, Kind.broadcast),
    )
    store.session.add(made)
    store.session.flush()
    return made


def test_what_somebody_waits_for_goes_first(db: Database) -> None:
    """Whatever its age: a reminder or a broadcast by the thousand never holds up a notice."""

    def look(store: Store) -> None:
        everybody = people(store, 6)
        broadcast(store, everybody)
        say(store, everybody, Kind.reminder, NOW - timedelta(hours=2))
        say(store, everybody[:2], Kind.notice, NOW - timedelta(hours=1))
        kinds = [one.kind for one in store.deliveries.claim(NOW, 10)]
        assert kinds == [Kind.notice] * 2 + [Kind.reminder] * 6 + [Kind.broadcast] * 2

    db.write_now(look)


def test_broadcasts_under_way_share_what_is_left(db: Database) -> None:
    def look(store: Store) -> None:
        everybody = people(store, 9)
        first, second = broadcast(store, everybody), broadcast(store, everybody[:4])
        claimed = [one.id for one in store.deliveries.claim(NOW, 6)]
        held = store.session.execute(
            select(Delivery.notice_id).where(Delivery.id.in_(claimed)).order_by(Delivery.id)
        ).scalars()
        assert list(held) == [first.notice_id] * 3 + [second.notice_id] * 3
        rest = [len(store.deliveries.claim(NOW, 10)) for _ in range(3)]
        assert rest == [6, 1, 0]

    db.write_now(look)


@pytest.mark.parametrize(
    "state", [one for one in BroadcastState if one is not BroadcastState.leaving]
)
def test_a_broadcast_that_is_not_leaving_stays(db: Database, state: BroadcastState) -> None:
    def look(store: Store) -> None:
        held = broadcast(store, people(store, 3))
        assert store.deliveries.is_due(NOW)
        assert store.deliveries.next_due() == NOW
        held.state = state
        store.session.flush()
        assert store.deliveries.claim(NOW) == []
        assert not store.deliveries.is_due(NOW)
        assert store.deliveries.next_due() is None

    db.write_now(look)


def test_what_waits_longer_is_not_due(db: Database) -> None:
    def look(store: Store) -> None:
        say(store, people(store, 1), due_at=NOW + timedelta(hours=1))
        assert not store.deliveries.is_due(NOW)
        assert store.deliveries.next_due() == NOW + timedelta(hours=1)
        assert store.deliveries.claim(NOW) == []
        assert len(store.deliveries.claim(NOW + timedelta(hours=1))) == 1

    db.write_now(look)


def test_what_a_dead_process_held_is_claimed_again(db: Database) -> None:
    def look(store: Store) -> None:
        say(store, people(store, 2))
        [first, _] = store.deliveries.claim(NOW)
        store.deliveries.expired(first.id, NOW)
        later = NOW + timedelta(minutes=3)
        assert not store.deliveries.is_due(NOW)
        assert store.deliveries.is_due(later)
        store.deliveries.release_lapsed(later)
        assert [one.attempts for one in store.deliveries.claim(later)] == [2]

    db.write_now(look)


def test_claims_are_served_by_an_index(db: Database) -> None:
    """However many deliveries stand in the table: a condition in other words would scan it."""
    seen: list[tuple[str, Any]] = []

    def look(store: Store) -> list[str]:
        broadcast(store, people(store, 3))
        event.listen(
            db.engine, "before_cursor_execute", lambda *said: seen.append((said[2], said[3]))
        )
        store.deliveries.claim(NOW)
        store.deliveries.is_due(NOW)
        store.deliveries.next_due()
        looked = [one for one in seen if "FROM deliveries" in one[0]]
        assert len(looked) == 6
        return [line for sql, given in looked for line in plan_of(store, sql, given)]

    lines = db.write_now(look)
    assert any("ix_deliveries_waiting" in line for line in lines)
    assert any("ix_deliveries_broadcast" in line for line in lines)
    assert [line for line in lines if "SCAN deliveries" in line or "Seq Scan on del" in line] == []


def plan_of(store: Store, sql: str, given: Any) -> list[str]:
    """How the database would find the rows of a statement, if the table were large."""
    connection = store.session.connection()
    if dialect_of(store.session) == "sqlite":
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", given)
    else:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        rows = connection.exec_driver_sql(f"EXPLAIN {sql}", given)
    return [" ".join(map(str, row)) for row in rows]


def test_one_person_is_told_once(db: Database) -> None:
    def look(store: Store) -> None:
        everybody = people(store, 2)
        say(store, [*everybody, *everybody])
        assert len(store.deliveries.claim(NOW)) == 2
        left = store.session.execute(
            update(Delivery).values(state=DeliveryState.cancelled).returning(Delivery.id)
        )
        assert len(list(left)) == 2

    db.write_now(look)


def test_what_is_taken_back_while_it_waits_leaves_no_more(db: Database) -> None:
    """Nor is it tried again; and what was on its way is deleted as soon as it has arrived."""

    def look(store: Store) -> None:
        account, _ = store.people.arrive("messenger", "@somebody", "fr", NOW)
        chat = store.people.chat("messenger", "@somebody", account_id=account.id).id
        words = {"markup": "Ada Girafon"}
        shows = [Outgoing(words, subject="thread:7") for _ in range(3)]
        store.deliveries.queue(chat, "", [*shows, Outgoing(words, subject="thread:8")], NOW)
        arrives, fails = store.deliveries.claim(NOW, 2)
        assert store.deliveries.take_back(["thread:7"], NOW) == {}, "nothing stands yet"
        store.deliveries.sent(arrives.id, chat, words, "message-1", NOW)
        store.deliveries.retry(fails.id, NOW)
        rows = select(Delivery.state, Delivery.body).order_by(Delivery.id).limit(4)
        states = [(state, body) for state, body in store.session.execute(rows)]
        assert states == [*[(DeliveryState.cancelled, {})] * 3, (DeliveryState.waiting, words)]
        other, gone = store.deliveries.claim(NOW)
        assert (other.body, gone.operation, gone.message) == (words, Operation.delete, "message-1")
        store.deliveries.sent(gone.id, chat, {}, "message-1", NOW)
        assert store.deliveries.next_due() is None

    db.write_now(look)


def test_what_is_taken_back_is_deleted_once(db: Database) -> None:
    def look(store: Store) -> None:
        account, _ = store.people.arrive("messenger", "@somebody", "fr", NOW)
        chat = store.people.chat("messenger", "@somebody", account_id=account.id).id
        store.deliveries.queue(chat, "", [Outgoing({"markup": "?"}, subject="thread:0")], NOW)
        [claimed] = store.deliveries.claim(NOW)
        store.deliveries.sent(claimed.id, chat, {"markup": "?"}, "message-1", NOW)
        assert store.deliveries.take_back(["thread:0"], NOW) == {chat: {"message-1"}}
        assert store.deliveries.take_back(["thread:0"], NOW) == {}

    db.write_now(look)
