"""Rooms side by side, and how far everything is done."""

import asyncio

import pytest

from bot.platforms.matrix import lanes
from bot.platforms.matrix.lanes import Lanes, Progress


async def test_the_work_of_a_room_is_done_in_order_beside_that_of_others() -> None:
    done, gate = list[str](), asyncio.Event()

    async def work(name: str, waits: bool) -> None:
        if waits:
            await gate.wait()
        done.append(name)

    made = Lanes()
    first = made.put("a", lambda: work("a1", waits=True))
    second = made.put("a", lambda: work("a2", waits=False))
    await made.put("b", lambda: work("b1", waits=False))
    assert done == ["b1"]
    gate.set()
    await asyncio.gather(first, second)
    assert done == ["b1", "a1", "a2"]


async def test_only_so_many_rooms_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "AT_ONCE", 3)
    made, running, most = Lanes(), 0, 0

    async def work() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    await asyncio.gather(*(made.put(str(room), work) for room in range(10)))
    assert most == 3


async def test_work_that_fails_is_done_with() -> None:
    made, done = Lanes(), list[str]()

    async def fail() -> None:
        raise RuntimeError

    async def work() -> None:
        done.append("after")

    progress = Progress(None)
    progress.begin("s1", {made.put("a", fail): 1})
    await made.put("a", work)
    assert (progress.until(), done) == ("s1", ["after"])


async def test_what_is_behind_something_slow_does_not_count() -> None:
    made, gate = Lanes(), asyncio.Event()

    async def wait() -> None:
        await gate.wait()

    async def work() -> None:
        pass

    progress = Progress("s0")
    slow = made.put("a", wait)
    progress.begin("s1", {slow: 1})
    progress.begin("s2", {made.put("b", work): 1})
    progress.begin("s3", {})
    await asyncio.sleep(0.01)
    assert progress.until() == "s0"
    gate.set()
    await slow
    assert progress.until() == "s3"


async def test_what_is_broken_off_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "LAST", 0.01)
    made, done = Lanes(), list[str]()

    async def hang() -> None:
        await asyncio.Event().wait()

    async def work() -> None:
        done.append("after")

    progress = Progress("s0")
    progress.begin("s1", {made.put("a", hang): 1, made.put("a", work): 1})
    await made.close()
    assert (progress.until(), done) == ("s0", [])


async def test_it_is_waited_for_what_is_too_far_behind() -> None:
    made, gate = Lanes(), asyncio.Event()
    progress = Progress("s0")

    async def wait() -> None:
        await gate.wait()

    async def work() -> None:
        pass

    progress.begin("s1", {made.put("a", wait): 2})
    for number in range(50):
        progress.begin(f"t{number}", {made.put("b", work): 5})
    await asyncio.sleep(0.01)
    await progress.fewer(3)  # what is done is not kept in memory
    progress.begin("s2", {made.put("a", wait): 1})
    waiting = asyncio.create_task(progress.fewer(3))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    gate.set()
    await waiting
    assert progress.until() == "s2"


async def test_who_takes_long_holds_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "AT_ONCE", 2)
    monkeypatch.setattr(lanes, "LONG", 0.05)
    made, gate, done = Lanes(), asyncio.Event(), list[str]()

    async def hang() -> None:
        await gate.wait()

    async def work() -> None:
        done.append("quick")

    slow = [made.put(room, hang) for room in "abcde"]
    async with asyncio.timeout(1):
        await made.put("z", work)
    assert done == ["quick"]
    assert not any(one.done() for one in slow)
    gate.set()
    await asyncio.wait(slow)
    assert made._free._value == 2, "no place is given up twice"
