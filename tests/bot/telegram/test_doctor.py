"""What the doctor sees of Telegram, at the Bot API of the tests."""

from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.platforms.seen import Seen
from bot.platforms.telegram import doctor
from bot.platforms.telegram.bots import make_bot
from bot.platforms.telegram.menus import set_menus
from bot.platforms.telegram.updates import ALLOWED
from bot.platforms.telegram.webhook import path_of
from bot.settings import Settings
from tests.bot_api import BotApi

HERE = "https://preau.example.org"
SECRET = "a-secret-of-the-webhook"


@pytest.fixture
async def api() -> AsyncIterator[BotApi]:
    async with BotApi() as server:
        yield server


def served(api: BotApi, **more: Any) -> Settings:
    given = {"telegram_token": api.token, "telegram_api_url": api.url, "_env_file": None}
    return Settings(**(given | more))


def posted(api: BotApi, **more: Any) -> Settings:
    """Settings with a webhook."""
    return served(api, telegram_webhook_url=HERE, telegram_webhook_secret=SECRET, **more)


def look(settings: Settings, *, serving: bool = False) -> Coroutine[Any, Any, Seen]:
    return doctor.look(settings, datetime.now(UTC), serving=serving)


async def with_menus(api: BotApi) -> None:
    settings = served(api)
    async with make_bot(settings) as bot:
        await set_menus(bot, settings.language, settings.zone)


async def webhook_at(api: BotApi, url: str, kinds: list[str] = ALLOWED) -> None:
    api.updates.allow(kinds)
    await api.webhook.set(url, SECRET, 1)


async def test_all_is_well(api: BotApi) -> None:
    await with_menus(api)
    seen = await look(served(api))
    assert seen.problems == []
    assert seen.notes[0] == f"Telegram: @{api.username}, id {api.world.bot['id']}, polled"
    [unseen] = seen.notes[1:]
    assert "cannot be seen without disturbing" in unseen


async def test_nothing_is_changed_and_no_poll_disturbed(api: BotApi) -> None:
    api.user().say("bonjour")
    await look(served(api))
    assert len(api.updates.pending) == 1
    assert set(api.counts) <= {"getme", "getwebhookinfo", "getmycommands"}


async def test_a_refused_token(api: BotApi) -> None:
    for wrong in ("1:wrong", "wrong"):
        [problem] = (await look(served(api, telegram_token=wrong))).problems
        assert "PREAU_TELEGRAM_TOKEN" in problem
        assert wrong not in problem.split()


async def test_telegram_is_away_or_slow(api: BotApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PATIENCE", 0.2)
    api.faults.slow("getMe", seconds=1)
    [slow] = (await look(served(api))).problems
    assert slow == "Telegram did not answer within 0.2 s"
    api.faults.fail("getMe", status=502)
    [broken] = (await look(served(api))).problems
    assert broken == "Telegram does not answer: HTTP status 502"
    settings = served(api)
    await api.close()
    [away] = (await look(settings)).problems
    assert away.startswith("Telegram does not answer: ClientConnectorError")
    assert api.token not in away


async def test_what_botfather_sets(api: BotApi) -> None:
    api.world.privacy = False
    api.world.bot["can_join_groups"] = False
    seen = await look(served(api, telegram_rate=100))
    assert seen.problems == []
    said = "\n".join(seen.notes)
    for words in ("/setprivacy", "/setjoingroups", "PREAU_TELEGRAM_RATE is over 30"):
        assert words in said


async def test_menus_of_somebody_else(api: BotApi) -> None:
    assert any("`preau run` sets them" in note for note in (await look(served(api))).notes)
    again = await look(served(api), serving=True)
    assert any("restart `preau run`" in note for note in again.notes)
    await with_menus(api)
    api.world.commands["all_group_chats", ""] = [{"command": "other", "description": "d"}]
    assert any("commands" in note for note in (await look(served(api))).notes)


async def test_a_webhook_where_telegram_is_to_be_polled(api: BotApi) -> None:
    await webhook_at(api, "https://other.example/4242:their-token")
    before = await look(served(api))
    assert before.problems == []
    [note] = [note for note in before.notes if "other.example" in note]
    assert note.startswith("Telegram posts to https://other.example as yet: `preau run` changes")
    beside = await look(served(api), serving=True)
    [problem] = beside.problems
    assert "another program changed it" in problem
    assert "their-token" not in "\n".join(before.notes + beside.problems)


async def test_no_webhook_or_another_than_is_set(api: BotApi) -> None:
    [none] = (await look(posted(api), serving=True)).problems
    assert none.startswith("Telegram waits to be polled, which is not as set")
    await webhook_at(api, "https://127.0.0.1:1/elsewhere")
    [other] = (await look(posted(api), serving=True)).problems
    assert "https://127.0.0.1:1," in other
    await webhook_at(api, f"{HERE}/older")
    [older] = (await look(posted(api), serving=True)).problems
    assert f"{HERE} under another path" in older


async def test_our_own_webhook(api: BotApi) -> None:
    await with_menus(api)
    await webhook_at(api, HERE + path_of(api.token))
    seen = await look(posted(api), serving=True)
    assert (seen.problems, len(seen.notes)) == ([], 1)
    assert seen.notes[0].endswith("by webhook")
    await webhook_at(api, HERE + path_of(api.token), kinds=["message"])
    [problem] = (await look(posted(api), serving=True)).problems
    assert "does not bring callback_query, edited_message, my_chat_member" in problem


async def test_a_webhook_that_fails(api: BotApi) -> None:
    await webhook_at(api, HERE + path_of(api.token))
    now = int(datetime.now(UTC).timestamp())
    api.webhook.last_error = (now - 2 * 86_400, "Connection refused")
    old = await look(posted(api), serving=True)
    assert old.problems == []
    assert "the last error of the webhook, 2 d ago: Connection refused" in old.notes
    api.webhook.last_error = (now - 130, "Wrong response from the webhook: 403 Forbidden")
    recovered = await look(posted(api), serving=True)
    assert recovered.problems == []
    api.updates.pushed = None  # what is said now waits
    api.user().say("bonjour")
    failing = await look(posted(api), serving=True)
    [problem] = failing.problems
    assert problem.endswith(", 2 min ago: Wrong response from the webhook: 403 Forbidden")
    assert any(note.endswith("for 24 hours: 1") for note in failing.notes)
