"""The state of rooms as a server may send it, also where nio makes nothing of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from nio import AsyncClient, MatrixRoom, SyncResponse

from bot.platforms.matrix import invitations, upgrades
from bot.platforms.matrix.standing import mend, other_in, predecessor, states
from bot.platforms.matrix.whose import Kept, whose
from storage.people import ChatKind
from tests.conftest import NOW

ME, ANNA, EVE = "@preau:home.test", "@anna:home.test", "@eve:evil.test"
ROOM = "!room"


def state(type: str, content: object, key: str = "", sender: str = ANNA) -> dict[str, Any]:
    return {
        "type": type,
        "content": content,
        "state_key": key,
        "sender": sender,
        "event_id": f"${type}-{key}",
        "origin_server_ts": 1,
    }


def member(user_id: str, membership: str = "join", **more: object) -> dict[str, Any]:
    return state("m.room.member", {"membership": membership, **more}, user_id, user_id)


def synced(**rooms: object) -> SyncResponse:
    """A sync as a server sends it, with what it says of one room."""
    named = {kind: {ROOM: content} for kind, content in rooms.items()}
    response = SyncResponse.from_dict({"next_batch": "1", "rooms": named})
    assert isinstance(response, SyncResponse), response
    return response


async def seen(*events: dict[str, Any]) -> MatrixRoom:
    """A room of that state, as it is after it was mended."""
    client = AsyncClient("http://home.test", ME)
    timeline = {"events": [], "limited": False, "prev_batch": ""}
    response = synced(join={"state": {"events": [*events]}, "timeline": timeline})
    await client.receive_response(response)
    mend(client, client.rooms[ROOM], states(response.rooms.join[ROOM]))
    return client.rooms[ROOM]


# Who is in a room


@pytest.mark.parametrize(
    "third",
    [
        member(EVE),
        member(EVE, "invite"),
        member(EVE, displayname=42),
        member(EVE, displayname=["Eve"], avatar_url={}),
        member("@éve :evil.test"),
        {**member(EVE), "unsigned": {"redacted_because": {"sender": EVE, "content": {}}}},
        {**member(EVE), "unsigned": {"redacted_because": "odd"}},
    ],
)
async def test_a_third_counts_whatever_they_are_called(third: dict[str, Any]) -> None:
    room = await seen(member(ME), member(ANNA), third)
    assert other_in(room, ME) is None
    assert third["state_key"] in room.users


@pytest.mark.parametrize("membership", ["leave", "ban", "knock", 7, None])
async def test_who_is_not_in_does_not_count(membership: Any) -> None:
    room = await seen(member(ME), member(ANNA), member(EVE), member(EVE, membership))
    assert other_in(room, ME) == ANNA


async def test_who_left_under_an_odd_name_left() -> None:
    room = await seen(
        member(ME), member(ANNA), member(EVE, displayname=42), member(EVE, "leave", displayname=42)
    )
    assert other_in(room, ME) == ANNA


async def test_we_are_alone_with_nobody_where_we_are_not() -> None:
    assert other_in(await seen(member(ANNA), member(EVE)), ME) is None
    assert other_in(await seen(member(ME)), ME) is None


@pytest.mark.parametrize(
    "content", [{"algorithm": "m.megolm.v1.aes-sha2"}, {}, {"algorithm": 42}, {"odd": True}]
)
async def test_what_is_said_to_be_encrypted_is(content: object) -> None:
    room = await seen(member(ME), state("m.room.encryption", content))
    assert room.encrypted


@pytest.mark.parametrize("content", [{"predecessor": 1}, {"predecessor": {"room_id": 1}}, {}])
def test_a_room_may_say_anything_of_what_it_continues(content: object) -> None:
    assert predecessor([state("m.room.create", content)]) is None


# Whose a room is


@dataclass(frozen=True)
class Told:
    """What is known of a room where we are alone with somebody."""

    inviter: str | None = ANNA
    direct: bool = False
    creator: str | None = EVE
    named: bool = False
    kept: Kept | None = None
    allowed: bool = True


@pytest.mark.parametrize(
    ("told", "person"),
    [
        (Told(), ANNA),
        (Told(named=True), None),
        (Told(named=True, direct=True), ANNA),
        (Told(allowed=False), None),
        (Told(inviter=EVE, direct=True), None),
        (Told(inviter=EVE, creator=ANNA), None),
        (Told(inviter=None), None),
        (Told(inviter=None, creator=None), None),
        (Told(inviter=None, creator=ANNA), ANNA),
        (Told(inviter=None, creator=ANNA, named=True), None),
        (Told(inviter=None, creator=ME), ANNA),
        (Told(inviter=None, creator=ME, allowed=False), None),
        (Told(kept=Kept(ChatKind.direct, ANNA), inviter=None, named=True, allowed=False), ANNA),
        (Told(kept=Kept(ChatKind.direct, EVE), direct=True), None),
        (Told(kept=Kept(ChatKind.direct, None), direct=True), None),
        (Told(kept=Kept(ChatKind.group, None), direct=True), None),
    ],
)
async def test_whose_a_room_is(told: Told, person: str | None) -> None:
    name = [state("m.room.name", {"name": "Préau"})] if told.named else []
    room = await seen(member(ME), member(ANNA), *name)
    invitation = None
    if told.inviter is not None:
        invitation = invitations.Invitation(ROOM, told.inviter, told.direct, NOW)
    found = whose(
        room,
        ME,
        told.kept,
        invitation=invitation,
        creator=told.creator,
        is_allowed=lambda user: user == ANNA and told.allowed,
    )
    assert found == person


@pytest.mark.parametrize("rule", ["public", "restricted", "knock_restricted", "odd", None, []])
async def test_where_others_may_come_in_nobody_is_alone_with_us(rule: object) -> None:
    rules = [state("m.room.join_rules", {"join_rule": one}) for one in ("invite", rule)]
    assert other_in(await seen(member(ME), member(ANNA), *rules), ME) is None


async def test_where_one_has_to_be_invited_we_may_be_alone_with_somebody() -> None:
    for rule in ("invite", "knock", "private"):
        rules = state("m.room.join_rules", {"join_rule": rule})
        assert other_in(await seen(member(ME), member(ANNA), rules), ME) == ANNA


# Invitations and upgrades


def invited(*events: dict[str, Any]) -> invitations.Invitation | None:
    response = synced(invite={"invite_state": {"events": [*events]}})
    return invitations.read(response.rooms.invite[ROOM], ROOM, ME, NOW)


def stripped(sender: str, key: str = ME, **content: object) -> dict[str, Any]:
    content = {"membership": "invite", **content}
    return {"type": "m.room.member", "sender": sender, "state_key": key, "content": content}


def test_an_invitation_is_by_whom_our_own_server_says() -> None:
    forged, true = stripped(ANNA, is_direct=True), stripped(EVE)
    found = invited(forged, stripped(ANNA, key=EVE), true)
    assert found == invitations.Invitation(ROOM, EVE, False, NOW)


@pytest.mark.parametrize("said", ["true", 1, None, [], "no"])
def test_only_true_says_that_a_chat_is_direct(said: object) -> None:
    found = invited(stripped(ANNA, is_direct=said))
    assert found is not None
    assert not found.direct


@pytest.mark.parametrize(
    "events",
    [
        [],
        [stripped(ANNA, key=EVE)],
        [stripped(ANNA, membership="join")],
        [{"type": "m.room.member", "sender": 1, "state_key": ME, "content": {}}],
        [{"type": "m.room.name", "sender": ANNA, "state_key": "", "content": {"name": "a"}}],
    ],
)
def test_what_is_no_invitation_of_us_is_none(events: list[dict[str, Any]]) -> None:
    assert invited(*events) is None


@pytest.mark.parametrize("to", [None, 1, "", "#alias:home.test", ROOM])
def test_a_tombstone_may_lead_nowhere(to: object) -> None:
    tombstone = state("m.room.tombstone", {"body": "", "replacement_room": to})
    assert upgrades.read(ROOM, [tombstone], NOW) is None


def test_a_tombstone_leads_to_another_room() -> None:
    tombstone = state("m.room.tombstone", {"replacement_room": "!new"})
    found = upgrades.read(ROOM, [tombstone], NOW)
    assert found == upgrades.Upgrade(ROOM, "!new", ANNA, "$m.room.tombstone-", NOW)
    assert isinstance(found.at, datetime)
