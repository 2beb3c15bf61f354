"""Thousands of newcomers at once: members are answered as ever, and newcomers in their turn."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.dispatcher import Dispatcher
from bot.limiting import seconds
from bot.messages import Incoming
from bot.pace import Pace
from bot.platforms.base import Outcome
from bot.sender import Sender
from bot.settings import Settings
from bot.turns import MOST_WAITING, Turns
from storage.database import Database
from storage.limits import MESSAGES, NEW_FOR, NEWCOMERS, rates
from storage.polls import Electorate
from storage.store import Store
from storage.workers import GROUP, LAST, Job, Workers
from tests.chats import ON_SQLITE
from tests.conftest import NOW
from tests.messenger import NAME, Messenger
from tests.people import StillClock

NEWCOMERS_AT_ONCE = 2000
VOTES = 20
AS_TELEGRAM = 25  # messages a second


class Square:
    """A dispatcher and a sender over a messenger as slow as Telegram."""

    def __init__(self, settings: Settings, db: Database) -> None:
        self.messenger = Messenger(Pace(AS_TELEGRAM, chat_seconds=0.001))
        self.clock, self.db = StillClock(NOW), db
        platforms = {NAME: self.messenger}
        self.sender = Sender(db, settings, self.clock, platforms)
        self.dispatcher = Dispatcher(
            db, settings, self.clock, platforms, self.sender.wake, self.sender.hand
        )
        self.count = 0

    async def say(self, who: str, text: str | None = None, choice: str | None = None) -> Outcome:
        self.count += 1
        incoming = Incoming(
            NAME, who, who, f"update-{self.count}", NOW, text=text, choice=choice, message="1"
        )
        return await self.dispatcher.receive(incoming)

    async def heard(self, who: str) -> None:
        while not any(call.chat == who for call in self.messenger.calls):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        self.messenger.calls = [one for one in self.messenger.calls if one.chat != who]


@pytest.fixture
async def square(settings: Settings, db: Database) -> AsyncIterator[Square]:
    made = Square(settings, db)
    running = asyncio.create_task(made.sender.run())
    await made.sender.recovered.wait()
    yield made
    running.cancel()
    await made.sender.close()


def settled_member(store: Store) -> list[int]:
    """Somebody who has been here for a while, and polls to vote in."""
    account, _ = store.people.arrive(NAME, "@member", "fr", NOW - NEW_FOR)
    chat = store.people.chat(NAME, "@member", account_id=account.id)
    store.conversations.begin(chat, account, "", NOW)
    closes_at = NOW + timedelta(days=1)
    public = Electorate.public
    return [
        store.polls.open(f"Question {n} ?", electorate=public, closes_at=closes_at, now=NOW).id
        for n in range(VOTES)
    ]


@ON_SQLITE
async def test_a_flood_of_newcomers_delays_no_member(square: Square) -> None:
    polls = await square.db.write(settled_member)
    flood = [
        asyncio.create_task(square.say(f"@new-{number}", "bonjour"))
        for number in range(NEWCOMERS_AT_ONCE)
    ]
    await asyncio.sleep(0)
    went_first = []
    async with asyncio.timeout(120):
        for poll in polls:
            before = sum(one.done() for one in flood)
            outcome = await square.say("@member", choice=f"polls.vote:{poll}:0")
            assert not outcome.newcomer
            await square.heard("@member")
            went_first.append(sum(one.done() for one in flood) - before)
    still_waiting = sum(not one.done() for one in flood)
    for one in flood:
        one.cancel()
    await asyncio.gather(*flood, return_exceptions=True)
    assert still_waiting > 0, "it was a flood all the while"
    assert sorted(went_first)[int(VOTES * 0.95) - 1] <= 2 * GROUP, went_first


@ON_SQLITE
async def test_newcomers_are_all_answered_meanwhile(square: Square) -> None:
    outcomes = await asyncio.gather(
        *(square.say(f"@new-{number}", "bonjour") for number in range(300))
    )
    assert all(one.newcomer and one.begun for one in outcomes)
    assert not any(one.wait for one in outcomes)


@ON_SQLITE
async def test_many_newcomers_of_a_platform_rest_and_are_not_refused(
    square: Square, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "LONGEST", 0.2)
    turns = Turns()
    rests = [turns.arrived(NAME, NOW) for _ in range(3 * NEWCOMERS.slow_from)]
    assert rests == sorted(rests)
    assert (rests[0], rests[-1]) == (0.0, 0.2)
    assert turns.arrived("another", NOW) == 0.0
    assert turns.arrived(NAME, NOW + NEWCOMERS.window) == 0.0


# One person who is very fast


@ON_SQLITE
async def test_who_is_fast_waits_and_then_is_refused_once(
    square: Square, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MESSAGES.at_most is not None
    monkeypatch.setattr(rates, "LONGEST", 0.05)
    began = time.perf_counter()
    for _ in range(MESSAGES.slow_from):
        await square.say("@fast", "aide")
    quick = time.perf_counter() - began
    waited, began = [], time.perf_counter()
    for _ in range(MESSAGES.slow_from, MESSAGES.at_most):
        begins = time.perf_counter()
        assert not (await square.say("@fast", "aide")).wait
        waited.append(time.perf_counter() - begins)
    least = sum(MESSAGES.delay(n) for n in range(MESSAGES.slow_from, MESSAGES.at_most))
    assert sum(waited) >= least > 0.1, f"after {quick}"
    refused = [await square.say("@fast", "aide") for _ in range(3)]
    assert [(one.wait, one.told) for one in refused] == [(60, False), (60, True), (60, True)]
    square.clock.advance_to(NOW + MESSAGES.window)
    assert not (await square.say("@fast", "aide")).wait


@ON_SQLITE
async def test_a_chat_that_rests_holds_up_no_other(
    square: Square, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "LONGEST", 30.0)
    for _ in range(MESSAGES.slow_from):
        await square.say("@fast", "aide")
    waiting = [asyncio.create_task(square.say("@fast", "aide")) for _ in range(MOST_WAITING + 1)]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(5):
        await square.say("@other", "aide")
    assert sum(one.done() for one in waiting) >= 1, "what is too much is refused at once"
    over = [one.result() for one in waiting if one.done()]
    assert {one.wait for one in over} == {60}
    assert square.dispatcher.waits(Incoming(NAME, "@fast", "@fast", "x", NOW))
    assert not square.dispatcher.waits(Incoming(NAME, "@other", "@other", "x", NOW))
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


def test_whole_seconds_until_a_moment() -> None:
    assert seconds(NOW + timedelta(seconds=2, milliseconds=1), NOW) == 3
    assert seconds(NOW, NOW) == 1


def test_what_goes_last_has_a_small_part_of_each_group() -> None:
    """However much of either there is, both go on; alone it has the whole group."""
    groups: list[list[bool]] = []
    workers = Workers("tests", 1, lambda group: groups.append([one.last for one in group]))
    workers._started = True  # all of it waits before anybody works
    jobs = [Job(None, None, None, last=n % 2 == 0) for n in range(600)]
    for job in jobs:
        workers.submit(job)
    assert workers.waiting == 600
    workers.start()
    workers.stop()
    assert sum(map(len, groups)) == 600
    assert {sum(group) for group in groups[:4]} == {LAST}
    assert {len(group) - sum(group) for group in groups[:4]} == {GROUP}
    assert {sum(group) for group in groups if not all(group)} <= {LAST}
    assert max(sum(group) for group in groups) == GROUP
    assert all(job.future.done() for job in jobs)
