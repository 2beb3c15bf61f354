"""Calls over real connections: what was surely not sent, what is in doubt, and no token said."""

import asyncio
import logging

import pytest
from aiohttp import web
from telegram import Bot, InputFile
from telegram.error import BadRequest, Conflict, Forbidden, NetworkError, RetryAfter, TimedOut

from bot.platforms.telegram.transport import AiohttpRequest, Away, Cut, NotSent
from tests.bot.telegram.scripted import (
    TOKEN,
    Scripted,
    assert_says_no_token,
    bot_at,
    listening,
    serving,
)


async def test_words_arrive_as_they_were_said() -> None:
    api, words = Scripted(), "Été & <b>Œuvre</b> + 100 % 👩‍🏫\n=?;"
    async with serving(api.answer) as url, bot_at(url) as bot:
        message = await bot.send_message(7, words)
    assert message.message_id == 1
    assert api.asked[0].given == {"chat_id": "7", "text": words}


async def test_a_lone_surrogate_does_not_stop_a_message() -> None:
    api = Scripted()
    async with serving(api.answer) as url, bot_at(url) as bot:
        await bot.send_message(7, "a\ud800b")
    assert api.asked[0].given["text"] == "ab"


async def test_an_edited_message_is_not_read() -> None:
    body = b'{"ok":true,"result":{"message_id":1,"date":1,"chat":{"id":7,"type":"private"}}}'

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    async with serving(answer) as url, bot_at(url) as bot:
        assert await bot.edit_message_text("a", 7, 1) is True
        assert (await bot.send_message(7, "a")).message_id == 1


async def test_files_are_uploaded_whole_beside_their_parameters() -> None:
    content = bytes(range(256)) * 8 * 1024  # 2 MiB, past what aiohttp likes as one piece
    api, lengths = Scripted(), list[int]()

    async def answer(request: web.Request) -> web.Response:
        lengths.append(request.content_length or 0)
        return await api.answer(request)

    async with serving(answer) as url, bot_at(url) as bot:
        await bot.send_document(7, InputFile(content, "preau.pdf"), caption="Relevé")
    [asked] = api.asked
    assert asked.given["caption"] == "Relevé"
    assert asked.files == {"document": ("preau.pdf", content)}
    assert lengths[0] > len(content)  # its length is known beforehand


@pytest.mark.parametrize(
    ("status", "parameters", "kind"),
    [
        (400, {}, BadRequest),
        (403, {}, Forbidden),
        (409, {}, Conflict),
        (429, {"retry_after": 5}, RetryAfter),
    ],
)
async def test_refusals_of_telegram_are_those_of_the_library(
    status: int, parameters: dict[str, int], kind: type[Exception]
) -> None:
    api = Scripted()
    api.refuse("sendMessage", status, "no", **parameters)
    async with serving(api.answer) as url, bot_at(url) as bot:
        with pytest.raises(kind):
            await bot.send_message(7, "a")


@pytest.mark.parametrize("status", [302, 403, 407, 500, 502, 503])
async def test_what_is_not_the_bot_api_is_away(status: int) -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        headers = {"Location": "/bot1/elsewhere"}
        return web.Response(
            status=status, text="<p>no</p>", content_type="text/html", headers=headers
        )

    async with serving(answer) as url, bot_at(url) as bot:
        with pytest.raises(Away) as caught:
            await bot.send_message(7, "a")
    assert len(asked) == 1
    assert str(status) in caught.value.message
    assert_says_no_token(caught.value)


async def test_a_server_error_in_json_is_away_too() -> None:
    api = Scripted()
    api.refuse("sendMessage", 500, "Internal Server Error")
    async with serving(api.answer) as url, bot_at(url) as bot:
        with pytest.raises(Away):
            await bot.send_message(7, "a")


async def test_nothing_is_sent_where_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    async with listening(None) as url:
        pass
    async with bot_at(url) as bot:
        caplog.set_level(logging.DEBUG)  # a new `Bot` tells its address in so much detail
        with pytest.raises(NotSent, match="Connect call failed") as caught:
            await bot.send_message(7, "a")
    assert_says_no_token(caught.value)
    assert TOKEN not in caplog.text


async def test_nothing_is_sent_to_a_name_that_does_not_exist() -> None:
    async with bot_at("http://nowhere.invalid", connect_timeout=2) as bot:
        with pytest.raises(NotSent) as caught:
            await bot.send_message(7, "a")
    assert_says_no_token(caught.value)


async def _read_head(reader: asyncio.StreamReader) -> None:
    await reader.readuntil(b"\r\n\r\n")


async def test_a_connection_cut_before_the_answer_is_in_doubt() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _read_head(reader)

    async with listening(cut) as url, bot_at(url) as bot:
        with pytest.raises(Cut) as caught:
            await bot.send_message(7, "a")
    assert_says_no_token(caught.value)


async def test_a_connection_reset_or_cut_in_the_answer_is_in_doubt() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _read_head(reader)
        writer.transport.abort()

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _read_head(reader)
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"ok": true')
        await writer.drain()

    for broken in (reset, half):
        async with listening(broken) as url, bot_at(url) as bot:
            with pytest.raises(Cut) as caught:
                await bot.send_message(7, "a")
        assert_says_no_token(caught.value)


async def test_nonsense_is_in_doubt_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _read_head(reader)
        writer.write(b"SSH-2.0-secret\r\n\r\n")
        await writer.drain()

    async def not_json(request: web.Request) -> web.Response:
        return web.Response(text="secret")

    async with listening(nonsense) as url, bot_at(url) as bot:
        with pytest.raises(Cut) as caught:
            await bot.send_message(7, "a")
    assert_says_no_token(caught.value)
    async with serving(not_json) as url, bot_at(url) as bot:
        with pytest.raises(Exception, match="Invalid server response") as told:
            await bot.send_message(7, "a")
    assert not isinstance(told.value, NetworkError)
    assert "secret" not in caplog.text


async def test_an_answer_that_takes_too_long_is_in_doubt() -> None:
    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    async with serving(slow) as url, bot_at(url) as bot:
        async with asyncio.timeout(2):
            with pytest.raises(TimedOut) as caught:
                await bot.send_message(7, "a", read_timeout=0.1)
        assert_says_no_token(caught.value)
    async with serving(slow) as url, bot_at(url, read_timeout=0.1) as bot:
        async with asyncio.timeout(2):
            with pytest.raises(TimedOut):
                await bot.send_message(7, "a")


async def test_a_call_may_wait_longer_than_usual_or_without_limit() -> None:
    api = Scripted()

    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(0.3)
        return await api.answer(request)

    async with serving(slow) as url, bot_at(url, read_timeout=0.05) as bot:
        await bot.send_message(7, "a", read_timeout=3)
        await bot.send_message(7, "a", read_timeout=None)
    assert len(api.asked) == 2


async def test_an_upload_that_stalls_ends() -> None:
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _read_head(reader)
        await asyncio.sleep(5)

    timeouts = ("media_write_timeout", "read_timeout", "connect_timeout", "pool_timeout")
    short = dict.fromkeys(timeouts, 0.1)
    async with listening(stall) as url, bot_at(url, **short) as bot, asyncio.timeout(3):
        with pytest.raises(TimedOut):
            await bot.send_document(7, InputFile(bytes(30 * 2**20), "preau.pdf"))


async def test_no_more_connections_than_allowed() -> None:
    at_once = most = 0
    full, free = asyncio.Event(), asyncio.Event()
    api = Scripted()

    async def held(request: web.Request) -> web.Response:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        if at_once == 2:
            full.set()
        await free.wait()
        at_once -= 1
        return await api.answer(request)

    async with serving(held) as url, bot_at(url, pool_size=2, pool_timeout=0.1) as bot:
        first = [asyncio.create_task(bot.send_message(7, "a")) for _ in range(2)]
        await full.wait()
        with pytest.raises(NotSent):
            await bot.send_message(7, "a", connect_timeout=0.1)
        free.set()
        await asyncio.gather(*first)
        await asyncio.gather(*(bot.send_message(7, "a") for _ in range(10)))
    assert most == 2


async def test_connections_are_kept_for_the_next_call() -> None:
    api, ports = Scripted(), set()

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername"))
        return await api.answer(request)

    async with serving(answer) as url, bot_at(url) as bot:
        for _ in range(5):
            await bot.send_message(7, "a")
    assert len(ports) == 1


async def test_opening_and_closing_twice_does_no_harm() -> None:
    api = Scripted()
    async with serving(api.answer) as url:
        request = AiohttpRequest(read_timeout=3)
        bot = Bot(TOKEN, base_url=f"{url}/bot", request=request, get_updates_request=request)
        with pytest.raises(NotSent):
            await bot.send_message(7, "a")
        for _ in range(2):
            await request.initialize()
            await request.initialize()
            await bot.send_message(7, "a")
            await request.shutdown()
            await request.shutdown()
        with pytest.raises(NotSent):
            await bot.send_message(7, "a")
    assert request.read_timeout == 3
    assert len(api.asked) == 2
