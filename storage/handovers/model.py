"""What is handed over, and from when until when."""

from datetime import datetime

from sqlalchemy import BindParameter, ColumnElement, ForeignKey, Index, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base
from storage.types import Instant


class Handover(Base):
    """A delegate's ballots for an organisation are cast by a substitute: one, or those of a period.

    It lasts no longer than the poll, nor than the mandate of either. A delegate hands each ballot
    to one person at a time. One that is called off before it begins ends no later than it begins.

    Attributes:
        start_told_at: when both knew that it has begun.
        end_told_at: when both knew that it has ended, or never begins.
    """

    __tablename__ = "handovers"
    __table_args__ = (
        Index(None, "organisation_id"),
        Index(None, "delegate_id"),
        Index(None, "substitute_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    organisation_id: Mapped[str] = mapped_column(ForeignKey("organisations.id"))
    delegate_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    substitute_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    poll_id: Mapped[int | None] = mapped_column(ForeignKey("polls.id"))
    starts_at: Mapped[datetime] = mapped_column(Instant)
    ends_at: Mapped[datetime] = mapped_column(Instant)
    start_told_at: Mapped[datetime | None] = mapped_column(Instant)
    end_told_at: Mapped[datetime | None] = mapped_column(Instant)

    @classmethod
    def active(cls, now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
        return (cls.starts_at <= now) & (cls.ends_at > now)

    @classmethod
    def unfinished(cls, now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
        """Whether it is in force, or to come."""
        return cls.ends_at > now

    @classmethod
    def start_untold(cls) -> ColumnElement[bool]:
        """Whether it is to be told that it begins; of one that was called off, it never is."""
        return (cls.starts_at < cls.ends_at) & cls.start_told_at.is_(None)

    def has_begun(self, now: datetime) -> bool:
        """Whether it is in force, or was."""
        by_itself = self.starts_at <= now and self.starts_at < self.ends_at
        return self.start_told_at is not None or by_itself

    def meets(self, other: "Handover") -> bool:
        """Whether both hand over one ballot of the same delegate at some moment."""
        same = self.organisation_id == other.organisation_id
        polls = {self.poll_id, other.poll_id}
        together = self.starts_at < other.ends_at and other.starts_at < self.ends_at
        return same and together and (None in polls or len(polls) == 1)

    @classmethod
    def covers(cls, poll_id: int | BindParameter[int]) -> ColumnElement[bool]:
        return or_(cls.poll_id.is_(None), cls.poll_id == poll_id)


def hand_once(session: Session, person_id: int, now: datetime) -> None:
    """Have a person who was two until now hand each ballot to one other, and none to themselves.

    Periods go before single polls, and the newer before the older, which ends where that begins.
    """
    wanted = select(Handover).where(Handover.delegate_id == person_id, Handover.unfinished(now))
    kept: list[Handover] = []
    for one in session.scalars(wanted.order_by(Handover.poll_id.is_not(None), Handover.id.desc())):
        begins = min((other.starts_at for other in kept if one.meets(other)), default=None)
        if one.substitute_id == person_id:
            one.ends_at = now
        elif begins is not None:
            one.ends_at = max(begins, now) if one.starts_at < begins else now
        if one.ends_at > now:
            kept.append(one)
    session.flush()
