"""What is said in rooms of a real homeserver is applied: in order, and never skipped."""

import asyncio
import json
import random
import secrets
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from bot.platforms.matrix import batches, lanes, reading, syncing, telling, undecrypted
from bot.platforms.matrix.client import ServerRefused
from storage.database import Unavailable
from storage.store import Store
from tests.bot.matrix.accounts import Account
from tests.bot.matrix.readers import Reader, deaf, reader
from tests.homeserver import Correspondent, JsCorrespondent, Node, Synapse

LIMIT = batches.LIMIT


def numbered(count: int, start: int = 0) -> list[str]:
    return [f"Phrase {number}" for number in range(start, start + count)]


async def say_all(person: Correspondent, room: str, texts: list[str]) -> None:
    for text in texts:
        await person.say(room, text)


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for what is away; what hangs when we stop is broken off."""
    monkeypatch.setattr(reading, "AGAIN", 0.05)
    monkeypatch.setattr(lanes, "LAST", 0.1)
    monkeypatch.setattr(syncing, "SHORTEST_PAUSE", 0.1)


async def test_words_come_in_order_in_each_room(account: Account) -> None:
    me = await reader(account)
    async with (
        Correspondent(account.server, "anna") as anna,
        Correspondent(account.server, "zoe") as zoe,
        me.reading(),
    ):
        secret, plain = await anna.direct(me.client.user_id), ""
        plain = await zoe.direct(me.client.user_id, encrypted=False)
        await asyncio.gather(
            say_all(anna, secret, numbered(8)), say_all(zoe, plain, numbered(8, 100))
        )
        await me.until(lambda: len(me.heard) == 16)
        assert me.words(secret) == numbered(8)
        assert me.words(plain) == numbered(8, 100)
        assert {one.sender for one in me.heard} == {anna.user_id, zoe.user_id}
        await me.until(lambda: not me.in_hand)
    assert me.told == []


async def test_what_was_said_before_we_came_counts_from_our_invitation_on(
    account: Account,
) -> None:
    me = await reader(account)
    async with Correspondent(account.server, "anna") as anna:
        room = await anna.group("Équipements", encrypted=False)
        await anna.say(room, "!avant")
        async with me.reading():
            await anna.invite(room, me.client.user_id)
            await anna.joined(room, me.client.user_id)
            await anna.say(room, "!apres")
            await me.hears("!apres")
        await anna.kick(room, me.client.user_id)
        other = await anna.direct(me.client.user_id, encrypted=False, joins=False)
        await say_all(anna, other, numbered(3))
        me.taken.clear()
        async with me.reading():
            await anna.joined(other, me.client.user_id)
            await anna.say(other, "dedans")
            await me.hears(*numbered(3), "dedans")


async def test_who_begins_to_read_applies_nothing_old(account: Account) -> None:
    first = await reader(account)
    async with Correspondent(account.server, "anna") as anna:
        room = await anna.direct(account.user_id, joins=False)
        await first.client.join(room)
        await anna.joined(room, account.user_id)
        await anna.say(room, "ancien")
        async with first.reading():
            await anna.say(room, "nouveau")
            await first.hears("nouveau")


@pytest.mark.parametrize("encrypted", [True, False])
async def test_a_backlog_of_pages_comes_once_and_in_order(
    account: Account, *, encrypted: bool
) -> None:
    me = await reader(account)
    async with Correspondent(account.server, "anna") as anna:
        async with me.reading():
            busy = await anna.direct(me.client.user_id, encrypted=encrypted)
            quiet = await anna.direct(me.client.user_id, encrypted=encrypted)
            await say_all(anna, busy, ["bonjour"])
            await me.hears("bonjour")
        backlog = numbered(2 * LIMIT + 10)
        await say_all(anna, busy, backlog)
        await say_all(anna, quiet, numbered(3))
        again = await reader(account)
        async with again.reading():
            await again.until(lambda: len(again.heard) >= len(backlog) + 3)
            await anna.say(busy, "encore")
            await again.hears(*backlog, "encore", room=busy)
            await again.hears(*numbered(3), room=quiet)
        assert again.client.count("/messages") >= 1


async def test_what_is_behind_many_changes_of_a_room_comes(account: Account) -> None:
    """All that the sync gives of the room is its state; what was said is in the part left out."""
    me = await reader(account)
    async with Correspondent(account.server, "anna") as anna:
        async with me.reading():
            room = await anna.direct(me.client.user_id)
            await say_all(anna, room, ["bonjour"])
            await me.hears("bonjour")
        await anna.say(room, "dit avant")
        path = f"/rooms/{quote(room)}/state/m.room.topic"
        for number in range(LIMIT + 1):
            await anna.ask("PUT", path, {"topic": f"Sujet {number}"})
        again = await reader(account)
        async with again.reading():
            await again.until(lambda: "dit avant" in again.words(room))
            await anna.say(room, "dit après")
            await again.until(lambda: "dit après" in again.words(room))
        heard = [one for one in again.words(room) if one != "bonjour"]
        assert heard == ["dit avant", "dit après"]


async def test_files_and_what_is_said_of_them_are_taken_together(account: Account) -> None:
    me = await reader(account)
    async with Correspondent(account.server, "anna") as anna:
        async with me.reading():
            room = await anna.direct(me.client.user_id)
        for number in range(2):
            await anna.send_file(room, b"\xff\xd8\xff\xe0", name=f"{number}.jpg")
        await say_all(anna, room, ["la salle", "!menu"])
        async with me.reading():
            await me.until(lambda: len(me.heard) == 4)
        assert [len(answer) for answer in me.taken] == [3, 1]
        [first, second, words] = me.taken[0]
        assert first.sent is not None
        assert second.sent is not None
        assert (first.sent.name, second.sent.name) == ("0.jpg", "1.jpg")
        assert words.incoming.text == "la salle"


@pytest.mark.parametrize("encrypted", [False, True])
async def test_files_that_come_one_by_one_are_taken_together(
    account: Account, *, encrypted: bool
) -> None:
    """Each comes by a sync of its own; what is said after a while goes by itself."""
    me = await reader(account)
    async with Correspondent(account.server, "anna") as anna, me.reading():
        room = await anna.direct(me.client.user_id, encrypted=encrypted)
        for number in range(3):
            await anna.send_file(room, b"\xff\xd8\xff\xe0", name=f"{number}.jpg")
            await asyncio.sleep(0.4)
        assert me.taken == []
        await me.until(lambda: me.taken)
        assert [one.sent and one.sent.name for one in me.taken[0]] == ["0.jpg", "1.jpg", "2.jpg"]
        await me.until(lambda: not me.in_hand)
        await anna.send_file(room, b"\xff\xd8\xff\xe0", name="3.jpg")
        await say_all(anna, room, ["la salle", "voilà"])
        await me.until(lambda: len(me.heard) == 6)
        assert [len(answer) for answer in me.taken] == [3, 2, 1]
        assert not me.syncing._reading._lines


async def test_who_sends_files_keeps_nobody_waiting(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not while more of them is waited for."""
    monkeypatch.setattr(lanes, "AT_ONCE", 1)
    monkeypatch.setattr(reading, "FURTHER", 60.0)
    me = await reader(account)
    async with Correspondent(account.server, "anna") as anna, me.reading():
        album, other = [await anna.direct(account.user_id, encrypted=False) for _ in range(2)]
        await anna.send_file(album, b"\xff\xd8\xff\xe0", name="0.jpg")
        await say_all(anna, other, numbered(2))
        await me.hears(*numbered(2), room=other)
        assert me.words(album) == []
        await anna.say(album, "la salle")
        await me.until(lambda: len(me.words(album)) == 2)


async def test_a_file_that_more_is_waited_for_is_given_again(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = await reader(account)
    async with Correspondent(account.server, "anna") as anna:
        async with me.reading():
            room = await anna.direct(account.user_id)
        monkeypatch.setattr(reading, "FURTHER", 60.0)
        async with me.reading(killed=True):
            await anna.send_file(room, b"\xff\xd8\xff\xe0", name="0.jpg")
            await me.until(lambda: me.in_hand)
            await anna.send_file(room, b"\xff\xd8\xff\xe0", name="1.jpg")
            await me.until(lambda: len(me.in_hand) == 2)
            assert me.taken == []
        monkeypatch.setattr(reading, "FURTHER", 0.1)
        again = await reader(account)
        async with again.reading():
            await again.until(lambda: len(again.heard) == 2)
            assert [len(answer) for answer in again.taken] == [2]


# When something fails


async def test_what_was_not_applied_is_given_again(account: Account) -> None:
    me = await reader(account)
    async with Correspondent(account.server, "anna") as anna:
        async with me.reading():
            stuck, free = [await anna.direct(account.user_id, encrypted=False) for _ in range(2)]
            me.stuck.add("Phrase 1")
            await say_all(anna, stuck, numbered(3))
            await me.hears("Phrase 0", room=stuck)
            await say_all(anna, free, ["là"])
            await me.hears("là", room=free)
            before = me.kept()
            await say_all(anna, free, ["ici"])
            await me.hears("là", "ici", room=free)
        assert me.kept() == before, "what is behind it does not count as read"
        again = await reader(account)
        async with again.reading():
            await again.until(lambda: again.words(free)[-1:] == ["ici"])
            await again.until(lambda: again.words(stuck)[-2:] == numbered(2, 1))
            await again.until(lambda: not again.in_hand)
            await anna.say(free, "plus tard")
            await again.until(lambda: "plus tard" in again.words())
        last = await reader(account)
        async with last.reading():
            await anna.say(stuck, "fin")
            await last.hears("fin")


async def test_nothing_is_lost_however_often_we_are_killed(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "LAST", 0.0)
    moments = random.Random(7)
    texts, heard = numbered(40), list[str | None]()
    me = await reader(account)
    async with Correspondent(account.server, "anna") as anna:
        async with me.reading(killed=True):
            room = await anna.direct(account.user_id)
        talking, kills = asyncio.create_task(say_all(anna, room, texts)), 0
        while texts[-1] not in heard:
            me = await reader(account)
            async with me.reading(killed=True):
                await asyncio.sleep(moments.uniform(0.0, 0.4))
                if talking.done():
                    await me.until(partial(_ends, me, texts[-1]))
            heard += me.words()
            kills += 1
    assert kills > 1
    assert list(dict.fromkeys(heard)) == texts


def _told(store: Store) -> list[Any]:
    return list(store.matrix.all(telling.KIND))


def _ends(me: Reader, text: str) -> bool:
    return text in me.words()


async def test_nothing_is_skipped_while_the_database_is_away(account: Account) -> None:
    me = await reader(account)
    async with Correspondent(account.server, "anna") as anna, me.reading():
        room = await anna.direct(account.user_id)
        me.away = 3
        await say_all(anna, room, numbered(3))
        await me.hears(*numbered(3))


async def test_what_cannot_be_taken_stops_nothing(account: Account) -> None:
    me = await reader(account)
    me.broken.add("Phrase 1")
    async with Correspondent(account.server, "anna") as anna, me.reading():
        room = await anna.direct(account.user_id)
        with capture_logs() as logs:
            await say_all(anna, room, numbered(3))
            await me.hears("Phrase 0", "Phrase 2")
        assert [one["event"] for one in logs] == ["an event could not be taken"]


async def test_the_server_is_asked_for_no_more_before_what_came_is_kept(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = await reader(account)
    flush, failing = me.client.crypto.flush, True

    async def fails(*given: Any) -> None:
        if failing:
            raise Unavailable
        await flush(*given)

    async with Correspondent(account.server, "anna") as anna, me.reading():
        room = await anna.direct(account.user_id)
        await anna.say(room, "un")
        await me.hears("un")
        await asyncio.sleep(0.5)  # until it waits for more
        monkeypatch.setattr(me.client.crypto, "flush", fails)
        before, asked = me.kept(), me.client.count("GET /sync")
        await anna.say(room, "deux")
        await me.hears("un", "deux")
        await anna.say(room, "trois")
        await asyncio.sleep(0.3)
        assert me.client.count("GET /sync") == asked
        assert me.kept() == before
        failing = False
        await me.hears("un", "deux", "trois")


async def test_a_server_that_is_away_is_waited_for(own_synapse: Synapse, new_database: Any) -> None:
    account = Account(own_synapse, new_database())
    me = await reader(account)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(account.close)
        anna = await stack.enter_async_context(Correspondent(own_synapse, "anna"))
        await stack.enter_async_context(me.reading())
        room = await anna.direct(account.user_id)
        await anna.say(room, "avant")
        await me.hears("avant")
        with capture_logs() as logs:
            await asyncio.to_thread(own_synapse.stop, kill=True)
            asked = me.client.count("GET /sync")
            await asyncio.sleep(1.5)
            assert me.client.count("GET /sync") - asked < 8
            await asyncio.to_thread(own_synapse.start)
            await anna.say(room, "après")
            await me.hears("avant", "après")
        said = [one["event"] for one in logs if "homeserver" in one["event"]]
        assert said == ["the homeserver does not answer", "the homeserver answers again"]


async def test_a_login_that_is_gone_ends_the_reading(account: Account) -> None:
    me = await reader(account)
    running = asyncio.create_task(me.syncing.run())
    await me.syncing.ready.wait()
    account.log_out(me.client.access_token)
    with pytest.raises(ServerRefused) as refused:
        await running
    assert refused.value.errcode == "M_UNKNOWN_TOKEN"
    await me.client.open()
    async with Correspondent(account.server, "anna") as anna, me.reading():
        room = await anna.direct(account.user_id)
        await anna.say(room, "encore là")
        await me.hears("encore là")


async def test_one_that_takes_long_holds_up_nobody(account: Account) -> None:
    me = await reader(account)
    me.stuck.add("lent")
    async with Correspondent(account.server, "anna") as anna, me.reading():
        slow, quick = [await anna.direct(account.user_id, encrypted=False) for _ in range(2)]
        await anna.say(slow, "lent")
        began = asyncio.get_running_loop().time()
        for number in range(1, 4):
            await anna.say(quick, "vite")
            await me.hears(*["vite"] * number, room=quick)
        assert asyncio.get_running_loop().time() - began < 5
        assert len(me.in_hand) == 1, "closings wait for what is not applied"


async def test_what_rooms_cannot_take_is_given_again(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = await reader(account)
    heed, times = me.heed, 0

    async def fails(*given: Any) -> None:
        nonlocal times
        times += 1
        if times in (2, 3):
            raise KeyError("what somebody wrote")
        await heed(*given)

    monkeypatch.setattr(me, "heed", fails)
    async with Correspondent(account.server, "anna") as anna, me.reading():
        with capture_logs() as logs:
            room = await anna.direct(account.user_id)
            await anna.say(room, "bonjour")
            await me.hears("bonjour")
        [said, *_] = logs
        assert (said["event"], said["reason"]) == ("a sync cannot be read", "KeyError")
        assert "somebody" not in str(logs)


# What cannot be decrypted


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undecrypted, "ASKED_AFTER", 0.1)
    monkeypatch.setattr(undecrypted, "TOLD_AFTER", 0.5)
    monkeypatch.setattr(telling, "SHORTEST_PAUSE", 0.05)


@pytest.mark.usefixtures("_soon")
@pytest.mark.parametrize("restarted", [False, True])
async def test_what_has_no_key_waits_for_it(account: Account, *, restarted: bool) -> None:
    client = deaf(account)
    me = await reader(account, client)
    async with Correspondent(account.server, "anna") as anna:
        async with me.reading():
            room = await anna.direct(account.user_id)
            client.deaf = True
            began = datetime.now(UTC)
            await say_all(anna, room, numbered(3))
            await me.until(lambda: me.told)
            assert me.told == [room]
            assert me.held() == 3
            assert client.count("sendToDevice/m.room_key_request") == 1
            ended = datetime.now(UTC)
            if not restarted:
                client.deaf = False
                await anna.say(room, "enfin")
                await me.until(lambda: len(me.heard) == 4)
        if restarted:
            me = Reader(client)
            async with me.reading():
                client.deaf = False
                await anna.say(room, "enfin")
                await me.until(lambda: len(me.heard) == 4)
                assert me.told == [], "it was told"
        assert me.words() == [*numbered(3), "enfin"]
        assert all(began < one.received_at < ended for one in me.heard if one.text != "enfin")
        await me.until(lambda: not me.held())


async def test_what_was_said_after_it_waits_for_what_is_held_as_its_key_comes(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = deaf(account)
    me = await reader(account, client)
    real, held, kept = undecrypted.Undecrypted.hold, asyncio.Event(), asyncio.Event()

    async def slow(*given: Any) -> None:
        held.set()
        await kept.wait()
        await real(*given)

    monkeypatch.setattr(undecrypted.Undecrypted, "hold", slow)
    async with Correspondent(account.server, "anna") as anna, me.reading():
        room = await anna.direct(account.user_id)
        client.deaf = True
        await anna.say(room, "un")
        await held.wait()
        client.deaf = False
        await anna.say(room, "deux")
        await me.until(lambda: len(me.syncing._reading._lines[room]) == 1)
        kept.set()
        await me.until(lambda: len(me.heard) == 2)
        assert me.words() == ["un", "deux"]
        await me.until(lambda: not me.held())


@pytest.mark.usefixtures("_soon")
async def test_that_something_cannot_be_read_is_told_until_it_is_said(account: Account) -> None:
    client = deaf(account)
    me = await reader(account, client)
    async with Correspondent(account.server, "anna") as anna:
        async with me.reading():
            room = await anna.direct(account.user_id)
            client.deaf, me.mute = True, 1000
            await anna.say(room, "un")
            await me.until(lambda: me.mute < 998)
        again = Reader(client)
        async with again.reading():
            await again.until(lambda: again.told)
            await again.until(lambda: account.database.read_now(_told))  # and that is kept
        last = Reader(client)
        async with last.reading():
            await anna.say(room, "deux")
            await last.until(lambda: last.held() == 2)
            await asyncio.sleep(1.5)
        assert [me.told, again.told, last.told] == [[], [room], []], "not twice in ten minutes"


@pytest.mark.usefixtures("_soon")
async def test_what_is_said_later_is_told_of_again(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "SELDOM", timedelta(seconds=1))
    client = deaf(account)
    me = await reader(account, client)
    async with Correspondent(account.server, "anna") as anna, me.reading():
        room = await anna.direct(account.user_id)
        client.deaf = True
        await anna.say(room, "un")
        await me.until(lambda: me.told)
        await anna.say(room, "deux")
        await me.until(lambda: len(me.told) == 2)
        client.deaf = False
        await anna.say(room, "trois")
        await me.hears("un", "deux", "trois")
    kept = [one["room"] for one in account.database.read_now(lambda s: s.matrix.all("told"))]
    assert kept == [room]
    await asyncio.sleep(1.0)
    async with Reader(client).reading():
        assert account.database.read_now(lambda store: store.matrix.all("told")) == []


@pytest.mark.usefixtures("_soon")
async def test_the_device_that_wrote_it_gives_its_key_again(account: Account, node: Node) -> None:
    client = deaf(account)
    me = await reader(account, client)
    async with JsCorrespondent(node, account.server, "anna") as anna, me.reading():
        room = await anna.direct(account.user_id)
        client.deaf = True
        await anna.say(room, "bonjour")
        await me.until(lambda: client.count("sendToDevice/m.room_key_request"))
        client.lose()
        client.deaf = False
        await me.hears("bonjour")
        await me.until(lambda: not me.held())


@pytest.mark.usefixtures("_soon")
async def test_what_was_taken_back_before_its_key_came_is_not_read(account: Account) -> None:
    client = deaf(account)
    me = await reader(account, client)
    async with Correspondent(account.server, "anna") as anna, me.reading():
        room = await anna.direct(account.user_id)
        client.deaf = True
        await anna.say(room, "un")
        gone = await anna.say(room, "deux")
        await anna.redact(room, gone)
        await me.until(lambda: [one for one in me.heard if one.withdraws == gone])
        assert me.held() == 1
        client.deaf = False
        await anna.say(room, "trois")
        await me.until(lambda: "un" in me.words() and "trois" in me.words())
        assert "deux" not in me.words()


async def test_a_room_is_held_only_so_much_of(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undecrypted, "MOST", 2)
    client = deaf(account)
    me = await reader(account, client)
    async with Correspondent(account.server, "anna") as anna, me.reading():
        room = await anna.direct(account.user_id)
        client.deaf = True
        with capture_logs() as logs:
            await say_all(anna, room, numbered(4))
            await me.until(lambda: len(logs) == 2)
        assert me.held() == 2
        client.deaf = False
        await anna.say(room, "fin")
        await me.until(lambda: len(me.heard) == 3)
        assert set(me.words()) == {"Phrase 0", "Phrase 1", "fin"}


# What anybody may write

POISON = [
    b"[]",
    b"5",
    b"\xff\xfe",
    b"[" * 40_000,
    b"1" * 5_000,
    b'{"type": 5, "content": {}}',
    b'{"type": "m.room.message", "content": []}',
    b'{"type": "m.room.message", "content": {"msgtype": "m.text", "body": "x"}, "room_id": "!x"}',
    b'{"type": "m.room.message", "content": {"msgtype": "m.text", "body": {}}, "unsigned": 5}',
]


async def write_raw(person: Correspondent, room: str, plain: bytes) -> None:
    """Write in an encrypted room what no client writes."""
    nio = person.nio
    session = nio.olm.outbound_group_sessions[room]
    message = session._session.encrypt(plain)
    content = {
        "algorithm": "m.megolm.v1.aes-sha2",
        "ciphertext": message.to_base64(),
        "sender_key": nio.olm.account.identity_keys["curve25519"],
        "session_id": session.id,
        "device_id": person.device_id,
    }
    await put(person, room, "m.room.encrypted", content)


async def put(person: Correspondent, room: str, kind: str, content: object) -> str:
    """Send something as it is."""
    path = f"/rooms/{quote(room)}/send/{kind}/{secrets.token_hex(8)}"
    return str((await person.ask("PUT", path, content))["event_id"])


async def test_nothing_that_is_encrypted_ends_the_reading(account: Account) -> None:
    me = await reader(account)
    async with Correspondent(account.server, "anna") as anna:
        async with me.reading():
            room = await anna.direct(account.user_id)
            await anna.say(room, "avant")
            await me.hears("avant")
            anna._syncing.cancel()  # it would be ended by what comes now
            for plain in POISON:
                await write_raw(anna, room, plain)
            await anna.say(room, "après")
            await me.until(lambda: "après" in me.words())
        again = await reader(account)
        async with again.reading():
            await anna.say(room, "et encore")
            await again.hears("et encore")
        assert [one for one in me.words() if one] == ["avant", "après"]
        assert me.held() == 0


async def test_what_is_written_changes_no_membership(account: Account) -> None:
    """nio would believe it: a room of three would be a direct chat of two."""
    me = await reader(account)
    async with Correspondent(account.server, "anna") as anna, me.reading():
        zoe = account.server.register("zoe").user_id
        room = await anna.group("Équipements", account.user_id, zoe, joins=False)
        await anna.joined(room, account.user_id)
        await anna.say(room, "!avant")
        await me.hears("!avant")
        leave = {"type": "m.room.member", "state_key": zoe, "content": {"membership": "leave"}}
        await write_raw(anna, room, json.dumps({**leave, "room_id": room}).encode())
        await anna.say(room, "!apres")
        await me.hears("!avant", "!apres")
        assert me.client.rooms[room].users.keys() == {anna.user_id, zoe, account.user_id}


async def test_what_is_given_again_as_another_is_not_read(account: Account) -> None:
    me = await reader(account)
    async with Correspondent(account.server, "anna") as anna, me.reading():
        room = await anna.direct(account.user_id)
        once = await anna.say(room, "une fois")
        await me.hears("une fois")
        path = f"/rooms/{quote(room)}/event/{quote(once)}"
        content = (await anna.ask("GET", path))["content"]
        await put(anna, room, "m.room.encrypted", content)
        await anna.say(room, "fin")
        await me.hears("une fois", "fin")


async def test_what_has_the_key_of_somebody_else_is_not_read(account: Account) -> None:
    """A homeserver could show what one member writes as another's."""
    me = await reader(account)
    async with (
        Correspondent(account.server, "anna") as anna,
        Correspondent(account.server, "zoe") as zoe,
        me.reading(),
    ):
        room = await anna.group("Atelier", account.user_id, zoe.user_id, joins=False)
        await zoe.join(await zoe.invitation())
        await anna.joined(room, account.user_id)
        await anna.joined(room, zoe.user_id)
        for person in (anna, zoe):
            await person.say(room, "!avant")
        await me.hears("!avant", "!avant")
        await me.until(lambda: {anna.user_id, zoe.user_id} <= me.client.olm.device_store.users)
        clear = {"type": "m.room.message", "content": {"msgtype": "m.text", "body": "!faux"}}
        stolen = anna.nio.olm.group_encrypt(room, {**clear, "room_id": room})
        with capture_logs() as logs:
            await put(zoe, room, "m.room.encrypted", stolen)
            await anna.say(room, "!apres")
            await me.hears("!avant", "!avant", "!apres")
        assert [one["event"] for one in logs] == ["a message has the key of somebody else"]
        assert me.held() == 0


async def test_a_message_need_not_say_by_which_device_it_was_written(account: Account) -> None:
    me = await reader(account)
    async with Correspondent(account.server, "anna") as anna, me.reading():
        room = await anna.direct(account.user_id)
        await anna.say(room, "avant")
        clear = {"type": "m.room.message", "content": {"msgtype": "m.text", "body": "après"}}
        content = anna.nio.olm.group_encrypt(room, {**clear, "room_id": room})
        del content["sender_key"], content["device_id"]
        await put(anna, room, "m.room.encrypted", content)
        await me.hears("avant", "après")


EDIT = {
    "msgtype": "m.text",
    "body": "* de rien",
    "m.new_content": {"msgtype": "m.text", "body": "de rien"},
    "m.relates_to": {"rel_type": "m.replace", "event_id": "$nowhere"},
}
ODD: list[tuple[str, object]] = [
    ("m.room.message", {}),
    ("m.room.message", {"msgtype": "m.text"}),
    ("m.room.message", {"msgtype": "m.text", "body": {"x": 1}, "m.relates_to": []}),
    ("m.room.message", {"msgtype": ["m.text"], "body": "x"}),
    ("m.room.message", {"msgtype": "m.image", "body": 5, "file": "x"}),
    ("m.room.encrypted", {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "é"}),
    ("m.room.member", {"membership": "leave"}),
    ("m.room.redaction", {"redacts": ["$x"]}),
    ("m.reaction", {"m.relates_to": "x"}),
    ("m.call.invite", {"offer": 5}),
    ("org.matrix.msc3381.poll.response", {"m.relates_to": {"event_id": "$nowhere"}}),
    ("com.example.unknown", {"x": [[[[]]]]}),
    ("m.room.message", EDIT),
]


@pytest.mark.parametrize("encrypted", [True, False])
async def test_nothing_that_is_odd_ends_the_reading(account: Account, *, encrypted: bool) -> None:
    me = await reader(account)
    async with Correspondent(account.server, "anna") as anna, me.reading():
        room = await anna.direct(account.user_id, encrypted=encrypted)
        await anna.say(room, "avant")
        anna._syncing.cancel()
        for kind, content in ODD:
            if encrypted:
                plain = json.dumps({"type": kind, "content": content, "room_id": room})
                await write_raw(anna, room, plain.encode())
            else:
                with suppress(AssertionError):  # the server takes not all of it
                    await put(anna, room, kind, content)
        await anna.reply(room, "$nowhere", "à rien")
        huge = "x" * (40_000 if encrypted else 60_000)
        await anna.say(room, huge)
        await me.until(lambda: huge in me.words())
        said = [(one.text, one.edits, one.replied) for one in me.heard if one.text]
        edits = [("de rien", "$nowhere", None)] if encrypted else []  # else the server forbids it
        assert said == [
            ("avant", None, None),
            *edits,
            ("à rien", None, "$nowhere"),
            (huge, None, None),
        ]


async def test_an_invitation_from_elsewhere_cannot_end_the_reading() -> None:
    """What surrounds an invitation is another server's, and ours passes it on."""
    state = [
        5,
        {"type": "m.room.member", "state_key": "@a:b", "sender": "@a:b", "content": {}},
        {
            "type": "m.room.member",
            "state_key": "@us:b",
            "sender": "@a:b",
            "content": {"membership": "invite"},
            "unsigned": {"prev_content": "odd"},
        },
    ]
    invite = {"!room": {"invite_state": {"events": state}}}
    batch = batches.Batch.from_dict({"next_batch": "s1", "rooms": {"invite": invite}})
    assert isinstance(batch, batches.Batch)
    [_, invited] = batch.rooms.invite["!room"].invite_state
    assert invited.membership == "invite"


@pytest.mark.parametrize("room_id", ["!room", "!room:home.test"])
async def test_a_server_need_not_give_what_is_empty(room_id: str) -> None:
    for part in ("join", "invite", "leave"):
        given = {"next_batch": "s1", "rooms": {part: {room_id: {}}}}
        assert isinstance(batches.Batch.from_dict(given), batches.Batch)
    assert isinstance(batches.Batch.from_dict({"next_batch": "s1"}), batches.Batch)
    error = {"errcode": "M_UNKNOWN", "error": "no"}
    assert not isinstance(batches.Batch.from_dict(error), batches.Batch)
