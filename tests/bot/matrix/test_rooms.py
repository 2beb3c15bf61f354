"""Rooms on a real homeserver: who may invite, whose they are, and what becomes of them."""

from typing import Any
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from storage.deliveries import Failure
from storage.people import ChatKind, ChatState
from tests.bot.matrix.accounts import Account
from tests.bot.matrix.residents import Resident, resident, set_state, told_of, welcomed
from tests.homeserver import Correspondent, Synapse


def memberships(person: Correspondent, room: str, of: str) -> list[dict[str, Any]]:
    """All that was seen of somebody's coming and going."""
    found = [e for e in person.events if (e.room, e.type, e.state) == (room, "m.room.member", of)]
    return [event.content for event in found]


async def gone(person: Correspondent, room: str, of: str) -> dict[str, Any]:
    """Wait until somebody left a room; the content of the event."""
    await person.until(lambda: person.membership(room, of) == "leave", f"{of} leaves")
    return memberships(person, room, of)[-1]


# Invitations


async def test_who_invites_to_a_direct_chat_is_told_what_we_do(
    account: Account, synapse: Synapse
) -> None:
    async with resident(account) as preau, Correspondent(synapse, "anna") as anna:
        room = await anna.direct(account.user_id, joins=False)
        await preau.until(lambda: preau.arrived)
        [incoming] = preau.arrived
        assert (incoming.chat, incoming.sender) == (room, anna.user_id)
        assert incoming.joined
        assert not incoming.in_group
        assert preau.rooms.person_in(room) == preau.person_of(room) == anna.user_id
        assert preau.told == []


async def test_a_room_with_a_name_is_a_group_even_with_one_other(
    account: Account, synapse: Synapse
) -> None:
    async with resident(account) as preau, Correspondent(synapse, "anna") as anna:
        room = await anna.group("Anna", account.user_id, joins=False)
        await preau.until(lambda: preau.arrived)
        assert preau.arrived[0].in_group
        assert not preau.rooms.is_direct(room)
        chat = preau.chat(room)
        assert chat is not None
        assert chat.kind is ChatKind.group


async def test_a_direct_chat_may_have_a_name(account: Account, synapse: Synapse) -> None:
    async with resident(account) as preau, Correspondent(synapse, "anna") as anna:
        room = await anna.create(
            account.user_id, encrypted=False, joins=False, is_direct=True, name="Le comité"
        )
        await preau.until(lambda: preau.arrived)
        assert preau.rooms.person_in(room) == anna.user_id
        since = preau.client.next_batch
    async with resident(account, since) as preau:
        assert preau.rooms.person_in(room) == anna.user_id, "it is still known to be direct"


async def test_who_is_not_allowed_is_told_so_and_nobody_comes(
    account: Account, synapse: Synapse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Correspondent(synapse, "eve") as eve, Correspondent(synapse, "anna") as anna:
        async with resident(account) as preau:
            monkeypatch.setattr(
                preau.rooms._invitations, "is_allowed", lambda user: user == anna.user_id
            )
            with capture_logs() as logged:
                room = await eve.direct(account.user_id, joins=False)
                await preau.until(lambda: eve.membership(room, account.user_id) == "leave")
            [line] = [one for one in logged if one["event"] == "an invitation is declined"]
            assert (line["room"], line["server"]) == (room, eve.user_id.partition(":")[2])
            assert eve.user_id not in str(logged)
            content = await gone(eve, room, account.user_id)
            assert "n'a pas encore autorisé la messagerie de votre compte" in content["reason"]
            other = await anna.direct(account.user_id, joins=False)
            await preau.until(lambda: preau.arrived)
            assert [one.chat for one in preau.arrived] == [other]
            await preau.look()
            since = preau.client.next_batch
        assert [one["membership"] for one in memberships(eve, room, account.user_id)] == [
            "invite",
            "leave",
        ]
        async with resident(account, since) as preau:
            assert preau.rooms._invitations.get(room) is None
            assert preau.rooms._invitations.get(other) is None


async def test_what_is_not_answered_when_we_stop_is_answered_later_and_once(
    account: Account, synapse: Synapse
) -> None:
    async with Correspondent(synapse, "anna") as anna:
        async with resident(account, idle=True) as preau:
            room = await anna.direct(account.user_id, joins=False)
            await preau.until(lambda: preau.rooms._invitations.get(room))
            since = preau.client.next_batch
        async with resident(account, since) as preau:
            await anna.joined(room, account.user_id)
            assert preau.arrived == [], "killed before the sync shows it"
        async with resident(account, since) as preau:
            await preau.until(lambda: preau.arrived)
            assert [one.chat for one in preau.arrived] == [room]
        async with resident(account, since) as preau:
            await preau.until(lambda: preau.rooms.person_in(room) == anna.user_id)
            assert preau.arrived == []


async def test_an_invitation_withdrawn_before_we_join_is_forgotten(
    account: Account, synapse: Synapse
) -> None:
    async with Correspondent(synapse, "anna") as anna:
        async with resident(account, idle=True) as preau:
            room = await anna.group("Atelier", account.user_id, joins=False)
            await preau.until(lambda: preau.rooms._invitations.get(room))
            since = preau.client.next_batch
            await anna.kick(room, account.user_id)
        async with resident(account, since, idle=True) as preau:
            assert preau.rooms._invitations.get(room) is None
        async with resident(account, since) as preau:
            assert room not in preau.client.rooms
            assert preau.arrived == []


async def test_a_room_that_is_gone_cannot_be_joined_and_is_forgotten(
    account: Account, synapse: Synapse
) -> None:
    async with Correspondent(synapse, "anna") as anna:
        async with resident(account, idle=True) as preau:
            room = await anna.direct(account.user_id, joins=False)
            await preau.until(lambda: preau.rooms._invitations.get(room))
            since = preau.client.next_batch
            await anna.leave(room)
        async with resident(account, since) as preau:
            await preau.until(lambda: preau.rooms._invitations.get(room) is None)
            assert preau.arrived == []
            await preau.until(lambda: room not in preau.client.rooms)


async def test_a_space_is_left(account: Account, synapse: Synapse) -> None:
    async with resident(account) as preau, Correspondent(synapse, "anna") as anna:
        room = await anna.create(
            account.user_id,
            encrypted=False,
            joins=False,
            creation_content={"type": "m.space"},
            name="Le comité",
        )
        await preau.until(lambda: anna.membership(room, account.user_id) == "leave")
        assert preau.arrived == []


# Others in a direct chat


async def assert_opened(preau: Resident, room: str) -> None:
    await told_of(preau, "opened_up", room)
    chat = preau.chat(room)
    assert chat is not None
    assert chat.kind is ChatKind.group
    assert not preau.rooms.is_direct(room)


async def test_a_third_who_is_only_invited_opens_a_direct_chat_for_ever(
    account: Account, synapse: Synapse
) -> None:
    third = synapse.register("third")
    async with resident(account) as preau, Correspondent(synapse, "anna") as anna:
        room = await welcomed(preau, anna)
        await anna.invite(room, third.user_id)
        await assert_opened(preau, room)
        await anna.kick(room, third.user_id)
        await preau.until(lambda: third.user_id not in preau.client.rooms[room].users)
        assert not preau.rooms.is_direct(room), "it stays a group"
        since = preau.client.next_batch
    async with resident(account, since) as preau:
        assert not preau.rooms.is_direct(room)
        assert preau.told == []


async def test_a_third_whom_nio_does_not_see_counts(account: Account, synapse: Synapse) -> None:
    async with Correspondent(synapse, "anna") as anna, Correspondent(synapse, "third") as third:
        async with resident(account) as preau:
            room = await welcomed(preau, anna)
            since = preau.client.next_batch
        await anna.invite(room, third.user_id)
        await third.join(room)
        joined = [e for e in third.events if (e.type, e.state) == ("m.room.member", third.user_id)]
        await third.redact(room, joined[-1].id)
        async with resident(account, since) as preau:
            assert third.user_id in preau.client.rooms[room].users
            await assert_opened(preau, room)


async def test_who_takes_the_place_of_a_person_is_not_that_person(
    account: Account, synapse: Synapse
) -> None:
    async with Correspondent(synapse, "anna") as anna, Correspondent(synapse, "eve") as eve:
        async with resident(account) as preau:
            room = await welcomed(preau, anna)
            since = preau.client.next_batch
        await anna.invite(room, eve.user_id)
        await eve.join(room)
        await anna.leave(room)
        async with resident(account, since) as preau:
            assert len(preau.client.rooms[room].users) == 2
            await assert_opened(preau, room)


async def test_a_room_that_anybody_may_read_is_not_direct(
    account: Account, synapse: Synapse
) -> None:
    async with resident(account) as preau, Correspondent(synapse, "anna") as anna:
        room = await welcomed(preau, anna)
        content = {"history_visibility": "world_readable"}
        await set_state(anna, room, "m.room.history_visibility", "", content)
        await assert_opened(preau, room)


async def test_what_is_encrypted_stays_so_though_the_event_was_redacted(
    account: Account, synapse: Synapse
) -> None:
    async with resident(account) as preau, Correspondent(synapse, "anna") as anna:
        room = await welcomed(preau, anna, encrypted=True)
        [event] = [e for e in anna.events if (e.room, e.type) == (room, "m.room.encryption")]
        await anna.redact(room, event.id)
        since = preau.client.next_batch
        preau.client.crypto.delete_encrypted_room(room)
        await preau.client.crypto.flush(preau.database)
    async with resident(account, since) as preau:
        assert preau.client.rooms[room].encrypted


# Leaving


async def test_a_person_who_leaves_is_lost_and_we_leave_too(
    account: Account, synapse: Synapse
) -> None:
    async with resident(account) as preau, Correspondent(synapse, "anna") as anna:
        room = await welcomed(preau, anna)
        await anna.leave(room)
        assert await told_of(preau, "lost", room) == ("lost", room, Failure.removed)
        chat = preau.chat(room)
        assert chat is not None
        assert chat.state is ChatState.left
        await preau.until(lambda: room not in preau.client.rooms)
        await preau.until(lambda: f"POST /rooms/{quote(room)}/forget" in preau.client.asked)


@pytest.mark.parametrize("how", ["kick", "ban"])
async def test_who_puts_us_out_has_lost_us(account: Account, synapse: Synapse, how: str) -> None:
    async with resident(account) as preau, Correspondent(synapse, "anna") as anna:
        room = await anna.group("Atelier", account.user_id, joins=False)
        await preau.until(lambda: preau.arrived)
        await anna.ask("POST", f"/rooms/{quote(room)}/{how}", {"user_id": account.user_id})
        await told_of(preau, "lost", room)
        assert room not in preau.client.rooms
        chat = preau.chat(room)
        assert chat is not None
        assert chat.state is ChatState.left


async def test_put_out_banned_and_invited_again_in_one_sync_we_come_back(
    account: Account, synapse: Synapse
) -> None:
    async with resident(account) as preau, Correspondent(synapse, "anna") as anna:
        room = await anna.create(
            account.user_id, encrypted=False, joins=False, is_direct=True, preset="private_chat"
        )
        await preau.until(lambda: preau.arrived)
        for how in ("kick", "invite", "ban", "unban", "invite"):
            await anna.ask("POST", f"/rooms/{quote(room)}/{how}", {"user_id": account.user_id})
        await preau.until(lambda: len(preau.arrived) == 2)
        assert [one[:2] for one in preau.told] == [("lost", room)]
        assert preau.rooms.person_in(room) == anna.user_id
        chat = preau.chat(room)
        assert chat is not None
        assert chat.state is ChatState.active
