"""What was given of a room is taken in order, and never past what is to be done before."""

import asyncio

from bot.platforms.matrix.lines import Line


async def test_what_comes_soon_is_taken_and_else_nothing() -> None:
    line = Line[int]()
    assert line.take() is None
    assert await line.further(0.01) is None
    line.put(1)
    assert await line.further(0.0) == 1
    asyncio.get_running_loop().call_later(0.02, line.put, 2)
    assert await line.further(5.0) == 2
    assert len(line) == 0


async def test_a_barrier_is_passed_first() -> None:
    line = Line[int]()
    line.put(1)
    asyncio.get_running_loop().call_later(0.02, line.put_barrier)
    assert line.take() == 1
    assert await line.further(5.0) is None, "at once"
    line.put(2)
    assert line.take() is None
    assert await line.further(5.0) is None
    line.pass_barrier()
    assert line.take() == 2
