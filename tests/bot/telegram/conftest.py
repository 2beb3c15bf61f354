"""The whole service on Telegram, asked by long polling or posted to by a webhook."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.settings import Settings
from storage.database import Database
from tests.bot_api import BotApi
from tests.conftest import NOW
from tests.stage import Stage


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that run the whole service are not among the quick ones."""
    for item in items:
        if not isinstance(item, pytest.Function) or "telegram" not in item.path.parts:
            continue
        if {"stage", "posted"} & set(item.fixturenames):
            item.add_marker(pytest.mark.servers)


@pytest.fixture
async def api() -> AsyncIterator[BotApi]:
    async with BotApi() as made:
        yield made


@pytest.fixture
async def stage(settings: Settings, db: Database, api: BotApi) -> AsyncIterator[Stage]:
    """A service that polls, at a clock that stands still until it is moved."""
    made = Stage(settings, db, NOW, api)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def posted(settings: Settings, db: Database, api: BotApi) -> AsyncIterator[Stage]:
    """A service to which updates are posted."""
    made = Stage(settings, db, NOW, api, webhook=True)
    await made.open()
    assert made.telegram is not None
    await asyncio.wait_for(made.telegram.ready.wait(), 5)
    yield made
    await made.close()


@pytest.fixture(params=["polled", "posted"])
async def place(
    request: pytest.FixtureRequest, settings: Settings, db: Database, api: BotApi
) -> AsyncIterator[Stage]:
    """A service that polls, then one to which updates are posted."""
    made = Stage(settings, db, NOW, api, webhook=request.param == "posted")
    await made.open()
    yield made
    await made.close()
