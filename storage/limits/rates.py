"""How often something may be done: first it slows, then it is refused.

Every limit is declared here. What is counted is kept by a keyed hash of who did it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Index, UniqueConstraint, case, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base, insert_into
from storage.types import BlindIndex, Instant

LONGEST = 3.0  # seconds for which what comes next waits, at most


@dataclass(frozen=True)
class Limit:
    """How often something may be done in a window, which begins with the first time.

    Attributes:
        name: what the count is kept under.
        per: whose it is.
        window: after which all begins anew.
        slow_from: from so many on, what comes next waits, longer each time.
        at_most: so many are taken; None: nothing is refused.
    """

    name: str
    per: str
    window: timedelta
    slow_from: int
    at_most: int | None

    def takes(self, count: int) -> bool:
        """Whether so many may be done in a window."""
        return self.at_most is None or count <= self.at_most

    def delay(self, count: int) -> float:
        """Seconds for which what comes next waits, after so many in a window."""
        if count < self.slow_from:
            return 0.0
        last = self.at_most if self.at_most is not None else 2 * self.slow_from
        steps = last - self.slow_from + 1
        return LONGEST * min((count - self.slow_from + 1) / steps, 1.0)


@dataclass(frozen=True)
class Verdict:
    """What was counted.

    Attributes:
        is_taken: it is within the limit.
        delay: seconds for which what comes next waits.
        until: when all begins anew.
    """

    is_taken: bool
    delay: float
    until: datetime


MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MEGABYTES = 1024  # files are counted in kilobytes

# Messages and newcomers are counted without a row of their own: see `bot.turns`.
MESSAGES = Limit("messages", "person in a chat", MINUTE, 45, 60)
NEWCOMERS = Limit("newcomers", "platform", MINUTE, 300, None)
REPORTS = Limit("reports", "person", DAY, 10, 20)
LETTERS = Limit("letters", "person", DAY, 20, 60)
JOINING = Limit("joining", "person", DAY, 10, 30)
INVITATIONS = Limit("invitations", "person", HOUR, 15, 20)
LINKING = Limit("linking", "person", HOUR, 5, 10)
ASKING = Limit("asking", "person", DAY, 3, 5)
UPLOADS = Limit("uploads", "person", HOUR, 40, 80)
UPLOADED = Limit("uploaded", "person", DAY, 100 * MEGABYTES, 200 * MEGABYTES)
CODES = Limit("codes", "account", timedelta(minutes=10), 5, 10)
CODES_HERE = Limit("codes here", "network address", timedelta(minutes=10), 50, 100)
SESSIONS = Limit("sessions", "network address", HOUR, 500, 1000)  # a school may share one
DATA_REQUESTS = Limit("data requests", "network address", DAY, 5, 20)

LIMITS = (
    MESSAGES,
    NEWCOMERS,
    REPORTS,
    LETTERS,
    JOINING,
    INVITATIONS,
    LINKING,
    ASKING,
    UPLOADS,
    UPLOADED,
    CODES,
    CODES_HERE,
    SESSIONS,
    DATA_REQUESTS,
)


class Throttle(Base):
    """How often something was done in the current window, by a keyed hash of who did it."""

    __tablename__ = "throttles"
    __table_args__ = (UniqueConstraint("key"), Index(None, "started_at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(BlindIndex("throttles.key"))
    started_at: Mapped[datetime] = mapped_column(Instant)
    count: Mapped[int]


class Rates:
    """Counts what is done. What is rolled back was not done, and does not count."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def count(self, limit: Limit, whom: object, now: datetime, weight: int = 1) -> Verdict:
        """Count that somebody does something once more, or `weight` times."""
        count, started_at = self._add(f"{limit.name} {whom}", limit.window, now, weight)
        return _judged(limit, count, started_at)

    def peek(self, limit: Limit, whom: object, now: datetime, weight: int = 1) -> Verdict:
        """What `count` would say; nothing is counted."""
        wanted = select(Throttle.count, Throttle.started_at).where(
            Throttle.key == f"{limit.name} {whom}", Throttle.started_at > now - limit.window
        )
        count, started_at = self.session.execute(wanted).first() or (0, now)
        return _judged(limit, count + weight, started_at)

    def once(self, key: str, window: timedelta, now: datetime, at_most: int = 1) -> bool:
        """Whether something is done only now in a window, or at most some times; it is counted."""
        return self._add(key, window, now, 1)[0] <= at_most

    def carry(self, whose: int, to: int, now: datetime) -> None:
        """What a person did in windows that go on counts for another one too, who is the same."""
        for limit in (one for one in LIMITS if one.per == "person"):
            wanted = select(Throttle.count).where(
                Throttle.key == f"{limit.name} {whose}", Throttle.started_at > now - limit.window
            )
            done = self.session.execute(wanted).scalar()
            if done:
                self.count(limit, to, now, done)

    def forget(self, before: datetime) -> None:
        """Drop the counts of windows that began before a moment."""
        self.session.execute(delete(Throttle).where(Throttle.started_at < before))

    def _add(self, key: str, window: timedelta, now: datetime, weight: int) -> tuple[int, datetime]:
        """Count; how many there are in the current window, and when it began."""
        insert = insert_into(self.session, Throttle).values(key=key, started_at=now, count=weight)
        over = Throttle.started_at <= now - window
        counted = insert.on_conflict_do_update(
            index_elements=[Throttle.key],
            set_={
                "count": case((over, insert.excluded.count), else_=Throttle.count + weight),
                "started_at": case((over, insert.excluded.started_at), else_=Throttle.started_at),
            },
        ).returning(Throttle.count, Throttle.started_at)
        count, started_at = self.session.execute(counted).one()
        return int(count), started_at


def _judged(limit: Limit, count: int, started_at: datetime) -> Verdict:
    return Verdict(limit.takes(count), limit.delay(count), started_at + limit.window)
