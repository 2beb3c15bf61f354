"""What a platform is to be called for, and what is done for it in the database."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from bot.platforms.base import Call, Platform, SendFailed
from storage.deliveries import Born, Claimed, Kind, Operation, Outgoing
from storage.people import Chat, ChatKind
from storage.store import Store

HELD = 5.0  # seconds at most for which a chat waits for what is tried again there


@dataclass(eq=False)
class Errand:
    """A delivery for which a platform is to be called.

    Attributes:
        person_id: to whom it is addressed, if not to the chat itself.
        order: in which it was given.
        noted: it stands in the database that the platform is being called for it.
        last: it goes after what others are answered.
        made_at: when it was made, in the seconds of `time.monotonic`.
    """

    delivery_id: int
    chat_id: int
    person_id: int | None
    kind: Kind
    call: Call
    attempts: int = 1
    expires_at: datetime | None = None
    order: int = 0
    noted: bool = False
    last: bool = False
    made_at: float = field(default_factory=time.monotonic)

    def __lt__(self, other: "Errand") -> bool:
        """Within a chat replies go first, and each kind as it was said."""
        mine, its = self.kind is not Kind.reply, other.kind is not Kind.reply
        return (mine, self.delivery_id) < (its, other.delivery_id)


class Calls(Protocol):
    """What an outbox has done for its errands; see `bot.calling.Calling`."""

    async def begin(self, errands: Sequence[Errand]) -> Collection[int]:
        """Note that the platform is about to be called; the ids of those still wanted."""
        ...

    async def undo(self, errands: Sequence[Errand]) -> None:
        """Note that it was not called for them."""
        ...

    async def make(self, errand: Errand) -> str | None:
        """Call; the message's id, None if it is too late for it, or raise `SendFailed`."""
        ...

    async def sent(self, errand: Errand, message: str) -> None:
        """Note that it was sent."""
        ...

    async def failed(
        self, errand: Errand, failure: SendFailed, behind: Sequence[Errand]
    ) -> tuple[list[Errand], float]:
        """Note that it failed.

        Returns:
            Those behind it that stay, and after how many seconds the others come back.
        """
        ...


def replies(born: Sequence[Born]) -> list[Errand]:
    """What answers one update; of what is sent there, only the last message makes a sound."""
    sounding = {one.chat_id: one.delivery_id for one in born if _is_new(one.outgoing)}
    made = []
    for one in born:
        call = _call(one.address, one.thread, one.in_group, one.outgoing)
        silent = sounding.get(one.chat_id) != one.delivery_id
        call = replace(call, silent=silent and _is_new(one.outgoing))
        errand = Errand(one.delivery_id, one.chat_id, None, Kind.reply, call, last=one.last)
        made.append(errand)
    return made


def _is_new(outgoing: Outgoing) -> bool:
    return outgoing.operation is Operation.send


def errands(
    store: Store,
    platform: Platform,
    claimed: Claimed,
    chat: Chat,
    outgoing: Outgoing,
    now: datetime,
) -> list[Errand]:
    """Freeze what goes out, in as many parts as the platform makes of it.

    Only the last part makes a sound; one that is tried again makes its own.
    """
    first, *others = [outgoing]
    if claimed.body is None:  # else it is frozen, as a part
        bodies = platform.parts(outgoing.body)
        if outgoing.operation is Operation.edit:  # of the one with the choices
            first = replace(outgoing, body=bodies[-1])
        else:
            first = replace(outgoing, body=bodies[0])
            others = [Outgoing(body, subject=outgoing.subject) for body in bodies[1:]]
        store.deliveries.freeze(claimed.id, first.body, first.subject)
    in_group, kind = chat.kind is ChatKind.group, claimed.kind
    made = [
        Errand(
            claimed.id,
            chat.id,
            claimed.person_id if claimed.chat_id is None else None,
            claimed.kind,
            _call(chat.address, claimed.thread, in_group, first, kind),
            claimed.attempts,
            claimed.expires_at,
        )
    ]
    if others:
        made[0].call = replace(made[0].call, silent=True)
    ids = store.deliveries.follow(claimed, chat.id, others, now)
    for delivery, other in zip(ids, others, strict=True):
        call = _call(chat.address, claimed.thread, in_group, other, kind)
        call = replace(call, silent=other is not others[-1])
        errand = Errand(delivery, chat.id, None, Kind.notice, call, expires_at=claimed.expires_at)
        made.append(errand)
    return made


def _call(
    address: str, thread: str, in_group: bool, outgoing: Outgoing, kind: Kind = Kind.reply
) -> Call:
    return Call(
        outgoing.operation, address, thread, in_group, outgoing.body, outgoing.message, kind
    )
