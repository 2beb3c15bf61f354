"""What syncs gave of a room and is not read yet: clients send what belongs together bit by bit."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Line(Generic[T]):
    """What was given of one room, in order; something else may have to be done in between."""

    def __init__(self) -> None:
        self._given: deque[T | None] = deque()
        self._news = asyncio.Event()

    def __len__(self) -> int:
        return len(self._given)

    def put(self, given: T) -> None:
        self._given.append(given)
        self._news.set()

    def put_barrier(self) -> None:
        """What is given from now on is not taken before `pass_barrier`."""
        self._given.append(None)
        self._news.set()

    def pass_barrier(self) -> None:
        """What had to be done before the rest is done now."""
        assert self._given.popleft() is None

    def take(self) -> T | None:
        """What is next; None if there is nothing, or something else is to be done before."""
        if not self._given or self._given[0] is None:
            return None
        return self._given.popleft()

    async def further(self, at_most: float) -> T | None:
        """As `take`, of what is there or comes within so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most):
                while not self._given:
                    self._news.clear()
                    await self._news.wait()
        return self.take()
