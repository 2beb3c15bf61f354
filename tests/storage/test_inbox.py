"""What Telegram gave away and waits for more: kept once, in order, unreadable, until applied."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from sqlalchemy import delete, text

from storage.database import Database
from storage.inbox import Held
from storage.store import Store
from tests.conftest import NOW

BODY = {"message": {"text": "Une phrase que personne ne doit lire"}}


def test_an_update_is_held_once_until_it_is_released(db: Database) -> None:
    first = db.write_now(lambda store: store.inbox.hold("telegram", "7", BODY, NOW))
    again = db.write_now(lambda store: store.inbox.hold("telegram", "7", BODY, NOW))
    other = db.write_now(lambda store: store.inbox.hold("another", "7", {}, NOW))
    second = db.write_now(lambda store: store.inbox.hold("telegram", "6", {}, NOW))
    assert first is not None
    assert again is None
    assert other is not None
    assert second is not None
    waiting = db.read_now(lambda store: store.inbox.waiting("telegram"))
    assert [(one.id, one.body, one.received_at) for one in waiting] == [
        (first, BODY, NOW),
        (second, {}, NOW),
    ]
    some = db.read_now(lambda store: store.inbox.some({second, first, 99}))
    assert some == waiting
    assert db.read_now(lambda store: store.inbox.some([second])) == waiting[1:]
    assert db.read_now(lambda store: store.inbox.some([])) == []
    db.write_now(lambda store: store.inbox.release([first]))
    left = db.read_now(lambda store: store.inbox.waiting("telegram"))
    assert [one.id for one in left] == [second]
    assert db.write_now(lambda store: store.inbox.hold("telegram", "7", BODY, NOW)) is not None


def test_what_somebody_said_is_erased_with_them(db: Database) -> None:
    def prepare(store: Store) -> int:
        account, _ = store.people.arrive("telegram", "7001", "fr", NOW)
        senders = [("telegram", "7001"), ("telegram", "7002"), ("another", "7001"), ("another", "")]
        for number, (platform, sender) in enumerate(senders):
            store.inbox.hold(platform, str(number), BODY, NOW, sender or None)
        return account.person_id

    def left(store: Store) -> tuple[int, int]:
        return len(store.inbox.waiting("telegram")), len(store.inbox.waiting("another"))

    forgetting = (Store.forget_writings, Store.forget_contact, Store.erase)
    for forget in forgetting:
        person = db.write_now(prepare)
        assert db.read_now(left) == (2, 2)
        db.write_now(partial(_forget, forget, person))
        assert db.read_now(left) == (1, 2)
        db.write_now(lambda store: store.session.execute(delete(Held)))


def _forget(forget: Callable[[Store, int, datetime], None], person: int, store: Store) -> None:
    forget(store, person, NOW)


def test_it_cannot_be_read_in_the_file(db: Database) -> None:
    db.write_now(lambda store: store.inbox.hold("telegram", "7", BODY, NOW))
    with db.engine.connect() as connection:
        [row] = connection.execute(text("SELECT * FROM inbox"))
    assert "phrase" not in repr(row)
