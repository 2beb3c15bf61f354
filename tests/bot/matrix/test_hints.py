"""What is shown at once and kept nowhere: it gives way to messages, and goes into no group."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.platforms.base import SendFailed
from bot.platforms.matrix import hints
from bot.platforms.matrix.hints import Hints
from bot.platforms.matrix.pace import LearningPace
from bot.platforms.matrix.sending import put
from storage.deliveries import Failure
from tests.bot.matrix.accounts import Account, Watched
from tests.bot.matrix.residents import Resident, resident
from tests.homeserver import Correspondent, Synapse


class Shown:
    """Hints in the direct chat of one person."""

    def __init__(self, preau: Resident, anna: Correspondent, room: str) -> None:
        self.preau, self.anna, self.room = preau, anna, room
        self.pace = LearningPace(100)
        self.hints = Hints(self.client, preau.settings, self.pace, preau.rooms.is_direct)

    @property
    def client(self) -> Watched:
        return self.preau.client

    async def settled(self) -> None:
        """Wait until nothing is being said any more."""
        while self.hints._tasks:
            await asyncio.wait(self.hints._tasks)


@pytest.fixture
async def shown(account: Account, synapse: Synapse) -> AsyncIterator[Shown]:
    async with resident(account) as preau, Correspondent(synapse, "anna") as anna:
        room = await anna.direct(account.user_id, joins=False)
        await preau.until(lambda: preau.arrived)
        made = Shown(preau, anna, room)
        yield made
        await made.hints.close()


def busy(pace: LearningPace) -> None:
    """Nothing may be called for some time."""
    pace.pause(60)


# Typing


async def test_an_answer_that_takes_long_is_shown_to_be_made(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hints, "SLOW", 0.1)
    anna, me = shown.anna, shown.client.user_id
    with shown.hints.typing(shown.room):
        await anna.until(lambda: (shown.room, [me]) in anna.typing, "typing")
    await anna.until(lambda: anna.typing[-1] == (shown.room, []), "end of typing")


async def test_a_quick_answer_is_just_given(shown: Shown) -> None:
    before = len(shown.client.asked)
    with shown.hints.typing(shown.room):
        pass
    await asyncio.sleep(0.05)
    assert len(shown.client.asked) == before


async def test_typing_gives_way_where_much_waits(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hints, "SLOW", 0.01)
    busy(shown.pace)
    with shown.hints.typing(shown.room):
        await asyncio.sleep(0.05)
    await shown.settled()
    assert shown.client.count("/typing/") == 0


# Reading


async def test_only_the_newest_message_of_a_room_is_marked_as_read(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hints, "UNHURRIED", 0.2)
    anna, me = shown.anna, shown.client.user_id
    said = [await anna.say(shown.room, word) for word in ("un", "deux", "trois")]
    for event in said:
        shown.hints.read(shown.room, event)
    await anna.until(lambda: (shown.room, me, said[-1]) in anna.read, "a mark")
    assert [mark for mark in anna.read if mark[1] == me] == [(shown.room, me, said[-1])]
    assert shown.client.count("/receipt/") == 1


async def test_nothing_is_marked_where_there_is_else_to_do(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hints, "UNHURRIED", 0.01)
    event = await shown.anna.say(shown.room, "un")
    busy(shown.pace)
    shown.hints.read(shown.room, event)
    await shown.settled()
    assert shown.client.count("/receipt/") == 0
    assert shown.hints._unread == {}, "it is not marked later either"


async def test_few_of_the_calls_say_what_was_read(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hints, "UNHURRIED", 0.01)
    shown.pace = shown.hints._pace = LearningPace(1)
    for number in range(10):
        shown.hints.read(f"!{number}", "$event")
    await shown.settled()
    assert shown.client.count("/receipt/") == 1


# Words


async def test_a_word_is_said_encrypted_and_as_a_notice(shown: Shown) -> None:
    shown.hints.say(shown.room, "C'est noté.")
    [event] = await shown.anna.hear(shown.room)
    assert event.text == "C'est noté."
    assert event.content["msgtype"] == "m.notice"
    assert event.encrypted


async def test_the_same_is_not_told_over_and_over(shown: Shown) -> None:
    for _ in range(5):
        shown.hints.tell(shown.room, "web_errors.too_many")
    shown.hints.tell(shown.room, "web_errors.not_open")
    await shown.settled()
    heard = [event.text for event in await shown.anna.hear(shown.room, 2)]
    assert len(set(heard)) == 2
    assert shown.client.count("/send/") == 2
    shown.hints.tell(shown.room, "web_errors.too_many", every=0.0)
    await shown.settled()
    assert shown.client.count("/send/") == 3


async def test_in_a_room_that_is_not_private_nothing_is_said(
    shown: Shown, synapse: Synapse
) -> None:
    third = synapse.register("third")
    shown.hints.say(shown.room, "Un.")
    await shown.anna.invite(shown.room, third.user_id)
    await shown.settled()
    await shown.preau.until(lambda: not shown.preau.rooms.is_direct(shown.room))
    before = shown.client.count("/send/")
    shown.hints.say(shown.room, "Deux.")
    shown.hints.say("!unknown", "Trois.")
    await shown.settled()
    assert shown.client.count("/send/") == before


async def test_where_much_waits_nothing_is_said(shown: Shown) -> None:
    busy(shown.pace)
    shown.hints.say(shown.room, "Un.")
    shown.hints.tell(shown.room, "web_errors.too_many")
    await shown.settled()
    assert shown.client.count("/send/") == 0


def refuse_first(monkeypatch: pytest.MonkeyPatch, failed: SendFailed) -> None:
    """Have the first word refused."""
    failures = [failed]

    async def refusing(*args: Any) -> str:
        if failures:
            raise failures.pop()
        return await put(*args)

    monkeypatch.setattr(hints, "put", refusing)


async def test_a_refusal_for_now_holds_up_messages_too(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_first(monkeypatch, SendFailed(Failure.refused, wait=0.5, for_all=True))
    shown.hints.say(shown.room, "Un.")
    await asyncio.sleep(0.1)
    assert shown.pace.paused > 0
    [event] = await shown.anna.hear(shown.room)
    assert event.text == "Un."


@pytest.mark.parametrize(
    "failed",
    [
        SendFailed(Failure.removed, final=True),
        SendFailed(Failure.unreachable),
        SendFailed(Failure.refused, wait=3600, for_all=True),
    ],
)
async def test_a_hint_that_fails_is_no_trouble(
    shown: Shown, monkeypatch: pytest.MonkeyPatch, failed: SendFailed
) -> None:
    refuse_first(monkeypatch, failed)
    with capture_logs() as logs:
        shown.hints.say(shown.room, "Un.")
        await shown.settled()
    assert logs == []
    assert shown.client.count("/send/") == 0
    assert bool(shown.pace.paused) is failed.for_all


async def test_what_is_being_said_when_we_stop_is_said(shown: Shown) -> None:
    shown.hints.say(shown.room, "Au revoir.")
    await shown.hints.close()
    [event] = await shown.anna.hear(shown.room)
    assert event.text == "Au revoir."
