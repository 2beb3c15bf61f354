"""Notices and deliveries: what is said, to whom, when, and how it went.

On the web chat the delivery itself is what the page reads: it is numbered per chat under the
chat's lock, so that a reader "after n" never misses one.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, cast

from sqlalchemy import (
    ColumnElement,
    Table,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import Session, aliased

from storage.base import execute
from storage.conversations import Context
from storage.deliveries.claiming import Claiming
from storage.deliveries.model import (
    Claimed,
    Delivery,
    DeliveryState,
    Failure,
    Kind,
    Notice,
    Operation,
    Outgoing,
    PageEvent,
    Placed,
    subject,
)
from storage.deliveries.notifying import ON_THEIR_WAY, Notifying, newest_of
from storage.people import Chat
from storage.types import Instant, Named

__all__ = [
    "Claimed",
    "Deliveries",
    "Delivery",
    "DeliveryState",
    "Failure",
    "Kind",
    "Notice",
    "Operation",
    "Outgoing",
    "PageEvent",
    "Placed",
    "Taken",
    "numbered",
    "subject",
]

Taken = dict[int, set[str]]  # messages taken back, by chat

_chats, _deliveries = cast(Table, Chat.__table__), cast(Table, Delivery.__table__)
_body = _deliveries.c.body.type
_count = (
    update(_chats)
    .where(_chats.c.id == bindparam("chat"))
    .values(last_event=bindparam("event"), last_message=bindparam("message"))
)
_insert = insert(_deliveries)
_place = (
    update(_deliveries)
    .where(_deliveries.c.id == bindparam("delivery"))
    .values(
        chat_id=bindparam("chat"),
        state=DeliveryState.on_page,
        body=bindparam("words"),
        event=bindparam("number"),
        message=bindparam("shown_as"),
        done_at=bindparam("moment", type_=Instant()),
        subject=func.coalesce(bindparam("subject"), _deliveries.c.subject),
    )
)
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
        number = chat.last_event
        events.append(PageEvent(number, one.operation, message, one.body, now, one.subject))
    return tuple(events)


class Deliveries(Claiming, Notifying):
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
                "subject": event.subject,
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

    def place_on_pages(self, placed: Sequence[Placed]) -> None:
        """Deliver claimed rows to web pages, whose chats' counters were advanced under their lock.

        The event of each was given its number by `numbered`.
        """
        rows = [
            {
                "delivery": one.delivery_id,
                "chat": one.chat_id,
                "words": one.event.body,
                "number": one.event.event,
                "shown_as": one.event.message,
                "moment": one.event.at,
                "subject": one.event.subject,
            }
            for one in placed
        ]
        if rows:
            execute(self.session, _place, rows)

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

    def take_back(self, subjects: Sequence[str], now: datetime) -> Taken:
        """Erase what shows some things: it goes from where it stands, and what waits is kept."""
        return self._take_back(Delivery.subject.in_(subjects), now)

    def blank(self, subjects: Sequence[str], now: datetime) -> Taken:
        """Erase the words of what is about to be redrawn: the newest message of each chat stays."""
        shown = Delivery.subject.in_(subjects)
        one, place = aliased(Delivery), tuple_(Delivery.chat_id, Delivery.message)
        stays = select(one.chat_id, one.message).where(one.id.in_(newest_of(shown)))
        words = case((Delivery.state.in_(ON_THEIR_WAY), null()), else_=literal({}, _body))
        self.session.execute(
            update(Delivery)
            .where(shown, place.in_(stays))
            .values(body=words)
            .execution_options(synchronize_session=False)
        )
        return self._take_back(shown & or_(Delivery.message.is_(None), place.not_in(stays)), now)

    def _take_back(self, which: ColumnElement[bool], now: datetime) -> Taken:
        cancelled = literal(DeliveryState.cancelled, Named(DeliveryState))
        erased = self.session.execute(
            update(Delivery)
            .where(which, Delivery.operation != Operation.delete)
            .values(
                body={},
                subject=None,
                state=case((Delivery.state.in_(ON_THEIR_WAY), cancelled), else_=Delivery.state),
                done_at=func.coalesce(Delivery.done_at, literal(now, Instant())),
            )
            .execution_options(synchronize_session=False)
            .returning(Delivery.chat_id, Delivery.thread, Delivery.message)
        )
        places: dict[tuple[int, str], set[str]] = defaultdict(set)
        for chat_id, thread, message in erased:
            if chat_id is not None and message is not None:
                places[chat_id, thread].add(message)
        taken: Taken = defaultdict(set)
        for (chat_id, thread), messages in places.items():
            gone = [Outgoing({}, Operation.delete, message) for message in sorted(messages)]
            self.queue(chat_id, thread, gone, now)
            taken[chat_id] |= messages
        return taken

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
                "subject": one.subject,
            }
            for one in outgoing
        ]
        execute(self.session, _insert, rows)
        self.queued = True

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
