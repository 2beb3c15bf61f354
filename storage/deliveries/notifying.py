"""Saying one thing to many: a notice, and a delivery for each recipient."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, insert, literal, select
from sqlalchemy.orm import Session, aliased

from storage.base import insert_into
from storage.deliveries.model import Delivery, DeliveryState, Kind, Notice, Operation
from storage.types import Instant, Named

ON_THEIR_WAY = (DeliveryState.waiting, DeliveryState.sending)
# A message in one of these states stands in its chat, or is about to.
STANDS = (*ON_THEIR_WAY, DeliveryState.sent, DeliveryState.on_page)


def newest_of(which: ColumnElement[bool]) -> Select[int]:
    """Of the messages that show some things, the newest of each in each chat."""
    return (
        select(func.max(Delivery.id))
        .where(
            which,
            Delivery.operation != Operation.delete,
            Delivery.state.in_(STANDS),
            Delivery.message.is_not(None),
        )
        .group_by(Delivery.chat_id, Delivery.subject)
    )


class Notifying:
    """The part of `Deliveries` that makes notices. No statement is made for each recipient."""

    session: Session
    queued: bool

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
        notice_id = self.announce(name, arguments, now)
        self.address(notice_id, recipients, due_at or now, expires_at=expires_at, kind=kind)
        return notice_id

    def announce(self, name: str, arguments: dict[str, Any], now: datetime) -> int:
        """Say one thing, to nobody yet; return the notice's id."""
        notice = Notice(name=name, arguments=arguments, created_at=now)
        self.session.add(notice)
        self.session.flush()
        return notice.id

    def address(
        self,
        notice_id: int,
        recipients: Select[int],
        due_at: datetime,
        *,
        expires_at: datetime | None = None,
        kind: Kind = Kind.notice,
    ) -> None:
        """Make a notice's deliveries, in one statement; who has one already gets no other."""
        person = recipients.subquery()
        rows = select(
            literal(notice_id),
            person.c[0],
            literal(""),
            literal(kind, Named(Kind)),
            literal(Operation.send, Named(Operation)),
            literal(DeliveryState.waiting, Named(DeliveryState)),
            literal(due_at, Instant()),
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

    def tell(
        self,
        chat_id: int,
        name: str,
        arguments: dict[str, Any],
        now: datetime,
        *,
        due_at: datetime | None = None,
        expires_at: datetime | None = None,
        subject: str | None = None,
    ) -> None:
        """Say one thing in one chat, whoever is there.

        Args:
            expires_at: after it, the message would make no sense and is not sent.
            subject: what it shows, if it may have to be taken back or redrawn.
        """
        self.session.add(
            Delivery(
                notice_id=self.announce(name, arguments, now),
                chat_id=chat_id,
                kind=Kind.notice,
                operation=Operation.send,
                state=DeliveryState.waiting,
                due_at=due_at or now,
                expires_at=expires_at,
                subject=subject,
            )
        )
        self.session.flush()
        self.queued = True

    def redraw(self, name: str, arguments: dict[str, Any], subject: str, now: datetime) -> None:
        """Edit the newest message of each chat that shows a subject: one notice, one statement.

        A message that shows something else by now is left alone.
        """
        notice_id = self.announce(name, arguments, now)
        newest = newest_of(Delivery.subject == subject)
        later = aliased(Delivery)
        changed = select(later.id).where(
            later.chat_id == Delivery.chat_id,
            later.message == Delivery.message,
            later.id > Delivery.id,
        )
        rows = select(
            literal(notice_id),
            Delivery.chat_id,
            Delivery.thread,
            literal(Kind.notice, Named(Kind)),
            literal(Operation.edit, Named(Operation)),
            literal(DeliveryState.waiting, Named(DeliveryState)),
            literal(now, Instant()),
            literal(0),
            Delivery.message,
            Delivery.subject,
        ).where(Delivery.id.in_(newest), ~changed.exists())
        columns = [
            "notice_id",
            "chat_id",
            "thread",
            "kind",
            "operation",
            "state",
            "due_at",
            "attempts",
            "message",
            "subject",
        ]
        self.session.execute(insert(Delivery).from_select(columns, rows))
        self.queued = True
