"""Keys between devices: ours never run out or get lost, and those of others hold nothing up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest
import structlog
from nio import LocalProtocolError

from bot.platforms.matrix import sharing
from bot.platforms.matrix.client import Client, DeviceLost, ServerRefused, Unreachable
from bot.platforms.matrix.keys import SIGNED
from storage.database import Database
from tests.bot.matrix.accounts import WORDS, Account, Killed, Watched, look, read, say
from tests.homeserver import Correspondent

Ask = Callable[..., Awaitable[dict[str, Any]]]
MOST = 50  # one-time keys that a device has on the server


@pytest.fixture
async def zoe(account: Account) -> AsyncIterator[Correspondent]:
    async with Correspondent(account.server, "zoe") as made:
        yield made


async def room_with(zoe: Correspondent, *clients: Client) -> str:
    """An encrypted room in which all are, as far as each knows."""
    room = await zoe.group("Une salle", *(one.user_id for one in clients), joins=False)
    for client in clients:
        await client.join(room)
        await look(client)
        await zoe.joined(room, client.user_id)
    return room


async def drain(
    by: Client | Correspondent, of: Client | Correspondent, count: int = MOST
) -> list[dict[str, Any]]:
    """Have the server give away keys of a device, without a word to it."""
    given = []
    wanted = {"one_time_keys": {of.user_id: {of.device_id: SIGNED}}}
    for _ in range(count):
        answer = await by.ask("POST", "/keys/claim", wanted)
        given.append(answer["one_time_keys"][of.user_id][of.device_id])
    return given


async def left(client: Client) -> int:
    """How many one-time keys of a device the server has."""
    answer = await client.ask("POST", "/keys/upload", {})
    return int(answer["one_time_key_counts"].get(SIGNED, 0))


def failing(client: Client, monkeypatch: pytest.MonkeyPatch, path: str, times: int = 1) -> None:
    """Have the next requests to a path go unanswered."""
    real: Ask = client.ask
    rest = [path] * times

    async def ask(method: str, asked: str, body: Any = None) -> dict[str, Any]:
        if rest and asked.startswith(path):
            rest.pop()
            raise Unreachable("HTTP status 502")
        return await real(method, asked, body)

    monkeypatch.setattr(client, "ask", ask)


def answering(
    client: Client, monkeypatch: pytest.MonkeyPatch, path: str, change: Callable[[Any], None]
) -> None:
    """Change what is answered to requests to a path."""
    real: Ask = client.ask

    async def ask(method: str, asked: str, body: Any = None) -> dict[str, Any]:
        answer = await real(method, asked, body)
        if asked.startswith(path):
            change(answer)
        return answer

    monkeypatch.setattr(client, "ask", ask)


# Ours


async def test_keys_that_ran_out_are_made_again(account: Account, zoe: Correspondent) -> None:
    client = await account.open()
    await look(client)
    await drain(zoe, client)
    assert await left(client) == 0
    await look(client)
    assert await left(client) == MOST


async def test_when_none_is_left_one_serves_until_it_is_replaced(
    account: Account, zoe: Correspondent
) -> None:
    client = await account.open()
    await look(client)
    await drain(zoe, client)
    first, again = await drain(zoe, client, 2)
    assert first == again
    await look(client)
    await drain(zoe, client)
    [other] = await drain(zoe, client, 1)
    assert other != first


async def test_what_was_written_with_that_one_is_read(account: Account, zoe: Correspondent) -> None:
    client = await account.open()
    room = await room_with(zoe, client)
    await drain(zoe, client)
    await zoe.say(room, "Il n'y en a plus")
    assert await read(client, room) == ["Il n'y en a plus"]
    assert await left(client) == MOST


async def test_keys_that_are_there_are_not_sent_again(account: Account) -> None:
    client = await account.open()
    await look(client)
    await look(client)
    assert client.count("/keys/upload") == 1


@pytest.mark.parametrize("moment", ["dies_before", "dies_after"])
async def test_a_kill_at_the_first_upload_loses_no_key(
    account: Account, zoe: Correspondent, new_database: Callable[[], Database], moment: str
) -> None:
    whole = await account.open(new_database())
    client = account.client()
    setattr(client, moment, whole.asked.index("POST /keys/upload"))
    with pytest.raises(Killed):
        await client.open()
    if moment == "dies_after":
        await drain(zoe, client, MOST // 2)
    again = await account.open()
    assert again.device_id == client.device_id
    assert again.olm.account.identity_keys == client.olm.account.identity_keys
    room = await room_with(zoe, again)
    await zoe.say(room, "Toujours là")
    assert await read(again, room) == ["Toujours là"]


@pytest.mark.parametrize("moment", ["dies_before", "dies_after"])
async def test_a_kill_at_a_later_upload_loses_no_key(
    account: Account, zoe: Correspondent, moment: str
) -> None:
    client = await account.open()
    room = await room_with(zoe, client)
    await drain(zoe, client)
    setattr(client, moment, len(client.asked) + 1)  # after the sync
    with pytest.raises(Killed):
        await look(client)
    assert client.asked[-1] == "POST /keys/upload"
    await zoe.say(room, "Avec une clé neuve, s'il y en a")
    again = await account.open()
    assert await read(again, room) == ["Avec une clé neuve, s'il y en a"]
    await look(again)
    assert await left(again) == MOST


async def test_an_upload_that_fails_makes_no_more_keys(
    account: Account, zoe: Correspondent, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await account.open()
    await look(client)
    await drain(zoe, client)
    failing(client, monkeypatch, "/keys/upload", times=3)
    monkeypatch.setattr("bot.platforms.matrix.client.PAUSE", 0.0)
    for _ in range(3):
        await look(client)
    assert len(client.olm.account.one_time_keys["curve25519"]) == MOST
    await look(client)
    assert await left(client) == MOST


async def test_keys_that_are_not_ours_are_the_end_of_a_device(account: Account) -> None:
    """They are those of the same device, of which this database is an older copy."""
    client = await account.open()
    await look(client)
    await client.ask("POST", "/keys/upload", {"one_time_keys": _like_the_next(client)})
    client.olm.uploaded_key_count = MOST - 1
    with pytest.raises(DeviceLost):
        await client.maintain()
    again = await account.open()
    assert again.device_id != client.device_id
    assert again.is_signed


def _like_the_next(client: Client) -> dict[str, Any]:
    """A key of the name that the next one will have."""
    name = "AAAAAAAAADI"  # its number is 50
    key = {"key": client.olm.account.identity_keys["curve25519"]}
    signature = client.olm.sign_json(dict(key))
    signatures = {client.user_id: {f"ed25519:{client.device_id}": signature}}
    return {f"{SIGNED}:{name}": {**key, "signatures": signatures}}


# The key of a room


async def test_a_room_is_made_ready_once_for_all_that_wait(
    account: Account, zoe: Correspondent
) -> None:
    client = await account.open()
    room = await room_with(zoe, client)
    await asyncio.gather(*(client.ready(room) for _ in range(5)))
    assert client.count("/sendToDevice/") == client.count("/keys/claim") == 1
    await asyncio.gather(*(say(client, room) for _ in range(5)))
    assert client.count("/sendToDevice/") == 1
    assert [one.text for one in await zoe.hear(room, 5)] == [WORDS] * 5


@pytest.mark.parametrize("path", ["/keys/claim", "/sendToDevice/", "/keys/query"])
async def test_a_failure_holds_up_a_room_only_while_it_lasts(
    account: Account, zoe: Correspondent, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    client = await account.open()
    room = await room_with(zoe, client)
    client.olm.users_for_key_query.add(zoe.user_id)
    failing(client, monkeypatch, path, times=2)
    async with asyncio.timeout(10):
        failed = await asyncio.gather(
            client.ready(room), say_ready(client, room), return_exceptions=True
        )
        assert [type(one) for one in failed] == [Unreachable, Unreachable]
        await client.ready(room)
        await say(client, room)
    assert [one.text for one in await zoe.hear(room)] == [WORDS]


async def test_a_claim_that_always_fails_holds_up_only_those_without_a_key(
    account: Account, zoe: Correspondent, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await account.open()
    room = await room_with(zoe, client)
    await client.ready(room)
    async with Correspondent(account.server, "yann") as yann:
        await zoe.invite(room, yann.user_id)
        await yann.join(room)
        await look(client)
        failing(client, monkeypatch, "/keys/claim", times=100)
        for _ in range(sharing.MOST_FAILURES - 1):
            with pytest.raises(Unreachable):
                await client.ready(room)
        await say_ready(client, room)
        assert [one.text for one in await zoe.hear(room)] == [WORDS]


async def test_what_nobody_could_read_is_not_said(
    account: Account, zoe: Correspondent, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await account.open()
    room = await room_with(zoe, client)
    failing(client, monkeypatch, "/keys/claim", times=100)
    for _ in range(sharing.MOST_FAILURES + 1):
        with pytest.raises(Unreachable):
            await say_ready(client, room)


async def say_ready(client: Client, room: str) -> str:
    await client.ready(room)
    return await say(client, room)


async def test_what_nio_sends_by_itself_is_held_up_no_longer_either(
    account: Account, zoe: Correspondent, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await account.open()
    room = await room_with(zoe, client)
    failing(client, monkeypatch, "/keys/claim", times=2)
    async with asyncio.timeout(10):
        failed = await asyncio.gather(*(say(client, room) for _ in (1, 2)), return_exceptions=True)
        assert [type(one) for one in failed] == [Unreachable, Unreachable]
        await say(client, room)
    assert [one.text for one in await zoe.hear(room)] == [WORDS]


async def test_who_came_while_the_key_was_sent_has_it_as_well(
    account: Account, zoe: Correspondent, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await account.open()
    async with Correspondent(account.server, "yann") as yann:
        room = await room_with(zoe, client)
        await _known(client, yann)
        arrived: list[str] = []

        async def arrive() -> None:
            await zoe.invite(room, yann.user_id)
            await yann.join(room)
            await client.sync(timeout=0)
            arrived.append(room)

        real: Ask = client.ask

        async def ask(method: str, asked: str, body: Any = None) -> dict[str, Any]:
            answer = await real(method, asked, body)
            if asked.startswith("/sendToDevice/") and not arrived:
                await arrive()
            return answer

        monkeypatch.setattr(client, "ask", ask)
        await client.ready(room)
        assert not client.olm.should_share_group_session(room)
        await say(client, room)
        assert [one.text for one in await yann.hear(room)] == [WORDS]


async def test_a_device_without_keys_is_written_to_once_it_has_some(
    account: Account, zoe: Correspondent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "AGAIN", 0.0)
    client = await account.open()
    room = await room_with(zoe, client)
    await drain(client, zoe)
    first = await say_ready(client, room)
    await zoe.until(lambda: first in zoe.unreadable, "event that cannot be read")
    zoe.nio.olm.uploaded_key_count = 0
    await zoe._keep_keys()
    session = client.olm.outbound_group_sessions[room].id
    second = await say_ready(client, room)
    await zoe.until(lambda: second in [one.id for one in zoe.events], "event that can be read")
    assert client.olm.outbound_group_sessions[room].id == session


async def test_a_room_that_is_not_encrypted_needs_nothing(
    account: Account, zoe: Correspondent
) -> None:
    client = await account.open()
    room = await zoe.group("En clair", client.user_id, encrypted=False, joins=False)
    await client.join(room)
    await look(client)
    before = len(client.asked)
    await client.ready(room)
    assert len(client.asked) == before
    with pytest.raises(LocalProtocolError):
        await client.ready("!nowhere")


async def test_a_room_that_we_have_left_is_refused(account: Account, zoe: Correspondent) -> None:
    client = await account.open()
    room = await room_with(zoe, client)
    await zoe.kick(room, client.user_id)
    with pytest.raises(ServerRefused) as refused:
        await client.ready(room)
    assert refused.value.errcode == "M_FORBIDDEN"


# Those of others


async def test_odd_keys_of_somebody_leave_the_others_readable(
    account: Account, zoe: Correspondent, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await account.open()
    odd: Mapping[str, Any] = {
        "@a:x": {"D": {"keys": 5}},
        "@b:x": [],
        "@c:x": {"D": None},
    }
    answering(client, monkeypatch, "/keys/query", lambda said: said["device_keys"].update(odd))
    client.olm.users_for_key_query.update({*odd, zoe.user_id})
    with structlog.testing.capture_logs() as logged:
        await client.maintain()
    assert list(client.device_store[zoe.user_id]) == [zoe.device_id]
    assert logged
    assert not any("@" in str(line) for line in logged)
    assert not client.olm.users_for_key_query


async def test_odd_one_time_keys_leave_a_room_usable(
    account: Account, zoe: Correspondent, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await account.open()
    async with Correspondent(account.server, "yann") as yann:
        room = await zoe.group("Une salle", client.user_id, yann.user_id, joins=False)
        await yann.join(room)
        await client.join(room)
        await look(client)

        def change(said: Any) -> None:
            said["one_time_keys"][zoe.user_id] = {zoe.device_id: {f"{SIGNED}:A": {"key": 1}}}

        answering(client, monkeypatch, "/keys/claim", change)
        await say_ready(client, room)
        assert [one.text for one in await yann.hear(room)] == [WORDS]


async def test_who_is_not_answered_for_is_asked_for_later(account: Account) -> None:
    client = await account.open()
    client.olm.users_for_key_query.add("@far:away.test")
    await client.maintain()
    asked = client.count("/keys/query")
    await client.maintain()
    assert client.count("/keys/query") == asked
    assert client.olm.users_for_key_query == {"@far:away.test"}
    client._keys._asked_again_at["@far:away.test"] = 0.0
    await client.maintain()
    assert client.count("/keys/query") == asked + 1


async def test_who_changes_during_a_query_is_asked_for_again(
    account: Account, zoe: Correspondent, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await account.open()
    waiting = client.olm.users_for_key_query
    answering(client, monkeypatch, "/keys/query", lambda _: waiting.add(zoe.user_id))
    waiting.add(zoe.user_id)
    await client.maintain()
    assert waiting == {zoe.user_id}


async def test_a_query_that_fails_forgets_nobody(
    account: Account, zoe: Correspondent, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await account.open()
    client.olm.users_for_key_query.add(zoe.user_id)
    failing(client, monkeypatch, "/keys/query")
    await client.maintain()
    assert client.olm.users_for_key_query == {zoe.user_id}


class Gate:
    """Holds up the first query of keys.

    Attributes:
        asked: whom queries were about, one each.
        begun, open: whether the first came, and may go on.
    """

    def __init__(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("bot.platforms.matrix.keys.ASKED_AT_ONCE", 1)
        self.asked: list[str] = []
        self.begun, self.open = asyncio.Event(), asyncio.Event()
        self._real: Ask = client.ask
        monkeypatch.setattr(client, "ask", self._ask)

    async def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        if path == "/keys/query":
            self.asked += body["device_keys"]
            self.begun.set()
            await self.open.wait()
        return await self._real(method, path, body)


async def test_nobody_waits_for_all_that_others_ask(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await account.open()
    gate, people = Gate(client, monkeypatch), client.olm.users_for_key_query
    people.update(account.server.register("zoe").user_id for _ in range(4))
    last = list(people)[-1]
    tending = asyncio.create_task(client.maintain())
    await gate.begun.wait()
    quick = asyncio.create_task(client._keys.query([last]))
    same = asyncio.create_task(client._keys.query([gate.asked[0]]))
    await asyncio.sleep(0.02)
    assert not same.done(), "it is not known yet"
    gate.open.set()
    await asyncio.gather(quick, same, tending)
    assert gate.asked[1] == last
    assert len(gate.asked) == len(set(gate.asked)) == 4
    assert not people


async def test_ours_are_made_while_those_of_many_are_asked_for(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await account.open()
    gate = Gate(client, monkeypatch)
    client.olm.users_for_key_query.update(account.server.register("zoe").user_id for _ in range(2))
    tending = asyncio.create_task(client.maintain())
    await gate.begun.wait()
    client.olm.uploaded_key_count = 0
    gate.open.set()
    await tending
    assert [one for one in client.asked[-3:] if "/keys/" in one] == [
        "POST /keys/query",
        "POST /keys/upload",
        "POST /keys/query",
    ]


# What waits


@pytest.mark.parametrize("keys_left", [MOST, 0])
async def test_a_device_that_we_cannot_read_is_begun_anew_with(
    account: Account, zoe: Correspondent, keys_left: int
) -> None:
    """Once for each time that we see it, whether it has a key for us or not."""
    client = await account.open()
    await _known(client, zoe)
    await drain(client, zoe, MOST - keys_left)
    [device] = client.device_store.active_user_devices(zoe.user_id)
    client.olm.wedged_devices.append(device)
    await client.maintain()
    assert not client.olm.wedged_devices
    assert not client.olm.outgoing_to_device_messages
    assert client.count("/sendToDevice/") == (1 if keys_left else 0)


async def test_what_the_server_refuses_is_not_said_again(
    account: Account, zoe: Correspondent, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await account.open()
    await _known(client, zoe)
    [device] = client.device_store.active_user_devices(zoe.user_id)
    real: Ask = client.ask

    async def ask(method: str, path: str, body: Any = None) -> dict[str, Any]:
        if path.startswith("/sendToDevice/"):
            raise ServerRefused(400, {"errcode": "M_TOO_LARGE"})
        return await real(method, path, body)

    client.olm.wedged_devices.append(device)
    monkeypatch.setattr(client, "ask", ask)
    await client.maintain()
    assert not client.olm.outgoing_to_device_messages


async def test_what_was_not_answered_is_sent_again_and_comes_once(
    account: Account, zoe: Correspondent
) -> None:
    client = await account.open()
    await _known(client, zoe)
    [device] = client.device_store.active_user_devices(zoe.user_id)
    client.olm.wedged_devices.append(device)
    client.dies_after = len(client.asked) + 1  # the claim is before it
    with pytest.raises(Killed):
        await client.maintain()
    await client.maintain()
    sent = [one for one in client.asked if "/sendToDevice/" in one]
    assert len(sent) == 2
    assert len(set(sent)) == 1


async def _known(client: Watched, zoe: Correspondent) -> None:
    client.olm.users_for_key_query.add(zoe.user_id)
    await client.maintain()
