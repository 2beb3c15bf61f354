"""Notices and deliveries: what is said, to whom, when, and how it went.

On the web chat the delivery itself is what the page reads: it is numbered per chat under the
chat's lock, so that a reader "after n" never misses one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, cast

from sqlalchemy import (
    ForeignKey,
    Index,
    Select,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base, execute, insert_into
from storage.conversations import Context
from storage.people import Chat
from storage.types import EncryptedJSON, Instant, Named

LEASE = timedelta(minutes=2)


class Operation(StrEnum):
    send = "send"
    edit = "edit"
    delete = "delete"


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
    blocked = "blocked"
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
    """To whom, when, and how it went. `report_id` names the report whose text it shows, if any."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("notice_id", "person_id"),
        UniqueConstraint("notice_id", "chat_id"),
        UniqueConstraint("chat_id", "event"),
        Index(None, "person_id"),
        Index(None, "report_id"),
        Index(None, "done_at"),
        Index(
            "ix_deliveries_waiting",
            "kind",
            "due_at",
            "id",
            sqlite_where=text("state = 'waiting' AND kind <> 'broadcast'"),
            postgresql_where=text("state = 'waiting' AND kind <> 'broadcast'"),
        ),
        Index(
            "ix_deliveries_broadcast",
            "notice_id",
            "id",
            sqlite_where=text("state = 'waiting' AND kind = 'broadcast'"),
            postgresql_where=text("state = 'waiting' AND kind = 'broadcast'"),
        ),
        Index(
            "ix_deliveries_leased",
            "leased_until",
            sqlite_where=text("state = 'sending'"),
            postgresql_where=text("state = 'sending'"),
        ),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    notice_id: Mapped[int | None] = mapped_column(ForeignKey("notices.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    chat_id: Mapped[int | None] = mapped_column(ForeignKey("chats.id", ondelete="CASCADE"))
    thread: Mapped[str] = mapped_column(String(80), default="")
    kind: Mapped[Kind] = mapped_column(Named(Kind))
    operation: Mapped[Operation] = mapped_column(Named(Operation))
    state: Mapped[DeliveryState] = mapped_column(Named(DeliveryState))
    due_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime | None] = mapped_column(Instant)
    leased_until: Mapped[datetime | None] = mapped_column(Instant)
    attempts: Mapped[int] = mapped_column(default=0)
    failure: Mapped[Failure | None] = mapped_column(Named(Failure))
    body: Mapped[dict[str, Any] | None] = mapped_column(EncryptedJSON("deliveries.body"))
    message: Mapped[str | None] = mapped_column(String(120))
    event: Mapped[int | None]
    done_at: Mapped[datetime | None] = mapped_column(Instant)
    report_id: Mapped[int | None]


@dataclass(frozen=True)
class Outgoing:
    """One thing to put in a chat.

    Attributes:
        message: the platform's id of the one edited or deleted.
        report_id: the report whose text it shows, if any.
    """

    body: dict[str, Any]
    operation: Operation = Operation.send
    message: str | None = None
    report_id: int | None = None


@dataclass(frozen=True)
class PageEvent:
    """One event of a web chat, as kept."""

    event: int
    operation: Operation
    message: str
    body: dict[str, Any]
    at: datetime
    report_id: int | None = None


@dataclass(frozen=True)
class Claimed:
    """A due delivery that this process now owns."""

    id: int
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


_chats, _deliveries = cast(Table, Chat.__table__), cast(Table, Delivery.__table__)
_count = (
    update(_chats)
    .where(_chats.c.id == bindparam("chat"))
    .values(last_event=bindparam("event"), last_message=bindparam("message"))
)
_insert = insert(_deliveries)
_events = (
    select(Delivery.event, Delivery.operation, Delivery.message, Delivery.body, Delivery.done_at)
    .where(Delivery.chat_id == bindparam("chat"), Delivery.event > bindparam("after"))
    .order_by(Delivery.event)
    .limit(bindparam("most"))
)


class Counters(Protocol):
    """A chat's counters, read under the lock of its row."""

    last_event: int
    last_message: int


def numbered(chat: Counters, outgoing: Sequence[Outgoing], now: datetime) -> tuple[PageEvent, ...]:
    """Advance a chat's counters; give each event its number and its message."""
    events = []
    for one in outgoing:
        chat.last_event += 1
        chat.last_message += one.operation is Operation.send
        message = one.message or str(chat.last_message)
        events.append(
            PageEvent(chat.last_event, one.operation, message, one.body, now, one.report_id)
        )
    return tuple(events)


class Deliveries:
    """Queries of deliveries. `queued` says that this transaction left something to send."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.queued = False

    def put_on_pages(self, pages: Sequence[tuple[Context, Sequence[PageEvent]]]) -> None:
        """Deliver numbered replies to the web pages of some chats; keep the chats' counters."""
        rows = [
            {
                "chat_id": chat.chat_id,
                "thread": "",
                "kind": Kind.reply,
                "operation": event.operation,
                "state": DeliveryState.on_page,
                "due_at": event.at,
                "attempts": 0,
                "body": event.body,
                "message": event.message,
                "event": event.event,
                "done_at": event.at,
                "report_id": event.report_id,
            }
            for chat, events in pages
            for event in events
        ]
        counters = [
            {"chat": chat.chat_id, "event": chat.last_event, "message": chat.last_message}
            for chat, _ in pages
        ]
        if rows:
            execute(self.session, _count, counters)
            execute(self.session, _insert, rows)

    def place_on_page(
        self, claimed: Claimed, chat: Chat, body: dict[str, Any], now: datetime
    ) -> PageEvent:
        """Deliver a claimed row to the web page of a chat, whose row is locked."""
        outgoing = Outgoing(body, claimed.operation, claimed.message)
        [event] = numbered(chat, [outgoing], now)
        self._set(
            claimed.id,
            chat_id=chat.id,
            state=DeliveryState.on_page,
            body=body,
            event=event.event,
            message=event.message,
            done_at=now,
        )
        return event

    def forget_messages(self, chat_id: int) -> list[str]:
        """Erase the bodies of a chat's messages; return those that the page still shows."""
        shown = select(Delivery.message).where(
            Delivery.chat_id == chat_id, Delivery.operation == Operation.send
        )
        messages = [message for message in self.session.scalars(shown) if message is not None]
        self.session.execute(
            update(Delivery)
            .where(Delivery.chat_id == chat_id, Delivery.state == DeliveryState.on_page)
            .values(body={})
            .execution_options(synchronize_session=False)
        )
        return messages

    def take_back(self, report_ids: Sequence[int], now: datetime) -> None:
        """Erase what showed some reports, and have it deleted where it still stands."""
        shown = select(Delivery).where(
            Delivery.report_id.in_(report_ids),
            Delivery.operation != Operation.delete,
            Delivery.state.in_((DeliveryState.sent, DeliveryState.on_page)),
        )
        stands: dict[tuple[int, str, str], None] = {}
        for one in self.session.scalars(shown):
            one.body = {}
            if one.chat_id is not None and one.message is not None:
                stands[one.chat_id, one.thread, one.message] = None
        self.session.flush()
        for chat_id, thread, message in stands:
            self.queue(chat_id, thread, [Outgoing({}, Operation.delete, message)], now)

    def queue(self, chat_id: int, thread: str, outgoing: Sequence[Outgoing], now: datetime) -> None:
        """Queue replies for a platform that has to be called."""
        rows = [
            {
                "chat_id": chat_id,
                "thread": thread,
                "kind": Kind.reply,
                "operation": one.operation,
                "state": DeliveryState.waiting,
                "due_at": now,
                "attempts": 0,
                "body": one.body,
                "message": one.message,
                "report_id": one.report_id,
            }
            for one in outgoing
        ]
        execute(self.session, _insert, rows)
        self.queued = True

    def notify(
        self,
        name: str,
        arguments: dict[str, Any],
        recipients: Select[int],
        now: datetime,
        *,
        due_at: datetime | None = None,
        expires_at: datetime | None = None,
        kind: Kind = Kind.notice,
    ) -> int:
        """Say one thing to many people: one notice and one statement; return the notice's id.

        Args:
            recipients: a query of ids of people, without doubles.
            expires_at: after it, the message would make no sense and is not sent.
        """
        notice = Notice(name=name, arguments=arguments, created_at=now)
        self.session.add(notice)
        self.session.flush()
        person = recipients.subquery()
        rows = select(
            literal(notice.id),
            person.c[0],
            literal(""),
            literal(kind, Named(Kind)),
            literal(Operation.send, Named(Operation)),
            literal(DeliveryState.waiting, Named(DeliveryState)),
            literal(due_at or now, Instant()),
            literal(expires_at, Instant()),
            literal(0),
        ).where(person.c[0].is_not(None))  # SQLite wants a WHERE before ON CONFLICT
        columns = [
            "notice_id",
            "person_id",
            "thread",
            "kind",
            "operation",
            "state",
            "due_at",
            "expires_at",
            "attempts",
        ]
        statement = insert_into(self.session, Delivery).from_select(columns, rows)
        self.session.execute(statement.on_conflict_do_nothing())
        self.queued = True
        return notice.id

    def claim(self, now: datetime, at_most: int = 100) -> list[Claimed]:
        """Take due deliveries, replies first, and lease them to this process."""
        due = (
            select(Delivery.id)
            .where(Delivery.state == DeliveryState.waiting, Delivery.due_at <= now)
            .order_by(Delivery.due_at, Delivery.id)
            .limit(at_most)
            .with_for_update(skip_locked=True)
        )
        ids = list(self.session.scalars(due))
        if not ids:
            return []
        self.session.execute(
            update(Delivery)
            .where(Delivery.id.in_(ids))
            .values(
                state=DeliveryState.sending,
                leased_until=now + LEASE,
                attempts=Delivery.attempts + 1,
            )
            .execution_options(synchronize_session=False)
        )
        wanted = (
            select(Delivery, Notice)
            .outerjoin(Notice, Delivery.notice_id == Notice.id)
            .where(Delivery.id.in_(ids))
            .order_by(Delivery.due_at, Delivery.id)
        )
        return [
            Claimed(
                id=row.id,
                notice=notice.name if notice else None,
                arguments=notice.arguments if notice else {},
                person_id=row.person_id,
                chat_id=row.chat_id,
                thread=row.thread,
                kind=row.kind,
                operation=row.operation,
                body=row.body,
                message=row.message,
                expires_at=row.expires_at,
                attempts=row.attempts,
            )
            for row, notice in self.session.execute(wanted)
        ]

    def release_lapsed(self, now: datetime) -> None:
        """Put back what a dead process had claimed."""
        self.session.execute(
            update(Delivery)
            .where(Delivery.state == DeliveryState.sending, Delivery.leased_until <= now)
            .values(state=DeliveryState.waiting)
            .execution_options(synchronize_session=False)
        )

    def sent(
        self, delivery_id: int, chat_id: int, body: dict[str, Any], message: str, now: datetime
    ) -> None:
        self._set(
            delivery_id,
            chat_id=chat_id,
            body=body,
            state=DeliveryState.sent,
            message=message,
            done_at=now,
        )

    def freeze(self, delivery_id: int, body: dict[str, Any]) -> None:
        """Keep the words of a claimed notice, so that it says the same if it is sent again."""
        self._set(delivery_id, body=body)

    def failed(self, delivery_id: int, reason: Failure, now: datetime) -> None:
        self._set(delivery_id, state=DeliveryState.failed, failure=reason, done_at=now)

    def expired(self, delivery_id: int, now: datetime) -> None:
        self._set(delivery_id, state=DeliveryState.expired, done_at=now)

    def retry(self, delivery_id: int, due_at: datetime) -> None:
        self._set(delivery_id, state=DeliveryState.waiting, due_at=due_at)

    def is_due(self, now: datetime) -> bool:
        """Whether anything waits to be sent, or was left half sent."""
        waiting = (Delivery.state == DeliveryState.waiting) & (Delivery.due_at <= now)
        lapsed = (Delivery.state == DeliveryState.sending) & (Delivery.leased_until <= now)
        return any(
            self.session.execute(select(Delivery.id).where(one).limit(1)).first()
            for one in (waiting, lapsed)
        )

    def next_due(self) -> datetime | None:
        wanted = select(func.min(Delivery.due_at)).where(Delivery.state == DeliveryState.waiting)
        return self.session.execute(wanted).scalar()

    def page_events(self, chat_id: int, after: int, at_most: int = 200) -> list[PageEvent]:
        """The events of a web chat after number `after`, in order."""
        rows = execute(self.session, _events, {"chat": chat_id, "after": after, "most": at_most})
        return [PageEvent(*row) for row in rows]

    def last_event(self, chat_id: int) -> int:
        """The number of a web chat's newest event."""
        wanted = select(Chat.last_event).where(Chat.id == chat_id)
        return self.session.execute(wanted).scalar() or 0

    def forget_old(self, before: datetime) -> None:
        """Drop what was said before a moment, and the notices that nobody holds any more."""
        self.session.execute(delete(Delivery).where(Delivery.done_at < before))
        held = select(Delivery.id).where(Delivery.notice_id == Notice.id).exists()
        self.session.execute(delete(Notice).where(Notice.created_at < before, ~held))

    def forget_person(self, person_id: int) -> None:
        """Drop what was, or was to be, said to a person."""
        self.session.execute(delete(Delivery).where(Delivery.person_id == person_id))

    def _set(self, delivery_id: int, **values: Any) -> None:
        self.session.execute(
            update(Delivery)
            .where(Delivery.id == delivery_id)
            .values(**values)
            .execution_options(synchronize_session=False)
        )
