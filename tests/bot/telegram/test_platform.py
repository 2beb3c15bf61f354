"""The platform as a whole: not open yet, begun while Telegram is away, stopped, and its logs."""

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import Iterator
from io import StringIO

import pytest
import structlog
from sqlalchemy import select
from structlog.testing import capture_logs
from telegram import Bot

from bot import cli, routing
from bot.platforms.base import PlatformRefused
from bot.platforms.telegram import bots
from bot.platforms.telegram.bots import make_bot
from bot.rights import anyone
from bot.settings import Settings
from storage.conversations import Draft, Update
from storage.database import Database
from storage.inbox import Held
from storage.people import Account
from tests.bot_api import TOKEN, BotApi
from tests.chats import ON_SQLITE
from tests.conftest import NOW
from tests.journeys.test_reports import photo
from tests.people import STORY
from tests.stage import WEBHOOK_SECRET, Stage, telegram_settings

pytestmark = ON_SQLITE

SECRET_WORDS = "Une phrase que personne ne doit lire"


@pytest.mark.parametrize("webhook", [True, False])
async def test_before_it_is_open_nothing_is_kept_and_people_are_told(
    settings: Settings, db: Database, api: BotApi, webhook: bool
) -> None:
    closed = settings.model_copy(update={"controller": None})
    stage = Stage(closed, db, NOW, api, webhook=webhook)
    await stage.open()
    someone, group = stage.chatter(), api.group()
    await someone.start()
    await asyncio.sleep(0.1)
    assert "Préau n'est pas encore ouvert." in someone.user.chat.newest.text
    await someone.look()
    for number in range(5):
        someone.user.say(f"Phrase {number}")
    someone.user.say("mot " * 1000)
    someone.user.send_photo(photo(), album="a")
    someone.user.press(data="people.menu")
    group.add_bot(someone.user)
    answer = await someone.look()
    await asyncio.sleep(0.1)
    assert not answer.messages, "once is enough"
    assert "pas encore ouvert" in someone.user.toasts[-1].text
    assert not group.from_bot
    for table in (Account, Update, Draft, Held):
        assert not db.read_now(lambda store: store.session.scalars(select(table.id)).all())  # noqa: B023
    await stage.close()


async def test_it_begins_although_telegram_is_away(
    settings: Settings, db: Database, api: BotApi
) -> None:
    api.faults.fail("getMe", 1, status=502)
    api.faults.cut_before("deleteWebhook")
    stage = Stage(settings, db, NOW, api)
    with capture_logs() as logs:
        await stage.open()
        answer = await stage.chatter().start()
    assert "je suis Préau" in answer
    assert "Telegram does not answer" in [one["event"] for one in logs]
    await stage.close()


async def test_a_token_that_telegram_does_not_know_ends_it_with_one_line(
    settings: Settings, db: Database
) -> None:
    async with BotApi("100200300:another") as api:
        stage = Stage(settings, db, NOW, api)
        await stage.open()
        with pytest.raises(PlatformRefused, match="PREAU_TELEGRAM_TOKEN") as found:
            async with asyncio.timeout(5):
                await stage.service.wait()
        assert not found.value.for_now
        await stage.close()


async def test_an_address_that_telegram_does_not_take_ends_it_with_telegrams_words(
    settings: Settings, db: Database, api: BotApi
) -> None:
    api.webhook.local = False  # as Telegram itself: only HTTPS
    stage = Stage(settings, db, NOW, api, webhook=True)
    await stage.open()
    with pytest.raises(PlatformRefused, match="Telegram refuses: Bad webhook") as found:
        async with asyncio.timeout(5):
            await stage.service.wait()
    assert found.value.for_now
    await stage.close()


async def test_who_comes_is_spoken_to_in_the_language_of_their_app(stage: Stage) -> None:
    for language, welcome in (("en-GB", "I am Préau"), ("fr", "je suis Préau"), ("pt", "je suis")):
        someone = stage.chatter()
        someone.user.shown["language_code"] = language
        assert welcome in await someone.start()


async def test_nobody_who_asks_for_its_name_leaves_a_connection_open(
    settings: Settings, api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Bot] = []

    def kept(given: Settings) -> Bot:
        made.append(make_bot(given))
        return made[0]

    monkeypatch.setattr(bots, "make_bot", kept)
    api.faults.slow("getMe", 5.0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await bots.username(settings.model_copy(update=telegram_settings(api)))
    assert all(one._session is None for one in made[0]._request)  # type: ignore[attr-defined]
    made.clear()
    await bots.username(settings.model_copy(update=telegram_settings(api)))


@pytest.mark.parametrize("webhook", [True, False])
async def test_it_stops_at_once_and_says_nothing(
    settings: Settings, db: Database, api: BotApi, webhook: bool, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(settings, db, NOW, api, webhook=webhook)
    await stage.open()
    someone = stage.chatter()
    await someone.start()
    await someone.say("témoigner")
    someone.user.say("mot " * 1000)
    someone.user.press(data="people.menu")
    someone.user.send_photo(photo(), album="a")
    await asyncio.sleep(0.1)
    began = time.monotonic()
    with capture_logs() as logs:
        await stage.close()
    assert time.monotonic() - began < 3
    assert not [one for one in logs if one["log_level"] != "info"]
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]
    left = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
    names = [one.get_coro() for one in left]
    assert not [one for one in names if "telegram" in repr(one)]


@pytest.fixture
def logged_as_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[StringIO]:
    """What `preau run` logs, and with `caplog` even what it leaves out as too fine."""
    out = StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    names = (None, "apscheduler", "telegram", "asyncio", "aiohttp.server")
    before = [(name, logging.getLogger(name).level) for name in names]
    filters = {name: list(logging.getLogger(name).filters) for name in names}
    cli.log_to_stderr(logging.DEBUG)
    monkeypatch.undo()
    caplog.set_level(logging.DEBUG)
    yield out
    structlog.reset_defaults()
    for name, level in before:
        logging.getLogger(name).setLevel(level)
        logging.getLogger(name).filters = filters[name]


@pytest.mark.parametrize("webhook", [True, False])
async def test_neither_the_token_nor_what_is_said_is_logged(
    logged_as_run: StringIO,
    settings: Settings,
    db: Database,
    api: BotApi,
    webhook: bool,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a handler with a bug")

    stage = Stage(settings, db, NOW, api, webhook=webhook)
    await stage.open()
    someone = stage.chatter("Mme Dupont")
    await someone.start()
    await someone.say(SECRET_WORDS)
    monkeypatch.setitem(routing.COMMANDS, "settings", routing.Route(broken, anyone))
    await someone.say("réglages")
    await someone.say("témoigner")
    await someone.say(f"{SECRET_WORDS}. {STORY}")
    api.faults.fail("getUpdates", 1, status=502)
    api.faults.cut_before("getFile", 1)
    api.faults.cut_after("sendMessage", 1)
    api.faults.fail("answerCallbackQuery", 1)
    api.give("message", {"text": SECRET_WORDS, "date": SECRET_WORDS}, 5)
    someone.user.send_photo(photo(), caption=SECRET_WORDS)
    someone.user.press(data=f"{SECRET_WORDS}:1")
    await someone.look()
    with stage.database_away():
        someone.user.say(SECRET_WORDS)
        await asyncio.sleep(0.3)
    await someone.look()
    someone.user.block()
    await api.idle()
    with contextlib.suppress(AssertionError):
        await stage.settle()
    await stage.close()
    logged = logged_as_run.getvalue() + caplog.text
    assert "a handler with a bug" in logged, "something was logged at all"
    for secret in (TOKEN, TOKEN.partition(":")[2], WEBHOOK_SECRET, SECRET_WORDS, "Dupont"):
        assert secret not in logged
    assert str(someone.user.id) not in logged
