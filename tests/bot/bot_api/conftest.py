"""The Bot API test server, asked by python-telegram-bot as it comes, and somebody in a group."""

from collections.abc import AsyncIterator

import pytest
from telegram import Bot

from tests.bot_api import BotApi, Group, User
from tests.bot_api.clients import stock_bot


@pytest.fixture
async def api() -> AsyncIterator[BotApi]:
    async with BotApi() as server:
        yield server


@pytest.fixture
async def bot(api: BotApi) -> AsyncIterator[Bot]:
    async with stock_bot(api) as made:
        yield made


@pytest.fixture
def anna(api: BotApi) -> User:
    return api.user("Anna", known=True)


@pytest.fixture
def group(api: BotApi, anna: User) -> Group:
    made = api.group("Atelier")
    made.add_bot(by=anna)
    return made
