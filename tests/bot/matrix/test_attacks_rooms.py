"""Rooms in which somebody wants to read what another is told, or to fill us up."""

from typing import Any
from unittest.mock import Mock

import pytest
from nio import InviteInfo, MatrixRoom, SyncResponse

from bot.platforms.matrix import roomkeys
from bot.platforms.matrix.addressing import addressed
from bot.platforms.matrix.crypto import CryptoStore
from bot.platforms.matrix.invitations import MOST_OF_ONE, MOST_OF_STRANGERS
from bot.platforms.matrix.roomkeys import RoomKeys
from bot.platforms.matrix.standing import mend
from storage.database import Database
from storage.people import ChatKind
from tests.bot.matrix.accounts import Account, say
from tests.bot.matrix.machines import Machine
from tests.bot.matrix.residents import Resident, resident, set_state, told_of, welcomed
from tests.conftest import NOW
from tests.homeserver import Correspondent, Synapse

US, THEM = "@preau:example.org", "@zoulikha:example.org"
PUBLIC = [{"type": "m.room.join_rules", "content": {"join_rule": "public"}}]


# A room that is planted as the direct chat of somebody else


async def planted(eve: Correspondent, *invited: str, **more: Any) -> str:
    """A room without a name."""
    body = {"invite": invited, "preset": "private_chat", **more}
    return str((await eve.ask("POST", "/createRoom", body))["room_id"])


def assert_nobodys(preau: Resident, room: str, person: str) -> None:
    assert preau.rooms.person_in(room) is None
    assert preau.person_of(room) is None
    assert preau.rooms._room_of(person) is None


@pytest.mark.parametrize("state", [PUBLIC, []])
async def test_a_room_is_not_of_who_is_only_invited_to_it(
    account: Account, synapse: Synapse, state: list[dict[str, Any]]
) -> None:
    """Whoever invited us leaves before we see the room: with another we are two there."""
    victim = synapse.register("victim").user_id
    async with resident(account) as preau, Correspondent(synapse, "eve") as eve:
        room = await planted(eve, account.user_id, victim, is_direct=True, initial_state=state)
        await preau.until(lambda: preau.rooms._invitations.get(room))
        await eve.joined(room, account.user_id)
        await eve.leave(room)
        await preau.until(lambda: preau.arrived)
        assert set(preau.client.rooms[room].users) == {account.user_id, victim}
        assert preau.arrived[0].in_group
        assert_nobodys(preau, room, victim)
        since = preau.client.next_batch
    async with resident(account, since) as preau:
        assert_nobodys(preau, room, victim)


async def test_a_room_to_which_another_does_not_go_on_is_left(
    account: Account, synapse: Synapse
) -> None:
    victim = synapse.register("victim").user_id
    async with resident(account) as preau, Correspondent(synapse, "eve") as eve:
        old = await welcomed(preau, eve)
        room = await planted(eve, victim, initial_state=PUBLIC)
        await set_state(eve, old, "m.room.tombstone", "", {"replacement_room": room})
        await preau.until(lambda: preau.rooms._upgrades.is_leaving(old))
        await eve.joined(room, account.user_id)
        await eve.leave(room)
        await preau.until(lambda: room in preau.client.rooms)
        assert_nobodys(preau, room, victim)
        await preau.until(lambda: room not in preau.client.rooms)
        assert preau.arrived[1:] == []
        assert preau.rooms.person_in(old) == eve.user_id
        assert not preau.rooms._upgrades.is_leaving(old)


async def test_a_room_to_which_we_were_also_invited_is_not_left(
    account: Account, synapse: Synapse
) -> None:
    async with resident(account) as preau, Correspondent(synapse, "eve") as eve:
        old = await welcomed(preau, eve)
        room = await eve.group("Atelier", account.user_id, joins=False)
        await preau.until(lambda: preau.rooms._invitations.get(room))
        await eve.joined(room, account.user_id)
        await set_state(eve, old, "m.room.tombstone", "", {"replacement_room": room})
        await preau.until(lambda: len(preau.arrived) == 2)
        await preau.look()
        assert preau.arrived[1].chat == room
        assert room not in preau.rooms._over


async def test_a_room_that_anybody_may_enter_is_not_direct(
    account: Account, synapse: Synapse
) -> None:
    async with resident(account) as preau, Correspondent(synapse, "anna") as anna:
        room = await welcomed(preau, anna)
        await set_state(anna, room, "m.room.join_rules", "", {"join_rule": "public"})
        await told_of(preau, "opened_up", room)
        chat = preau.chat(room)
        assert chat is not None
        assert chat.kind is ChatKind.group
        assert_nobodys(preau, room, anna.user_id)


async def test_without_its_database_a_person_s_own_room_is_still_theirs(
    account: Account, synapse: Synapse
) -> None:
    async with Correspondent(synapse, "anna") as anna:
        async with resident(account) as preau:
            room = await welcomed(preau, anna)
            preau.database.write_now(lambda store: store.people.forget_chats(1))
        async with resident(account) as preau:
            assert preau.chat(room) is None
            assert preau.rooms.person_in(room) == anna.user_id


# Keys of rooms, of which anybody may send as many as they like


@pytest.fixture
def us() -> Machine:
    return Machine(CryptoStore(US, "OURS"))


@pytest.fixture
def them(us: Machine) -> Machine:
    other = Machine(CryptoStore(THEM, "THEIRS"))
    us.learn(THEM, {"THEIRS": other.upload()["device_keys"]})
    other.meet(US, us.upload())
    return other


def held(us: Machine) -> list[str]:
    """The rooms of the keys that are held, and will be kept."""
    kept = [session.room_id for session, _ in us.store._groups.values()]
    assert sorted(kept) == sorted(one.room_id for one in us.olm.inbound_group_store)
    return kept


async def test_keys_of_a_stranger_are_few(us: Machine, them: Machine, db: Database) -> None:
    for number in range(roomkeys.MOST_OF_ONE + 5):
        assert them.share(us, f"!{number}")
    us.olm.judge_keys(lambda room, sender: False)
    assert held(us) == [f"!{number}" for number in range(5, roomkeys.MOST_OF_ONE + 5)]
    await us.store.flush(db)
    kept = await db.read(lambda store: store.matrix.all("group"))
    assert len(kept) == roomkeys.MOST_OF_ONE


async def test_keys_of_those_who_are_there_are_kept(us: Machine, them: Machine) -> None:
    for number in range(roomkeys.MOST_OF_ONE + 5):
        assert them.share(us, f"!{number}")
    us.olm.judge_keys(lambda room, sender: sender == THEM)
    us.olm.judge_keys(lambda room, sender: False)  # they left
    assert len(held(us)) == roomkeys.MOST_OF_ONE + 5


async def test_keys_of_rooms_that_are_none_of_ours_are_forgotten(
    us: Machine, them: Machine
) -> None:
    for room in ("!ours", "!other"):
        assert them.share(us, room)
    us.olm.forget_rooms(lambda room: room == "!ours")
    assert held(us) == ["!ours"]
    assert list(us.olm.inbound_group_store._entries) == ["!ours"]


def test_a_key_may_come_before_its_sender_but_not_long() -> None:
    now, dropped = 0.0, list[str]()
    keys = RoomKeys(lambda session: dropped.append(session.room_id), lambda: now)
    there: set[str] = set()
    for number in range(roomkeys.MOST + 1):
        keys.came(f"@{number}", Mock(room_id=f"!{number}"))
    keys.judge(lambda room, sender: room in there)
    assert dropped == ["!0"], "the oldest, of too many"
    there.add("!1")
    keys.judge(lambda room, sender: room in there)
    now = roomkeys.PATIENCE
    keys.judge(lambda room, sender: room in there)
    assert len(dropped) == roomkeys.MOST
    assert "!1" not in dropped


def test_one_sender_gives_few_keys_of_one_room_in_a_row() -> None:
    now = 0.0
    keys = RoomKeys(lambda session: None, lambda: now)
    assert sum(keys.may_come(THEM, "!1") for _ in range(roomkeys.BURST + 9)) == roomkeys.BURST
    assert keys.may_come(THEM, "!2")
    assert keys.may_come(US, "!1")
    now = roomkeys.SECONDS
    assert keys.may_come(THEM, "!1")
    assert not keys.may_come(THEM, "!1")


async def test_with_a_room_its_keys_go(account: Account, synapse: Synapse) -> None:
    async with resident(account) as preau, Correspondent(synapse, "anna") as anna:
        room = await welcomed(preau, anna, encrypted=True)
        await anna.say(room, "Bonjour")

        def keys() -> list[str]:
            return [one.room_id for one in preau.client.olm.inbound_group_store]

        await preau.until(lambda: keys() == [room])
        await preau.look()
        await anna.leave(room)
        await preau.until(lambda: room not in preau.client.rooms)
        assert keys() == []
        assert await preau.database.read(lambda store: store.matrix.all("group")) == []


async def test_a_key_that_comes_with_the_invitation_serves(
    account: Account, synapse: Synapse
) -> None:
    async with Correspondent(synapse, "anna") as anna:
        room = await anna.direct(account.user_id, joins=False)
        async with resident(account) as preau:
            await preau.until(lambda: preau.arrived)
            await anna.say(room, "Bonjour")
            await preau.until(lambda: list(preau.client.olm.inbound_group_store))
            assert await say(preau.client, room)
            await preau.look()
            rooms = {one.room_id for one in preau.client.olm.inbound_group_store}
            assert rooms == {room}


@pytest.mark.parametrize(
    ("before", "membership", "renewed"),
    [
        (False, "join", True),
        (False, "invite", True),
        (False, "leave", False),
        (True, "leave", True),
        (True, "join", False),
    ],
)
def test_who_comes_or_goes_unseen_by_nio_has_our_key_renewed(
    before: bool, membership: str, renewed: bool
) -> None:
    room, client = MatrixRoom("!room", US), Mock()
    if before:
        room.add_member(THEM, None, None)
    member = {
        "type": "m.room.member",
        "state_key": THEM,
        "content": {"membership": membership, "displayname": 42},
    }
    mend(client, room, [member])
    assert client.invalidate_outbound_session.called is renewed


# Invitations without end


def invitations(*inviters: str) -> dict[str, InviteInfo]:
    def invited(inviter: str) -> dict[str, Any]:
        content = {"membership": "invite"}
        event = {"type": "m.room.member", "sender": inviter, "content": content}
        return {"invite_state": {"events": [{**event, "state_key": US}]}}

    rooms = {f"!{number}-{one}": invited(one) for number, one in enumerate(inviters)}
    response = SyncResponse.from_dict({"next_batch": "1", "rooms": {"invite": rooms}})
    found: dict[str, InviteInfo] = response.rooms.invite
    return found


async def kept_of(preau: Resident, *inviters: str) -> list[str]:
    """Of what invitations something is kept; as if they came in one sync."""
    given = invitations(*inviters)
    preau.client.user_id = US
    preau.client.invited_rooms.update({room: Mock() for room in given})
    await preau.rooms._invitations.keep(given, NOW)
    assert not preau.client.invited_rooms
    return [room for room in given if preau.rooms._invitations.get(room)]


async def test_of_one_person_the_oldest_invitations_are_kept(account: Account) -> None:
    async with resident(account, idle=True) as preau:
        for inviter in ("@anna:example.org", "@eve:evil.test"):
            kept = await kept_of(preau, *[inviter] * (MOST_OF_ONE + 5))
            assert kept == [f"!{number}-{inviter}" for number in range(MOST_OF_ONE)]
            assert await kept_of(preau, *["@x:evil.test"] * 100) != []


async def test_of_one_server_few_strangers_wait(account: Account) -> None:
    async with resident(account, idle=True) as preau:
        many = range(MOST_OF_STRANGERS + 5)
        kept = await kept_of(preau, *[f"@{number}:evil.test" for number in many])
        assert len(kept) == MOST_OF_STRANGERS
        assert len(await kept_of(preau, "@eve:other.test")) == 1
        people = await kept_of(preau, *[f"@{number}:example.org" for number in many])
        assert len(people) == len(many), "those whom we answer all are"


# Markup without end


def test_our_name_is_looked_for_where_people_put_it() -> None:
    pill = f'<a href="https://matrix.to/#/{US}">Préau</a>'
    for before, words in (("<i>", "aide"), ("<a " * 20_000, None)):
        content = {"body": "Préau aide", "formatted_body": f"{before}{pill} aide"}
        assert addressed(content, US, is_reply=False, to_us=False) == words
