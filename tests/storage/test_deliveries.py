"""What is claimed, in which order, and through which index."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, literal, select, union_all, update

from storage.base import dialect_of
from storage.broadcasts import Broadcast, BroadcastKind, BroadcastState
from storage.conversations import Place
from storage.database import Database
from storage.deliveries import (
    Delivery,
    DeliveryState,
    Failure,
    Kind,
    Operation,
    Outgoing,
    Sent,
    numbered,
)
from storage.people import Chat, ChatState, Person
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


def broadcast(store: Store, people: list[int], urgency: str | None = None) -> Broadcast:
    made = Broadcast(
        kind=BroadcastKind.news,
        body="x",
        urgency=urgency,
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


def test_an_urgent_broadcast_goes_before_those_under_way(db: Database) -> None:
    def look(store: Store) -> None:
        everybody = people(store, 9)
        first, second = broadcast(store, everybody), broadcast(store, everybody)
        urgent = broadcast(store, everybody[:5], "Une inondation")
        notices = [one.notice_id for one in store.deliveries.claim(NOW, 9)]
        assert notices[:5] == [urgent.notice_id] * 5
        assert notices[5:] == [first.notice_id] * 2 + [second.notice_id] * 2

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
        assert [one.attempts for one in store.deliveries.claim(later)] == [1], "it was no try"

    db.write_now(look)


def test_replies_that_wait_for_another_try_are_due_when_a_process_starts(db: Database) -> None:
    def look(store: Store) -> None:
        first, second = store.deliveries.queue(
            chat_of(store), "", [Outgoing({"markup": "a"}), Outgoing({"markup": "b"})], NOW
        )
        store.deliveries.retry(first, NOW + timedelta(minutes=5))
        store.deliveries.release_all(NOW)
        assert [one.id for one in store.deliveries.claim(NOW)] == [first, second]

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
        store.deliveries.release_all(NOW)
        arrives, fails = store.deliveries.claim(NOW, 2)
        assert store.deliveries.take_back(["thread:7"], NOW) == {}, "nothing stands yet"
        store.deliveries.sent([Sent(arrives.id, chat, "message-1")], NOW)
        store.deliveries.retry(fails.id, NOW)
        rows = select(Delivery.state, Delivery.body).order_by(Delivery.id).limit(4)
        states = [(state, body) for state, body in store.session.execute(rows)]
        assert states == [*[(DeliveryState.cancelled, {})] * 3, (DeliveryState.waiting, words)]
        other, gone = store.deliveries.claim(NOW)
        assert (other.body, gone.operation, gone.message) == (words, Operation.delete, "message-1")
        store.deliveries.sent([Sent(gone.id, chat, "message-1")], NOW)
        assert store.deliveries.next_due() is None

    db.write_now(look)


def test_what_is_taken_back_is_deleted_once(db: Database) -> None:
    def look(store: Store) -> None:
        account, _ = store.people.arrive("messenger", "@somebody", "fr", NOW)
        chat = store.people.chat("messenger", "@somebody", account_id=account.id).id
        [one] = store.deliveries.queue(
            chat, "", [Outgoing({"markup": "?"}, subject="thread:0")], NOW
        )
        store.deliveries.sent([Sent(one, chat, "message-1")], NOW)
        assert store.deliveries.take_back(["thread:0"], NOW) == {chat: {"message-1"}}
        assert store.deliveries.take_back(["thread:0"], NOW) == {}

    db.write_now(look)


def chat_of(store: Store, address: str = "@somebody", platform: str = "messenger") -> int:
    account, _ = store.people.arrive(platform, address, "fr", NOW)
    return store.people.chat(platform, address, account_id=account.id).id


def ended(store: Store) -> list[tuple[DeliveryState, Failure | None]]:
    rows = select(Delivery.state, Delivery.failure).order_by(Delivery.id)
    return [(state, failure) for state, failure in store.session.execute(rows)]


def test_a_reply_is_leased_from_its_birth(db: Database) -> None:
    """In order, to the process that has it; if that dies, it is claimed as others are."""

    def look(store: Store) -> None:
        words = [Outgoing({"markup": str(number)}) for number in range(40)]
        ids = store.deliveries.queue(chat_of(store), "", words, NOW)
        assert ids == sorted(ids)
        assert store.deliveries.claim(NOW) == []
        later = NOW + timedelta(minutes=3)
        store.deliveries.keep(ids[:10], later)
        store.deliveries.release_lapsed(later)
        again = store.deliveries.claim(later)
        assert [one.id for one in again] == ids[10:]
        assert [one.body for one in again] == [one.body for one in words[10:]]
        assert {one.attempts for one in again} == {1}, "nobody saw a try end"

    db.write_now(look)


@pytest.mark.parametrize("at_start", [True, False])
def test_only_a_broadcast_that_was_being_called_for_is_in_doubt(
    db: Database, at_start: bool
) -> None:
    def look(store: Store) -> None:
        everybody = people(store, 3)
        broadcast(store, everybody)
        claimed = store.deliveries.claim(NOW)
        called, undone, _ = (one.id for one in claimed)
        assert store.deliveries.begin_calls([called, undone], NOW) == {called, undone}
        store.deliveries.undo_calls([undone])
        later = NOW if at_start else NOW + timedelta(minutes=3)
        if at_start:
            store.deliveries.release_all(later)
        else:
            store.deliveries.release_lapsed(later)
        waits = (DeliveryState.waiting, None)
        assert ended(store) == [(DeliveryState.failed, Failure.in_doubt), waits, waits]
        assert len(store.deliveries.claim(later)) == 2

    db.write_now(look)


def test_a_call_is_not_begun_for_what_is_not_wanted(db: Database) -> None:
    def look(store: Store) -> None:
        everybody = people(store, 3)
        held = broadcast(store, everybody)
        first, second, third = (one.id for one in store.deliveries.claim(NOW))
        store.deliveries.expired(second, NOW)
        assert store.deliveries.begin_calls([first, second], NOW) == {first}
        held.state = BroadcastState.paused
        store.session.flush()
        assert store.deliveries.begin_calls([third], NOW) == set()

    db.write_now(look)


def test_to_be_put_back_costs_no_attempt(db: Database) -> None:
    def look(store: Store) -> None:
        say(store, people(store, 3))
        first, second, over = (one.id for one in store.deliveries.claim(NOW))
        store.deliveries.expired(over, NOW)
        soon = NOW + timedelta(seconds=5)
        due = [(second, soon), (first, soon + timedelta(seconds=1)), (over, soon)]
        store.deliveries.defer(due)
        assert store.deliveries.next_due() == soon
        again = store.deliveries.claim(soon + timedelta(minutes=1))
        assert [(one.id, one.attempts) for one in again] == [(second, 1), (first, 1)]

    db.write_now(look)


def test_what_is_on_its_way_to_a_lost_chat_has_failed(db: Database) -> None:
    """What stands there, and what is for others, is left as it is."""

    def look(store: Store) -> None:
        chat, other = chat_of(store), chat_of(store, "@other")
        words = [Outgoing({"markup": "?"})]
        [sent] = store.deliveries.queue(chat, "", words, NOW)
        store.deliveries.sent([Sent(sent, chat, "message-1")], NOW)
        store.deliveries.queue(chat, "", words * 2, NOW)
        store.deliveries.queue(other, "", words, NOW)
        store.lose_chat("messenger", "@nobody", Failure.blocked, NOW)
        store.lose_chat("messenger", "@somebody", Failure.blocked, NOW)
        failed = (DeliveryState.failed, Failure.blocked)
        assert ended(store) == [
            (DeliveryState.sent, None),
            failed,
            failed,
            (DeliveryState.sending, None),
        ]
        states = [store.session.get_one(Chat, one).state for one in (chat, other)]
        assert states == [ChatState.blocked, ChatState.active]

    db.write_now(look)


def test_a_chat_that_moves_takes_with_it_what_is_on_its_way(db: Database) -> None:
    def look(store: Store) -> None:
        chat, other = chat_of(store), chat_of(store, "@other")
        words = [Outgoing({"markup": "?"})]
        store.deliveries.queue(chat, "", words, NOW)
        store.move_chat("messenger", "@somebody", "@elsewhere", NOW)
        assert store.people.chat_at("messenger", "@somebody") is None
        assert store.people.chat_at("messenger", "@elsewhere") == chat
        moved = store.session.scalars(select(Chat).where(Chat.id == chat)).one()
        assert (moved.address, moved.state) == ("@elsewhere", ChatState.active)
        store.move_chat("messenger", "@elsewhere", "@other", NOW)
        store.move_chat("messenger", "@nobody", "@other", NOW)
        assert store.people.chat_at("messenger", "@elsewhere") == chat
        goes = select(Delivery.chat_id).where(Delivery.state == DeliveryState.sending)
        assert store.session.execute(goes).scalars().all() == [other]
        assert store.session.get_one(Chat, chat).state is ChatState.left

    db.write_now(look)


def test_who_is_told_the_same_in_both_chats_is_told_once(db: Database) -> None:
    def look(store: Store) -> None:
        chat, other = chat_of(store), chat_of(store, "@other")
        for one in (chat, other):
            [shown] = store.deliveries.queue(one, "", [Outgoing({}, subject="poll:1")], NOW)
            store.deliveries.sent([Sent(shown, one, "message-1")], NOW)
        store.deliveries.redraw("people.menu", {}, "poll:1", NOW)
        store.move_chat("messenger", "@somebody", "@other", NOW)
        waits = select(Delivery.chat_id).where(Delivery.state == DeliveryState.waiting)
        assert store.session.execute(waits).scalars().all() == [other]
        assert ended(store)[2] == (DeliveryState.failed, Failure.removed)

    db.write_now(look)


def test_what_is_deleted_late_can_be_sent(db: Database) -> None:
    """One that was taken back while its call was under way."""

    def look(store: Store) -> None:
        chat = store.people.chat("messenger", "7")
        shown = Outgoing({"markup": "a"}, subject="report:1")
        [reply] = store.deliveries.queue(chat.id, "", [shown], NOW)
        store.deliveries.take_back(["report:1"], NOW)
        store.deliveries.sent([Sent(reply, chat.id, "5")], NOW)
        [late] = store.deliveries.claim(NOW)
        assert (late.operation, late.message, late.body) == (Operation.delete, "5", {})

    db.write_now(look)


def test_what_was_said_in_a_chat_is_forgotten_once(db: Database) -> None:
    """All words go; only what is new enough to be deleted is, the newest first."""

    def said(store: Store, chat: int, count: int, when: datetime) -> list[int]:
        bodies = [Outgoing({"markup": "a"}, subject=f"report:{n}") for n in range(count)]
        ids = store.deliveries.queue(chat, "", bodies, when)
        store.deliveries.sent([Sent(one, chat, f"m{one}") for one in ids], when)
        return ids

    def look(store: Store) -> None:
        chat, other = (store.people.chat("messenger", one).id for one in "78")
        said(store, other, 1, NOW)
        old = said(store, chat, 1, NOW - timedelta(hours=49))
        new = said(store, chat, 120, NOW - timedelta(hours=47))
        [waits] = store.deliveries.queue(chat, "", [Outgoing({"markup": "b"})], NOW)
        assert store.deliveries.forget_messages(chat, NOW) == []
        assert store.deliveries.taken_back
        rows = {one.id: one for one in store.session.scalars(select(Delivery))}
        assert {one.id for one in rows.values() if one.body} == {1}, "of the other chat"
        assert rows[waits].state is DeliveryState.cancelled
        assert rows[old[0]].subject == "report:0", "it stands: what it shows may be taken back"
        assert rows[new[-1]].subject is None
        deleting = store.deliveries.claim(NOW, 500)
        assert [one.message for one in deleting] == [f"m{one}" for one in reversed(new[20:])]
        assert {one.kind for one in deleting} == {Kind.notice}, "no reply waits for it"
        answer = said(store, chat, 1, NOW)
        store.deliveries.forget_messages(chat, NOW + timedelta(hours=2))
        again = store.deliveries.claim(NOW + timedelta(hours=2), 500)
        assert [one.message for one in again] == [f"m{answer[0]}"]

    db.write_now(look)


def test_what_a_page_shows_is_forgotten_once(db: Database) -> None:
    def look(store: Store) -> None:
        account, _ = store.people.arrive("web", "7", "fr", NOW)
        chat = store.people.chat("web", "7", account_id=account.id)
        store.conversations.begin(chat, account, "", NOW)
        place = Place("web", "7", "7", "")
        page = store.conversations.find([place], NOW)[place]

        def put(*outgoing: Outgoing) -> None:
            store.deliveries.put_on_pages([(page, numbered(page, outgoing, NOW))])

        put(*[Outgoing({"markup": "a"}) for _ in range(3)])
        put(Outgoing({"markup": "b"}, Operation.edit, "2"))
        gone = store.deliveries.forget_messages(chat.id, NOW)
        assert sorted(gone) == ["1", "2", "3"]
        assert not store.deliveries.queued
        put(*[Outgoing({}, Operation.delete, one) for one in gone], Outgoing({"markup": "c"}))
        assert store.deliveries.forget_messages(chat.id, NOW) == ["4"]

    db.write_now(look)
