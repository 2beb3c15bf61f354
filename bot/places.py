"""Where what is due goes.

In the strict profile the committee's own matters go where roles count, and nowhere else: whoever
has no such place is told, without a word of them, that something awaits them elsewhere.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.addresses import where_roles_count
from bot.messages import Reply
from bot.platforms.base import Platform
from bot.routing import is_reserved
from bot.settings import Settings
from storage.deliveries import Claimed, Operation
from storage.people import Chat, ChatKind
from storage.store import Store

ONCE = timedelta(days=1)


@dataclass
class Places:
    """Where each delivery goes, by its id; of those that are `veiled` no word may be said there."""

    chats: dict[int, Chat]
    veiled: set[int] = field(default_factory=set)


def places(
    store: Store,
    claimed: Sequence[Claimed],
    platforms: Mapping[str, Platform],
    settings: Settings,
    now: datetime,
) -> Places:
    """Find where each delivery goes; the chats are locked, in the order of their ids."""
    direct = _direct(store, claimed, platforms)
    reserved = _reserved(store, claimed) if settings.outside else set()
    exposed: set[int] = set()
    if reserved:
        inside, exposed = _inside(store, claimed, reserved, platforms, settings, now)
        direct |= inside
    goes = {one.id: one.chat_id or direct.get(one.id) for one in claimed}
    locked = store.people.lock_chats({chat for chat in goes.values() if chat is not None})
    chats = {delivery: locked[chat] for delivery, chat in goes.items() if chat in locked}
    veiled = {
        one
        for one in reserved & chats.keys()
        if chats[one].platform in settings.outside or chats[one].id in exposed
    }
    return Places(chats, veiled)


def _direct(store: Store, claimed: Sequence[Claimed], platforms: Collection[str]) -> dict[int, int]:
    """The direct chats to which some go, by delivery."""
    people = {
        one.id: one.person_id
        for one in claimed
        if one.chat_id is None and one.person_id is not None
    }
    found = store.people.direct_chats(list(people.values()), platforms)
    store.people.load(list(people.values()))
    return {one: found[person] for one, person in people.items() if person in found}


def _reserved(store: Store, claimed: Sequence[Claimed]) -> set[int]:
    return {
        one.id
        for one in claimed
        if one.notice is not None and is_reserved(one.notice, one.arguments, store)
    }


def _inside(
    store: Store,
    claimed: Sequence[Claimed],
    reserved: Collection[int],
    platforms: Mapping[str, Platform],
    settings: Settings,
    now: datetime,
) -> tuple[dict[int, int], set[int]]:
    """Where those that are reserved can be read, and the pages that somebody else may read."""
    theirs = [one for one in claimed if one.id in reserved]
    served = platforms.keys() - settings.outside
    found = _direct(store, theirs, served)
    exposed = store.sessions.exposed([*found.values()], now)
    called = {name for name in served if not platforms[name].keeps_page}
    exposed_there = [one for one in theirs if found.get(one.id) in exposed]
    return found | _direct(store, exposed_there, called), exposed


def veil(
    store: Store, claimed: Claimed, chat: Chat, settings: Settings, now: datetime
) -> Reply | None:
    """What stands for a message that may not be said in a chat; None if nothing does.

    It is said once a day to a person, and in a group, or of what changed, never.
    """
    if claimed.operation is not Operation.send or chat.kind is not ChatKind.direct:
        return None
    again = claimed.attempts > 1 or store.rates.once(f"veil {chat.id}", ONCE, now)
    return Reply("people.awaits_elsewhere", **where_roles_count(settings)) if again else None
