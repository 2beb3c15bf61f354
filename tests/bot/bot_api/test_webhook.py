"""The Bot API test server delivers to a webhook."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from telegram import Bot
from telegram.error import Conflict

from tests.bot_api import BotApi


class Hook:
    """A listener that notes what comes and answers as it is told."""

    def __init__(self) -> None:
        self.url = ""
        self.taken: list[tuple[int, str]] = []
        self.secrets: set[str | None] = set()
        self.refuse = 0  # how many are refused yet
        self.retry_after: str | None = None
        self.pause = 0.0
        self.now = self.most = 0  # at the same time

    async def hear(self, request: web.Request) -> web.Response:
        self.secrets.add(request.headers.get("X-Telegram-Bot-Api-Secret-Token"))
        body = await request.json()
        if self.refuse:
            self.refuse -= 1
            headers = {"Retry-After": self.retry_after} if self.retry_after else {}
            return web.Response(status=503, headers=headers)
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(self.pause)
        self.now -= 1
        message = body["message"]
        self.taken.append((message["chat"]["id"], message["text"]))
        return web.Response()


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    heard = Hook()
    app = web.Application()
    app.router.add_post("/hook", heard.hear)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    heard.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield heard
    await runner.cleanup()


async def test_it_delivers_with_the_secret(api: BotApi, bot: Bot, hook: Hook) -> None:
    anna = api.user("Anna")
    anna.say("avant")
    await bot.set_webhook(hook.url, secret_token="tres-secret", max_connections=7)
    anna.say("après")
    await api.idle(5)
    assert hook.taken == [(anna.id, "avant"), (anna.id, "après")]
    assert hook.secrets == {"tres-secret"}
    info = await bot.get_webhook_info()
    assert (info.url, info.pending_update_count, info.max_connections) == (hook.url, 0, 7)


async def test_in_order_in_a_chat_and_side_by_side(api: BotApi, bot: Bot, hook: Hook) -> None:
    hook.pause = 0.01
    people = [api.user(f"N{n}") for n in range(8)]
    await bot.set_webhook(hook.url, max_connections=3)
    for number in range(4):
        for user in people:
            user.say(str(number))
    await api.idle(5)
    assert hook.most == 3
    for user in people:
        assert [text for chat, text in hook.taken if chat == user.id] == list("0123")


async def test_what_is_not_taken_comes_again(api: BotApi, bot: Bot, hook: Hook) -> None:
    anna = api.user("Anna")
    hook.refuse = 3
    await bot.set_webhook(hook.url)
    anna.say("un")
    anna.say("deux")
    await api.idle(5)
    assert [text for _, text in hook.taken] == ["un", "deux"]
    assert api.webhook.tries == 5
    info = await bot.get_webhook_info()
    assert info.last_error_message == "Wrong response from the webhook: 503 Service Unavailable"
    hook.refuse, hook.retry_after = 1, "1"
    anna.say("trois")
    with pytest.raises(TimeoutError):
        await api.idle(0.8)
    await api.idle(2)


async def test_from_one_way_to_the_other_nothing_is_lost(api: BotApi, bot: Bot, hook: Hook) -> None:
    anna = api.user("Anna")
    poll = asyncio.create_task(bot.get_updates(timeout=10))
    await asyncio.sleep(0.1)
    hook.refuse = 1000
    await bot.set_webhook(hook.url)
    with pytest.raises(Conflict, match="terminated by setWebhook"):
        await poll
    with pytest.raises(Conflict, match="while webhook is active"):
        await bot.get_updates()
    given = [anna.say("un"), anna.say("deux")]
    await asyncio.sleep(0.1)
    await bot.delete_webhook()
    updates = await bot.get_updates()
    assert [update.update_id for update in updates] == given
    await bot.delete_webhook(drop_pending_updates=True)
    assert await bot.get_updates() == ()


async def test_twice_by_webhook(api: BotApi, bot: Bot, hook: Hook) -> None:
    anna = api.user("Anna")
    api.faults.duplicate()
    await bot.set_webhook(hook.url)
    anna.say("un")
    await api.idle(5)
    assert [text for _, text in hook.taken] == ["un", "un"]
