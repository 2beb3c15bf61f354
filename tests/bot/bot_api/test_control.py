"""The Bot API test server from outside: `/control`, and what its page asks for."""

import asyncio
import base64
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from telegram import Bot
from telegram.error import NetworkError, RetryAfter

from tests.bot_api import BotApi
from tests.bot_api.clients import keyboard, picture
from tests.bot_api.control import add_control
from tests.bot_api.page import add_page


class Outside:
    """Another process, or a page."""

    def __init__(self, api: BotApi, http: aiohttp.ClientSession) -> None:
        self.api = api
        self.http = http

    async def do(self, what: str, **more: Any) -> Any:
        async with self.http.post(f"{self.api.url}/control", json={"do": what, **more}) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def act(self, what: str, **more: Any) -> Any:
        body = {"do": what, **more}
        async with self.http.post(f"{self.api.url}/people/act", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return (await answer.json())["made"]

    async def state(self, me: int, chat: int | None = None, version: str = "") -> Any:
        asked = {"me": str(me), "chat": str(chat or me), "version": version}
        async with self.http.get(f"{self.api.url}/people/state", params=asked) as answer:
            return None if answer.status == 204 else await answer.json()


@pytest.fixture
async def api() -> AsyncIterator[BotApi]:
    server = BotApi()

    def more(app: web.Application) -> None:
        add_control(server, app)
        add_page(server, app)

    await server.open(more)
    yield server
    await server.close()


@pytest.fixture
async def outside(api: BotApi) -> AsyncIterator[Outside]:
    async with aiohttp.ClientSession() as http:
        yield Outside(api, http)


async def echo(bot: Bot) -> None:
    """Answer what is pending, then confirm it."""
    updates = await bot.get_updates()
    for update in updates:
        if update.callback_query is not None:
            await update.callback_query.answer("Noté")
        elif update.message is not None:
            await update.message.reply_text("<b>Bonjour</b>", "HTML", reply_markup=keyboard("Oui"))
    await bot.get_updates(offset=updates[-1].update_id + 1)


async def test_a_crowd_is_scripted(bot: Bot, outside: Outside) -> None:
    people = (await outside.do("users", count=5))["users"]
    assert await outside.do("start", users=people) == {"updates": 5}
    await echo(bot)
    await outside.do("idle", seconds=1)
    await outside.do("until", methods=["sendMessage"], count=5, seconds=1)
    assert await outside.do("press", label="oui", users=people[:2]) == {
        "updates": 2,
        "missing": [],
    }
    await echo(bot)
    found = await outside.do("stats")
    assert found["done"]["sendmessage"] == 5
    assert found["done"]["answercallbackquery"] == 2
    assert found["given"] == {"message": 5, "callback_query": 2}
    assert (found["pending"], found["errors"]) == (0, {})
    [said, answered] = (await outside.do("messages", chats=[people[0]]))[str(people[0])]
    assert (said["text"], said["by_bot"]) == ("/start", False)
    assert (answered["text"], answered["labels"]) == ("Bonjour", ["Oui"])
    assert len((await outside.do("delays"))["delays"]) == 5


async def test_faults_and_rates_are_scripted(
    bot: Bot, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    [one] = (await outside.do("users", count=1, known=True))["users"]
    await outside.do("faults", add=[{"kind": "fail", "method": "sendMessage", "status": 502}])
    with pytest.raises(NetworkError, match="Bad Gateway"):
        await bot.send_message(one, "x")
    await outside.do("rates", in_chat=1)
    await bot.send_message(one, "x")
    with pytest.raises(RetryAfter):
        await bot.send_message(one, "x")
    await outside.do("rates", off=True)
    await bot.send_message(one, "x")
    found = await outside.do("stats")
    assert found["errors"] == {"502": 1, "429": 1}
    async with outside.http.post(f"{outside.api.url}/control", json={"do": "fly"}) as answer:
        assert answer.status == 400


async def test_a_human_is_somebody_on_the_page(bot: Bot, outside: Outside) -> None:
    anna = await outside.act("person", name="Anna")
    await outside.act("start", me=anna)
    await echo(bot)
    seen = await outside.state(anna)
    said, answered = seen["messages"]
    assert (said["html"], said["mine"]) == ("/start", True)
    assert answered["html"] == "<b>Bonjour</b>"
    assert await outside.state(anna, version=seen["version"]) is None
    button = answered["rows"][0][0]
    await outside.act("press", me=anna, message=answered["id"], data=button["data"])
    await echo(bot)
    assert (await outside.state(anna))["toasts"][0]["text"] == "Noté"
    group = await outside.act("group", name="Atelier")
    await outside.act("add_bot", me=anna, chat=group)
    await outside.act("say", me=anna, chat=group, text=f"@{bot.username} ?")
    await echo(bot)
    seen = await outside.state(anna, group)
    assert [one["html"] for one in seen["messages"]][-1] == "<b>Bonjour</b>"


async def test_a_photo_from_the_page(bot: Bot, outside: Outside) -> None:
    photo = picture(8, 8)
    anna = await outside.act("person", name="Anna")
    data = base64.b64encode(photo).decode()
    await outside.act("file", me=anna, name="x.jpg", data=data, **{"as": "photo"})
    [update] = await bot.get_updates()
    assert update.message is not None
    assert update.message.photo[-1].width == 8
    [shown] = (await outside.state(anna))["messages"]
    url = f"{outside.api.url}/people/file/{shown['files'][0]['id']}"
    async with outside.http.get(url) as answer:
        assert await answer.read() == photo


async def test_the_page_is_served_to_its_own_origin_only(outside: Outside) -> None:
    for name in ("", "page.css", "page.js"):
        async with outside.http.get(f"{outside.api.url}/{name}") as answer:
            assert answer.status == 200
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    elsewhere = {"Origin": "https://example.org"}
    body = {"do": "person", "name": "x"}
    url = f"{outside.api.url}/people/act"
    async with outside.http.post(url, json=body, headers=elsewhere) as answer:
        assert answer.status == 403


@pytest.mark.servers
async def test_it_runs_as_a_process() -> None:
    command = (sys.executable, "-m", "tests.bot_api", "--port", "0", "--token", "7:x", "--rates")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            ready, url = (await process.stdout.readline()).decode().split()
        assert ready == "ready"
        async with aiohttp.ClientSession(url) as http:
            async with http.get("/bot7:x/getMe") as answer:
                assert (await answer.json())["result"]["id"] == 7
            async with http.post("/control", json={"do": "start"}) as answer:
                assert await answer.json() == {"updates": 3}  # its own people
    finally:
        process.terminate()
        assert await process.wait() == 0
