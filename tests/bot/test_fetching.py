"""Whose files are fetched, and when: who sends slow ones holds up few others."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from bot.attachments import FileKind
from bot.messages import Incoming
from bot.platforms import fetching
from bot.platforms.fetching import DidNotCome, Fetching, NotFetched
from tests.conftest import NOW
from tests.journeys.test_reports import photo

PHOTO = photo((64, 48))
NOT_FETCHED = "forms.file_not_fetched"


@dataclass(frozen=True)
class Sent:
    seconds: float = 0.0
    error: NotFetched | None = None
    kind: FileKind = FileKind.photo
    size: int = 10


@dataclass(frozen=True)
class Said:
    incoming: Incoming
    sent: Sent


class Wanting:
    async def wants(self, *_: Any) -> None:
        return None


class Source:
    """Where files come from.

    Attributes:
        now, most, all: how many are on their way, how many ever were at once, and were begun.
    """

    def __init__(self) -> None:
        self.now = self.most = self.all = 0
        self.fetching = Fetching[Sent](self.fetch)

    async def fetch(self, sent: Sent, at_most: int) -> bytes:
        self.all += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(sent.seconds)
            if sent.error is not None:
                raise sent.error
        finally:
            self.now -= 1
        return PHOTO

    async def problems(self, sender: str, *sent: Sent) -> list[str | None]:
        """What is said of some files of one answer."""
        receiver: Any = Wanting()
        incoming = Incoming("messenger", f"{sender} here", sender, "1", NOW)
        said = await self.fetching.fetched([Said(incoming, one) for one in sent], receiver)
        return [one.problem for one in said]


async def test_a_person_holds_one_turn_wherever_they_are() -> None:
    source = Source()
    slow = [asyncio.create_task(source.problems("slow", Sent(5))) for _ in range(20)]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(2):
        assert await source.problems("other", Sent()) == [None]
        assert source.most == 2
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


async def test_all_the_files_of_an_answer_have_one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "WHOLE", 0.5)
    source = Source()
    problems = await source.problems("slow", *[Sent(0.2)] * 10)
    assert problems == [None, None, *[NOT_FETCHED] * 8]
    assert source.all == 3


async def test_what_waits_behind_a_file_that_did_not_come_is_not_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetching, "IN_VAIN", 0.3)
    source = Source()
    behind = [source.problems("slow", Sent(0.1, DidNotCome("?"))) for _ in range(10)]
    assert await asyncio.gather(*behind) == [[NOT_FETCHED]] * 10
    assert source.all == 1
    assert await source.problems("other", Sent()) == [None]
    await asyncio.sleep(0.3)
    assert await source.problems("slow", Sent()) == [None], "they send it again"


async def test_a_file_that_is_missing_says_nothing_of_the_next() -> None:
    source = Source()
    problems = await source.problems("person", Sent(0, NotFetched("HTTP status 404")), Sent())
    assert problems == [NOT_FETCHED, None]
