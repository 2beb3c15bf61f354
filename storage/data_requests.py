"""What people ask about their data, with or without an account, and until when it is answered.

An answer is due within a calendar month (GDPR, article 12-3), which the secretariat may extend by
two more, once, for a reason that is told within the first month.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, Select, String, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base, next_number
from storage.people import Person
from storage.types import Encrypted, Instant, Named

ANSWERED_WITHIN, EXTENDED_BY = 1, 2  # calendar months
REMINDED = (15, 7, 1, 0)  # days before the answer is due; 0: it is late
MORNING = 7  # the hour, in UTC, at which all reminders of a day are one


class RequestKind(StrEnum):
    withdrawal = "withdrawal"
    access = "access"
    correction = "correction"
    erasure = "erasure"
    objection = "objection"
    contest = "contest"  # a pause or an exclusion


class RequestState(StrEnum):
    waiting = "waiting"
    granted = "granted"
    refused = "refused"


class DataRequest(Base):
    """What somebody asks. With an account (`person_id`) they are answered in their chat.

    `reminded` is the last of `REMINDED` that the secretariat was told of. `reason` is why it was
    refused, else why it was extended.
    """

    __tablename__ = "data_requests"
    __table_args__ = (
        Index(None, "person_id"),
        Index(None, "state", "due_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(String(20), unique=True)
    kind: Mapped[RequestKind] = mapped_column(Named(RequestKind))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    name: Mapped[str | None] = mapped_column(Encrypted("data_requests.name"))
    contact: Mapped[str | None] = mapped_column(Encrypted("data_requests.contact"))
    report: Mapped[str | None] = mapped_column(Encrypted("data_requests.report"))
    said: Mapped[str] = mapped_column(Encrypted("data_requests.said"))
    state: Mapped[RequestState] = mapped_column(Named(RequestState))
    made_at: Mapped[datetime] = mapped_column(Instant)
    due_at: Mapped[datetime] = mapped_column(Instant)
    extended_at: Mapped[datetime | None] = mapped_column(Instant)
    reminded: Mapped[int | None]
    reason: Mapped[str | None] = mapped_column(Encrypted("data_requests.reason"))
    closed_at: Mapped[datetime | None] = mapped_column(Instant)
    closed_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))

    def close(self, state: RequestState, by: int, now: datetime, reason: str | None = None) -> None:
        """Answer it.

        Raises:
            Settled: it was answered before.
        """
        self._waits()
        self.state, self.closed_at, self.closed_by = state, now, by
        self.reason = reason or self.reason

    def extend(self, reason: str, now: datetime) -> None:
        """Have two months more to answer it.

        Raises:
            Settled: it was answered, or extended, before, or the first month is over.
        """
        self._waits()
        if not self.can_extend(now):
            raise Settled
        self.due_at = months_after(self.made_at, ANSWERED_WITHIN + EXTENDED_BY)
        self.extended_at, self.reason, self.reminded = now, reason, None

    def can_extend(self, now: datetime) -> bool:
        return self.extended_at is None and now < self.due_at

    def reminder_due(self, now: datetime) -> int | None:
        """Of which of `REMINDED` to tell the secretariat now."""
        reached = [days for days in REMINDED if now >= reminder_at(self.due_at, days)]
        last = min(reached, default=None)
        is_new = last is not None and (self.reminded is None or last < self.reminded)
        return last if is_new else None

    def _waits(self) -> None:
        if self.state is not RequestState.waiting:
            raise Settled


class Settled(Exception):
    """Something was decided on the request already that does not allow this."""


@dataclass(frozen=True)
class Asked:
    """What somebody asks about their data; see `DataRequest`."""

    kind: RequestKind
    said: str
    person_id: int | None = None
    name: str | None = None
    contact: str | None = None
    report: str | None = None


def months_after(moment: datetime, months: int) -> datetime:
    """The same day and hour some calendar months later; the last day of a shorter month."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = min(moment.day, monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def reminder_at(due_at: datetime, days: int) -> datetime:
    """When one of `REMINDED` is told: in the morning, that of a late answer on the day after."""
    morning = due_at.astimezone(UTC).replace(hour=MORNING, minute=0, second=0, microsecond=0)
    return morning + timedelta(days=-days if days else 1)


def next_reminder(due_at: datetime, reminded: int | None) -> datetime | None:
    """When the next of `REMINDED` is to be told, after the last that was; None: never."""
    left = [days for days in REMINDED if reminded is None or days < reminded]
    return reminder_at(due_at, max(left)) if left else None


class DataRequests:
    def __init__(self, session: Session) -> None:
        self.session = session

    def add(self, asked: Asked, now: datetime) -> DataRequest:
        """Keep a request; it gets its `DEM-…` number, and its due date."""
        year, number = next_number(self.session, "DEM", now)
        made = DataRequest(
            public_id=f"DEM-{year}-{number:03d}",
            kind=asked.kind,
            person_id=asked.person_id,
            name=asked.name,
            contact=asked.contact,
            report=asked.report,
            said=asked.said,
            state=RequestState.waiting,
            made_at=now,
            due_at=months_after(now, ANSWERED_WITHIN),
        )
        self.session.add(made)
        self.session.flush()
        return made

    def get(self, request_id: int) -> DataRequest | None:
        return self.session.get(DataRequest, request_id)

    def lock(self, request_id: int) -> DataRequest | None:
        """A request, locked: what is decided on it is decided once."""
        wanted = select(DataRequest).where(DataRequest.id == request_id).with_for_update()
        return self.session.scalars(wanted.execution_options(populate_existing=True)).first()

    def waiting(self) -> list[DataRequest]:
        """Those to be answered, the most urgent first."""
        its = DataRequest.state == RequestState.waiting
        wanted = select(DataRequest).where(its).order_by(DataRequest.due_at, DataRequest.id)
        return list(self.session.scalars(wanted))

    def count_waiting(self) -> int:
        its = DataRequest.state == RequestState.waiting
        return int(self.session.execute(select(func.count()).where(its)).scalar_one())

    def closed(self, at_most: int) -> list[DataRequest]:
        """Those answered last."""
        its = select(DataRequest).where(DataRequest.closed_at.is_not(None))
        newest = its.order_by(DataRequest.closed_at.desc(), DataRequest.id.desc())
        return list(self.session.scalars(newest.limit(at_most)))

    def of_person(self, person_id: int) -> list[DataRequest]:
        """What a person asked, the newest first."""
        its = select(DataRequest).where(DataRequest.person_id == person_id)
        return list(self.session.scalars(its.order_by(DataRequest.id.desc())))

    def askers(self) -> Select[int]:
        """The people who asked something: it is kept for a while once it is answered."""
        return select(Person.id).join(DataRequest, DataRequest.person_id == Person.id)

    def due(self, now: datetime) -> list[tuple[DataRequest, int]]:
        """Those the secretariat is to be reminded of, locked, each with the days that are left."""
        its = DataRequest.state == RequestState.waiting
        wanted = select(DataRequest).where(its).order_by(DataRequest.id).with_for_update()
        found = [(one, one.reminder_due(now)) for one in self.session.scalars(wanted)]
        return [(one, days) for one, days in found if days is not None]

    def next_due(self) -> datetime | None:
        """When the secretariat is to be reminded next."""
        its = DataRequest.state == RequestState.waiting
        wanted = select(DataRequest.due_at, DataRequest.reminded).where(its)
        moments = [next_reminder(*row) for row in self.session.execute(wanted)]
        return min((moment for moment in moments if moment is not None), default=None)

    def forget_closed(self, before: datetime) -> None:
        """Drop what was answered before a moment."""
        self.session.execute(delete(DataRequest).where(DataRequest.closed_at < before))

    def forget_person(self, person_id: int) -> None:
        """Drop what a person asked; leave no trace of what they answered."""
        self.session.execute(delete(DataRequest).where(DataRequest.person_id == person_id))
        for one in self.session.scalars(
            select(DataRequest).where(DataRequest.closed_by == person_id)
        ):
            one.closed_by = None
        self.session.flush()
