"""Messages as they stand in a chat of a platform that keeps its own: what was last said in them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from storage.deliveries.ballots import Ballots
from storage.deliveries.model import Delivery, Operation

Body = dict[str, Any]

LOOKED_AT = 10  # messages that a number may choose from


class Standing(Ballots):
    """The part of `Deliveries` that looks at what was said."""

    def standing(self, chat_id: int, delivery_ids: Sequence[int]) -> list[Body]:
        """The messages that some deliveries made, as they are now, each once, in order.

        One that was deleted, or taken back, is not among them.
        """
        wanted = select(Delivery.id, Delivery.message, Delivery.body).where(
            Delivery.id.in_(delivery_ids), Delivery.chat_id == chat_id
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
        wanted = select(Delivery.id).where(Delivery.chat_id == chat_id).limit(1)
        return self.session.execute(wanted).first() is not None

    def choices_of(self, chat_id: int, message: str) -> list[list[str]]:
        """The choices, as actions and labels, of a message that stands in a chat.

        Args:
            message: the platform's id of it, or of the native poll under it.
        """
        said = self._above(chat_id, message) or message
        body = self._newest(chat_id, {said}).get(said)
        return list((body or {}).get("choices", ()))

    def offered(self, chat_id: int) -> list[list[list[str]]]:
        """The choices of each of the last messages of a chat that offer any, the newest first."""
        last = (
            select(Delivery.message)
            .where(
                Delivery.chat_id == chat_id,
                Delivery.operation == Operation.send,
                Delivery.message.is_not(None),
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
