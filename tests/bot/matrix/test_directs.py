"""Direct chats that we open ourselves, on a real homeserver."""

import asyncio
from typing import Any

import pytest

from bot.platforms.base import SendFailed
from bot.platforms.matrix import directs
from bot.platforms.matrix.rooms import SOON
from storage.deliveries import Failure
from tests.bot.matrix.accounts import Account
from tests.bot.matrix.residents import resident, welcomed
from tests.homeserver import Correspondent, Synapse


async def test_a_direct_chat_is_opened_once(account: Account, synapse: Synapse) -> None:
    async with Correspondent(synapse, "anna") as anna:
        async with resident(account) as preau:

            async def listen() -> None:
                while True:
                    await preau.look(1000)

            listening = asyncio.create_task(listen())
            opened = await asyncio.gather(
                *(preau.rooms.open_direct(anna.user_id) for _ in range(3))
            )
            assert len(set(opened)) == 1
            [room] = set(opened)
            assert preau.rooms.person_in(room) == anna.user_id
            assert await anna.invitation() == room
            await anna.join(room)
            assert anna.encrypts(room)
            listening.cancel()
            since = preau.client.next_batch
        async with resident(account, since) as preau:
            assert await preau.rooms.open_direct(anna.user_id) == room
            assert preau.client.count("POST /createRoom") == 0


async def test_nothing_is_said_to_who_is_invited_before_they_come(
    account: Account, synapse: Synapse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may have no device yet. They are seen to come, also while we are away."""
    monkeypatch.setattr(directs, "PATIENCE", 0.1)
    async with Correspondent(synapse, "anna") as anna, Correspondent(synapse, "yann") as yann:
        async with resident(account) as preau:
            rooms = {one: await preau.rooms.open_direct(one.user_id) for one in (anna, yann)}
            await preau.until(lambda: all(map(preau.rooms.is_direct, rooms.values())))
            assert [preau.rooms.absence(room) for room in rooms.values()] == [SOON, SOON]
            await yann.join(await yann.invitation())
            await preau.until(lambda: preau.told)
            assert preau.told == [("came", rooms[yann])]
            assert [preau.rooms.absence(room) for room in rooms.values()] == [SOON, 0]
        await anna.join(await anna.invitation())
        async with resident(account) as preau:
            assert sorted(preau.told) == sorted(("came", room) for room in rooms.values())
            assert [preau.rooms.absence(room) for room in rooms.values()] == [0, 0]


async def test_where_a_person_wrote_first_no_room_is_opened(
    account: Account, synapse: Synapse
) -> None:
    async with resident(account) as preau, Correspondent(synapse, "anna") as anna:
        room = await welcomed(preau, anna)
        assert await preau.rooms.open_direct(anna.user_id) == room


async def test_a_room_that_was_made_is_not_made_again_before_it_is_seen(
    account: Account, synapse: Synapse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directs, "PATIENCE", 0.1)
    anna = synapse.register("anna")
    async with resident(account) as preau:
        room = await preau.rooms.open_direct(anna.user_id)
        assert await preau.rooms.open_direct(anna.user_id) == room
        await preau.look()
        assert preau.rooms.person_in(room) == anna.user_id


async def test_who_may_not_be_invited_cannot_be_reached_and_no_room_is_left(
    account: Account, synapse: Synapse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with resident(account) as preau:
        with pytest.raises(SendFailed) as failed:
            await preau.rooms.open_direct("@nobody:elsewhere.test")
        assert (failed.value.final, failed.value.for_all) == (True, False)
        assert failed.value.reason is Failure.blocked
        monkeypatch.setattr(directs, "YOUNG", 0.0)
        await preau.until(lambda: preau.client.count("/leave"))
        await preau.until(lambda: not preau.client.rooms)


async def test_few_rooms_are_made_and_each_person_has_a_turn(
    strict_synapse: Synapse, new_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directs, "PATIENCE", 0.0)
    people = [strict_synapse.register("person").user_id for _ in range(16)]
    account = Account(strict_synapse, new_database())
    waits = []
    async with resident(account) as preau:
        for user_id in people:
            try:
                await preau.rooms.open_direct(user_id)
            except SendFailed as failed:
                assert (failed.reason, failed.final, failed.for_all) == (
                    Failure.refused,
                    False,
                    False,
                )
                waits.append(failed.wait)
        asked = preau.client.count("POST /createRoom")
    await account.close()
    assert 2 <= len(waits) < len(people)
    assert asked == len(people) - len(waits) + 1, "once refused, nobody asks before their turn"
    assert waits == sorted(waits)
    assert len(set(waits)) == len(waits)
