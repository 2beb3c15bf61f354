"""What is done about rooms: few things at once, in turns, again if refused, not over and over."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from bot.pace import Pace
from bot.platforms.base import SendFailed
from bot.platforms.matrix import chores
from bot.platforms.matrix.chores import Chore, Chores, Throttle
from storage.deliveries import Failure

FAST = Pace(10_000, chat_seconds=0)


class Doing:
    """Chores that are noted while they are done.

    Attributes:
        done: the rooms, in order.
        most: how many were ever in hand at once.
        refusals: what is raised at the next tries, by room.
    """

    def __init__(self, pace: Pace = FAST) -> None:
        self.chores = Chores(pace)
        self.done: list[str] = []
        self.tries: list[tuple[str, float]] = []
        self.most = 0
        self.refusals: dict[str, list[Exception]] = {}
        self._now = 0

    def put(self, room_id: str, whose: str = "", rank: int = 0) -> None:
        self.chores.put(Chore(room_id, whose or room_id, lambda: self._do(room_id), rank))

    async def _do(self, room_id: str) -> None:
        self.tries.append((room_id, time.monotonic()))
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            await asyncio.sleep(0.001)
            if self.refusals.get(room_id):
                raise self.refusals[room_id].pop(0)
        finally:
            self._now -= 1
        self.done.append(room_id)

    async def until(self, settled: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not settled():  # noqa: ASYNC110 (no event tells of it)
                await asyncio.sleep(0.005)


@pytest.fixture
async def doing() -> AsyncIterator[Doing]:
    made = Doing()
    running = asyncio.create_task(made.chores.run())
    yield made
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_a_thousand_are_done_few_at_once_and_again_if_refused(
    doing: Doing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chores, "SHORTEST_WAIT", 0.01)
    rooms = [f"!{number}" for number in range(1000)]
    for room in rooms[::10]:
        doing.refusals[room] = [SendFailed(Failure.unreachable), SendFailed(Failure.unreachable)]
    for room in rooms:
        doing.put(room)
    await doing.until(lambda: len(doing.done) == 1000)
    assert sorted(doing.done) == sorted(rooms)
    assert doing.most <= chores.AT_ONCE


async def test_nobody_waits_for_all_that_one_person_causes(doing: Doing) -> None:
    for number in range(25):
        doing.put(f"!many-{number}", "@eager:home.test")
    doing.put("!one", "@other:home.test")
    await doing.until(lambda: len(doing.done) == 26)
    assert doing.done.index("!one") <= chores.AT_ONCE


async def test_joining_goes_before_declining(doing: Doing) -> None:
    for number in range(20):
        doing.put(f"!no-{number}", rank=1)
    for number in range(5):
        doing.put(f"!yes-{number}")
    await doing.until(lambda: len(doing.done) == 25)
    assert {one[:4] for one in doing.done[:5]} == {"!yes"}


async def test_what_comes_again_and_again_waits_and_nothing_else_does(doing: Doing) -> None:
    for count in range(chores.ROOM_BURST):
        doing.put("!loop", f"@{count}:home.test")
        await doing.until(lambda count=count: len(doing.done) > count)  # type: ignore[misc]
    doing.put("!loop", "@more:home.test")
    doing.put("!other", "@more:home.test")
    await doing.until(lambda: "!other" in doing.done)
    await asyncio.sleep(0.05)
    assert doing.done.count("!loop") == chores.ROOM_BURST


async def test_only_so_many_rooms_of_one_person_come_in_a_row(doing: Doing) -> None:
    for number in range(chores.PERSON_BURST + 5):
        doing.put(f"!{number}", "@eager:home.test")
    await doing.until(lambda: len(doing.done) == chores.PERSON_BURST)
    await asyncio.sleep(0.05)
    assert len(doing.done) == chores.PERSON_BURST


async def test_a_refusal_for_now_holds_up_all(doing: Doing) -> None:
    doing.refusals["!0"] = [SendFailed(Failure.refused, wait=0.3, for_all=True)]
    doing.put("!0")
    await doing.until(lambda: bool(doing.tries))
    doing.put("!1")
    await doing.until(lambda: "!1" in doing.done)
    (_, refused), (_, after) = doing.tries[:2]
    assert after - refused > 0.29


async def test_what_is_final_or_a_bug_is_not_tried_again(doing: Doing) -> None:
    doing.refusals = {"!no": [SendFailed(Failure.removed, final=True)], "!bug": [RuntimeError()]}
    with capture_logs() as logs:
        doing.put("!no")
        doing.put("!bug")
        await doing.until(lambda: len(doing.tries) == 2)
        doing.put("!after")
        await doing.until(lambda: doing.done == ["!after"])
    assert [one["room"] for one in logs if one["log_level"] == "error"] == ["!bug"]
    assert "!no" not in doing.chores
    assert "!bug" not in doing.chores


async def test_what_makes_no_sense_any_more_is_not_done(doing: Doing) -> None:
    doing.put("!gone")
    doing.chores.drop("!gone")
    doing.put("!here")
    await doing.until(lambda: bool(doing.done))
    assert doing.done == ["!here"]


async def test_most_of_the_pace_is_left_to_messages() -> None:
    made = Doing(Pace(60, chat_seconds=0))
    running = asyncio.create_task(made.chores.run())
    for number in range(100):
        made.put(f"!{number}")
    await asyncio.sleep(1)
    running.cancel()
    assert 10 <= len(made.done) <= 60 / chores.SHARE + 2


async def test_a_long_broadcast_leaves_some_of_the_pace() -> None:
    made = Doing(Pace(60, chat_seconds=0))
    sent = 0

    async def broadcast() -> None:
        nonlocal sent
        while True:
            while made.chores._pace.delay():  # noqa: ASYNC110 (no event tells of it)
                await asyncio.sleep(0)  # it is always quicker
            made.chores._pace.take("", in_group=False)
            sent += 1

    tasks = [asyncio.create_task(one) for one in (broadcast(), made.chores.run())]
    await asyncio.sleep(0.5)
    for number in range(100):
        made.put(f"!{number}")
    before = sent
    await asyncio.sleep(1)
    for task in tasks:
        task.cancel()
    assert sent - before > len(made.done) >= 3
    assert sent - before + len(made.done) <= 80


def test_some_in_a_row_then_one_in_so_many_seconds() -> None:
    now = 100.0
    throttle = Throttle(3, 10.0, lambda: now)
    for _ in range(3):
        assert throttle.wait("a") == 0
        throttle.count("a")
    assert throttle.wait("a") == 10
    assert throttle.wait("b") == 0
    now += 10
    assert throttle.wait("a") == 0
    throttle.count("a")
    assert throttle.wait("a") == 10
    now += 1000
    throttle.count("b")
    assert list(throttle._ends) == ["b"], "who is quiet is forgotten"
