"""The webhook: only Telegram is heard; 200 means committed; changing ways loses nothing."""

import asyncio
import io
import json
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from bot.platforms.telegram.webhook import HEADER, LARGEST, path_of
from bot.settings import Settings
from storage.conversations import Conversation
from storage.database import Database
from storage.inbox import Held
from tests.bot_api import TOKEN, BotApi
from tests.chats import ON_SQLITE
from tests.conftest import NOW
from tests.stage import WEBHOOK_SECRET, Stage

pytestmark = ON_SQLITE

GIVEN = {HEADER: WEBHOOK_SECRET}


def update(number: int, text: str = "bonjour") -> dict[str, Any]:
    return {
        "update_id": number,
        "message": {
            "message_id": number,
            "from": {"id": 5, "is_bot": False, "first_name": "x"},
            "chat": {"id": 5, "type": "private"},
            "date": 1_800_000_000,
            "text": text,
        },
    }


async def post(
    stage: Stage, body: object, headers: dict[str, str] | None = None, path: str | None = None
) -> int:
    """The status that somebody is answered who posts an update, as Telegram would or not."""
    given = GIVEN if headers is None else headers
    data = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
    address = stage.base + (path or path_of(TOKEN))
    async with (
        aiohttp.ClientSession() as http,
        http.post(address, data=data, headers=given) as response,
    ):
        return response.status


async def kept(stage: Stage) -> list[str]:
    """What was kept of what the only person said outside any form, line by line."""
    words = await stage.db.read(lambda store: store.session.scalar(select(Conversation.kept)))
    return (words or "").splitlines()


async def people(stage: Stage) -> int:
    return await stage.db.read(
        lambda store: len(store.session.scalars(select(Conversation.id)).all())
    )


@pytest.mark.parametrize(
    "headers", [{}, {HEADER: ""}, {HEADER: "wrong"}, {HEADER: WEBHOOK_SECRET + "x"}, {HEADER: "é"}]
)
async def test_who_does_not_know_the_secret_is_refused(
    posted: Stage, headers: dict[str, str]
) -> None:
    assert await post(posted, update(1), headers) == 403
    assert await people(posted) == 0


async def test_a_secret_of_any_bytes_is_refused_without_a_word(posted: Stage) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", posted.web.port)
    head = f"POST {path_of(TOKEN)} HTTP/1.1\r\nHost: 127.0.0.1\r\n{HEADER}: ".encode()
    with capture_logs() as logs:
        writer.write(head + b"\xff\xfe\r\nContent-Length: 2\r\n\r\n{}")
        assert b" 403 " in await reader.readline()
    writer.close()
    assert not logs


async def test_other_paths_and_other_methods_are_nothing(posted: Stage) -> None:
    for path in ("/telegram/", f"/telegram/{TOKEN}", path_of("1:other"), path_of(TOKEN) + "/x"):
        assert await post(posted, update(1), path=path) == 404
    async with aiohttp.ClientSession() as http:
        for method in ("GET", "PUT", "HEAD"):
            async with http.request(method, posted.base + path_of(TOKEN), headers=GIVEN) as one:
                assert one.status in (404, 405)
    assert TOKEN.partition(":")[2] not in path_of(TOKEN)
    assert await people(posted) == 0


async def test_where_telegram_is_polled_nothing_is_taken_from_a_webhook(stage: Stage) -> None:
    assert await post(stage, update(1)) == 404


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"update_id": "x"}', b"{}", {"update_id": 1}],
)
async def test_what_is_no_update_is_taken_and_dropped(posted: Stage, body: object) -> None:
    assert await post(posted, body) == 200
    assert await post(posted, update(2)) == 200
    await posted.settle()
    assert await people(posted) == 1


async def test_a_huge_body_is_refused(posted: Stage) -> None:
    assert await post(posted, b"x" * (LARGEST + 1)) == 413


async def test_a_huge_body_of_unknown_length_is_not_read_to_its_end(posted: Stage) -> None:
    async def endless() -> Any:
        for _ in range(40):
            yield b"x" * LARGEST

    async with aiohttp.ClientSession() as http:
        try:
            async with http.post(
                posted.base + path_of(TOKEN), data=endless(), headers=GIVEN
            ) as response:
                assert response.status == 413
        except aiohttp.ClientError:
            pass  # the connection is closed before all is sent
    assert await post(posted, update(2)) == 200


async def test_an_update_posted_twice_is_applied_once(posted: Stage) -> None:
    said = update(1, "Phrase numéro 1")
    statuses = await asyncio.gather(*(post(posted, said) for _ in range(5)))
    assert set(statuses) == {200}
    assert await kept(posted) == ["Phrase numéro 1"]


async def test_nothing_is_confirmed_while_the_database_is_away(posted: Stage, api: BotApi) -> None:
    someone = posted.chatter()
    await someone.start()
    with posted.database_away():
        for number in range(3):
            someone.user.say(f"Phrase numéro {number}")
        someone.user.say("mot " * 800)  # may be the beginning of more
        await asyncio.sleep(0.5)
        assert len(api.updates.pending) == 4
        assert api.webhook.last_error is not None
        assert "503" in api.webhook.last_error[1]
    await someone.look()
    assert [one[:17] for one in await kept(posted)] == [
        "Phrase numéro 0",
        "Phrase numéro 1",
        "Phrase numéro 2",
        "mot mot mot mot m",
    ]


async def test_an_update_before_telegram_has_said_who_we_are_is_posted_again(
    settings: Settings, db: Database, api: BotApi
) -> None:
    first = Stage(settings, db, NOW, api, webhook=True)
    api.faults.slow("getMe", 0.5)
    with capture_logs() as logs:
        await first.open()
        assert await post(first, update(1)) == 503
        assert first.telegram is not None
        await asyncio.wait_for(first.telegram.ready.wait(), 5)
        assert await post(first, update(1)) == 200
        await first.settle()
    await first.close()
    assert not [one for one in logs if one["log_level"] == "error"]


@pytest.mark.parametrize("webhook_first", [True, False])
async def test_changing_between_both_ways_loses_nothing(
    settings: Settings, db: Database, api: BotApi, webhook_first: bool
) -> None:
    words: list[str] = []
    stage = Stage(settings, db, NOW, api)
    await stage.open()
    someone = stage.chatter()
    await someone.start()
    await stage.close()
    for turn in range(4):
        stage = Stage(settings, db, NOW, api, webhook=(turn % 2 == 0) == webhook_first)
        await stage.open()
        for number in range(5):
            words.append(f"Phrase numéro {turn}{number}")
            someone.user.say(words[-1])
        await asyncio.sleep(0.01 * turn)
        await stage.close()
        words.append(f"Entre deux {turn}")
        someone.user.say(words[-1])
    stage = Stage(settings, db, NOW, api)
    await stage.open()
    someone.settled = stage.settle
    await someone.look()
    assert await kept(stage) == words
    assert len(someone.user.chat.from_bot) == len(words) + 1
    assert not await stage.db.read(lambda store: store.session.scalars(select(Held.id)).all())
    await stage.close()
