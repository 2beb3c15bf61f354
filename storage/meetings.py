"""Meetings of working groups: when and where, who comes, and when they are reminded."""

import uuid
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache

from sqlalchemy import (
    ColumnElement,
    Executable,
    ForeignKey,
    Index,
    Select,
    String,
    UniqueConstraint,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base, dialect_insert, dialect_of, execute
from storage.files import File
from storage.groups import Belonging, Groups, Membership, WorkingGroup
from storage.types import Encrypted, Instant, Named

DAY, HOUR = 24 * 60, 60
# Minutes before the start: when each reminder leaves, and until when it makes sense.
REMINDED = {7 * DAY: 5 * DAY, DAY: 2 * HOUR, HOUR: 0}
LISTED = 20


class Attendance(StrEnum):
    """What a person says about coming."""

    coming = "coming"
    remotely = "remotely"
    maybe = "maybe"
    not_coming = "not_coming"


class Meeting(Base):
    """A meeting of a group.

    `version` counts the schedules it had: a reminder of an older one says nothing. `sequence` is
    the revision of its calendar entry (RFC 5545, SEQUENCE), `uid` its name there. `sequence` rises
    with every change, `version` only when the hour changes. `file_id` is its calendar file.
    """

    __tablename__ = "meetings"
    __table_args__ = (UniqueConstraint("uid"), Index(None, "group_id"), Index(None, "starts_at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    group_id: Mapped[int] = mapped_column(ForeignKey("working_groups.id"))
    uid: Mapped[str] = mapped_column(String(80))
    sequence: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column(default=1)
    starts_at: Mapped[datetime] = mapped_column(Instant)
    ends_at: Mapped[datetime] = mapped_column(Instant)
    zone: Mapped[str] = mapped_column(String(40))
    place: Mapped[str | None] = mapped_column(Encrypted("meetings.place"))
    link: Mapped[str | None] = mapped_column(Encrypted("meetings.link"))
    agenda: Mapped[str | None] = mapped_column(Encrypted("meetings.agenda"))
    file_id: Mapped[int | None] = mapped_column(ForeignKey("files.id"))
    called_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    called_at: Mapped[datetime] = mapped_column(Instant)
    changed_at: Mapped[datetime] = mapped_column(Instant)
    cancelled_at: Mapped[datetime | None] = mapped_column(Instant)


class MeetingAnswer(Base):
    """What a person said about coming, and when; the last word counts."""

    __tablename__ = "meeting_answers"
    __table_args__ = (Index(None, "person_id"),)

    meeting_id: Mapped[int] = mapped_column(ForeignKey("meetings.id"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    answer: Mapped[Attendance] = mapped_column(Named(Attendance))
    said_at: Mapped[datetime | None] = mapped_column(Instant)


class Reminder(Base):
    """A reminder that is to leave, or left: one a meeting, schedule version and `minutes` before
    the start. Its notice makes one delivery a person, however often the clock ticks.
    """

    __tablename__ = "reminders"
    __table_args__ = (
        UniqueConstraint("meeting_id", "version", "minutes"),
        Index(
            "ix_reminders_due",
            "due_at",
            sqlite_where=text("notice_id IS NULL"),
            postgresql_where=text("notice_id IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    meeting_id: Mapped[int] = mapped_column(ForeignKey("meetings.id"))
    version: Mapped[int]
    minutes: Mapped[int]
    due_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    notice_id: Mapped[int | None] = mapped_column(ForeignKey("notices.id", ondelete="SET NULL"))


@dataclass(frozen=True)
class Plan:
    """When and where people meet, and what about."""

    starts_at: datetime
    ends_at: datetime
    zone: str
    place: str | None = None
    link: str | None = None
    agenda: str | None = None


class Change(StrEnum):
    """What a new plan changes: nothing, the details only, or the hour."""

    nothing = "nothing"
    details = "details"
    schedule = "schedule"


class Over(Exception):
    """The meeting was cancelled, or has ended."""


class ChangedMeanwhile(Exception):
    """Somebody else changed the meeting since it was read."""


def _holds(now: ColumnElement[datetime] | datetime) -> ColumnElement[bool]:
    """That a meeting is still to come, or under way."""
    return Meeting.cancelled_at.is_(None) & (Meeting.ends_at > now)


@cache
def _answering(dialect: str) -> Executable:
    """One upsert of an answer, where the meeting holds, at that hour, for a member of its group.

    The meeting is locked against being moved, and the member against leaving, so that no answer
    outlives the hour it was for, or who gave it.
    """
    now = bindparam("now", type_=Instant())
    answer = bindparam("answer", type_=Named(Attendance))
    is_open = exists().where(WorkingGroup.id == Meeting.group_id, WorkingGroup.closed_at.is_(None))
    possible = or_(Meeting.link.is_not(None), answer != Attendance.remotely)
    at_that_hour = (
        select(Meeting.id, Membership.person_id, answer, now)
        .join(Membership, Membership.group_id == Meeting.group_id)
        .where(
            Meeting.id == bindparam("meeting"),
            Meeting.version == bindparam("version"),
            Membership.person_id == bindparam("person"),
            Membership.state == Belonging.member,
            _holds(now),
            is_open,
            possible,
        )
        .with_for_update(read=True, of=[Meeting, Membership])
    )
    insert = dialect_insert(dialect, MeetingAnswer).from_select(
        ["meeting_id", "person_id", "answer", "said_at"], at_that_hour
    )
    new = {"answer": insert.excluded.answer, "said_at": insert.excluded.said_at}
    return insert.on_conflict_do_update(
        index_elements=["meeting_id", "person_id"], set_=new
    ).returning(MeetingAnswer.meeting_id)


class Meetings:
    """Every change looks again under the lock of the meeting's row."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.groups = Groups(session)

    def get(self, meeting_id: int) -> Meeting | None:
        return self.session.get(Meeting, meeting_id)

    def call(self, group_id: int, plan: Plan, called_by: int, now: datetime) -> Meeting:
        meeting = Meeting(
            group_id=group_id,
            uid=f"{uuid.uuid4()}@preau",
            sequence=0,
            version=1,
            called_by=called_by,
            called_at=now,
            changed_at=now,
            **asdict(plan),
        )
        self.session.add(meeting)
        self.session.flush()
        self._plan_reminders(meeting, now)
        return meeting

    def change(self, meeting_id: int, sequence: int, plan: Plan, now: datetime) -> Change:
        """Give a meeting another plan. At another hour, reminders follow and answers begin anew.

        Args:
            sequence: the revision that the new plan was made from.

        Raises:
            Over: it was cancelled, or has ended.
            ChangedMeanwhile: somebody else changed it first.
        """
        meeting = self._lock(meeting_id, now)
        if meeting.sequence != sequence:
            raise ChangedMeanwhile
        before = {name: getattr(meeting, name) for name in asdict(plan)}
        if before == asdict(plan):
            return Change.nothing
        moved = (meeting.starts_at, meeting.ends_at) != (plan.starts_at, plan.ends_at)
        for name, value in asdict(plan).items():
            setattr(meeting, name, value)
        meeting.sequence += 1
        meeting.changed_at = now
        if moved:
            meeting.version += 1
            self._drop_reminders(meeting_id)
            self.session.execute(
                delete(MeetingAnswer).where(MeetingAnswer.meeting_id == meeting_id)
            )
        self.session.flush()
        if moved:
            self._plan_reminders(meeting, now)
        return Change.schedule if moved else Change.details

    def cancel(self, meeting_id: int, now: datetime) -> Meeting:
        """Cancel a meeting.

        Raises:
            Over: it was cancelled before, or has ended.
        """
        meeting = self._lock(meeting_id, now)
        meeting.cancelled_at = meeting.changed_at = now
        meeting.sequence += 1
        self._drop_reminders(meeting_id)
        self.session.flush()
        return meeting

    def attach(self, meeting: Meeting, file_id: int) -> None:
        """Tie its calendar file to a meeting; the one before goes."""
        before, meeting.file_id = meeting.file_id, file_id
        self.session.flush()
        if before is not None:
            self.session.execute(delete(File).where(File.id == before))

    def answer(
        self, meeting_id: int, version: int, person_id: int, answer: Attendance, now: datetime
    ) -> bool:
        """Keep what a person says about coming; False if it can no longer be said.

        Args:
            version: the schedule that they were shown.
        """
        given = {
            "meeting": meeting_id,
            "version": version,
            "person": person_id,
            "answer": answer,
            "now": now,
        }
        statement = _answering(dialect_of(self.session))
        return execute(self.session, statement, given).first() is not None

    def answer_of(self, meeting_id: int, person_id: int) -> Attendance | None:
        mine = (MeetingAnswer.meeting_id == meeting_id) & (MeetingAnswer.person_id == person_id)
        return self.session.execute(select(MeetingAnswer.answer).where(mine)).scalar()

    def answers_of(self, person_id: int) -> list[tuple[datetime, Attendance]]:
        """When the meetings begin of which a person said whether they come, and what they said."""
        wanted = (
            select(Meeting.starts_at, MeetingAnswer.answer)
            .join(Meeting, Meeting.id == MeetingAnswer.meeting_id)
            .where(MeetingAnswer.person_id == person_id)
            .order_by(Meeting.starts_at)
        )
        return [(starts_at, answer) for starts_at, answer in self.session.execute(wanted)]

    def counts(self, meeting: Meeting) -> dict[Attendance | None, int]:
        """How many members of the group gave each answer; under None, those who gave none."""
        said = (MeetingAnswer.person_id == Membership.person_id) & (
            MeetingAnswer.meeting_id == meeting.id
        )
        wanted = (
            select(MeetingAnswer.answer, func.count())
            .select_from(Membership)
            .outerjoin(MeetingAnswer, said)
            .where(Membership.group_id == meeting.group_id, Membership.state == Belonging.member)
            .group_by(MeetingAnswer.answer)
        )
        return dict(self.session.execute(wanted).all())

    def expected(self, meeting: Meeting) -> Select[int]:
        """The members who did not say that they are not coming."""
        absent = select(MeetingAnswer.person_id).where(
            MeetingAnswer.meeting_id == meeting.id, MeetingAnswer.answer == Attendance.not_coming
        )
        return self.groups.members(meeting.group_id).where(Membership.person_id.not_in(absent))

    def silent(self, meeting: Meeting) -> Select[int]:
        """The members who have not answered."""
        answered = select(MeetingAnswer.person_id).where(MeetingAnswer.meeting_id == meeting.id)
        return self.groups.members(meeting.group_id).where(Membership.person_id.not_in(answered))

    def upcoming(
        self, groups: Collection[int] | None, now: datetime, *, at_most: int | None = LISTED
    ) -> list[Meeting]:
        """The next meetings of some groups, or of all, those under way included."""
        wanted = select(Meeting).where(_holds(now)).order_by(Meeting.starts_at, Meeting.id)
        if groups is not None:
            wanted = wanted.where(Meeting.group_id.in_(groups))
        return list(self.session.scalars(wanted.limit(at_most)))

    def next_reminder(self) -> datetime | None:
        waits = Reminder.notice_id.is_(None)
        return self.session.execute(select(func.min(Reminder.due_at)).where(waits)).scalar()

    def due(self, now: datetime) -> list[tuple[Reminder, Meeting]]:
        """The reminders that are to leave now; those that make no sense any more go.

        Who comes second waits for the first, and then finds nothing left to do.
        """
        wanted = (
            select(Reminder, Meeting, WorkingGroup.closed_at)
            .join(Meeting, Meeting.id == Reminder.meeting_id)
            .join(WorkingGroup, WorkingGroup.id == Meeting.group_id)
            .where(Reminder.notice_id.is_(None), Reminder.due_at <= now)
            .order_by(Reminder.due_at, Reminder.id)
            .with_for_update(of=Reminder)
        )
        due = []
        for reminder, meeting, closed_at in self.session.execute(wanted).all():
            holds = meeting.cancelled_at is None and reminder.version == meeting.version
            if holds and closed_at is None and reminder.expires_at > now:
                due.append((reminder, meeting))
            else:
                self.session.delete(reminder)
        return due

    def forget_answers(self, group_id: int, person_id: int, now: datetime) -> None:
        """Forget what a person said about the meetings of a group that are not over."""
        coming = select(Meeting.id).where(Meeting.group_id == group_id, _holds(now))
        mine = MeetingAnswer.person_id == person_id
        self.session.execute(
            delete(MeetingAnswer).where(mine, MeetingAnswer.meeting_id.in_(coming))
        )

    def forget_person(self, person_id: int) -> None:
        """Forget what a person answered, and that they called meetings."""
        self.session.execute(delete(MeetingAnswer).where(MeetingAnswer.person_id == person_id))
        mine = update(Meeting).where(Meeting.called_by == person_id)
        self.session.execute(mine.values(called_by=None))

    def forget_old(self, before: datetime) -> None:
        """Forget the meetings that ended before a moment, with all that belongs to them."""
        old = select(Meeting.id).where(Meeting.ends_at < before)
        files = list(
            self.session.scalars(
                select(Meeting.file_id).where(
                    Meeting.ends_at < before, Meeting.file_id.is_not(None)
                )
            )
        )
        for kept in (MeetingAnswer, Reminder):
            self.session.execute(delete(kept).where(kept.meeting_id.in_(old)))
        self.session.execute(delete(Meeting).where(Meeting.ends_at < before))
        self.session.execute(delete(File).where(File.id.in_(files)))

    def _lock(self, meeting_id: int, now: datetime) -> Meeting:
        wanted = select(Meeting).where(Meeting.id == meeting_id).with_for_update()
        meeting = self.session.scalars(wanted.execution_options(populate_existing=True)).first()
        if meeting is None or meeting.cancelled_at is not None or meeting.ends_at <= now:
            raise Over
        return meeting

    def _plan_reminders(self, meeting: Meeting, now: datetime) -> None:
        """The reminders of this schedule that are still to come."""
        rows = [
            {
                "meeting_id": meeting.id,
                "version": meeting.version,
                "minutes": minutes,
                "due_at": meeting.starts_at - timedelta(minutes=minutes),
                "expires_at": meeting.starts_at - timedelta(minutes=until),
            }
            for minutes, until in REMINDED.items()
            if meeting.starts_at - timedelta(minutes=minutes) > now
        ]
        if rows:
            self.session.execute(insert(Reminder), rows)

    def _drop_reminders(self, meeting_id: int) -> None:
        """Those that did not leave leave no more."""
        waits = (Reminder.meeting_id == meeting_id) & Reminder.notice_id.is_(None)
        self.session.execute(delete(Reminder).where(waits))
