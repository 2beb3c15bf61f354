"""Files that do not come: nobody else waits for them."""

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from bot.platforms.matrix import lanes
from bot.settings import Settings
from storage.database import Database
from tests.conftest import NOW
from tests.homeserver import Client, Correspondent, Synapse
from tests.homeserver.client import PATIENCE
from tests.stage import Homeserver, Stage

PICTURE = {
    "msgtype": "m.image",
    "body": "a.jpg",
    "url": "mxc://slow.example/abc",
    "info": {"mimetype": "image/jpeg", "size": 1000},
}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
async def stage(
    settings: Settings, db: Database, synapse: Synapse, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stage]:
    monkeypatch.setattr(lanes, "AT_ONCE", 2)
    monkeypatch.setattr(lanes, "LAST", 0.1)
    server = Homeserver(synapse, synapse.register("preau"), lambda: Correspondent(synapse))
    made = Stage(settings, db, NOW, homeserver=server)
    await made.open()
    yield made
    await made.close()


async def test_who_sends_files_that_do_not_come_stops_nobody(
    stage: Stage, synapse: Synapse, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, hung = await stage.correspondent(), list[str]()
    assert stage.matrix is not None
    bot = stage.matrix.client.user_id

    async def hang(url: str, at_most: int) -> Any:
        hung.append(url)
        await asyncio.sleep(60)

    monkeypatch.setattr(stage.matrix._files, "_download", hang)
    async with Correspondent(synapse, "mallory") as mallory:
        rooms = [await mallory.direct(bot, encrypted=False) for _ in range(4)]
        for room in rooms:
            await mallory.say(room, "témoigner")
        await stage.settle()
        for room in rooms:
            await mallory.send(room, "m.room.message", PICTURE)
            await mallory.send(room, "m.room.message", PICTURE)
        async with asyncio.timeout(PATIENCE):
            while not hung:  # noqa: ASYNC110 (nothing tells of it)
                await asyncio.sleep(0.02)
        for _ in range(10):
            count, began = len(alice.client.events), time.monotonic()
            await alice.client.say(alice.room, "aide")
            await alice.client.until(partial(_is_answered, alice.client, bot, count), "an answer")
            assert time.monotonic() - began < 1
        assert len(hung) == 1, "one at a time of one person"


def _is_answered(client: Client, bot: str, count: int) -> bool:
    return any(one.sender == bot for one in client.events[count:])
