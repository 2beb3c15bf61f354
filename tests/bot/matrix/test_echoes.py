"""What we say ourselves is left out of syncs while it is much; nothing else ever is."""

import asyncio
import secrets
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from bot.platforms.matrix import echoes, syncing
from bot.platforms.matrix.batches import next_batch
from bot.platforms.matrix.client import Client
from bot.platforms.matrix.echoes import LATELY, MANY, NOT_LABELS, Echoes
from bot.platforms.matrix.sending import put
from tests.bot.matrix.accounts import V3, Account, Watched
from tests.bot.matrix.readers import reader
from tests.homeserver import Correspondent

TOPIC = "m.room.topic"


class Listening(Watched):
    """A client that notes the path of each sync."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.syncs: list[str] = []

    async def send(
        self, method: str, path: str, *given: Any, **more: Any
    ) -> aiohttp.ClientResponse:
        if "/sync?" in path:
            self.syncs.append(path)
        return await super().send(method, path, *given, **more)

    @property
    def left_out(self) -> list[bool]:
        """Of each sync, whether it was asked to leave out what we say."""
        return [quote(NOT_LABELS) in path for path in self.syncs]


async def say(client: Client, room: str, text: str) -> str:
    content = {"msgtype": "m.text", "body": text}
    return await put(client, room, "m.room.message", content, secrets.token_hex(8))


def test_there_are_many_if_calls_begin_and_end_in_quick_succession() -> None:
    now = 100.0
    lately = Echoes(clock=lambda: now)
    assert not lately.are_many
    for number in range(MANY // 2):
        assert not lately.are_many
        lately.begin()
        now += 0.9 * LATELY / MANY
        lately.said(f"$ours-{number}")
    assert lately.are_many
    now += LATELY
    assert not lately.are_many
    assert "$ours-0" in lately
    assert "$theirs" not in lately


def test_what_comes_back_makes_no_crowd() -> None:
    lately = Echoes(clock=lambda: 100.0)
    for number in range(2 * MANY):
        lately.came(f"$ours-{number}")
    assert "$ours-0" in lately
    assert not lately.are_many


@pytest.mark.parametrize("encrypted", [True, False])
async def test_only_our_words_are_left_out(account: Account, *, encrypted: bool) -> None:
    me = await reader(account)
    async with Correspondent(account.server, "anna") as anna:
        async with me.reading():
            room = await anna.direct(account.user_id, encrypted=encrypted)
            quiet = await anna.direct(account.user_id, encrypted=encrypted)
            await anna.say(room, "avant")
            await me.hears("avant")
            await me.until(lambda: quiet in me.client.rooms)
        since = me.kept()
        ours = [await say(me.client, one, "Bonjour") for one in (room, quiet)]
        theirs = await anna.say(room, "merci")
        path = f"{V3}/rooms/{quote(room)}/state/{TOPIC}"
        topic, token = {"topic": "Équipements"}, me.client.access_token
        assert account.server.ask("PUT", path, topic, token=token).status == 200
        batch = await next_batch(me.client, since, whole=False, of_others=True)
        assert {one: [e["event_id"] for e in said.events] for one, said in batch.said.items()} == {
            room: [theirs]
        }
        state = [one.source for one in batch.rooms.join[room].timeline.events]
        assert [one["type"] for one in state] == [TOPIC], "what our account sets does come"
        all_of_it = await next_batch(me.client, since, whole=False)
        found = {e["event_id"] for said in all_of_it.said.values() for e in said.events}
        assert found == {*ours, theirs}
        assert all(one in me.client.echoes for one in ours), "though it did not come back"


@pytest.mark.parametrize("fresh", [True, False])
async def test_people_are_heard_while_we_say_much(
    account: Account, monkeypatch: pytest.MonkeyPatch, *, fresh: bool
) -> None:
    if not fresh:
        monkeypatch.setattr(syncing, "FRESH", 0.0)
    monkeypatch.setattr(echoes, "MANY", 4)
    monkeypatch.setattr(syncing, "AMONG_ECHOES", 0.2)
    client = Listening(account.client().settings, account.database)
    account.clients.append(client)
    me = await reader(account, client)
    async with Correspondent(account.server, "anna") as anna, me.reading():
        room = await anna.direct(account.user_id)
        other = await anna.direct(account.user_id, encrypted=False)
        await anna.say(room, "avant")
        await me.hears("avant")
        assert not any(client.left_out)
        for number in range(8):
            await asyncio.gather(say(client, room, "Bonjour"), say(client, other, "Bonjour"))
            await anna.say(room, f"Phrase {number}")
        await me.hears("avant", *(f"Phrase {number}" for number in range(8)))
        assert any(client.left_out) == fresh, "so much may have been said since that some is lost"
        await asyncio.sleep(LATELY + 0.5)
        calm = len(client.syncs)
        assert not client.left_out[-1], "it is waited for what happens, whoever does it"
        await asyncio.sleep(1)
        assert len(client.syncs) == calm
        await anna.say(other, "après")
        await me.until(lambda: "après" in me.words())
        assert "timeout=30000" in client.syncs[calm - 1]
