"""Messages as they stand in a chat of a platform that keeps its own: what was last said in them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.deliveries.model import Delivery, Operation

Body = dict[str, Any]


class Standing:
    """The part of `Deliveries` that looks at what was said."""

    session: Session

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
        """The choices, as actions and labels, of a message that stands in a chat."""
        body = self._newest(chat_id, {message}).get(message)
        return list((body or {}).get("choices", ()))

    def _newest(self, chat_id: int, messages: set[str]) -> dict[str, Body | None]:
        """What each of some messages says by now; None for one that was deleted."""
        wanted = (
            select(Delivery.message, Delivery.operation, Delivery.body)
            .where(Delivery.chat_id == chat_id, Delivery.message.in_(messages))
            .order_by(Delivery.id)
        )
        return {
            message: None if operation is Operation.delete else body
            for message, operation, body in self.session.execute(wanted)
        }
