"""The client as a whole: what it writes is read, what it depends on is kept, and nothing hangs."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientConnectionError

from bot.platforms.base import PlatformRefused
from bot.platforms.matrix import connection
from bot.platforms.matrix.client import Client, ServerRefused, Unreachable
from bot.platforms.matrix.connection import Connection
from storage.database import Database, Unavailable
from tests.bot.matrix.accounts import V3, WORDS, Account, look, read, say
from tests.bot.telegram.scripted import listening
from tests.bot.telegram.test_ways_out import _own_authority as own_authority
from tests.homeserver import Correspondent, JsCorrespondent, Node

NewDatabase = Callable[[], Database]


@pytest.fixture
async def zoe(account: Account) -> AsyncIterator[Correspondent]:
    async with Correspondent(account.server, "zoe") as made:
        yield made


async def enter(client: Client, room: str) -> None:
    await client.join(room)
    await look(client)


# What it writes is read


async def test_what_it_writes_is_read_and_the_reverse(account: Account, zoe: Correspondent) -> None:
    client = await account.open()
    room = await zoe.direct(client.user_id, joins=False)
    await enter(client, room)
    await say(client, room)
    [event] = await zoe.hear(room)
    assert (event.text, event.encrypted) == (WORDS, True)
    await zoe.say(room, "Merci")
    assert await read(client, room) == ["Merci"]


async def test_it_goes_on_after_a_restart(account: Account, zoe: Correspondent) -> None:
    first = await account.open()
    room = await zoe.direct(first.user_id, joins=False)
    await enter(first, room)
    await say(first, room)
    await first.close()
    again = await account.open()
    await look(again)
    await say(again, room)
    assert [one.text for one in await zoe.hear(room, 2)] == [WORDS] * 2


async def test_after_its_database_is_lost_it_writes_from_a_new_device(
    account: Account, zoe: Correspondent, new_database: NewDatabase
) -> None:
    first = await account.open()
    room = await zoe.direct(first.user_id, joins=False)
    await enter(first, room)
    await say(first, room)
    again = await account.open(new_database())
    assert again.device_id != first.device_id
    assert again.is_signed
    await look(again)
    await say(again, room)
    assert [one.text for one in await zoe.hear(room, 2)] == [WORDS] * 2
    await zoe.say(room, "Merci")
    assert await read(again, room) == ["Merci"]


async def test_after_another_login_it_reads_what_was_said_before(
    account: Account, zoe: Correspondent
) -> None:
    first = await account.open()
    room = await zoe.direct(first.user_id, joins=False)
    await enter(first, room)
    await zoe.say(room, "Avant")
    await look(first)
    account.log_out(first.access_token)
    again = await account.open()
    await look(again)
    found = await again.room_messages(room, again.next_batch, limit=5)
    assert "Avant" in [getattr(one, "body", "") for one in found.chunk]


async def test_a_strict_client_reads_it_and_the_reverse(account: Account, node: Node) -> None:
    """One that gives no keys to devices which are not signed, and reads nothing of theirs."""
    client = await account.open()
    async with JsCorrespondent(node, account.server, "yann", strict=True) as yann:
        room = await yann.direct(client.user_id, joins=False)
        await enter(client, room)
        await yann.joined(room, client.user_id)
        await say(client, room)
        [event] = await yann.hear(room)
        assert (event.text, event.encrypted) == (WORDS, True)
        await yann.say(room, "Merci")
        assert await read(client, room) == ["Merci"]


# What it depends on is kept


async def test_all_is_kept_before_anything_is_sent(
    account: Account, zoe: Correspondent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else others could answer to what is forgotten."""
    client = await account.open()
    dirty: list[str] = []
    real = Connection.send

    async def send(self: Client, method: str, path: str, *args: Any, **kwargs: Any) -> Any:
        kept_first = any(part in path for part in ("/keys/", "/sendToDevice/", "m.room.encrypted"))
        if kept_first and self.crypto.dirty:
            dirty.append(path)
        return await real(self, method, path, *args, **kwargs)

    monkeypatch.setattr(Connection, "send", send)
    room = await zoe.direct(client.user_id, joins=False)
    await client.join(room)
    await client.sync(timeout=0, full_state=True)
    await client.maintain()
    await asyncio.gather(say(client, room), say(client, room))
    assert client.count("/sendToDevice/")
    assert not dirty


async def test_what_cannot_be_kept_is_not_sent(
    account: Account, zoe: Correspondent, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await account.open()
    room = await zoe.direct(client.user_id, joins=False)
    await enter(client, room)

    async def away(*_: object) -> None:
        raise Unavailable("disk is full")

    before = len(client.asked)
    with monkeypatch.context() as patch:
        patch.setattr(account.database, "write", away)
        with pytest.raises(Unavailable):
            await say(client, room)
        await client.maintain()
    assert "PUT" not in [one.split()[0] for one in client.asked[before:]]
    await say(client, room)
    assert [one.text for one in await zoe.hear(room)] == [WORDS]


async def test_a_refusal_is_named(account: Account) -> None:
    client = await account.open()
    with pytest.raises(ServerRefused) as refused:
        await client.ask("GET", "/rooms/!nowhere/joined_members")
    assert (refused.value.status, refused.value.errcode) == (403, "M_FORBIDDEN")
    assert "\n" not in str(refused.value)


# Nothing hangs


@asynccontextmanager
async def at(url: str) -> AsyncIterator[Connection]:
    made = Connection(url, "@preau:a.fr", None)
    made.connect()
    yield made
    await made.close()


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(30)


async def _breaking_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()


async def _hanging_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


@pytest.mark.parametrize("serve", [_silent, _breaking_off, _hanging_up])
async def test_a_server_that_gives_no_answer(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "USUAL", 0.2)
    async with listening(serve) as url, at(url) as client:
        for call in (client.ask("GET", "/login"), client.login_info()):
            async with asyncio.timeout(5):
                with pytest.raises(Unreachable) as found:
                    await call
            assert isinstance(found.value, ClientConnectionError)  # for nio
            assert url.partition("//")[2] not in str(found.value)


@pytest.mark.parametrize(
    ("path", "timeout", "total"),
    [
        (f"{V3}/sync", 45.0, 45.0),
        (f"{V3}/sync", 0, connection.WHOLE),
        (f"{V3}/rooms/a/send/b/c", None, connection.USUAL),
        ("/_matrix/media/v3/upload", 0, connection.MEDIA),
        ("/_matrix/client/v1/media/download/a/b", 0, connection.MEDIA),
    ],
)
def test_there_is_a_time_for_everything(path: str, timeout: float | None, total: float) -> None:
    found = connection._timeout(path, timeout)
    assert (found.total, found.sock_connect) == (total, connection.CONNECT)


def answering(status: int, body: object, heads: list[bytes] | None = None) -> Any:
    """Serves one answer to everything."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if heads is not None:
            heads.append(head)
        said = json.dumps(body).encode()
        writer.write(b"HTTP/1.1 %d Said\r\nContent-Type: application/json\r\n" % status)
        writer.write(b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(said), said))
        await writer.drain()

    return serve


@pytest.mark.parametrize(
    ("status", "body", "wait"),
    [
        (429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 1500}, 1.5),
        (429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": "x"}, 0),
        (502, {"errcode": "M_UNKNOWN"}, 0),
        (200, ["odd"], 0),
        (200, None, 0),
    ],
)
async def test_what_may_be_asked_again(status: int, body: object, wait: float) -> None:
    async with listening(answering(status, body)) as url, at(url) as client:
        with pytest.raises(Unreachable) as found:
            await client.ask("GET", "/login")
    assert found.value.wait == wait


# Ways out


async def test_a_proxy_is_used_as_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    heads: list[bytes] = []
    async with listening(answering(200, {"flows": []}, heads)) as url:
        monkeypatch.setenv("all_proxy", url.replace("://", "://ann:p%40ss@"))
        async with at("http://matrix.invalid") as client:
            assert await client.ask("GET", "/login") == {"flows": []}
        assert heads[0].startswith(b"GET http://matrix.invalid/_matrix/client/v3/login")
        assert b"Proxy-Authorization: Basic YW5uOnBAc3M=" in heads[0]
        monkeypatch.setenv("no_proxy", "matrix.invalid")
        async with at("http://matrix.invalid") as client:
            with pytest.raises(Unreachable):
                await client.ask("GET", "/login")
    assert len(heads) == 1
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(PlatformRefused, match="socks5"):
        Connection("http://matrix.invalid", "a", None).connect()


async def test_only_a_trusted_server_is_spoken_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, trusted = own_authority(tmp_path)
    async with listening(answering(200, {"flows": []}), ssl=context) as url:
        async with at(url) as client:
            with pytest.raises(Unreachable, match="self-signed certificate"):
                await client.ask("GET", "/login")
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        async with at(url) as client:
            assert await client.ask("GET", "/login") == {"flows": []}
