"""What is sent by a platform that has to be called: at its pace, once, and whatever happens."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Select, event, func, select, update

from bot import calling
from bot.clock import MovableClock
from bot.dispatcher import Dispatcher
from bot.pace import EARLY, Pace
from bot.platforms.base import Call, SendFailed
from bot.platforms.web.platform import WebChat
from bot.sender import Sender
from bot.settings import Settings
from storage.broadcasts import Broadcast, BroadcastState
from storage.database import Database, Unavailable
from storage.deliveries import Born, Delivery, DeliveryState, Failure, Kind, Operation, Outgoing
from storage.people import Account, Chat, ChatKind, ChatState
from storage.store import Store
from tests.conftest import NOW
from tests.messenger import NAME, Messenger, answer, broadcast, crowd, moved, only, send, somebody
from tests.people import StillClock

State = DeliveryState


def states(db: Database) -> list[tuple[DeliveryState, Failure | None, int]]:
    wanted = select(Delivery.state, Delivery.failure, Delivery.attempts).order_by(Delivery.id)
    rows = db.read_now(lambda store: store.session.execute(wanted).all())
    return [(state, failure, attempts) for state, failure, attempts in rows]


def counted(db: Database, *states: DeliveryState) -> int:
    wanted = select(func.count()).select_from(Delivery).where(Delivery.state.in_(states))
    return db.read_now(lambda store: store.session.execute(wanted).scalar_one())


def notify(db: Database, notice: str = "tests.plain", kind: Kind = Kind.notice) -> int:
    """Tell everybody something."""
    return db.write_now(
        lambda store: store.deliveries.notify(notice, {}, store.people.everybody(), NOW, kind=kind)
    )


def sender(settings: Settings, db: Database, messenger: Messenger) -> Sender:
    return Sender(db, settings, StillClock(NOW), {NAME: messenger})


@asynccontextmanager
async def running(sending: Sender) -> AsyncIterator[asyncio.Task[None]]:
    """Its loop, which dies at the end as a process does: nothing of it goes on."""
    task = asyncio.create_task(sending.run())
    try:
        yield task
    finally:
        for outbox in sending.outboxes.values():
            outbox._closed = True
            for one in [*outbox._tasks, *([outbox._pump] if outbox._pump else [])]:
                one.cancel()
        sending._closed = True
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0)


def heard(messenger: Messenger, words: str) -> bool:
    return any(said == words for _, said in messenger.said)


async def until(condition: Any, at_most: float = 10.0) -> float:
    """Wait until something is so; how long that took."""
    began = time.monotonic()
    async with asyncio.timeout(at_most):
        while not condition():  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.005)
    return time.monotonic() - began


async def test_a_reply_does_not_wait_behind_three_thousand(
    settings: Settings, db: Database, notices: dict[str, Any]
) -> None:
    """At 30 a second, with the broadcast in full flow: counted in calls: a machine may be busy.

    How near to 30 a second a broadcast goes is measured in `benchmarks/broadcasts.py`.
    """
    messenger = Messenger(Pace(30))
    messenger.slow = 0.05
    clock = MovableClock()
    clock.advance_to(NOW)
    sending = Sender(db, settings, clock, {NAME: messenger})
    db.write_now(lambda store: crowd(store, 3000))
    chats = db.write_now(lambda store: [somebody(store, f"@s{n}")[1] for n in range(5)])
    db.write_now(broadcast)
    async with running(sending):
        await until(lambda: len(messenger.calls) > 20)
        for chat in chats:
            words, before = f"réponse {chat}", len(messenger.calls)
            sending.hand(db.write_now(partial(answer, chat_id=chat, words=[words])))
            await until(partial(heard, messenger, words))
            assert len(messenger.calls) - before < 30, "what is sent in a second"
            await asyncio.sleep(0.3)
        before = len(messenger.calls)
        await until(lambda: len(messenger.calls) > before + 30)
    assert counted(db, State.sending) < 3.5 * 30, "the rest waits in the database"
    assert counted(db, State.waiting) > 2000
    attempts = db.read_now(
        lambda store: store.session.execute(
            select(func.max(Delivery.attempts)).where(Delivery.state == State.waiting)
        ).scalar_one()
    )
    assert attempts == 0, "to be put back costs nothing"


async def test_a_deferred_delivery_is_not_worded_and_comes_back_in_its_time(
    settings: Settings, db: Database, notices: dict[str, Any]
) -> None:
    messenger = Messenger(Pace(10))
    sending = sender(settings, db, messenger)
    db.write_now(lambda store: crowd(store, 60))
    notify(db)
    while await sending.send_due():
        pass
    worded = notices["count"]
    assert 25 <= worded <= 35, "a turn goes by while others are worded"
    due = db.read_now(lambda store: store.deliveries.next_due())
    assert due is not None
    assert 0.4 < (due - NOW).total_seconds() < 0.9
    last = db.read_now(
        lambda store: store.session.execute(select(func.max(Delivery.due_at))).scalar_one()
    )
    assert (last - NOW).total_seconds() == pytest.approx(60 / 9.82 - EARLY - 2, abs=0.3)
    await sending.close()


async def test_the_page_goes_on_while_a_platform_is_paused(
    settings: Settings, db: Database, notices: dict[str, Any]
) -> None:
    messenger = Messenger()
    clock = StillClock(NOW)
    web = WebChat(settings, db, clock)
    sending = Sender(db, settings, clock, {"web": web, NAME: messenger})
    db.write_now(lambda store: crowd(store, 40))
    db.write_now(lambda store: [somebody(store, f"w{n}", "web") for n in range(30)])
    assert messenger.pace is not None
    messenger.pace.pause(60)
    notify(db)
    async with asyncio.timeout(5):
        while await sending.send_due():
            pass
    assert counted(db, State.on_page) == 30
    assert (counted(db, State.waiting), messenger.calls) == (40, [])
    await sending.close()


async def test_a_refusal_costs_no_attempt_and_is_over_when_it_is_said_to_be(
    settings: Settings, db: Database, notices: dict[str, Any]
) -> None:
    messenger = Messenger()
    messenger.failures = [SendFailed(Failure.refused, wait=1, for_all=True) for _ in range(3)]
    sending = sender(settings, db, messenger)
    db.write_now(lambda store: crowd(store, 3))
    notify(db)
    began = time.monotonic()
    await send(sending)
    assert time.monotonic() - began > 1
    assert states(db) == [(State.sent, None, 1)] * 3


async def test_who_has_not_come_yet_is_waited_for_at_no_cost_and_told_once_they_do(
    settings: Settings, db: Database, messenger: Messenger, notices: dict[str, Any]
) -> None:
    """What is planned for later keeps its time."""
    sending = sender(settings, db, messenger)
    dispatcher = Dispatcher(db, settings, sending.clock, {NAME: messenger}, lambda: None)
    chat = db.write_now(lambda store: somebody(store, "@room")[1])
    for due in (NOW, NOW, NOW + timedelta(days=9)):
        db.write_now(partial(_tell, chat_id=chat, due=due))
    absent = SendFailed(Failure.refused, wait=3600, absent=True)
    messenger.failures.extend([absent] * 2 * calling.MOST_TRIES)
    while messenger.failures:
        await send(sending)
        moved(sending, timedelta(hours=1))
    messenger.failures.append(absent)
    await send(sending)
    assert states(db) == [(State.waiting, None, 0)] * 3
    await dispatcher.came(NAME, ["@room", "@unknown"])
    await send(sending)
    assert states(db) == [(State.sent, None, 1)] * 2 + [(State.waiting, None, 0)]


def _tell(store: Store, chat_id: int, due: datetime) -> None:
    store.deliveries.tell(chat_id, "tests.plain", {}, NOW, due_at=due)


async def test_a_platform_that_is_away_for_long_loses_no_message(
    settings: Settings,
    db: Database,
    messenger: Messenger,
    notices: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It costs none an attempt, but those few who find it out."""
    monkeypatch.setattr(calling, "LONGEST_AWAY", 0.0)
    monkeypatch.setattr("bot.outbox.SHORTEST_PAUSE", 0.01)
    monkeypatch.setattr("bot.outbox.AFTER_OTHERS", 0.01)
    messenger.failures = [SendFailed(Failure.unreachable) for _ in range(100)]
    sending = sender(settings, db, messenger)
    db.write_now(lambda store: crowd(store, 10))
    notify(db)
    await send(sending)
    found_out = calling.AWAY - 1
    assert sorted(states(db)) == [
        *[(State.sent, None, 1)] * (10 - found_out),
        *[(State.waiting, None, 1)] * found_out,
    ]


async def test_one_message_that_nobody_answers_is_given_up_and_stops_no_other(
    settings: Settings, db: Database, messenger: Messenger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer of 5xx each time, to that one alone."""
    monkeypatch.setattr(calling, "MOST_UNANSWERED", 6)
    sending = sender(settings, db, messenger)
    chats = db.write_now(lambda store: [somebody(store, f"@{n}")[1] for n in range(2)])

    async def answers(call: Call) -> None:
        if call.body["markup"] == "poison":
            raise SendFailed(Failure.unreachable)

    messenger.answers = answers
    sending.hand(db.write_now(lambda store: answer(store, chats[0], ["poison"])))
    for _ in range(5):
        await sending.settled(5)
        moved(sending, timedelta(minutes=1))
        await sending.send_due()
    await sending.settled(5)
    assert states(db) == [(State.failed, Failure.unreachable, 6)]
    assert messenger.pace is not None
    assert messenger.pace.paused == 0
    sending.hand(db.write_now(lambda store: answer(store, chats[1], ["fine"])))
    await sending.settled(5)
    assert states(db)[1] == (State.sent, None, 1)


def test_however_often_something_was_tried_there_is_a_next_time() -> None:
    waits = [calling.backoff(attempts) for attempts in range(1, calling.MOST_UNANSWERED + 1)]
    assert waits[0] == timedelta(seconds=2)
    assert waits == sorted(waits)
    assert waits[-1] == calling.LONGEST_WAIT


async def test_who_finds_nobody_lets_others_look_next(
    settings: Settings, db: Database, messenger: Messenger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three messages that are never answered, in a row: others wait for one pause, no more."""
    monkeypatch.setattr(calling, "LONGEST_AWAY", 0.0)
    monkeypatch.setattr("bot.outbox.SHORTEST_PAUSE", 0.3)
    sending = sender(settings, db, messenger)
    chats = db.write_now(lambda store: [somebody(store, f"@{n}")[1] for n in range(9)])

    async def answers(call: Call) -> None:
        if call.body["markup"] == "poison":
            raise SendFailed(Failure.unreachable)

    messenger.answers = answers
    for chat in chats[:3]:
        sending.hand(db.write_now(partial(answer, chat_id=chat, words=["poison"])))
    await until(lambda: messenger.pace is not None and messenger.pace.paused > 0)
    for chat in chats[3:]:
        sending.hand(db.write_now(partial(answer, chat_id=chat, words=["fine"])))
    await until(lambda: counted(db, State.sent) == 6, 1)
    await sending.settled(5)
    assert counted(db, State.sending) == 0
    assert counted(db, State.waiting) == 3, "each is counted once others were answered"


@pytest.mark.parametrize("direct", [True, False])
async def test_what_was_taken_back_before_its_turn_is_not_sent(
    settings: Settings, db: Database, messenger: Messenger, notices: dict[str, Any], direct: bool
) -> None:
    """Replies that wait in a pause, and notices: of somebody who is erased, and of others."""
    sending = sender(settings, db, messenger)
    person, chat = db.write_now(somebody)
    _, other = db.write_now(lambda store: somebody(store, "@other"))
    assert messenger.pace is not None
    messenger.pace.pause(0.3)
    if direct:
        sending.hand(db.write_now(lambda store: answer(store, chat, ["a", "b"])))
        sending.hand(db.write_now(lambda store: answer(store, other, ["c"])))
    else:
        notify(db)
        await sending.send_due()
    db.write_now(lambda store: store.erase(person, NOW))
    await sending.settled(5)
    assert [call.chat for call in messenger.calls] == ["@other"]
    assert [state for state, *_ in states(db)] == [State.sent]


async def test_who_was_asked_for_nothing_looks_at_nothing(
    settings: Settings, db: Database, messenger: Messenger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is asked before a call only if something was taken back lately."""
    sending = sender(settings, db, messenger)
    _, chat = db.write_now(somebody)

    async def refuse(*_: object) -> Any:
        raise AssertionError

    monkeypatch.setattr(db, "read_with_others", refuse)
    sending.hand(db.write_now(lambda store: answer(store, chat, ["a"])))
    await sending.settled(5)
    assert states(db) == [(State.sent, None, 1)]


async def test_what_is_said_is_forgotten_also_on_its_way(
    settings: Settings, db: Database, messenger: Messenger
) -> None:
    """The answer goes first; one whose call was under way is deleted as soon as it is known."""
    sending = sender(settings, db, messenger)
    _, chat = db.write_now(somebody)
    for words in "ab":
        sending.hand(db.write_now(partial(answer, chat_id=chat, words=[words])))
    await sending.settled(5)
    messenger.slow = 0.2
    sending.hand(db.write_now(lambda store: answer(store, chat, ["c", "d"])))
    await until(lambda: len(messenger.calls) == 3)

    def forget(store: Store) -> list[Born]:
        assert store.deliveries.forget_messages(chat, NOW) == []
        return answer(store, chat, ["forgotten"])

    sending.hand(db.write_now(forget))
    await send(sending)
    await send(sending)
    done = [(call.operation, call.message or call.body["markup"]) for call in messenger.calls]
    assert done[:4] == [(Operation.send, words) for words in ("a", "b", "c", "forgotten")]
    deleted = [message for operation, message in done[4:] if operation is Operation.delete]
    assert sorted(deleted) == ["message-1", "message-2", "message-3"]
    assert len(done) == 7, "what waited behind is not said"


async def test_of_an_answer_in_parts_only_the_last_makes_a_sound(
    settings: Settings, db: Database, messenger: Messenger, notices: dict[str, Any]
) -> None:
    sending = sender(settings, db, messenger)
    _, chat = db.write_now(somebody)
    sending.hand(db.write_now(lambda store: answer(store, chat, ["a", "b"])))
    sending.hand(db.write_now(lambda store: answer(store, chat, ["c"])))
    await sending.settled(5)
    notify(db, "tests.long")
    await send(sending)
    silent = [call.silent for call in messenger.calls]
    assert silent == [True, False, False, True, True, False]


async def test_a_chat_is_told_in_order_also_after_a_failure(
    settings: Settings, db: Database, messenger: Messenger
) -> None:
    sending = sender(settings, db, messenger)
    _, chat = db.write_now(somebody)
    messenger.failures = [None, SendFailed(Failure.unreachable)]
    sending.hand(db.write_now(lambda store: answer(store, chat, list("abcd"))))
    await sending.settled(5)
    assert [words for _, words in messenger.said] == ["a", "b"]
    assert [one[0] for one in states(db)] == [State.sent, *[State.waiting] * 3]
    for _ in range(5):
        moved(sending, timedelta(seconds=3))
        await send(sending)
    assert [words for _, words in messenger.said] == ["a", "b", "b", "c", "d"]
    assert states(db) == [
        (State.sent, None, 1),
        (State.sent, None, 2),
        *[(State.sent, None, 1)] * 2,
    ]


async def test_what_an_earlier_run_left_unsaid_goes_before_what_is_said_now(
    settings: Settings, db: Database, messenger: Messenger
) -> None:
    _, chat = db.write_now(somebody)
    left = [str(number) for number in range(60)]
    db.write_now(lambda store: answer(store, chat, left))  # by a run that died
    sending = sender(settings, db, messenger)
    async with running(sending):
        await until(lambda: sending.recovered.is_set())
        sending.hand(db.write_now(lambda store: answer(store, chat, ["new"])))
        await until(lambda: heard(messenger, "new"))
    assert [words for _, words in messenger.said] == [*left, "new"]


async def test_an_edit_that_was_overtaken_is_not_made(
    settings: Settings, db: Database, messenger: Messenger
) -> None:
    sending = sender(settings, db, messenger)
    _, chat = db.write_now(somebody)

    def edit(store: Store, words: str) -> list[Born]:
        [made] = answer(store, chat, [words])
        delivery = store.session.get_one(Delivery, made.delivery_id)
        delivery.operation, delivery.message = Operation.edit, "7"
        outgoing = replace(made.outgoing, operation=Operation.edit, message="7")
        return [replace(made, outgoing=outgoing)]

    messenger.failures = [SendFailed(Failure.unreachable)]
    sending.hand(db.write_now(lambda store: edit(store, "old")))
    await sending.settled(5)
    sending.hand(db.write_now(lambda store: edit(store, "new")))
    moved(sending, timedelta(seconds=3))
    await send(sending)
    await sending.settled(10)
    assert [words for _, words in messenger.said] == ["old", "new"]
    assert [state for state, *_ in states(db)] == [State.expired, State.sent]


async def test_a_long_message_is_sent_in_its_parts_and_worded_once(
    settings: Settings, db: Database, messenger: Messenger, notices: dict[str, Any]
) -> None:
    sending = sender(settings, db, messenger)
    db.write_now(somebody)
    notify(db, "tests.long")
    messenger.failures = [SendFailed(Failure.unreachable)]
    await send(sending)
    for _ in range(5):
        moved(sending, timedelta(seconds=4))
        await send(sending)
    first, second, third = (words for _, words in messenger.said[1:])
    assert (first, second) == ("Un", "Deux")
    assert "Message du secrétariat" in third
    rows = db.read_now(
        lambda store: store.session.scalars(select(Delivery).order_by(Delivery.id)).all()
    )
    assert {(one.state, one.subject) for one in rows} == {(State.sent, "thread:1")}
    assert [one.notice_id is None for one in rows] == [False, True, True]


@pytest.mark.parametrize(
    ("reason", "becomes"),
    [
        (Failure.blocked, ChatState.blocked),
        (Failure.deleted, ChatState.gone),
        (Failure.removed, ChatState.left),
        (Failure.not_found, ChatState.gone),
    ],
)
async def test_what_waits_for_a_chat_that_is_given_up_has_failed(
    settings: Settings,
    db: Database,
    messenger: Messenger,
    notices: dict[str, Any],
    reason: Failure,
    becomes: ChatState,
) -> None:
    sending = sender(settings, db, messenger)
    _, chat = db.write_now(somebody)
    _, other = db.write_now(lambda store: somebody(store, "@other"))
    messenger.failures = [SendFailed(reason, final=True)]
    sending.hand(db.write_now(lambda store: answer(store, chat, ["a", "b"])))
    await sending.settled(5)
    assert states(db) == [(State.failed, reason, 1)] * 2
    now = db.read_now(lambda store: store.session.get_one(Chat, chat).state)
    assert now is becomes
    sending.hand(db.write_now(lambda store: answer(store, other, ["c"])))
    notify(db)
    await send(sending)
    assert [state for state, _, _ in states(db)[2:]] == [State.sent, State.failed, State.sent]
    assert states(db)[3][1] is Failure.no_chat


async def test_what_is_for_a_person_goes_by_another_of_their_chats(
    settings: Settings, db: Database, messenger: Messenger, notices: dict[str, Any]
) -> None:
    clock = StillClock(NOW)
    web = WebChat(settings, db, clock)
    sending = Sender(db, settings, clock, {"web": web, NAME: messenger})

    def two_chats(store: Any) -> None:
        person, _ = somebody(store, "w", "web")
        account, _ = store.people.arrive(NAME, "@w", "fr", NOW)
        account.person_id, account.last_seen_at = person, NOW + timedelta(hours=1)
        store.people.chat(NAME, "@w", account_id=account.id)
        store.session.flush()
        them = select(Account.person_id).where(Account.platform == NAME)
        store.deliveries.notify("tests.long", {}, them, NOW)

    db.write_now(two_chats)
    messenger.failures = [SendFailed(Failure.blocked, final=True)]
    await send(sending)
    await send(sending)
    rows = db.read_now(
        lambda store: store.session.scalars(select(Delivery).order_by(Delivery.id)).all()
    )
    assert [(one.state, one.failure) for one in rows] == [
        (State.on_page, None),
        *[(State.failed, Failure.blocked)] * 2,
    ]
    assert "Deux" in (rows[0].body or {})["markup"], "all of it, though it was cut for the other"


async def test_what_was_private_is_not_said_among_others(
    settings: Settings, db: Database, messenger: Messenger, notices: dict[str, Any]
) -> None:
    """It was called for when others came: the chat is a group, what was said there forgotten."""
    sending = sender(settings, db, messenger)
    _, chat = db.write_now(somebody)
    sending.hand(db.write_now(lambda store: answer(store, chat, ["a"])))
    await sending.settled(5)
    messenger.failures = [SendFailed(Failure.not_private, final=True)]
    sending.hand(db.write_now(lambda store: answer(store, chat, ["b", "c"])))
    notify(db)
    await send(sending)
    await send(sending)
    assert [words for _, words in messenger.said[:-1]] == ["a", "b"]
    told = messenger.calls[-1]
    assert "D'autres personnes peuvent lire ici." in told.body["markup"]
    assert told.in_group
    assert states(db) == [
        (State.sent, None, 1),
        *[(State.failed, Failure.not_private, 1)] * 2,
        (State.failed, Failure.no_chat, 1),
        (State.sent, None, 1),
    ]

    def look(store: Store) -> tuple[Any, ...]:
        found = store.session.get_one(Chat, chat)
        said = select(Delivery.body).where(Delivery.chat_id == chat).order_by(Delivery.id)
        bodies = store.session.scalars(said)
        return found.kind, found.state, found.account_id, list(bodies)

    assert db.read_now(look) == (
        ChatKind.group,
        ChatState.active,
        None,
        [{}, {}, {}, told.body],
    )
    messenger.failures = []
    sending.hand(db.write_now(lambda store: answer(store, chat, ["for all"])))
    await sending.settled(5)
    assert messenger.calls[-1].in_group


def two_chats(store: Store) -> int:
    """A person with two chats; the id of that where they were last seen."""
    person, first = somebody(store)
    account, _ = store.people.arrive(NAME, "@again", "fr", NOW)
    account.person_id, account.last_seen_at = person, NOW - timedelta(hours=1)
    store.people.chat(NAME, "@again", account_id=account.id)
    return first


def the_first() -> Select[int]:
    return select(Account.person_id).where(Account.address_index == "@somebody")


async def test_what_was_private_goes_by_another_chat_and_deletions_go_on(
    settings: Settings, db: Database, messenger: Messenger, notices: dict[str, Any]
) -> None:
    sending = sender(settings, db, messenger)
    chat = db.write_now(two_chats)
    shown = Outgoing({"markup": "a", "choices": [], "files": []}, subject="report:1")
    db.write_now(lambda store: store.deliveries.add(chat, "", [shown], NOW))
    await send(sending)
    db.write_now(lambda store: store.deliveries.take_back(["report:1"], NOW))
    db.write_now(lambda store: store.deliveries.notify("tests.long", {}, the_first(), NOW))
    messenger.failures = [SendFailed(Failure.not_private)]
    await send(sending)
    await send(sending)
    done = [(call.operation, call.chat, call.in_group) for call in messenger.calls[1:]]
    assert done[0] == (Operation.delete, "@somebody", False)
    assert (Operation.delete, "@somebody", True) in done[1:]
    said = [call.body["markup"] for call in messenger.calls[1:] if call.chat == "@again"]
    assert said[:2] == ["Un", "Deux"]
    assert len(done) == len(said) + 3, "both deletions, and why nothing is said there any more"


async def test_what_is_held_for_a_chat_goes_elsewhere_once_others_are_in_it(
    settings: Settings, db: Database, messenger: Messenger, notices: dict[str, Any]
) -> None:
    sending = sender(settings, db, messenger)
    chat = db.write_now(two_chats)
    assert messenger.pace is not None
    messenger.pace.pause(1)
    db.write_now(lambda store: store.deliveries.notify("tests.plain", {}, the_first(), NOW))
    sending.hand(db.write_now(lambda store: answer(store, chat, ["a"])))
    await sending.send_due()
    db.write_now(lambda store: store.open_up_chat(chat, NOW))
    await sending.settled(5)
    assert messenger.calls == []
    await send(sending)
    assert [(call.chat, call.in_group) for call in messenger.calls] == [
        ("@again", False),
        ("@somebody", True),
    ]
    assert states(db) == [
        (State.sent, None, 1),
        (State.failed, Failure.not_private, 1),
        (State.sent, None, 1),
    ]


async def test_a_chat_that_moved_is_followed_at_once(
    settings: Settings, db: Database, messenger: Messenger
) -> None:
    sending = sender(settings, db, messenger)
    chat = db.write_now(lambda store: store.people.chat(NAME, "-1", ChatKind.group).id)
    messenger.failures = [SendFailed(Failure.refused, moved_to="-1001")]
    sending.hand(db.write_now(lambda store: answer(store, chat, ["a", "b"])))
    await sending.settled(5)
    await send(sending)
    assert messenger.said == [("-1", "a"), ("-1001", "a"), ("-1001", "b")]
    assert messenger.calls[-1].in_group
    assert [one[0] for one in states(db)] == [State.sent] * 2


async def test_a_chat_that_moved_where_there_is_one_already_is_left(
    settings: Settings, db: Database, messenger: Messenger
) -> None:
    sending = sender(settings, db, messenger)
    old = db.write_now(lambda store: store.people.chat(NAME, "-1", ChatKind.group).id)
    new = db.write_now(lambda store: store.people.chat(NAME, "-1001", ChatKind.group).id)
    messenger.failures = [SendFailed(Failure.refused, moved_to="-1001")]
    sending.hand(db.write_now(lambda store: answer(store, old, ["a", "b"])))
    await sending.settled(5)
    await send(sending)
    assert messenger.said[1:] == [("-1001", "a"), ("-1001", "b")]
    rows = db.read_now(lambda store: store.session.scalars(select(Delivery.chat_id)).all())
    assert set(rows) == {new}
    assert db.read_now(lambda store: store.session.get_one(Chat, old).state) is ChatState.left


async def test_a_part_of_a_broadcast_in_doubt_is_not_sent_again_and_says_so(
    settings: Settings, db: Database, messenger: Messenger, notices: dict[str, Any]
) -> None:
    sending = sender(settings, db, messenger)
    db.write_now(lambda store: crowd(store, 3))
    db.write_now(broadcast)
    messenger.failures = [SendFailed(Failure.in_doubt), OSError("cut")]
    await send(sending)
    moved(sending, timedelta(hours=1))
    assert await send(sending) == 0
    in_doubt = (State.failed, Failure.in_doubt, 1)
    assert states(db) == [in_doubt, in_doubt, (State.sent, None, 1)]
    found = db.read_now(
        lambda store: store.following.count(store.session.scalars(select(Broadcast)).one(), NOW)
    )
    assert (found.failed, found.sent) == ((("in_doubt", 2),), 1)


async def test_what_hangs_is_in_doubt(
    sending: Sender,
    messenger: Messenger,
    db: Database,
    notices: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calling, "PATIENCE", 0.05)
    messenger.slow = 5
    await send(sending)
    assert only(db).state is State.waiting
    messenger.slow = 0
    moved(sending, timedelta(minutes=1))
    await send(sending)
    assert (only(db).state, len(messenger.calls)) == (State.sent, 2)


async def test_notes_of_several_calls_share_a_commit(
    settings: Settings, db: Database, notices: dict[str, Any]
) -> None:
    messenger = Messenger(Pace(5000, chat_seconds=0.001))
    messenger.slow = 0.1
    sending = sender(settings, db, messenger)
    db.write_now(lambda store: crowd(store, 25))
    notify(db)
    await sending.send_due()
    commits: list[int] = []
    event.listen(db.engine, "commit", lambda _: commits.append(1))
    await sending.settled(5)
    assert counted(db, State.sent) == 25
    assert len(commits) < 13


async def test_a_paused_broadcast_is_not_called_for_any_more(
    settings: Settings, db: Database, notices: dict[str, Any]
) -> None:
    messenger = Messenger(Pace(20))
    sending = sender(settings, db, messenger)
    db.write_now(lambda store: crowd(store, 20))
    db.write_now(broadcast)
    await sending.send_due()
    await until(lambda: len(messenger.calls) >= 3)
    paused = update(Broadcast).values(state=BroadcastState.paused)
    db.write_now(lambda store: store.session.execute(paused))
    await sending.settled(5)
    assert 3 <= len(messenger.calls) < 20
    assert counted(db, State.waiting) == 20 - len(messenger.calls)
    assert await sending.send_due() == 0


class Cut:
    """Holds calls where a process dies."""

    def __init__(self) -> None:
        self.waits = asyncio.Event()

    async def __call__(self, call: Call) -> None:
        await self.waits.wait()


@pytest.mark.parametrize("kind", [Kind.notice, Kind.reminder, Kind.broadcast])
async def test_a_process_that_dies_in_a_call_leaves_only_that_in_doubt(
    settings: Settings, db: Database, notices: dict[str, Any], kind: Kind
) -> None:
    """And of the rest, what waited in memory or was noted just before its turn, nothing is lost."""
    messenger = Messenger(Pace(30))
    messenger.answers = Cut()
    db.write_now(lambda store: crowd(store, 30))
    if kind is Kind.broadcast:
        db.write_now(broadcast)
    else:
        notify(db, kind=kind)
    async with running(sender(settings, db, messenger)):
        await until(lambda: len(messenger.calls) >= 3 and counted(db, State.sending) == 30)
    called = {call.chat for call in messenger.calls}
    again = Messenger()
    async with running(sender(settings, db, again)):
        await until(lambda: counted(db, State.sending, State.waiting) == 0)
    told = {call.chat for call in again.calls}
    assert len(again.calls) == len(told)
    failed = [failure for state, failure, _ in states(db) if state is State.failed]
    if kind is Kind.broadcast:
        assert not told & called
        assert set(failed) == {Failure.in_doubt}
        assert len(called) <= len(failed) <= len(called) + 5
        assert len(told) == 30 - len(failed)
    else:
        assert len(told) == 30
        assert failed == []


async def test_where_repeats_are_known_nothing_of_a_broadcast_is_in_doubt(
    settings: Settings, db: Database, notices: dict[str, Any]
) -> None:
    """What was perhaps sent is sent again, by this process or by the next."""
    messenger, again = Messenger(Pace(30)), Messenger()
    messenger.knows_repeats = again.knows_repeats = True
    messenger.answers = Cut()
    db.write_now(lambda store: crowd(store, 30))
    db.write_now(broadcast)
    async with running(sender(settings, db, messenger)):
        await until(lambda: len(messenger.calls) >= 3 and counted(db, State.sending) == 30)
    again.failures = [SendFailed(Failure.in_doubt)]
    sending = sender(settings, db, again)
    async with running(sending):
        await until(lambda: counted(db, State.sent) == 29)
        moved(sending, timedelta(minutes=1))
        await until(lambda: counted(db, State.sent) == 30)
    assert len({call.chat for call in again.calls}) == 30
    assert len(again.calls) == 31


async def test_replies_of_a_dead_process_are_sent_by_the_next(
    settings: Settings, db: Database, messenger: Messenger
) -> None:
    _, chat = db.write_now(somebody)
    db.write_now(lambda store: answer(store, chat, list("abc")))  # it dies before they are handed
    async with running(sender(settings, db, messenger)):
        await until(lambda: counted(db, State.sent) == 3)
    assert [words for _, words in messenger.said] == ["a", "b", "c"]


async def test_a_process_that_ends_leaves_nothing_in_doubt(
    settings: Settings, db: Database, notices: dict[str, Any]
) -> None:
    messenger = Messenger(Pace(30))
    messenger.slow = 0.1
    db.write_now(lambda store: crowd(store, 30))
    db.write_now(broadcast)
    first = sender(settings, db, messenger)
    task = asyncio.create_task(first.run())
    await until(lambda: len(messenger.calls) >= 5)
    task.cancel()
    await asyncio.wait([task])
    done = len(messenger.calls)
    assert counted(db, State.sent) == done
    async with running(sender(settings, db, messenger)):
        await until(lambda: counted(db, State.sent) == 30)
    assert len(messenger.calls) == 30


async def test_a_process_ends_in_time_though_the_database_is_away(
    settings: Settings, db: Database, notices: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a broadcast is leaving: what was noted says later what is in doubt."""
    monkeypatch.setattr("bot.outbox.GRACE", 0.5)
    monkeypatch.setattr("bot.outbox.LAST", 0.2)
    messenger = Messenger(Pace(30))
    messenger.slow = 0.1
    db.write_now(lambda store: crowd(store, 30))
    db.write_now(broadcast)

    async def away(*_: object) -> Any:
        raise Unavailable

    sending = sender(settings, db, messenger)
    task = asyncio.create_task(sending.run())
    await until(lambda: len(messenger.calls) >= 5)
    with pytest.MonkeyPatch.context() as patch:
        for way in ("read", "read_with_others", "write", "write_with_others"):
            patch.setattr(db, way, away)
        began = time.monotonic()
        task.cancel()
        await asyncio.wait([task], timeout=5)
        assert time.monotonic() - began < 1
    assert task.done()
    again = Messenger()
    async with running(sender(settings, db, again)):
        await until(lambda: counted(db, State.sending, State.waiting) == 0)
    told = [call.chat for call in (*messenger.calls, *again.calls)]
    assert len(told) == len(set(told))
    assert counted(db, State.failed) + counted(db, State.sent) == 30


async def test_a_clock_that_jumps_sends_nothing_twice(
    settings: Settings, db: Database, notices: dict[str, Any]
) -> None:
    """In the demo a day passes at once, and with it every lease."""
    messenger = Messenger(Pace(20))
    sending = sender(settings, db, messenger)
    db.write_now(lambda store: crowd(store, 15))
    notify(db)
    await sending.send_due()
    moved(sending, timedelta(days=1))
    await sending.send_due()
    await sending.settled(5)
    assert len(messenger.calls) == 15
    assert counted(db, State.sent) == 15


async def test_what_is_held_for_long_stays_leased(
    settings: Settings, db: Database, messenger: Messenger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.sender.RENEW", 0.0)
    sending = sender(settings, db, messenger)
    _, chat = db.write_now(somebody)
    assert messenger.pace is not None
    messenger.pace.pause(60)
    async with running(sending):
        await asyncio.sleep(0.1)
        sending.hand(db.write_now(lambda store: answer(store, chat, ["a"])))
        moved(sending, timedelta(minutes=1))
        sending.wake()
        await until(lambda: only(db).leased_until == NOW + timedelta(minutes=3))
