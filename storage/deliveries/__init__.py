"""Notices and deliveries: what is said, to whom, when, and how it went.

On the web chat the delivery itself is what the page reads: it is numbered per chat under the
chat's lock, so that a reader "after n" never misses one.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, cast

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
from storage.deliveries.ballots import ballot_of
from storage.deliveries.claiming import Claiming
from storage.deliveries.marking import Marking
from storage.deliveries.model import (
    Born,
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
    Sent,
    subject,
)
from storage.deliveries.notifying import ON_THEIR_WAY, Notifying, newest_of
from storage.deliveries.queueing import Queueing
from storage.deliveries.standing import Standing
from storage.people import Chat
from storage.types import Instant, Named

__all__ = [
    "Born",
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
    "Sent",
    "Taken",
    "ballot_of",
    "numbered",
    "subject",
]

Taken = dict[int, set[str]]  # messages taken back, and native polls, by chat
DELETABLE = timedelta(hours=48)  # after which Telegram deletes no message of ours
MOST_DELETED = 100  # a second is spent for each

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


class Deliveries(Claiming, Marking, Notifying, Queueing, Standing):
    """Queries of deliveries.

    Attributes:
        queued: this transaction left something to send.
        taken_back: it took something back, or erased it, that is perhaps on its way.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.queued = self.taken_back = False

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

    def forget_messages(self, chat_id: int, now: datetime) -> list[str]:
        """Erase what was said in a chat; replies that are on their way there are taken back.

        Where a platform has to be called, the newest messages are deleted, as notices are sent:
        what is said now does not wait for that. Nothing is deleted twice.

        Returns:
            The messages that a page still shows.
        """
        here = Delivery.chat_id == chat_id
        on_page = self._not_deleted(here & (Delivery.state == DeliveryState.on_page))
        called = here & (Delivery.state == DeliveryState.sent)
        newest = self._not_deleted(called & (Delivery.done_at > now - DELETABLE))[:MOST_DELETED]
        saying = here & (Delivery.kind == Kind.reply) & (Delivery.operation != Operation.delete)
        nothing: dict[str, Any] = {"body": {}, "subject": None}
        cancelled = {"state": DeliveryState.cancelled, "done_at": now}
        for which, blank in (
            (here & Delivery.message.in_([*on_page, *newest]), {"subject": None}),
            (here & Delivery.state.not_in(ON_THEIR_WAY), {"body": {}}),
            (saying & Delivery.state.in_(ON_THEIR_WAY), nothing | cancelled),
        ):
            statement = update(Delivery).where(which).values(**blank)
            self.session.execute(statement.execution_options(synchronize_session=False))
        self.taken_back = True
        if newest:
            gone = [*newest, *self.polls_under(chat_id, newest)]
            deleted = [Outgoing({}, Operation.delete, message) for message in gone]
            self.add(chat_id, "", deleted, now, kind=Kind.notice)
            self.queued = True
        return on_page

    def _not_deleted(self, which: ColumnElement[bool]) -> list[str]:
        """Messages that were not deleted, nor are about to be; the newest first."""
        other = aliased(Delivery)
        deleted = select(other.id).where(
            other.chat_id == Delivery.chat_id,
            other.message == Delivery.message,
            other.operation == Operation.delete,
        )
        wanted = (
            select(Delivery.message)
            .where(which, Delivery.message.is_not(None), ~deleted.exists())
            .where(Delivery.operation != Operation.end)
            .group_by(Delivery.message)
            .order_by(func.max(Delivery.id).desc())
        )
        return [message for message in self.session.scalars(wanted) if message is not None]

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
        self.taken_back = True
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
            .returning(Delivery.chat_id, Delivery.thread, Delivery.message, Delivery.poll)
        )
        places: dict[tuple[int, str], set[str]] = defaultdict(set)
        for chat_id, thread, message, poll in erased:
            if chat_id is not None and message is not None:
                places[chat_id, thread] |= {message} if poll is None else {message, poll}
        taken: Taken = defaultdict(set)
        for (chat_id, thread), messages in places.items():
            gone = [Outgoing({}, Operation.delete, message) for message in sorted(messages)]
            self.add(chat_id, thread, gone, now)
            self.queued = True
            taken[chat_id] |= messages
        return taken

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
        self.taken_back = True
