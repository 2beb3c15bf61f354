"""What is said, and to whom: the tables, and the plain data that travels."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base
from storage.types import EncryptedJSON, Instant, Named

# Conditions of partial indexes: a query must say them in the same words to be served by one.
WAITING = "state = 'waiting' AND kind <> 'broadcast'"
WAITING_BROADCAST = "state = 'waiting' AND kind = 'broadcast'"
LEASED = "state = 'sending'"
HAS_POLL = "poll IS NOT NULL"
HAS_SUBJECT = "subject IS NOT NULL"


def subject(noun: str, number: int) -> str:
    """The name of one thing that messages show."""
    return f"{noun}:{number}"


class Operation(StrEnum):
    """`end`: a native poll takes no more answers."""

    send = "send"
    edit = "edit"
    delete = "delete"
    end = "end"


class DeliveryState(StrEnum):
    """`on_page`: delivered to the web page, which is not *read*."""

    waiting = "waiting"
    sending = "sending"
    sent = "sent"
    on_page = "on_page"
    failed = "failed"
    expired = "expired"
    cancelled = "cancelled"


class Kind(StrEnum):
    """What a delivery is for. A person's reply goes before all else."""

    reply = "reply"
    notice = "notice"
    reminder = "reminder"
    broadcast = "broadcast"


class Failure(StrEnum):
    """The named reasons for which a delivery fails."""

    no_chat = "no_chat"
    blocked = "blocked"  # by the person, who may also have stopped the bot
    deleted = "deleted"  # the account is no more
    removed = "removed"  # from a group
    not_found = "not_found"  # the platform knows no such chat
    not_private = "not_private"  # others are in what was a direct chat
    refused = "refused"
    unreachable = "unreachable"
    in_doubt = "in_doubt"
    unspeakable = "unspeakable"  # its notice could not be worded


class Notice(Base):
    """What is said: a message's name and its plain arguments."""

    __tablename__ = "notices"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    arguments: Mapped[dict[str, Any]] = mapped_column(EncryptedJSON("notices.arguments"))
    created_at: Mapped[datetime] = mapped_column(Instant)


class Delivery(Base):
    """To whom, when, and how it went.

    `subject` names what it shows, if that may have to be taken back or redrawn: a report, a thread
    with the secretariat, a broadcast, a person, or a group whose people it names; or if it is given
    once in a chat: the calendar file of a meeting. `thread` is where in a chat it is said.
    `message` is its id on the platform, and `poll` that of the native poll which stands under it,
    or which ends. `calling`: a platform is about to be called for this part of a broadcast, or is
    being called; if the process dies meanwhile, nobody knows whether it was sent.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("notice_id", "person_id"),
        UniqueConstraint("notice_id", "chat_id"),
        UniqueConstraint("chat_id", "event"),
        Index(None, "person_id"),
        Index(
            "ix_deliveries_subject",
            "subject",
            sqlite_where=text(HAS_SUBJECT),
            postgresql_where=text(HAS_SUBJECT),
        ),
        Index(
            "ix_deliveries_poll",
            "chat_id",
            "poll",
            sqlite_where=text(HAS_POLL),
            postgresql_where=text(HAS_POLL),
        ),
        Index(None, "done_at"),
        Index(
            "ix_deliveries_waiting",
            "kind",
            "due_at",
            "id",
            sqlite_where=text(WAITING),
            postgresql_where=text(WAITING),
        ),
        Index(
            "ix_deliveries_broadcast",
            "notice_id",
            "due_at",
            "id",
            sqlite_where=text(WAITING_BROADCAST),
            postgresql_where=text(WAITING_BROADCAST),
        ),
        Index(
            "ix_deliveries_leased",
            "leased_until",
            sqlite_where=text(LEASED),
            postgresql_where=text(LEASED),
        ),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    notice_id: Mapped[int | None] = mapped_column(ForeignKey("notices.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    chat_id: Mapped[int | None] = mapped_column(ForeignKey("chats.id", ondelete="CASCADE"))
    thread: Mapped[str] = mapped_column(String(255), default="")
    kind: Mapped[Kind] = mapped_column(Named(Kind))
    operation: Mapped[Operation] = mapped_column(Named(Operation))
    state: Mapped[DeliveryState] = mapped_column(Named(DeliveryState))
    due_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime | None] = mapped_column(Instant)
    leased_until: Mapped[datetime | None] = mapped_column(Instant)
    attempts: Mapped[int] = mapped_column(default=0)
    calling: Mapped[bool] = mapped_column(default=False, server_default=false())
    failure: Mapped[Failure | None] = mapped_column(Named(Failure))
    body: Mapped[dict[str, Any] | None] = mapped_column(EncryptedJSON("deliveries.body"))
    message: Mapped[str | None] = mapped_column(String(255))
    poll: Mapped[str | None] = mapped_column(String(255))
    event: Mapped[int | None]
    done_at: Mapped[datetime | None] = mapped_column(Instant)
    subject: Mapped[str | None] = mapped_column(String(40))


@dataclass(frozen=True)
class Outgoing:
    """One thing to put in a chat.

    Attributes:
        message: the platform's id of the one edited or deleted.
        subject: what it shows, if it may have to be taken back or redrawn (see `subject`).
    """

    body: dict[str, Any]
    operation: Operation = Operation.send
    message: str | None = None
    subject: str | None = None


@dataclass(frozen=True)
class Born:
    """A reply that is leased to this process from its birth, which sends it without claiming it.

    Attributes:
        address, thread: where, as the platform knows them.
        last: it goes after what others are answered.
    """

    delivery_id: int
    chat_id: int
    platform: str
    address: str
    thread: str
    in_group: bool
    outgoing: Outgoing
    last: bool = False


@dataclass(frozen=True)
class PageEvent:
    """One event of a web chat, as kept."""

    event: int
    operation: Operation
    message: str
    body: dict[str, Any]
    at: datetime
    subject: str | None = None


@dataclass(frozen=True)
class Claimed:
    """A due delivery that this process now owns."""

    id: int
    notice_id: int | None
    notice: str | None
    arguments: dict[str, Any]
    person_id: int | None
    chat_id: int | None
    thread: str
    kind: Kind
    operation: Operation
    body: dict[str, Any] | None
    message: str | None
    expires_at: datetime | None
    attempts: int


@dataclass(frozen=True)
class Sent:
    """A delivery that a platform took: the chat it went to, and its message there.

    Attributes:
        poll: the native poll under it.
    """

    delivery_id: int
    chat_id: int
    message: str
    poll: str | None = None


@dataclass(frozen=True)
class Placed:
    """A claimed delivery that goes on the web page of a chat, as an event of it."""

    delivery_id: int
    chat_id: int
    event: PageEvent
