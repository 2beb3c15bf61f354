"""Meetings of working groups: when and where, who comes, and when they are reminded."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base
from storage.types import Encrypted, Instant, Named


class Attendance(StrEnum):
    """What a person says about coming."""

    coming = "coming"
    remotely = "remotely"
    maybe = "maybe"
    not_coming = "not_coming"


class Meeting(Base):
    """A meeting of a group.

    `version` counts the schedules it had: a reminder of an older one says nothing. `sequence` is
    the revision of its calendar entry (RFC 5545, SEQUENCE), `uid` its name there.
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
    called_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    called_at: Mapped[datetime] = mapped_column(Instant)
    changed_at: Mapped[datetime] = mapped_column(Instant)
    cancelled_at: Mapped[datetime | None] = mapped_column(Instant)


class MeetingAnswer(Base):
    """What a person said about coming; the last word counts."""

    __tablename__ = "meeting_answers"
    __table_args__ = (Index(None, "person_id"),)

    meeting_id: Mapped[int] = mapped_column(ForeignKey("meetings.id"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    answer: Mapped[Attendance] = mapped_column(Named(Attendance))
    answered_at: Mapped[datetime] = mapped_column(Instant)


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


class Meetings:
    def __init__(self, session: Session) -> None:
        self.session = session

    def get(self, meeting_id: int) -> Meeting | None:
        return self.session.get(Meeting, meeting_id)
