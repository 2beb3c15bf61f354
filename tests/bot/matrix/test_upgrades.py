"""Rooms that go on in another room: the chat follows, and nobody else can take its place."""

from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from storage.people import ChatKind, ChatState
from tests.bot.matrix.accounts import Account
from tests.bot.matrix.residents import resident, set_state, told_of, welcomed
from tests.homeserver import Correspondent, Synapse


@pytest.mark.parametrize("is_direct", [True, False])
async def test_a_chat_follows_its_room(account: Account, synapse: Synapse, is_direct: bool) -> None:
    async with resident(account) as preau, Correspondent(synapse, "anna") as anna:
        if is_direct:
            old = await welcomed(preau, anna)
        else:
            old = await anna.group("Atelier", account.user_id, joins=False)
            await preau.until(lambda: preau.arrived)
        new = await anna.upgrade(old)
        await anna.until(lambda: new in anna.nio.rooms, "the new room")
        await anna.invite(new, account.user_id)
        moved = await told_of(preau, "moved", old)
        assert moved == ("moved", old, new)
        assert preau.chat(old) is None
        assert preau.rooms.is_direct(new) is is_direct
        await preau.until(lambda: old not in preau.client.rooms)
        chat = preau.chat(new)
        assert chat is not None
        assert (chat.kind is ChatKind.direct) is is_direct
        assert chat.state is ChatState.active
        assert len(preau.arrived) == 1, "they know us"


async def test_who_claims_that_another_room_goes_on_in_theirs_is_not_followed(
    account: Account, synapse: Synapse
) -> None:
    async with resident(account) as preau, Correspondent(synapse, "anna") as anna:
        old = await welcomed(preau, anna)
        async with Correspondent(synapse, "eve") as eve:
            other = await eve.group("Autre", account.user_id, joins=False)
            await preau.until(lambda: len(preau.arrived) == 2)
        tombstone = {"body": "", "replacement_room": other}
        await set_state(anna, old, "m.room.tombstone", "", tombstone)
        await preau.until(lambda: preau.client.rooms[old].replacement_room)
        await preau.look()
        assert not preau.rooms._upgrades.is_leaving(old)
        assert preau.told == []
        assert preau.chat(old) is not None


async def test_an_upgrade_is_followed_by_the_next_run(account: Account, synapse: Synapse) -> None:
    async with Correspondent(synapse, "anna") as anna:
        async with resident(account) as preau:
            old = await welcomed(preau, anna)
            since = preau.client.next_batch
        new = await anna.upgrade(old)
        async with resident(account, since, idle=True) as preau:
            assert preau.rooms._upgrades.is_leaving(old)
            since = preau.client.next_batch
        await anna.until(lambda: new in anna.nio.rooms, "the new room")
        await anna.invite(new, account.user_id)
        async with resident(account, since) as preau:
            await told_of(preau, "moved", old)
            assert preau.rooms.person_in(new) == anna.user_id


async def test_an_upgrade_by_who_is_not_allowed_is_followed_once_who_is_invites_us(
    account: Account, synapse: Synapse
) -> None:
    async with Correspondent(synapse, "anna") as anna, Correspondent(synapse, "eve") as eve:
        allowed = [anna.user_id]
        async with resident(account, matrix_allowed_servers=allowed) as preau:
            old = await eve.group("Atelier", anna.user_id, joins=False)
            await anna.join(await anna.invitation())
            await give_power(eve, old, anna)
            await anna.invite(old, account.user_id)
            await preau.until(lambda: preau.arrived)
            with capture_logs() as logs:
                new = await eve.upgrade(old)
                await preau.until(lambda: preau.client.rooms[old].replacement_room)
                await preau.look()
            refused = [one for one in logs if "goes on elsewhere" in one["event"]]
            assert [one["room"] for one in refused] == [old]
            assert not preau.rooms._upgrades.leads_to(new), "nor is an invitation of hers taken"
            await eve.invite(new, anna.user_id)
            await anna.join(new)
            await give_power(eve, new, anna)
            await anna.invite(new, account.user_id)
            assert await told_of(preau, "moved", old) == ("moved", old, new)
            await preau.until(lambda: old not in preau.client.rooms)
            assert len(preau.arrived) == 1, "they know us"


async def give_power(owner: Correspondent, room: str, other: Correspondent) -> None:
    """Let somebody invite, whatever the room's owner is by its version."""
    path = f"/rooms/{quote(room)}/state/m.room.power_levels"
    levels = await owner.ask("GET", path)
    levels["users"] = {**levels.get("users", {}), other.user_id: 60}
    await set_state(owner, room, "m.room.power_levels", "", levels)
