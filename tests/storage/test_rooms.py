"""Chat groups tied to working groups, and the cards that are put there by themselves."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, select

from storage.database import Database
from storage.deliveries import Delivery, DeliveryState, Failure
from storage.groups import GroupClosed, WorkingGroup
from storage.meetings import Plan
from storage.people import Chat, ChatKind
from storage.polls import Electorate
from storage.recommendations import Theme
from storage.rooms import MEETING, POLL, RoomTaken
from storage.store import Store
from tests.conftest import NOW
from tests.storage.test_races import one_after_the_other

GROUP, OTHER = 1, 2


def room(store: Store, name: str = "#room") -> int:
    chat = store.people.chat("telegram", name, ChatKind.group)
    store.people.lock_chats([chat.id])
    return chat.id


def tie(store: Store, group: int = GROUP, name: str = "#room") -> int:
    chat = room(store, name)
    store.rooms.tie(group, chat)
    return chat


def ties(db: Database) -> dict[int, int | None]:
    """The chat of each group that is tied to one."""
    wanted = select(WorkingGroup.id, WorkingGroup.chat_id).where(WorkingGroup.chat_id.is_not(None))
    return db.read_now(lambda store: dict(store.session.execute(wanted).all()))


def test_a_group_has_one_chat_and_a_chat_one_group(db: Database) -> None:
    first, second = db.write_now(tie), db.write_now(lambda store: tie(store, name="#second"))
    assert ties(db) == {GROUP: second}
    db.write_now(lambda store: tie(store, OTHER))
    with pytest.raises(RoomTaken):
        db.write_now(tie)
    db.write_now(lambda store: tie(store, OTHER))
    assert ties(db) == {GROUP: second, OTHER: first}
    assert db.write_now(lambda store: store.rooms.untie(GROUP, second))
    assert not db.write_now(lambda store: store.rooms.untie(GROUP, second))
    assert not db.write_now(lambda store: store.rooms.untie(OTHER, second))
    assert ties(db) == {OTHER: first}


def test_two_who_tie_the_same_chat_at_once(db: Database) -> None:
    chat = db.write_now(room)
    with pytest.raises(RoomTaken):
        one_after_the_other(db, tie, lambda store: tie(store, OTHER))
    assert ties(db) == {GROUP: chat}


def test_a_closed_group_is_tied_to_nothing(db: Database) -> None:
    db.write_now(tie)
    db.write_now(lambda store: store.groups.close(GROUP, NOW))
    assert ties(db) == {}
    with pytest.raises(GroupClosed):
        db.write_now(tie)


def test_a_chat_that_is_gone_ties_nothing(db: Database) -> None:
    chat = db.write_now(tie)
    db.write_now(lambda store: store.session.execute(delete(Chat).where(Chat.id == chat)))
    assert ties(db) == {}


def test_only_a_chat_that_has_us_is_found(db: Database) -> None:
    def found(store: Store) -> tuple[int | None, list[int]]:
        theme = Theme(str(store.session.get_one(WorkingGroup, GROUP).theme))
        on_theme = [one.id for one in store.rooms.on_theme(theme)]
        return store.rooms.of_group(GROUP), on_theme

    assert db.read_now(found) == (None, [])
    chat = db.write_now(tie)
    assert db.read_now(found) == (chat, [GROUP])
    db.write_now(lambda store: store.give_up_chat(chat, Failure.removed, NOW))
    assert db.read_now(found) == (None, [])


@pytest.mark.parametrize("taken", [False, True])
def test_a_tie_follows_its_chat(db: Database, taken: bool) -> None:
    db.write_now(tie)
    new = db.write_now(lambda store: room(store, "#new"))
    if taken:
        db.write_now(lambda store: tie(store, OTHER, "#new"))
    db.write_now(lambda store: store.move_chat("telegram", "#room", "#new", NOW))
    assert ties(db) == {OTHER if taken else GROUP: new}


@pytest.mark.parametrize("noun", [POLL, MEETING])
def test_a_card_is_put_there_once(db: Database, noun: str) -> None:
    chat, ends = db.write_now(tie), NOW + timedelta(days=1)

    def post(store: Store) -> None:
        if noun == POLL and store.polls.get(1) is None:
            store.polls.open("Quoi ?", electorate=Electorate.public, closes_at=ends, now=NOW)
        elif noun == MEETING and store.meetings.get(1) is None:
            person = store.people.arrive("web", "caller", "fr", NOW)[0].person_id
            plan = Plan(ends, ends + timedelta(hours=1), "Europe/Paris", "salle 4", None)
            store.meetings.call(GROUP, plan, person, NOW)
        store.rooms.post(chat, noun, 1, NOW, expires_at=ends)
        assert store.deliveries.queued

    db.write_now(post)
    found = db.read_now(lambda store: store.session.scalars(select(Delivery)).one())
    assert (found.chat_id, found.person_id, found.state) == (chat, None, DeliveryState.waiting)
    assert (found.due_at, found.expires_at, found.subject) == (NOW, ends, f"{noun}:1")

    def again(store: Store) -> None:
        store.rooms.post(chat, noun, 1, NOW, expires_at=ends)

    db.write_now(again)
    assert db.read_now(lambda store: len(store.session.scalars(select(Delivery)).all())) == 1
    assert db.read_now(lambda store: store.rooms.changed(NOW)) == []
