"""A service stops in time, whatever its platforms do."""

import asyncio
import time
from typing import Any

import pytest

from bot import service as module
from bot.platforms.base import Receiver
from bot.service import Service
from bot.settings import Settings
from storage.database import Database
from tests.conftest import NOW
from tests.messenger import Messenger
from tests.people import StillClock


class Slow(Messenger):
    """Neither its end nor its closing comes."""

    async def run(self, receiver: Receiver) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(60)

    async def close(self) -> None:
        await asyncio.sleep(60)


class Broken(Messenger):
    async def run(self, receiver: Receiver) -> None:
        raise RuntimeError("a bug")

    async def close(self) -> None:
        raise RuntimeError("another")


def service(settings: Settings, db: Database, platform: Messenger) -> Service:
    return Service(settings, db, StillClock(NOW), [platform], [])


async def test_a_platform_that_does_not_end_is_left(
    settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LAST", 0.2)
    monkeypatch.setattr(module, "CLOSING", 0.2)
    stopping = service(settings, db, Slow())
    await stopping.start()
    await asyncio.sleep(0.05)
    began = time.monotonic()
    await stopping.stop()
    assert 0.3 < time.monotonic() - began < 2


async def test_a_platform_that_fails_keeps_nobody_from_stopping(
    settings: Settings, db: Database
) -> None:
    stopping = service(settings, db, Broken())
    await stopping.start()
    with pytest.raises(RuntimeError, match="a bug"):
        await stopping.wait()
    await stopping.stop()
    assert stopping.sender._closed


class Attentive(Messenger):
    """Tells when it began."""

    began = False

    async def run(self, receiver: Receiver) -> None:
        self.began = True
        await asyncio.Event().wait()


async def test_nothing_is_received_before_what_another_run_left_is_taken_over(
    settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = Attentive()
    begun = service(settings, db, platform)
    write, may_write = db.write, asyncio.Event()

    async def slow(work: Any) -> Any:
        await may_write.wait()
        return await write(work)

    monkeypatch.setattr(db, "write", slow)
    await begun.start()
    await asyncio.sleep(0.05)
    assert not platform.began
    may_write.set()
    await asyncio.wait_for(begun.sender.recovered.wait(), 5)
    await asyncio.sleep(0.01)
    assert platform.began
    await begun.stop()
