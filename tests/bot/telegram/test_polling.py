"""Long polling: nothing is lost and nothing is applied twice, whatever Telegram does."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from bot.platforms.telegram import polling
from bot.platforms.telegram.transport import AiohttpRequest
from bot.settings import Settings
from storage.conversations import Conversation, Update
from storage.database import Database
from tests.bot_api import BotApi
from tests.chats import ON_SQLITE, Chatter
from tests.conftest import NOW
from tests.journeys.test_reports import photo
from tests.stage import Stage

pytestmark = ON_SQLITE


async def kept(stage: Stage) -> list[str]:
    """What was kept of what the only person said outside any form, line by line."""
    words = await stage.db.read(lambda store: store.session.scalar(select(Conversation.kept)))
    return (words or "").splitlines()


async def applied(stage: Stage) -> int:
    return await stage.db.read(lambda store: len(store.session.scalars(select(Update.id)).all()))


async def begun(stage: Stage) -> Chatter:
    someone = stage.chatter()
    await someone.start()
    return someone


def say(someone: Chatter, count: int) -> list[str]:
    """Say so many things, one after the other."""
    words = [f"Phrase numéro {number}" for number in range(count)]
    for one in words:
        someone.user.say(one)
    return words


@pytest.mark.parametrize("fault", ["conflict", "bad_gateway", "cut_before", "cut_after", "slow"])
async def test_nothing_is_lost_when_telegram_fails(
    stage: Stage, api: BotApi, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    someone = await begun(stage)
    if fault == "conflict":
        api.faults.conflict(2)
    elif fault == "bad_gateway":
        api.faults.fail("getUpdates", 2, status=502)
    elif fault == "slow":
        api.faults.slow("getUpdates", 0.5, 2)
    else:
        getattr(api.faults, fault)("getUpdates", 2)
    words = say(someone, 3)
    await someone.look()
    words += say(someone, 3)
    await someone.look()
    assert await kept(stage) == [f"Phrase numéro {n}" for n in (0, 1, 2, 0, 1, 2)]


async def test_what_comes_twice_and_out_of_order_is_applied_once_and_in_order(
    stage: Stage, api: BotApi
) -> None:
    someone = await begun(stage)
    before = await applied(stage)
    api.faults.duplicate(1.0)
    api.faults.reorder(1.0)
    words = say(someone, 20)
    answer = await someone.look()
    await asyncio.sleep(0.3)
    assert await kept(stage) == words
    assert await applied(stage) == before + 20
    assert len(answer.messages) == 20


async def test_nothing_is_lost_while_the_database_is_away(stage: Stage, api: BotApi) -> None:
    someone = await begun(stage)
    with stage.database_away():
        words = say(someone, 5)
        await asyncio.sleep(1.5)
        assert len(api.updates.pending) == 5, "none is confirmed"
        assert api.counts["getupdates"] < 20, "it is not asked over and over"
    await someone.look()
    assert await kept(stage) == words


async def test_what_takes_long_holds_up_nobody(stage: Stage, api: BotApi) -> None:
    slow, quick = await begun(stage), stage.chatter("Autre")
    await slow.say("témoigner")
    await quick.start()
    api.faults.slow("download", 2.0)
    slow.user.send_photo(photo())
    await asyncio.sleep(0.3)
    began = time.monotonic()
    for _ in range(3):
        count = len(quick.user.chat.from_bot)
        quick.user.say("menu")
        while len(quick.user.chat.from_bot) == count:  # noqa: ASYNC110 (no event tells of it)
            await asyncio.sleep(0.01)
    assert time.monotonic() - began < 1.5
    await slow.look()
    assert "Photo gardée" in slow.user.chat.newest.text


async def test_more_than_a_batch_waits(stage: Stage, api: BotApi) -> None:
    people = [stage.chatter(f"Personne {n}") for n in range(150)]
    for someone in people:
        someone.user.start()
    await people[-1].look()
    assert all(someone.user.chat.from_bot for someone in people)


async def test_numbers_may_begin_anywhere_after_a_quiet_week(stage: Stage, api: BotApi) -> None:
    someone = await begun(stage)
    api.updates.wake("nothing")  # one poll that brings nothing
    await asyncio.sleep(0.2)
    api.updates.next_id = 1000
    words = say(someone, 2)
    await someone.look()
    assert await kept(stage) == words


async def test_the_operator_is_told_once_that_telegram_is_away(stage: Stage, api: BotApi) -> None:
    someone = await begun(stage)
    with capture_logs() as logs:
        api.faults.conflict(2)
        await someone.say("menu")
        await someone.say("menu")
    said = [one["event"] for one in logs if "Telegram" in one["event"]]
    assert said == ["Telegram does not answer", "Telegram answers again"]
    assert "409" in str(logs)


GARBLED = [
    "{}",
    "[]",
    '{"ok": true}',
    '{"ok": true, "result": true}',
    '{"ok": true, "result": {"1": 1}}',
    '{"ok": true, "result": [7]}',
    '{"ok": true, "result": [{"message": {}}]}',
    '{"ok": true, "result": [{"update_id": "7"}]}',
    '{"ok": true, "result": [{"update_id": [7]}]}',
]


async def test_what_is_no_answer_is_asked_for_again(
    stage: Stage, api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    someone = await begun(stage)
    garbled, real = iter(GARBLED), AiohttpRequest.do_request

    async def answer(transport: AiohttpRequest, url: str, *args: Any, **more: Any) -> Any:
        found = next(garbled, None) if url.endswith("/getUpdates") else None
        if found is not None:
            return 200, found.encode()
        return await real(transport, url, *args, **more)

    monkeypatch.setattr(polling, "LONGEST_PAUSE", 0.01)
    with capture_logs() as logs:
        monkeypatch.setattr(AiohttpRequest, "do_request", answer)
        await someone.say("menu")
    assert next(garbled, None) is None
    assert [one["event"] for one in logs] == ["Telegram does not answer", "Telegram answers again"]


@pytest.fixture
async def stages(settings: Settings, db: Database, api: BotApi) -> AsyncIterator[list[Stage]]:
    """A service, and the one that takes over when it is stopped."""
    made = [Stage(settings, db, NOW, api) for _ in range(2)]
    await made[0].open()
    yield made
    await made[1].close()


async def test_a_restart_loses_nothing_and_is_quick(stages: list[Stage], api: BotApi) -> None:
    someone = await begun(stages[0])
    words = say(someone, 10)
    await asyncio.sleep(0.02)
    began = time.monotonic()
    await stages[0].close()
    assert time.monotonic() - began < 2
    words += say(someone, 2)
    await stages[1].open()
    someone.settled = stages[1].settle
    await someone.look()
    assert await kept(stages[1]) == words
    assert len(someone.user.chat.from_bot) == 13, "each is answered once"


async def test_a_restart_while_a_file_is_fetched_keeps_the_file(
    stages: list[Stage], api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "LAST", 0.1)
    someone = await begun(stages[0])
    await someone.say("témoigner")
    api.faults.slow("download", 1.0)
    someone.user.send_photo(photo())
    await asyncio.sleep(0.3)
    await stages[0].close()
    await stages[1].open()
    someone.settled = stages[1].settle
    answer = await someone.look()
    assert "Photo gardée" in answer
    assert answer.text.count("Photo gardée") == 1
