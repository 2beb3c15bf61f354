"""The gathering by itself: one apply for what belongs together, whatever comes how often."""

import asyncio

import pytest

from bot.attachments import FileKind
from bot.messages import Incoming
from bot.platforms.telegram import gathering
from bot.platforms.telegram.gathering import Gathering
from bot.platforms.telegram.updates import LONG, Arrival, Sent
from storage.database import Unavailable
from tests.conftest import NOW

BEGINNING = "x" * LONG


def piece(number: int, text: str) -> Arrival:
    incoming = Incoming("telegram", "5", "5", str(number), NOW, text=text)
    return Arrival(incoming)


def photo(number: int) -> Arrival:
    incoming = Incoming("telegram", "5", "5", str(number), NOW, text="")
    return Arrival(incoming, Sent(FileKind.photo, "f"))


class Applied:
    """A gathering, and what it applied; `slow` is what fetching a file waits for."""

    def __init__(self) -> None:
        self.applied: list[list[Arrival]] = []
        self.away = 0
        self.slow = asyncio.Event()
        self.gathering = Gathering(self.prepare, self.apply)

    async def prepare(self, arrivals: list[Arrival]) -> list[Incoming]:
        if any(one.sent for one in arrivals):
            await self.slow.wait()
        return [one.incoming for one in arrivals if one.incoming is not None]

    async def apply(self, arrivals: list[Arrival], said: list[Incoming]) -> None:
        assert [one.incoming for one in arrivals] == said
        if self.away:
            self.away -= 1
            raise Unavailable
        self.applied.append(list(arrivals))


async def test_an_update_given_twice_at_once_is_one_piece() -> None:
    made = Applied()
    first, last = piece(1, BEGINNING), piece(2, "Fin.")
    given = [made.gathering.put(one) for one in (first, first, last, last)]
    assert await asyncio.gather(*given) == [True] * 4
    assert made.applied[0] == [first, last]


async def test_what_comes_after_a_file_waits_for_it_and_only_that() -> None:
    made = Applied()
    file, after = photo(1), piece(2, "Voilà.")
    assert made.gathering.is_needed(file)
    assert not made.gathering.is_needed(after)
    given = [made.gathering.put(one) for one in (file, after, file)]
    assert made.gathering.is_needed(after)
    other = Arrival(Incoming("telegram", "6", "6", "3", NOW, text="Voilà."))
    assert not made.gathering.is_needed(other)
    await asyncio.sleep(0.05)
    assert made.applied == []
    made.slow.set()
    assert await asyncio.gather(*given) == [True] * 3
    assert made.applied == [[file], [after]]
    assert not made.gathering.is_needed(after)


async def test_what_fails_is_tried_again_before_what_follows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gathering, "AGAIN", 0.01)
    made = Applied()
    made.away = 3
    made.slow.set()
    file, after = photo(1), piece(2, "Voilà.")
    assert await asyncio.gather(*(made.gathering.put(one) for one in (file, after))) == [True] * 2
    assert made.applied == [[file], [after]]


async def test_once_closed_nothing_is_applied() -> None:
    made = Applied()
    waiting = [made.gathering.put(one) for one in (photo(2), piece(3, BEGINNING))]
    await asyncio.sleep(0)
    async with asyncio.timeout(0.5):
        await made.gathering.close()
    assert all(one.cancelled() for one in waiting)
    with pytest.raises(Unavailable):
        made.gathering.put(piece(4, "Fin."))
    assert made.applied == []
