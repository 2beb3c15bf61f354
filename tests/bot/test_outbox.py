"""Replies go first, a chat is told in order, and a refusal loses nothing."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bot import outbox as module
from bot.errands import Errand
from bot.outbox import Outbox
from bot.pace import Pace
from bot.platforms.base import Call, SendFailed
from storage.deliveries import Failure, Kind, Operation
from tests.messenger import fast

numbers = itertools.count(1)


class Book:
    """Calls that only keep what happened."""

    def __init__(self) -> None:
        self.made: list[int] = []
        self.done: list[int] = []
        self.gone: list[int] = []
        self.noted: set[int] = set()
        self.unwanted: set[int] = set()
        self.failures: dict[int, list[SendFailed]] = {}
        self.calling: Counter[int] = Counter()
        self.most = 0
        self.answers: Callable[[Errand], Awaitable[None]] | None = None
        self.stays = False

    async def begin(self, errands: Sequence[Errand]) -> Collection[int]:
        await asyncio.sleep(0)
        wanted = {one.delivery_id for one in errands} - self.unwanted
        self.noted |= wanted
        return wanted

    async def undo(self, errands: Sequence[Errand]) -> None:
        self.noted -= {one.delivery_id for one in errands}

    async def make(self, errand: Errand) -> str | None:
        assert (errand.kind is Kind.broadcast) == (errand.delivery_id in self.noted)
        assert not self.calling[errand.chat_id], "one at a time in a chat"
        self.calling[errand.chat_id] += 1
        self.most = max(self.most, self.calling.total())
        self.made.append(errand.delivery_id)
        try:
            await asyncio.sleep(0)
            if self.answers is not None:
                await self.answers(errand)
        finally:
            self.calling[errand.chat_id] -= 1
        if failures := self.failures.get(errand.delivery_id):
            raise failures.pop(0)
        return "message"

    async def sent(self, errand: Errand, message: str) -> None:
        await asyncio.sleep(0)
        self.done.append(errand.delivery_id)

    async def failed(
        self, errand: Errand, failure: SendFailed, behind: Sequence[Errand]
    ) -> tuple[list[Errand], float]:
        await asyncio.sleep(0)
        if failure.final:
            self.gone.append(errand.delivery_id)
            return list(behind), 0.0
        self.gone += [errand.delivery_id, *(one.delivery_id for one in behind)]
        return [], 0.05


def errand(chat: int = 1, kind: Kind = Kind.notice, number: int | None = None) -> Errand:
    call = Call(Operation.send, f"@{chat}", "", False, {}, None)
    return Errand(number or next(numbers), chat, None, kind, call)


def ids(errands: Sequence[Errand]) -> list[int]:
    return [one.delivery_id for one in errands]


def refusal(wait: float) -> SendFailed:
    return SendFailed(Failure.refused, wait=wait, for_all=True)


async def test_replies_go_first_then_by_kind_as_given() -> None:
    book = Book()
    box = Outbox(fast(), book)
    kinds = [Kind.broadcast, Kind.notice, Kind.reminder, Kind.reply] * 3
    given_ones = [errand(chat, kind) for chat, kind in enumerate(kinds)]
    box.put(given_ones)
    await box.settled()
    in_order = (Kind.reply, Kind.notice, Kind.reminder, Kind.broadcast)
    expected = [one.delivery_id for kind in in_order for one in given_ones if one.kind is kind]
    assert book.made == expected
    assert sorted(book.done) == sorted(expected)


async def test_a_chat_is_told_in_order_one_call_at_a_time() -> None:
    book = Book()
    box = Outbox(fast(), book)
    given_ones = [errand(chat) for _ in range(8) for chat in (1, 2, 3)]
    box.put(given_ones)
    await box.settled()
    for chat in (1, 2, 3):
        mine = [one.delivery_id for one in given_ones if one.chat_id == chat]
        assert [one for one in book.done if one in mine] == mine
    assert book.most > 1, "chats go side by side"


async def test_a_slow_platform_is_called_side_by_side_up_to_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SIDE_BY_SIDE", 8)
    book, ends = Book(), asyncio.Event()

    async def hang(_: Errand) -> None:
        await ends.wait()

    book.answers = hang
    pace = fast()
    pace.rate = 1.0  # what is allowed side by side follows it
    box = Outbox(pace, book)
    monkeypatch.setattr(pace, "delay", lambda: 0.0)
    box.put([errand(chat) for chat in range(20)])
    await asyncio.sleep(0.05)
    assert len(book.made) == 6
    replies = [errand(100 + chat, Kind.reply) for chat in range(4)]
    box.put(replies)
    await asyncio.sleep(0.05)
    assert book.made[6:] == ids(replies[:2])
    ends.set()
    await box.settled()
    assert len(book.done) == 24


async def test_a_refusal_pauses_all_and_what_was_refused_stays_first() -> None:
    book = Book()
    pace = Pace(50, chat_seconds=0.001)
    for chat in range(12):  # what may be caught up after a moment is used up
        pace.take(f"before-{chat}", in_group=False)
    box = Outbox(pace, book)
    given_ones = [errand(chat) for chat in range(6)]
    book.failures[given_ones[1].delivery_id] = [refusal(1.0)]
    began = pace.clock()
    box.put(given_ones)
    await asyncio.sleep(0.3)
    assert book.made == ids(given_ones[:2])
    await box.settled()
    assert pace.clock() - began > 1
    assert book.done == ids(given_ones)
    assert book.made == ids([*given_ones[:2], *given_ones[1:]])
    assert book.gone == []


async def test_a_refused_broadcast_is_not_in_doubt_meanwhile() -> None:
    book = Book()
    box = Outbox(fast(), book)
    one = errand(kind=Kind.broadcast)
    book.failures[one.delivery_id] = [refusal(1.0)]
    box.put([one])
    await asyncio.sleep(0.3)
    assert (book.made, book.noted) == (ids([one]), set())
    await box.settled()
    assert book.done == ids([one])


async def test_a_failure_takes_what_is_behind_it_in_its_chat_with_it() -> None:
    book = Book()
    box = Outbox(fast(), book)
    failing = [errand(1) for _ in range(3)]
    other = errand(2)
    book.failures[failing[0].delivery_id] = [SendFailed(Failure.unreachable)]
    box.put([*failing, other])
    await box.settled()
    assert book.gone == ids(failing)
    assert book.done == ids([other])


async def test_what_is_said_next_waits_for_what_is_tried_again() -> None:
    book = Book()
    box = Outbox(fast(), book)
    first, second = errand(1, Kind.reply), errand(1, Kind.reply)
    book.failures[first.delivery_id] = [SendFailed(Failure.unreachable)]
    box.put([first])
    await box.settled()
    box.put([second])
    await asyncio.sleep(0.05)
    again = errand(1, Kind.reply, number=first.delivery_id)
    again.attempts = 2
    box.put([again])
    await box.settled()
    assert book.done == ids([first, second])


async def test_a_final_failure_holds_up_nobody() -> None:
    book = Book()
    box = Outbox(fast(), book)
    failing, behind = errand(1), errand(1)
    book.failures[failing.delivery_id] = [SendFailed(Failure.refused, final=True)]
    box.put([failing, behind])
    await box.settled()
    assert (book.gone, book.done) == (ids([failing]), ids([behind]))


async def test_what_is_not_wanted_any_more_is_not_called_for() -> None:
    book = Book()
    box = Outbox(fast(), book)
    given_ones = [errand(chat, Kind.broadcast) for chat in range(5)]
    book.unwanted = {given_ones[2].delivery_id}
    box.put(given_ones)
    await box.settled()
    assert book.made == ids([one for one in given_ones if one is not given_ones[2]])


async def test_few_are_noted_before_their_turn() -> None:
    book = Book()
    pace = Pace(30, chat_seconds=0.001)
    box = Outbox(pace, book)
    box.put([errand(chat, Kind.broadcast) for chat in range(100)])
    await asyncio.sleep(0.3)
    assert 5 < len(book.made) < 20
    assert len(book.noted) - len(book.made) <= 4
    await box.close()
    assert len(book.noted) == len(book.made) == len(book.done), "nothing is left in doubt"
    assert len(box.held) == 100 - len(book.done)


async def test_what_it_holds_already_is_left_as_it_is() -> None:
    book = Book()
    box = Outbox(fast(), book)
    one = errand()
    box.put([one])
    box.put([errand(number=one.delivery_id)])
    assert one.delivery_id in box
    await box.settled()
    assert book.done == ids([one])
    assert one.delivery_id not in box
    assert box._lanes == {}


kinds = st.sampled_from([Kind.reply, Kind.notice, Kind.broadcast])
outcomes = st.sampled_from(["sent", "sent", "refused", "later", "never"])


@hypothesis_settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 6), kinds, outcomes), max_size=40))
async def test_each_is_sent_or_given_back_once(
    given_steps: list[tuple[int, Kind, str]],
) -> None:
    book = Book()
    pace = fast()
    box = Outbox(pace, book)
    given_ones = []
    reasons = {
        "refused": lambda: refusal(0),
        "later": lambda: SendFailed(Failure.in_doubt),
        "never": lambda: SendFailed(Failure.refused, final=True),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SHORTEST_PAUSE", 0.002)
        patch.setattr(module, "BACK", 0.0)
        for chat, kind, outcome in given_steps:
            one = errand(chat, kind)
            given_ones.append(one)
            if outcome != "sent":
                book.failures[one.delivery_id] = [reasons[outcome]()]
            box.put([one])
            if len(given_ones) % 7 == 0:
                await asyncio.sleep(0.002)
        async with asyncio.timeout(5):
            await box.settled()
    assert sorted([*book.done, *book.gone]) == sorted(ids(given_ones))
    for chat in range(1, 7):
        replies = ids([o for o in given_ones if o.chat_id == chat and o.kind is Kind.reply])
        assert [one for one in book.done if one in replies] == sorted(
            one for one in book.done if one in replies
        )
    await box.close()


async def test_a_chat_to_which_much_is_said_delays_no_other() -> None:
    box = Outbox(Pace(30), Book())
    box.put([errand(1, Kind.reply) for _ in range(200)])
    assert box.slots().delay(Kind.notice, 1) == 0
    await box.close()
