"""Native polls under messages: found by their ids, ended once, and gone with their messages."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select

from storage.database import Database
from storage.deliveries import (
    Claimed,
    Delivery,
    DeliveryState,
    Failure,
    Kind,
    Operation,
    Outgoing,
    Sent,
    ballot_of,
)
from storage.polls import Electorate
from storage.store import Store
from tests.conftest import NOW
from tests.storage.test_deliveries import chat_of, plan_of
from tests.storage.test_races import one_after_the_other

CHOICES = [["polls.vote:1:0", "Pour"]]
BODY = {"markup": "?", "choices": CHOICES}


def asked(store: Store, chat: int, poll_id: int = 1, *numbers: int, poll: bool = True) -> None:
    """Cards of a poll in a chat, sent with a native poll each, if the platform has any."""
    card = Outgoing(BODY, subject=ballot_of(poll_id))
    for number in numbers or (1,):
        [one] = store.deliveries.queue(chat, "thread", [card], NOW)
        under = f"poll-{number}" if poll else None
        store.note_sent([Sent(one, chat, f"card-{number}", under)], NOW)


def consult(store: Store) -> None:
    """Open a public consultation."""
    tomorrow = NOW + timedelta(days=1)
    store.polls.open("Quoi ?", electorate=Electorate.public, closes_at=tomorrow, now=NOW)


def claimed(store: Store) -> list[tuple[Operation, int | None, str | None]]:
    return [(one.operation, one.chat_id, one.message) for one in store.deliveries.claim(NOW)]


def test_each_ends_once_in_its_chat_silently_and_in_one_statement(db: Database) -> None:
    said: list[str] = []

    def look(store: Store) -> None:
        first, second, third = (chat_of(store, name) for name in ("@a", "@b", "@c"))
        asked(store, first, 1, 1, 2)
        asked(store, second, 1, 1)
        asked(store, second, 2, 9)
        asked(store, third, 1, 5, poll=False)
        event.listen(db.engine, "before_cursor_execute", lambda *seen: said.append(seen[2]))
        store.deliveries.end_ballots(1, NOW)
        assert len(said) == 1
        store.deliveries.end_ballots(1, NOW)
        found: list[Claimed] = store.deliveries.claim(NOW)
        ends = [(one.operation, one.chat_id, one.message) for one in found]
        assert ends == [
            (Operation.end, first, "poll-1"),
            (Operation.end, first, "poll-2"),
            (Operation.end, second, "poll-1"),
        ]
        assert {(one.kind, one.thread, one.notice, str(one.body)) for one in found} == {
            (Kind.notice, "thread", None, "{}")
        }
        store.note_sent([Sent(one.id, one.chat_id or 0, one.message or "") for one in found], NOW)
        store.deliveries.end_ballots(1, NOW)
        assert claimed(store) == []
        assert store.deliveries.choices_of(first, "card-1") == CHOICES

    db.write_now(look)


def test_it_leads_to_its_message_by_an_index(db: Database) -> None:
    said: list[tuple[str, Any]] = []

    def look(store: Store) -> list[str]:
        chat, other = chat_of(store), chat_of(store, "@other")
        asked(store, chat, 1, 1, 2)
        asked(store, other, 1, 3)
        store.deliveries.end_ballots(1, NOW)
        event.listen(
            db.engine, "before_cursor_execute", lambda *seen: said.append((seen[2], seen[3]))
        )
        found = [
            store.deliveries.message_with("messenger", "@somebody", one)
            for one in ("poll-2", "card-2", "poll-3", "%", "")
        ]
        assert found == ["card-2", None, None, None, None]
        for one in ("card-1", "poll-1"):
            assert store.deliveries.choices_of(chat, one) == CHOICES
        assert store.deliveries.choices_of(chat, "poll-3") == []
        store.deliveries.end_ballots(1, NOW)
        looked = [one for one in said if ".poll = " in one[0]]
        assert len(looked) == 5 + 3 + 1
        return [line for sql, given in looked for line in plan_of(store, sql, given)]

    lines = db.write_now(look)
    assert sum("ix_deliveries_poll" in line for line in lines) >= 9
    assert [line for line in lines if line.startswith("SCAN") or "Seq Scan on del" in line] == []


@pytest.mark.parametrize("goes", ["taken back", "forgotten", "ended before", "late"])
def test_it_goes_with_its_message(db: Database, goes: str) -> None:
    def look(store: Store) -> None:
        chat = chat_of(store)
        if goes == "late":
            [one] = store.deliveries.queue(chat, "", [Outgoing(BODY, subject=ballot_of(1))], NOW)
            assert store.deliveries.take_back([ballot_of(1)], NOW) == {}
            store.note_sent([Sent(one, chat, "card-1", "poll-1")], NOW)
        else:
            asked(store, chat)
        if goes == "taken back":
            taken = store.deliveries.take_back([ballot_of(1)], NOW)
            assert taken == {chat: {"card-1", "poll-1"}}
        elif goes in ("forgotten", "ended before"):
            if goes == "ended before":
                store.deliveries.end_ballots(1, NOW)
                [end] = store.deliveries.claim(NOW)
                store.note_sent([Sent(end.id, chat, "poll-1")], NOW)
            store.deliveries.forget_messages(chat, NOW)
            store.deliveries.forget_messages(chat, NOW)
        store.deliveries.end_ballots(1, NOW)
        found = sorted(claimed(store))
        assert found == [(Operation.delete, chat, one) for one in ("card-1", "poll-1")]

    db.write_now(look)


def test_one_that_comes_when_voting_is_over_ends(db: Database) -> None:
    def look(store: Store) -> None:
        chat = chat_of(store)
        consult(store)
        consult(store)
        asked(store, chat, 1, 1)
        store.polls.cancel(1, NOW)
        asked(store, chat, 2, 2)
        asked(store, chat, 1, 3, poll=False)
        assert claimed(store) == []
        asked(store, chat, 1, 4)
        assert sorted(claimed(store)) == [
            (Operation.end, chat, one) for one in ("poll-1", "poll-4")
        ]

    db.write_now(look)


@pytest.mark.parametrize("closes_first", [True, False])
def test_what_is_noted_while_voting_closes_ends_all_the_same(
    db: Database, closes_first: bool
) -> None:
    """Whichever was first, the other sees it."""

    def begin(store: Store) -> tuple[int, int]:
        chat = chat_of(store)
        consult(store)
        [one] = store.deliveries.queue(chat, "", [Outgoing(BODY, subject=ballot_of(1))], NOW)
        return chat, one

    chat, card = db.write_now(begin)

    def close(store: Store) -> None:
        store.polls.cancel(1, NOW)
        store.deliveries.end_ballots(1, NOW)

    def note(store: Store) -> None:
        store.note_sent([Sent(card, chat, "card-1", "poll-1")], NOW)

    one_after_the_other(db, *((close, note) if closes_first else (note, close)))
    assert db.write_now(claimed) == [(Operation.end, chat, "poll-1")]


def test_where_others_came_in_it_still_ends(db: Database) -> None:
    def look(store: Store) -> None:
        chat = chat_of(store)
        asked(store, chat)
        store.deliveries.add(chat, "", [Outgoing(BODY)], NOW)
        store.deliveries.end_ballots(1, NOW)
        store.deliveries.end_private(chat, NOW)
        assert claimed(store) == [(Operation.end, chat, "poll-1")]
        failed = select(Delivery.failure).where(Delivery.state == DeliveryState.failed)
        assert list(store.session.scalars(failed)) == [Failure.not_private]

    db.write_now(look)


@pytest.mark.parametrize(
    ("message", "is_known"), [("card-1", True), ("poll-1", True), ("card-3", False), ("", False)]
)
def test_it_is_known_what_was_put_in_a_chat(db: Database, message: str, is_known: bool) -> None:
    def look(store: Store) -> bool:
        asked(store, chat_of(store), 1, 1)
        asked(store, chat_of(store, "@other"), 1, 3)
        return store.deliveries.knows("messenger", "@somebody", message)

    assert db.write_now(look) is is_known
