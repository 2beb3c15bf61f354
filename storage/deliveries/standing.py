"""Messages as they stand in a chat of a platform that keeps its own: what was last said in them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, func, select, true

from storage.base import execute
from storage.deliveries.ballots import Ballots
from storage.deliveries.model import Delivery, DeliveryState, Kind, Operation
from storage.deliveries.notifying import STANDS
from storage.people import Chat

Body = dict[str, Any]

LOOKED_AT = 10  # messages that a number may choose from

_above = (
    select(Delivery.message)
    .where(
        Delivery.chat_id == bindparam("chat"),
        Delivery.poll == bindparam("message"),
        Delivery.operation == Operation.send,
    )
    .limit(1)
)
# What a message, or the one above a native poll, says by now.
_last_of = (
    select(Delivery.operation, Delivery.body)
    .where(
        Delivery.chat_id == bindparam("chat"),
        Delivery.message == func.coalesce(_above.scalar_subquery(), bindparam("message")),
        Delivery.body.is_not(None),  # else it is still to be worded
    )
    .order_by(Delivery.id.desc())
    .limit(1)
)
_known = (
    select(Delivery.id)
    .join(Chat, Chat.id == Delivery.chat_id)
    .where(
        Chat.platform == bindparam("platform"),
        Chat.address_index == bindparam("address"),
        (Delivery.message == bindparam("message")) | (Delivery.poll == bindparam("message")),
    )
    .limit(1)
)
_any_in = select(Delivery.id).where(Delivery.chat_id == bindparam("chat")).limit(1)


class Standing(Ballots):
    """The part of `Deliveries` that looks at what was said."""

    def standing(self, chat_id: int, delivery_ids: Sequence[int], now: datetime) -> list[Body]:
        """The messages that some deliveries made, as they are now, each once, in order.

        One that was deleted, taken back, or certainly not said yet, is not among them.
        """
        is_ahead = and_(
            Delivery.state == DeliveryState.waiting, Delivery.attempts == 0, Delivery.due_at > now
        )
        wanted = select(Delivery.id, Delivery.message, Delivery.body).where(
            Delivery.id.in_(delivery_ids), Delivery.chat_id == chat_id, ~is_ahead
        )
        made = {number: (message, body) for number, message, body in self.session.execute(wanted)}
        messages = {message for message, _ in made.values() if message is not None}
        newest = self._newest(chat_id, messages)
        bodies: dict[str, Body] = {}
        for number in delivery_ids:
            message, body = made.get(number, (None, None))
            key = message or f"#{number}"  # not sent yet
            found = newest.get(message) if message is not None else body
            if found:
                bodies.pop(key, None)
                bodies[key] = found
        return list(bodies.values())

    def has_any(self, chat_id: int) -> bool:
        """Whether anything was ever said in a chat, as far as it is kept."""
        return execute(self.session, _any_in, {"chat": chat_id}).first() is not None

    def shows(self, chat_id: int, subject: str) -> bool:
        """Whether something stands in a chat, or is on its way there, that shows a subject."""
        wanted = select(Delivery.id).where(
            Delivery.subject == subject,
            Delivery.chat_id == chat_id,
            Delivery.operation != Operation.delete,
            Delivery.state.in_(STANDS),
        )
        return self.session.execute(wanted.limit(1)).first() is not None

    def knows(self, platform: str, address: str, message: str) -> bool:
        """Whether it is noted that a message, or a native poll, was put in a chat."""
        given = {"platform": platform, "address": address, "message": message}
        return execute(self.session, _known, given).first() is not None

    def choices_of(self, chat_id: int, message: str) -> list[list[str]]:
        """The choices, as actions and labels, of a message that stands in a chat.

        Args:
            message: the platform's id of it, or of the native poll under it.
        """
        given = {"chat": chat_id, "message": message}
        found = execute(self.session, _last_of, given).first()
        if found is None or found.operation is Operation.delete:
            return []
        return list(found.body.get("choices", ()))

    def offered(self, chat_id: int, *, unasked: bool = False) -> list[list[list[str]]]:
        """The choices of each of the last messages of a chat that offer any, the newest first.

        Args:
            unasked: of those that answered nothing.
        """
        last = (
            select(Delivery.message)
            .where(
                Delivery.chat_id == chat_id,
                Delivery.operation == Operation.send,
                Delivery.message.is_not(None),
                Delivery.kind != Kind.reply if unasked else true(),
            )
            .order_by(Delivery.id.desc())
            .limit(LOOKED_AT)
        )
        messages = [message for message in self.session.scalars(last) if message is not None]
        newest = self._newest(chat_id, set(messages))
        bodies = [newest.get(message) or {} for message in messages]
        return [body["choices"] for body in bodies if body.get("choices")]

    def _newest(self, chat_id: int, messages: set[str]) -> dict[str, Body | None]:
        """What each of some messages says by now; None for one that was deleted."""
        wanted = (
            select(Delivery.message, Delivery.operation, Delivery.body)
            .where(
                Delivery.chat_id == chat_id,
                Delivery.message.in_(messages),
                Delivery.body.is_not(None),  # else it is still to be worded
            )
            .order_by(Delivery.id)
        )
        return {
            message: None if operation is Operation.delete else body
            for message, operation, body in self.session.execute(wanted)
        }
