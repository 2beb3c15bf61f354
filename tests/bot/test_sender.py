"""What is due is sent: worded once, tried again, and never held up by another."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bot import routing, sender
from bot.messages import Reply
from bot.platforms.base import Receiver, SendFailed
from bot.routing import Recipient
from bot.sender import Sender
from bot.settings import Settings
from storage.database import Database
from storage.deliveries import Delivery, DeliveryState, Failure, Operation, PageEvent
from storage.people import Account, Chat, ChatState
from storage.store import Store
from tests.conftest import NOW
from tests.people import Stage, StillClock


class Messenger:
    """A platform that has to be called; it refuses as often as it is told to."""

    name = "messenger"
    keeps_page = False

    def __init__(self) -> None:
        self.calls: list[tuple[Operation, str, str]] = []
        self.failures: list[Exception] = []

    async def run(self, receiver: Receiver) -> None: ...

    async def call(
        self,
        operation: Operation,
        chat: str,
        thread: str,
        body: dict[str, Any],
        message: str | None,
    ) -> str:
        self.calls.append((operation, chat, body["markup"]))
        if self.failures:
            raise self.failures.pop(0)
        return f"message-{len(self.calls)}"

    def publish(self, chat_id: int, events: tuple[PageEvent, ...]) -> None: ...

    async def close(self) -> None: ...


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

    with monkeypatch.context() as patch:
        patch.setitem(routing.NOTICES, "tests.plain", plain)
        patch.setitem(routing.NOTICES, "tests.broken", broken)
        yield worded


async def test_one_that_cannot_be_worded_holds_up_no_other(
    stage: Stage, notices: dict[str, Any]
) -> None:
    people = [await stage.newcomer() for _ in range(4)]
    await stage.db.write(
        lambda store: store.deliveries.notify(
            "tests.broken", {"odd": 1}, store.people.everybody(), stage.clock.now()
        )
    )
    await stage.service.deliver()
    heard = [len((await someone.look()).messages) for someone in people]
    assert heard == [0, 1, 0, 1]
    for _ in range(sender.MOST_TRIES):
        stage.clock.advance_to(stage.clock.now() + timedelta(hours=1))
        await stage.service.deliver()
    states = await stage.db.read(
        lambda store: [
            (one.state, one.failure)
            for one in store.session.scalars(select(Delivery).where(Delivery.notice_id == 1))
        ]
    )
    assert states.count((DeliveryState.failed, Failure.unspeakable)) == 2
    academies = await stage.db.read(
        lambda store: [store.people.get(person).academie for person in (1, 2, 3, 4)]
    )
    assert academies == [None] * 4, "what it changed is undone"


@pytest.fixture
def messenger() -> Messenger:
    return Messenger()


@pytest.fixture
def sending(settings: Settings, db: Database, messenger: Messenger) -> Sender:
    """A sender to one person, on a platform that has to be called, with a notice waiting."""

    def prepare(store: Store) -> None:
        account, _ = store.people.arrive("messenger", "@somebody", "fr", NOW)
        store.people.chat("messenger", "@somebody", account_id=account.id)
        store.deliveries.notify("tests.plain", {}, select(Account.person_id), NOW)

    db.write_now(prepare)
    return Sender(db, settings, StillClock(NOW), {"messenger": messenger})


def only(db: Database) -> Delivery:
    return db.read_now(lambda store: store.session.scalars(select(Delivery)).one())


async def test_a_refusal_is_tried_again_later_with_the_same_words(
    sending: Sender, messenger: Messenger, db: Database, notices: dict[str, Any]
) -> None:
    messenger.failures = [SendFailed(Failure.unreachable, final=False, wait=30), OSError("cut")]
    await sending.send_due()
    assert await sending.send_due() == 0, "not before its time"
    moved(sending, timedelta(seconds=31))
    await sending.send_due()
    moved(sending, timedelta(minutes=1))
    await sending.send_due()
    assert (only(db).state, only(db).message) == (DeliveryState.sent, "message-3")
    assert len({words for _, _, words in messenger.calls}) == 1


async def test_what_makes_no_sense_any_more_is_not_tried_again(
    sending: Sender, messenger: Messenger, db: Database, notices: dict[str, Any]
) -> None:
    messenger.failures = [SendFailed(Failure.unreachable, final=False)]
    await sending.send_due()
    notices["over"] = True
    moved(sending, timedelta(minutes=1))
    await sending.send_due()
    assert only(db).state is DeliveryState.expired
    assert len(messenger.calls) == 1


async def test_a_chat_that_blocks_is_marked(
    sending: Sender, messenger: Messenger, db: Database, notices: dict[str, Any]
) -> None:
    messenger.failures = [SendFailed(Failure.blocked, final=True)]
    await sending.send_due()
    [chat] = db.read_now(lambda store: store.session.scalars(select(Chat)).all())
    assert chat.state is ChatState.blocked


async def test_a_final_refusal_is_named(
    sending: Sender, messenger: Messenger, db: Database, notices: dict[str, Any]
) -> None:
    messenger.failures = [SendFailed(Failure.blocked, final=True)]
    await sending.send_due()
    moved(sending, timedelta(days=1))
    assert await sending.send_due() == 0
    assert (only(db).state, only(db).failure) == (DeliveryState.failed, Failure.blocked)


async def test_a_platform_that_hangs_is_given_up(
    sending: Sender,
    messenger: Messenger,
    db: Database,
    notices: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    messenger.failures = [TimeoutError() for _ in range(sender.MOST_TRIES)]
    for _ in range(sender.MOST_TRIES):
        await sending.send_due()
        moved(sending, timedelta(hours=1))
    assert (only(db).state, only(db).failure) == (DeliveryState.failed, Failure.unreachable)


async def test_what_a_dead_process_had_claimed_is_sent(
    sending: Sender, messenger: Messenger, db: Database, notices: dict[str, Any]
) -> None:
    await db.write(lambda store: store.deliveries.claim(sending.clock.now()))
    assert await sending.send_due() == 0, "leased"
    moved(sending, timedelta(minutes=3))
    await sending.send_due()
    assert only(db).state is DeliveryState.sent


def moved(sending: Sender, step: timedelta) -> datetime:
    assert isinstance(sending.clock, StillClock)
    sending.clock.advance_to(sending.clock.now() + step)
    return sending.clock.now()
