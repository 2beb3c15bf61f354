"""Chat groups: the working group that each is tied to, and the cards that stand there.

Of a card it is kept what it showed when it was last drawn.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, ForeignKey, String, delete, or_, select, true, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base, insert_into
from storage.deliveries import (
    Deliveries,
    Delivery,
    DeliveryState,
    Operation,
    Outgoing,
    subject,
)
from storage.deliveries.notifying import ON_THEIR_WAY, STANDS
from storage.groups import Groups, WorkingGroup
from storage.meetings import Attendance, Meetings
from storage.people import Chat, ChatState
from storage.polls import Polls
from storage.recommendations import Theme

POLL, MEETING = "poll_card", "meeting_card"
NOTICES = {POLL: ("polls.group_card", "poll"), MEETING: ("meetings.group_card", "meeting")}
COUNTED = (Attendance.coming, Attendance.remotely, Attendance.maybe)
OVER = "over"  # what is drawn once, and never again


class Card(Base):
    """What a group is shown of one thing.

    `subject` is that of the deliveries that show it. `drawn` is what it last showed, in a few
    characters that are compared and never shown.
    """

    __tablename__ = "room_cards"

    chat_id: Mapped[int] = mapped_column(
        ForeignKey("chats.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    subject: Mapped[str] = mapped_column(String(40), primary_key=True)
    drawn: Mapped[str] = mapped_column(String(80))


@dataclass(frozen=True)
class Redrawing:
    """A thing whose cards show something else than what is so, and what they are to show."""

    noun: str
    number: int
    after: str

    @property
    def subject(self) -> str:
        return subject(self.noun, self.number)


_shows_it = (Delivery.chat_id == Card.chat_id) & (Delivery.subject == Card.subject)
_stands = (
    select(Delivery.id)
    .where(
        _shows_it,
        Delivery.operation != Operation.delete,
        Delivery.message.is_not(None),
        Delivery.state.in_((DeliveryState.sent, DeliveryState.on_page)),
    )
    .exists()
)
_on_its_way = select(Delivery.id).where(_shows_it, Delivery.state.in_(ON_THEIR_WAY)).exists()
_tied = (
    select(WorkingGroup)
    .join(Chat, Chat.id == WorkingGroup.chat_id)
    .where(Chat.state == ChatState.active)
)
_left = select(Chat.id).where(Chat.state != ChatState.active)
_quietly = {"synchronize_session": False}


class RoomTaken(Exception):
    """The chat is tied to another working group."""


class Rooms:
    def __init__(
        self,
        session: Session,
        deliveries: Deliveries,
        polls: Polls,
        meetings: Meetings,
        groups: Groups,
    ) -> None:
        self.session = session
        self.deliveries = deliveries
        self.polls = polls
        self.meetings = meetings
        self.groups = groups

    def tie(self, group_id: int, chat_id: int) -> None:
        """Tie a working group to a chat group, whose chat is locked, and to no other any more.

        Raises:
            GroupClosed: the working group is no more.
            RoomTaken: the chat is tied to another one.
        """
        group = self.groups.lock(group_id, to_change=True)
        if self.tied_to(chat_id) not in (None, group):
            raise RoomTaken
        group.chat_id = chat_id
        self.session.flush()

    def untie(self, group_id: int, chat_id: int) -> bool:
        """Tie a working group to that chat no more; False if it was not."""
        tied = (WorkingGroup.id == group_id) & (WorkingGroup.chat_id == chat_id)
        untying = update(WorkingGroup).where(tied).values(chat_id=None)
        return self.session.execute(untying.returning(WorkingGroup.id)).first() is not None

    def tied_to(self, chat_id: int) -> WorkingGroup | None:
        """The working group that a chat is tied to."""
        wanted = select(WorkingGroup).where(WorkingGroup.chat_id == chat_id)
        return self.session.scalars(wanted).first()

    def of_group(self, group_id: int) -> int | None:
        """The chat that a working group is tied to, unless it has us no more."""
        wanted = _tied.where(WorkingGroup.id == group_id).with_only_columns(Chat.id)
        return self.session.scalars(wanted).first()

    def on_theme(self, theme: Theme) -> list[WorkingGroup]:
        """The working groups on a theme that are tied to a chat which still has us."""
        wanted = _tied.where(WorkingGroup.theme == theme, WorkingGroup.closed_at.is_(None))
        return list(self.session.scalars(wanted.order_by(WorkingGroup.id)))

    def follow(self, chat_id: int, to: int) -> None:
        """Tie to another chat what was tied to one that goes on there.

        Another working group that is tied there already stays so.
        """
        kept = to if self.tied_to(to) is None else None
        moving = update(WorkingGroup).where(WorkingGroup.chat_id == chat_id)
        self.session.execute(moving.values(chat_id=kept))

    def post(
        self,
        chat_id: int,
        noun: str,
        number: int,
        now: datetime,
        *,
        due_at: datetime | None = None,
        expires_at: datetime,
    ) -> None:
        """Have the card of something new put into a group, once.

        Its chat need not be locked: nobody else can show what this transaction makes.
        """
        if self.show(chat_id, noun, number, now):
            name, argument = NOTICES[noun]
            self.deliveries.tell(
                chat_id,
                name,
                {argument: number},
                now,
                due_at=due_at,
                expires_at=expires_at,
                subject=subject(noun, number),
            )

    def show(
        self, chat_id: int, noun: str, number: int, now: datetime, place: str | None = None
    ) -> bool:
        """Note that a card is about to be put into a group, whose chat is locked.

        The card of the same thing that stands there goes.

        Args:
            place: the message whose place it takes, if any.

        Returns:
            False if one is on its way there, or in that place, already.
        """
        shown = subject(noun, number)
        here = (Delivery.chat_id == chat_id) & (Delivery.subject == shown)
        coming = select(Delivery.id).where(
            here,
            or_(
                Delivery.message.is_(None) & Delivery.state.in_(ON_THEIR_WAY),
                (Delivery.message == place) & Delivery.state.in_(STANDS),
            ),
        )
        if self.session.execute(coming).first() is not None:
            return False
        standing = (
            select(Delivery.thread, Delivery.message)
            .where(here, Delivery.message.is_not(None), Delivery.state.in_(STANDS))
            .distinct()
        )
        for thread, message in self.session.execute(standing).all():
            gone = Outgoing({}, Operation.delete, message)
            self.deliveries.add(chat_id, thread, [gone], now)
            self.deliveries.queued = True
        forget = update(Delivery).where(here).values(subject=None)
        self.session.execute(forget.execution_options(**_quietly))
        drawn = self._drawn(noun, number, now)
        if drawn == OVER:  # nothing will change any more
            return True
        insert = insert_into(self.session, Card).values(chat_id=chat_id, subject=shown, drawn=drawn)
        again = insert.on_conflict_do_update(
            index_elements=[Card.chat_id, Card.subject], set_={"drawn": drawn}
        )
        self.session.execute(again)
        return True

    def changed(self, now: datetime) -> list[Redrawing]:
        """The things whose cards show something else than what is so.

        A card that is still on its way is looked at later.
        """
        wanted = select(Card.subject, Card.drawn).where(or_(_stands, ~_on_its_way))
        drawn: dict[str, set[str]] = {}
        for shown, before in self.session.execute(wanted.order_by(Card.subject)):
            drawn.setdefault(shown, set()).add(before)
        found = []
        for shown, showing in drawn.items():
            noun, _, number = shown.partition(":")
            after = self._drawn(noun, int(number), now)
            if after == OVER or showing != {after}:
                found.append(Redrawing(noun, int(number), after))
        return found

    def note(self, redrawing: Redrawing) -> bool:
        """Note what the cards of a thing are to show; False if none is to be drawn again.

        It is so if another process did it, and in groups that do not have us any more: their cards
        are forgotten.
        """
        self._forget_lost(Card.subject == redrawing.subject)
        of_it = (Card.subject == redrawing.subject) & _stands
        if redrawing.after == OVER:
            noted = delete(Card).where(of_it).returning(Card.chat_id)
            return bool(self.session.execute(noted.execution_options(**_quietly)).all())
        changing = update(Card).where(of_it, Card.drawn != redrawing.after)
        noting = changing.values(drawn=redrawing.after).returning(Card.chat_id)
        return bool(self.session.execute(noting.execution_options(**_quietly)).all())

    def forget_lost(self) -> None:
        """Forget the cards of groups that we left, and those that stand nowhere."""
        self._forget_lost(true())

    def _forget_lost(self, which: ColumnElement[bool]) -> None:
        shown = select(Card.subject).where(which)
        left = update(Delivery).where(Delivery.subject.in_(shown), Delivery.chat_id.in_(_left))
        self.session.execute(left.values(subject=None).execution_options(**_quietly))
        lost = delete(Card).where(which, ~_stands, ~_on_its_way)
        self.session.execute(lost.execution_options(**_quietly))

    def _drawn(self, noun: str, number: int, now: datetime) -> str:
        """What a card shows, as compared: the votes are counted, never what they are for."""
        return self._of_poll(number) if noun == POLL else self._of_meeting(number, now)

    def _of_poll(self, poll_id: int) -> str:
        poll = self.polls.get(poll_id)
        if poll is None or poll.closed_at is not None:
            return OVER
        return str(self.polls.ballots(poll_id))

    def _of_meeting(self, meeting_id: int, now: datetime) -> str:
        meeting = self.meetings.get(meeting_id)
        if meeting is None or meeting.cancelled_at is not None or meeting.ends_at <= now:
            return OVER
        counts = self.meetings.counts(meeting)
        return " ".join(str(one) for one in (meeting.sequence, *map(counts.get, COUNTED)))
