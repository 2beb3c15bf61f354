"""What the state of a room says of who is in it, read from the events as they came.

nio passes over what it cannot parse, and over what was redacted: a membership without a name that
nio likes. Who is in a room counts all the same.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nio import AsyncClient, MatrixRoom, RoomInfo

MEMBER, NAME, ALIAS = "m.room.member", "m.room.name", "m.room.canonical_alias"
ENCRYPTION, HISTORY = "m.room.encryption", "m.room.history_visibility"
CREATE, TOMBSTONE = "m.room.create", "m.room.tombstone"
JOIN_RULES = "m.room.join_rules"
# What may change whose a room is.
OF_STANDING = {MEMBER, NAME, ALIAS, HISTORY, JOIN_RULES, TOMBSTONE}
SPACE = "m.space"  # a room of rooms, where nobody talks
HERE = ("join", "invite")  # who is invited may come in at any time, and read
CLOSED = ("invite", "knock", "private")  # rules by which nobody comes in who was not invited

Source = Mapping[str, Any]


def states(info: RoomInfo) -> list[Source]:
    """The state events of a room in a sync, in order, as they came."""
    events = [event.source for event in (*info.state, *info.timeline.events)]
    return [
        one
        for one in events
        if isinstance(one.get("state_key"), str) and isinstance(one.get("content"), dict)
    ]


def of_type(given: list[Source], wanted: str) -> Iterator[Source]:
    """Those of a type, the newest first."""
    return (one for one in reversed(given) if one.get("type") == wanted)


def mend(client: AsyncClient, room: MatrixRoom, given: list[Source]) -> None:
    """Have nio know what it passed over: that it is encrypted, who is here, who may come or read.

    If somebody came or left so, the key with which we write there is renewed.
    """
    memberships = {
        one["state_key"]: one["content"].get("membership")
        for one in given
        if one.get("type") == MEMBER
    }
    mended = False
    for user_id, membership in memberships.items():
        if membership not in HERE:
            mended |= room.remove_member(user_id)
        else:
            mended |= room.add_member(user_id, None, None, membership == "invite")
    if mended and client.olm:
        client.invalidate_outbound_session(room.room_id)
    for one in of_type(given, HISTORY):
        room.history_visibility = one["content"].get("history_visibility")
        break
    for one in of_type(given, JOIN_RULES):
        room.join_rule = one["content"].get("join_rule")
        break
    if not room.encrypted and any(of_type(given, ENCRYPTION)):
        room.encrypted = True
        client.encrypted_rooms.add(room.room_id)
        if client.store:
            client.store.save_encrypted_rooms({room.room_id})


def membership_event(given: list[Source], wanted: Callable[[Source], bool]) -> str | None:
    """The id of the newest membership of some kind."""
    return next((one.get("event_id") for one in of_type(given, MEMBER) if wanted(one)), None)


def changed(given: list[Source], who: str) -> Source | None:
    """The newest membership of somebody."""
    return next((one for one in of_type(given, MEMBER) if one["state_key"] == who), None)


def predecessor(given: list[Source]) -> str | None:
    """The room that a room says it continues."""
    for one in of_type(given, CREATE):
        before = one["content"].get("predecessor")
        room_id = before.get("room_id") if isinstance(before, dict) else None
        return room_id if isinstance(room_id, str) else None
    return None


def creator(given: list[Source]) -> str | None:
    """Who made a room, if that is told."""
    return next((one.get("sender") for one in of_type(given, CREATE)), None)


def other_in(room: MatrixRoom, me: str) -> str | None:
    """The one other person who is in a room with us, or is invited to it.

    Nobody else reads it, or can come in unless they are invited.
    """
    if len(room.users) != 2 or me not in room.users:
        return None
    if room.history_visibility == "world_readable" or room.join_rule not in CLOSED:
        return None
    [other] = room.users.keys() - {me}
    return str(other)
