"""What is due is sent: worded once, tried again, and never held up by another."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bot import calling
from bot.platforms.base import SendFailed
from bot.sender import Sender
from storage.database import Database
from storage.deliveries import Delivery, DeliveryState, Failure
from storage.people import Chat, ChatState
from tests.messenger import Messenger, moved, only, send
from tests.stage import Stage


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
    for _ in range(calling.MOST_TRIES):
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


async def test_a_refusal_is_tried_again_later_with_the_same_words(
    sending: Sender, messenger: Messenger, db: Database, notices: dict[str, Any]
) -> None:
    messenger.failures = [SendFailed(Failure.unreachable, final=False, wait=30), OSError("cut")]
    await send(sending)
    assert await send(sending) == 0, "not before its time"
    moved(sending, timedelta(seconds=31))
    await send(sending)
    moved(sending, timedelta(minutes=1))
    await send(sending)
    assert (only(db).state, only(db).message) == (DeliveryState.sent, "message-3")
    assert len({words for _, words in messenger.said}) == 1


async def test_what_makes_no_sense_any_more_is_not_tried_again(
    sending: Sender, messenger: Messenger, db: Database, notices: dict[str, Any]
) -> None:
    messenger.failures = [SendFailed(Failure.unreachable, final=False)]
    await send(sending)
    notices["over"] = True
    moved(sending, timedelta(minutes=1))
    await send(sending)
    assert only(db).state is DeliveryState.expired
    assert len(messenger.calls) == 1


async def test_a_chat_that_blocks_is_marked(
    sending: Sender, messenger: Messenger, db: Database, notices: dict[str, Any]
) -> None:
    messenger.failures = [SendFailed(Failure.blocked, final=True)]
    await send(sending)
    [chat] = db.read_now(lambda store: store.session.scalars(select(Chat)).all())
    assert chat.state is ChatState.blocked


async def test_a_final_refusal_is_named(
    sending: Sender, messenger: Messenger, db: Database, notices: dict[str, Any]
) -> None:
    messenger.failures = [SendFailed(Failure.blocked, final=True)]
    await send(sending)
    moved(sending, timedelta(days=1))
    assert await send(sending) == 0
    assert (only(db).state, only(db).failure) == (DeliveryState.failed, Failure.blocked)


async def test_a_platform_that_hangs_is_given_up(
    sending: Sender,
    messenger: Messenger,
    db: Database,
    notices: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    messenger.failures = [TimeoutError() for _ in range(calling.MOST_TRIES)]
    for _ in range(calling.MOST_TRIES):
        await send(sending)
        moved(sending, timedelta(hours=1))
    assert (only(db).state, only(db).failure) == (DeliveryState.failed, Failure.in_doubt)


async def test_what_a_dead_process_had_claimed_is_sent(
    sending: Sender, messenger: Messenger, db: Database, notices: dict[str, Any]
) -> None:
    await db.write(lambda store: store.deliveries.claim(sending.clock.now()))
    assert await send(sending) == 0, "leased"
    moved(sending, timedelta(minutes=3))
    await send(sending)
    assert only(db).state is DeliveryState.sent
