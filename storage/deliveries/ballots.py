"""Native polls: each is put under a message in one chat, and ended by a delivery of its own."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import bindparam, insert, literal, select
from sqlalchemy.orm import Session, aliased

from storage.base import execute
from storage.deliveries.model import Delivery, DeliveryState, Kind, Operation, subject
from storage.people import Chat
from storage.types import EncryptedJSON, Instant, Named

_NOUN = "ballot"
_message_with = (
    select(Delivery.message)
    .join(Chat, Chat.id == Delivery.chat_id)
    .where(
        Chat.platform == bindparam("platform"),
        Chat.address_index == bindparam("address"),
        Delivery.poll == bindparam("poll"),
        Delivery.operation == Operation.send,
    )
    .limit(1)
)


def ballot_of(poll_id: int) -> str:
    """The subject of the messages under which a platform may put a native poll."""
    return subject(_NOUN, poll_id)


class Ballots:
    """The part of `Deliveries` that knows the polls of platforms."""

    session: Session
    queued: bool

    def message_with(self, platform: str, address: str, poll: str) -> str | None:
        """The message of ours in a chat under which a native poll was put."""
        given = {"platform": platform, "address": address, "poll": poll}
        message: str | None = execute(self.session, _message_with, given).scalar()
        return message

    def polls_under(self, chat_id: int, messages: Collection[str]) -> list[str]:
        """The native polls that were put under some messages of a chat."""
        wanted = select(Delivery.poll).where(
            Delivery.chat_id == chat_id,
            Delivery.poll.is_not(None),
            Delivery.message.in_(messages),
            Delivery.operation == Operation.send,
        )
        return [str(poll) for poll in self.session.scalars(wanted)]

    def balloted(self, delivery_ids: Collection[int]) -> set[int]:
        """The polls in which some messages let people vote."""
        wanted = select(Delivery.subject).where(
            Delivery.id.in_(delivery_ids), Delivery.subject.is_not(None)
        )
        subjects = [str(shown).partition(":") for shown in self.session.scalars(wanted)]
        return {int(number) for noun, _, number in subjects if noun == _NOUN}

    def end_ballots(self, poll_id: int, now: datetime) -> None:
        """End the native polls that stand for a poll, in one statement; each ends once."""
        other = aliased(Delivery)
        ends = select(other.id).where(
            other.chat_id == Delivery.chat_id,
            other.poll == Delivery.poll,
            other.operation == Operation.end,
        )
        rows = select(
            Delivery.chat_id,
            Delivery.thread,
            literal(Kind.notice, Named(Kind)),
            literal(Operation.end, Named(Operation)),
            literal(DeliveryState.waiting, Named(DeliveryState)),
            literal(now, Instant()),
            literal(0),
            literal({}, EncryptedJSON("deliveries.body")),
            Delivery.poll,
            Delivery.poll,
        ).where(
            Delivery.subject == ballot_of(poll_id),
            Delivery.operation == Operation.send,
            Delivery.poll.is_not(None),
            ~ends.exists(),
        )
        columns = [
            "chat_id",
            "thread",
            "kind",
            "operation",
            "state",
            "due_at",
            "attempts",
            "body",
            "message",
            "poll",
        ]
        self.session.execute(insert(Delivery).from_select(columns, rows))
        self.queued = True
