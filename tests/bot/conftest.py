"""Notices of the tests, and a platform that has to be called for them."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from bot import routing
from bot.messages import Reply
from bot.routing import Recipient
from bot.sender import Sender
from bot.settings import Settings
from storage.database import Database
from storage.people import Account
from storage.store import Store
from tests.conftest import NOW
from tests.messenger import Messenger, somebody
from tests.people import StillClock


@pytest.fixture
def notices(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Notices of the tests: one says how many times it was asked, one cannot be worded."""
    worded: dict[str, Any] = {"count": 0}

    def plain(recipient: Recipient, store: Store) -> Reply | None:
        worded["count"] += 1
        return None if worded.get("over") else Reply("people.failed", reference=worded["count"])

    def broken(recipient: Recipient, store: Store, odd: int) -> Reply:
        if recipient.person_id % 2 == odd:
            store.people.get(recipient.person_id).academie = "99"
            raise RuntimeError("a notice with a bug")
        return Reply("people.menu")

    def long(recipient: Recipient, store: Store) -> Reply:
        worded["count"] += 1
        return Reply("broadcasts.said", text="Un\n\nDeux", shows="thread:1")

    with monkeypatch.context() as patch:
        patch.setitem(routing.NOTICES, "tests.plain", plain)
        patch.setitem(routing.NOTICES, "tests.long", long)
        patch.setitem(routing.NOTICES, "tests.broken", broken)
        yield worded


@pytest.fixture
def messenger() -> Messenger:
    return Messenger()


@pytest.fixture
def sending(settings: Settings, db: Database, messenger: Messenger) -> Sender:
    """A sender to one person, on a platform that has to be called, with a notice waiting."""

    def prepare(store: Store) -> None:
        somebody(store)
        store.deliveries.notify("tests.plain", {}, select(Account.person_id), NOW)

    db.write_now(prepare)
    return Sender(db, settings, StillClock(NOW), {"messenger": messenger})
