"""Whose direct chat a room is, by who is in it and what the database says; never by a name.

That it has a name, and that nobody called it direct, makes a group of it. So does it that the
person who is there did not bring us there: whoever did may only want to read what they are told.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from nio import MatrixRoom

from bot.platforms.matrix.invitations import Invitation
from bot.platforms.matrix.standing import other_in
from storage.database import Database
from storage.people import Account, Chat, ChatKind
from storage.store import Store

PLATFORM = "matrix"
AT_ONCE = 200  # rooms that are looked up in one read


@dataclass(frozen=True)
class Kept:
    """What the database says of a room: its kind, and the account whose direct chat it is."""

    kind: ChatKind
    person: str | None


async def kept_of(database: Database, room_ids: Sequence[str]) -> dict[str, Kept]:
    """What is kept of some rooms; nothing of those where nothing was said yet.

    Raises:
        Unavailable: the database is away.
    """
    found: dict[str, Kept] = {}
    for first in range(0, len(room_ids), AT_ONCE):
        some = room_ids[first : first + AT_ONCE]
        found |= await database.read(partial(_kept_of, room_ids=some))
    return found


def _kept_of(store: Store, room_ids: Sequence[str]) -> dict[str, Kept]:
    found = {}
    for room_id in room_ids:
        chat_id = store.people.chat_at(PLATFORM, room_id)
        if chat_id is None:
            continue
        chat = store.session.get_one(Chat, chat_id)
        account = store.session.get(Account, chat.account_id) if chat.account_id else None
        found[room_id] = Kept(chat.kind, account.address if account else None)
    return found


def whose(
    room: MatrixRoom,
    me: str,
    kept: Kept | None,
    *,
    invitation: Invitation | None,
    creator: str | None,
    is_allowed: Callable[[str], bool],
) -> str | None:
    """The person whose direct chat a room is, if it is one.

    Args:
        invitation: by which we came, if it is known.
        creator: who made the room, if it is known.
        is_allowed: whether somebody may have a direct chat that we do not know yet.
    """
    other = other_in(room, me)
    if other is None:
        return None
    if kept is not None:
        return other if kept.kind is ChatKind.direct and kept.person == other else None
    if invitation is not None:
        brought, is_named = invitation.inviter == other, room.is_named and not invitation.direct
    else:
        brought, is_named = creator in (me, other), room.is_named
    return other if brought and not is_named and is_allowed(other) else None
