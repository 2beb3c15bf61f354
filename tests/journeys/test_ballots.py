"""Polls of the platform's own: put under a card in a direct chat, and ended wherever they stand."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from bot.platforms.base import Call
from bot.settings import Settings
from storage.database import Database
from storage.deliveries import Delivery, Operation
from storage.grants import Role
from storage.people import Chat
from storage.polls import Electorate
from storage.store import Store
from tests.conftest import NOW
from tests.rooms import NAME, PATIENCE, Message, Square, Talker
from tests.stage import Stage

pytestmark = pytest.mark.web  # on a messenger that has polls
QUESTION = "Que faire en premier ?"


@pytest.fixture
async def square(settings: Settings, db: Database) -> AsyncIterator[Square]:
    stage = Stage(settings, db, NOW)
    square = await Square.opened(settings, db, stage)
    square.messenger.has_polls = True
    yield square
    await stage.close()


async def opened(square: Square, *, days: int = 1, **more: bool) -> None:
    """Open a poll, and tell everybody."""

    def make(store: Store) -> None:
        now = square.stage.clock.now()
        poll = store.polls.open(
            QUESTION,
            electorate=Electorate.public,
            closes_at=now + timedelta(days=days),
            now=now,
            options=("Le réseau", "Les tablettes"),
            **more,
        )
        asked = store.polls.asked(poll, now)
        store.deliveries.notify("polls.opened", {"poll": poll.id}, asked, now)

    await square.stage.db.write(make)
    await square.settle()


def ballot(message: Message) -> Any:
    return message.body.get("ballot")


def ballots(someone: Talker) -> list[str]:
    """The polls that stand in a chat."""
    polls = someone.square.messenger.polls
    return [poll for poll, (chat, _) in polls.items() if chat == someone.address]


async def ends(square: Square) -> int:
    """How many deliveries end a poll."""
    counted = select(func.count()).where(Delivery.operation == Operation.end)
    return await square.stage.db.read(lambda store: store.session.scalar(counted)) or 0


async def test_a_card_is_a_ballot_and_what_says_that_one_voted_is_none(square: Square) -> None:
    parent = await square.met("parent")
    await opened(square)
    assert ballot(parent.own[-1]) == {"question": QUESTION}
    assert all(
        action.startswith("polls.vote:1:") for action, _ in parent.own[-1].body["choices"][:2]
    )
    voted = await parent.press("Le réseau")
    assert "Votre vote est compté" in voted.text
    assert ballot(voted) is None
    assert ballot(await parent.say("/start vote-1")) == {"question": QUESTION}


async def test_where_several_may_be_chosen_there_is_no_ballot(square: Square) -> None:
    parent = await square.met("parent")
    await opened(square, several=True)
    assert "Le réseau" in parent.own[-1].labels
    assert ballot(parent.own[-1]) is None


async def test_they_end_once_in_every_chat_also_of_who_is_told_no_result(square: Square) -> None:
    voter, other = await square.met("voter"), await square.met("other")
    await opened(square)
    await voter.say("/start vote-1")
    await voter.press("Le réseau")
    ended = [*ballots(voter), *ballots(other)]
    await opened(square, days=9)
    [*_, left] = ballots(voter)
    await square.receive(voter.address, "@voter-elsewhere", text="/start vote-1")
    ended += [poll for poll, (chat, _) in square.messenger.polls.items() if "else" in chat]
    await square.stage.advance(timedelta(days=2))
    await square.stage.advance(timedelta(days=1))
    assert sorted(square.messenger.ended) == sorted(ended)
    assert len(ended) == 4
    assert left not in ended
    chats = square.messenger.chats.values()
    told = [any("Résultat" in one.text for one in chat.values()) for chat in chats]
    assert sum(told) == 1, "who voted, in one of their chats"
    assert await ends(square) == 4, "each ends once"


async def test_they_end_when_the_poll_is_cancelled(square: Square) -> None:
    secretary, parent = await square.met("s", Role.secretariat), await square.met("parent")
    await opened(square)
    await secretary.say("/start")
    await square.receive(secretary.address, secretary.address, choice="polls.cancel_now:1")
    assert square.messenger.ended == [*ballots(secretary), *ballots(parent)]
    assert "annulé" in parent.own[-1].text


async def test_one_that_comes_when_voting_is_over_ends_at_once(square: Square) -> None:
    """Its card was on its way when the poll was closed."""
    parent = await square.met("parent")
    await opened(square)
    [first] = ballots(parent)
    answers, made, over = square.messenger.call, asyncio.Event(), asyncio.Event()

    async def slow(call: Call) -> str:
        sent = await answers(call)
        made.set()
        await over.wait()
        return sent

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(square.messenger, "call", slow)
        asks = asyncio.create_task(parent.say("/start vote-1"))
        await asyncio.wait_for(made.wait(), PATIENCE)
        await square.stage.db.write(cancelled)
        over.set()
        await asks
    await square.settle()
    late = ballots(parent)[-1]
    assert sorted(square.messenger.ended) == sorted([first, late])


def cancelled(store: Store) -> None:
    store.polls.cancel(1, NOW)
    store.deliveries.end_ballots(1, NOW)


async def test_what_is_erased_in_a_chat_goes_with_its_poll(square: Square) -> None:
    parent = await square.met("parent")
    await opened(square)

    def forget(store: Store) -> None:
        [chat] = store.session.scalars(select(Chat.id).where(Chat.platform == NAME))
        store.deliveries.forget_messages(chat, square.stage.clock.now())

    await square.stage.db.write(forget)
    await square.settle()
    assert (parent.own, square.messenger.polls) == ([], {})
    await square.stage.advance(timedelta(days=2))
    assert square.messenger.ended == [], "what is gone does not end"


async def test_elsewhere_there_is_nothing_to_end(square: Square) -> None:
    square.messenger.has_polls = False
    parent = await square.met("parent")
    await opened(square)
    await parent.press("Le réseau")
    await square.stage.advance(timedelta(days=2))
    assert await ends(square) == 0
    counted = select(func.count()).where(Delivery.subject == "ballot:1")
    assert await square.stage.db.read(lambda store: store.session.scalar(counted)) == 1


async def test_ids_may_be_as_long_as_those_of_matrix(square: Square) -> None:
    """Through a real update in a thread: what is pressed there is edited, and deleted."""
    names = iter(range(100, 1000))

    def long(kind: str) -> str:
        return f"${kind}-{next(names)}".ljust(255, "x")

    square.messenger.name_of = long
    parent = square.person("p" * 250)
    thread = long("thread")
    await parent.say("/start", thread=thread, update_id=long("update"))
    await opened(square)
    card = await parent.say("/start vote-1", thread=thread, said_as=long("said"))
    [*_, (poll, (_, message))] = square.messenger.polls.items()
    assert (len(poll), len(message)) == (255, 255)
    found = await square.stage.db.read(
        lambda store: store.deliveries.message_with(NAME, parent.address, poll)
    )
    assert found == message
    choice = card.action("Le réseau")
    await square.receive(
        parent.address, parent.address, choice=choice, message=message, thread=thread
    )
    assert "Votre vote est compté" in square.messenger.chats[parent.address][message].text
    await square.stage.advance(timedelta(days=2))
    assert poll in square.messenger.ended
