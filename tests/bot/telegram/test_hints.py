"""Toasts and the like, while Telegram is angry or much waits: they give way to messages."""

import asyncio
import time

import pytest

from bot.platforms.telegram import hints
from tests.bot_api import BotApi
from tests.chats import ON_SQLITE
from tests.stage import Stage

pytestmark = ON_SQLITE


@pytest.mark.parametrize("method", ["answerCallbackQuery", "sendChatAction"])
async def test_who_is_told_to_wait_waits_with_all_and_says_no_such_things_meanwhile(
    stage: Stage, api: BotApi, method: str
) -> None:
    someone = stage.chatter()
    await someone.start()
    assert stage.telegram is not None
    before, shown = api.counts[method.lower()], stage.telegram._hints
    api.faults.refuse(method, retry_after=2)

    def hint() -> None:
        if method == "sendChatAction":
            shown.type(str(someone.user.id), "")
        else:
            shown.acknowledge("1")

    hint()
    await asyncio.sleep(0.2)
    assert 1 < stage.telegram.pace.paused <= 2
    for _ in range(10):
        hint()
    await asyncio.sleep(0.2)
    assert api.counts[method.lower()] == before + 1
    began, count = time.monotonic(), len(someone.user.chat.from_bot)
    someone.user.say("menu")
    async with asyncio.timeout(5):
        while len(someone.user.chat.from_bot) == count:  # noqa: ASYNC110 (no event tells of it)
            await asyncio.sleep(0.01)
    assert time.monotonic() - began > 1, "messages wait too"


async def test_more_than_may_wait_are_dropped_and_few_go_at_once(
    stage: Stage, api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hints, "MOST_WAITING", 40)
    someone = stage.chatter()
    await someone.start()
    assert stage.telegram is not None
    api.faults.slow("answerCallbackQuery", 0.5, None)
    for _ in range(1000):
        stage.telegram._hints.acknowledge("1")
    await asyncio.sleep(0.3)
    assert api.counts["answercallbackquery"] <= hints.AT_ONCE
    await asyncio.sleep(1.2)
    assert hints.AT_ONCE < api.counts["answercallbackquery"] <= 40
