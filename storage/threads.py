"""What people write to the secretariat, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    Select,
    Table,
    delete,
    func,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from storage.base import Base, insert_into
from storage.grants import Grants, Role
from storage.people import Person
from storage.types import Encrypted, Instant

LAPSE = timedelta(hours=24)  # a secretary who does nothing with what waits no longer holds it
MOST_UNANSWERED = 20  # messages in a row
OPEN = "closed_at IS NULL"
ALL = 0  # the list of them, where a message shows it


class Thread(Base):
    """A conversation of one person with the secretariat. A person has one open thread at most.

    `waits_since` is the moment of the first of their messages that nobody answered; `read_to` the
    last message that its holder has read.
    """

    __tablename__ = "threads"
    __table_args__ = (
        Index(None, "closed_at"),
        Index(None, "person_id"),
        Index(
            "uq_threads_open",
            "person_id",
            unique=True,
            sqlite_where=text(OPEN),
            postgresql_where=text(OPEN),
        ),
        Index(
            "ix_threads_waiting",
            "waits_since",
            sqlite_where=text("waits_since IS NOT NULL"),
            postgresql_where=text("waits_since IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    opened_at: Mapped[datetime] = mapped_column(Instant)
    waits_since: Mapped[datetime | None] = mapped_column(Instant)
    claimed_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    claimed_at: Mapped[datetime | None] = mapped_column(Instant)
    read_to: Mapped[int | None]
    closed_at: Mapped[datetime | None] = mapped_column(Instant)


class ThreadMessage(Base):
    """One message of a thread; `answered_by` is who answered for the secretariat, if it is one."""

    __tablename__ = "thread_messages"
    __table_args__ = (Index(None, "thread_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    thread_id: Mapped[int] = mapped_column(ForeignKey("threads.id", ondelete="CASCADE"))
    broadcast_id: Mapped[int | None] = mapped_column(
        ForeignKey("broadcasts.id", ondelete="SET NULL")
    )
    answered_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    is_answer: Mapped[bool]
    text: Mapped[str] = mapped_column(Encrypted("thread_messages.text"))
    said_at: Mapped[datetime] = mapped_column(Instant)


class Held(Exception):
    """Another secretary holds the thread."""


class Ended(Exception):
    """The thread is closed."""


class Unread(Exception):
    """The person wrote something that its holder has not read yet."""


class TooMany(Exception):
    """The person wrote many times and nobody answered yet."""


@dataclass(frozen=True)
class Listed:
    """A thread, its last message, who wrote it, and who holds it."""

    thread: Thread
    last: ThreadMessage
    writer: Person
    holder: Person | None


@dataclass(frozen=True)
class Line:
    """A message, and the name of who answered, if any."""

    message: ThreadMessage
    by: str | None


_threads = cast(Table, Thread.__table__)
_messages = cast(Table, ThreadMessage.__table__)


class Threads:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.grants = Grants(session)

    def get(self, thread_id: int) -> Thread | None:
        """A thread, locked: what is decided on it is decided once."""
        return self._locked(Thread.id == thread_id)

    def open_of(self, person_id: int) -> Thread | None:
        """A person's open thread, locked."""
        return self._locked((Thread.person_id == person_id) & Thread.closed_at.is_(None))

    def has_open(self, person_id: int) -> bool:
        wanted = select(Thread.id).where(Thread.person_id == person_id, Thread.closed_at.is_(None))
        return self.session.execute(wanted).first() is not None

    def write(
        self, person_id: int, said: str, now: datetime, *, broadcast_id: int | None = None
    ) -> tuple[Thread, bool]:
        """Add a person's message to their open thread, or open one; say whether it begins to wait.

        Raises:
            TooMany: they wrote many times without an answer.
        """
        thread = self.open_of(person_id)
        while thread is None:  # another may open or close it meanwhile
            self._open(person_id, now)
            thread = self.open_of(person_id)
        if self._unanswered(thread) >= MOST_UNANSWERED:
            raise TooMany
        self._say(thread, said, now, broadcast_id=broadcast_id)
        begins = thread.waits_since is None
        thread.waits_since = thread.waits_since or now
        self.session.flush()
        return thread, begins

    def take(self, thread: Thread, secretary: int, now: datetime) -> None:
        """Claim a thread, or take it over from a colleague who let it lie.

        Raises:
            Ended: it is closed.
            Held: a colleague holds it.
        """
        if thread.closed_at is not None:
            raise Ended
        if thread.claimed_by == secretary:
            return
        if thread.claimed_by is not None and not self.is_left(thread, now):
            raise Held
        thread.claimed_by, thread.claimed_at, thread.read_to = secretary, now, None
        self.session.flush()

    def is_left(self, thread: Thread, now: datetime) -> bool:
        """Whether its holder let it lie for too long, or may answer no more."""
        if thread.claimed_by is None or thread.claimed_at is None:
            return False
        since = max(thread.claimed_at, thread.waits_since or thread.claimed_at)
        holders = self.grants.holders(Role.secretariat, now)
        return since <= now - LAPSE or thread.claimed_by not in holders

    def release(self, thread: Thread, secretary: int) -> None:
        """Leave it to colleagues.

        Raises:
            Ended: it is closed.
            Held: it is not in this secretary's hands.
        """
        if thread.closed_at is not None:
            raise Ended
        if thread.claimed_by != secretary:
            raise Held
        thread.claimed_by = thread.claimed_at = thread.read_to = None
        self.session.flush()

    def mark_read(self, thread: Thread, secretary: int, read_to: int) -> None:
        """Its holder has read it up to a message."""
        if thread.claimed_by == secretary:
            thread.read_to = max(min(read_to, self.last_message(thread.id)), thread.read_to or 0)
            self.session.flush()

    def check_read(self, thread: Thread) -> None:
        """Whether its holder has read all that the person wrote.

        Raises:
            Unread: there is more.
        """
        wanted = select(func.max(ThreadMessage.id)).where(
            ThreadMessage.thread_id == thread.id, ThreadMessage.is_answer.is_(False)
        )
        if (self.session.execute(wanted).scalar() or 0) > (thread.read_to or 0):
            raise Unread

    def to_tell(self, thread: Thread, now: datetime) -> Select[int]:
        """Who is told that a thread begins to wait: who holds it, or else every other secretary."""
        if thread.claimed_by not in (None, thread.person_id) and not self.is_left(thread, now):
            return select(literal(thread.claimed_by))
        return self.grants.secretaries(now, besides=thread.person_id)

    def answer(self, thread: Thread, secretary: int, said: str, now: datetime) -> ThreadMessage:
        """Answer what its holder has read.

        Raises:
            Ended: it is closed.
            Held: a colleague holds it.
            Unread: the person wrote more meanwhile.
        """
        self._decide(thread, secretary, now)
        message = self._say(thread, said, now, answered_by=secretary)
        thread.waits_since = None
        self.session.flush()
        return message

    def close(self, thread: Thread, secretary: int, now: datetime) -> bool:
        """Close what its holder has read; say whether it was ever answered.

        Raises:
            Ended: it is closed.
            Held: a colleague holds it.
            Unread: the person wrote more meanwhile.
        """
        self._decide(thread, secretary, now)
        thread.closed_at, thread.waits_since = now, None
        self.session.flush()
        return self.is_answered(thread.id)

    def is_answered(self, thread_id: int) -> bool:
        answers = select(ThreadMessage.id).where(
            ThreadMessage.thread_id == thread_id, ThreadMessage.is_answer
        )
        return self.session.execute(answers.limit(1)).first() is not None

    def message(self, message_id: int) -> tuple[ThreadMessage, Thread] | None:
        """A message with its thread."""
        wanted = select(ThreadMessage, Thread).join(Thread, Thread.id == ThreadMessage.thread_id)
        row = self.session.execute(wanted.where(ThreadMessage.id == message_id)).first()
        return None if row is None else (row[0], row[1])

    def messages(self, thread_id: int, *, before: int | None = None, at_most: int) -> list[Line]:
        """The last messages of a thread, in order.

        Args:
            before: only those before this one.
        """
        wanted = (
            select(ThreadMessage, Person.name)
            .outerjoin(Person, Person.id == ThreadMessage.answered_by)
            .where(ThreadMessage.thread_id == thread_id)
            .order_by(ThreadMessage.id.desc())
            .limit(at_most)
        )
        if before is not None:
            wanted = wanted.where(ThreadMessage.id < before)
        return [Line(*row) for row in self.session.execute(wanted)][::-1]

    def last_message(self, thread_id: int) -> int:
        wanted = select(func.max(ThreadMessage.id)).where(ThreadMessage.thread_id == thread_id)
        return self.session.execute(wanted).scalar() or 0

    def waiting(self, first: int, at_most: int) -> list[Listed]:
        """Threads that wait for an answer, the oldest first."""
        return self._listed(Thread.waits_since.is_not(None), first, at_most)

    def answered(self, first: int, at_most: int) -> list[Listed]:
        """Open threads whose last word is the secretariat's."""
        return self._listed(_answered(), first, at_most)

    def count_waiting(self, since: datetime | None = None) -> int:
        """How many wait for an answer, all or those that do so since a moment."""
        waits = Thread.waits_since.is_not(None) if since is None else Thread.waits_since <= since
        return int(self.session.execute(select(func.count()).where(waits)).scalar_one())

    def count_answered(self) -> int:
        return int(self.session.execute(select(func.count()).where(_answered())).scalar_one())

    def listed(self, thread_id: int) -> Listed | None:
        """A thread with the people it is about."""
        found = self._listed(Thread.id == thread_id, 0, 1)
        return found[0] if found else None

    def count_of(self, person_id: int) -> int:
        """How many messages a person wrote that are kept."""
        wanted = (
            select(func.count(ThreadMessage.id))
            .join(Thread, Thread.id == ThreadMessage.thread_id)
            .where(Thread.person_id == person_id, ThreadMessage.is_answer.is_(False))
        )
        return int(self.session.execute(wanted).scalar_one())

    def all_of(self, person_id: int) -> list[ThreadMessage]:
        """All that a person wrote and was answered, the oldest first."""
        theirs = select(Thread.id).where(Thread.person_id == person_id)
        wanted = select(ThreadMessage).where(ThreadMessage.thread_id.in_(theirs))
        return list(self.session.scalars(wanted.order_by(ThreadMessage.id)))

    def writers(self) -> Select[int]:
        """The people who wrote to the secretariat."""
        return select(Thread.person_id)

    def cared_for_by(self, secretary: int) -> list[int]:
        """The threads that somebody holds, or answered."""
        answered = select(ThreadMessage.thread_id).where(ThreadMessage.answered_by == secretary)
        wanted = select(Thread.id).where(
            or_(Thread.claimed_by == secretary, Thread.id.in_(answered))
        )
        return list(self.session.scalars(wanted))

    def release_claims(self, secretary: int) -> None:
        """Put back what somebody held; leave no trace of what they answered."""
        held = update(_threads).where(_threads.c.claimed_by == secretary)
        self.session.execute(held.values(claimed_by=None, claimed_at=None, read_to=None))
        answers = update(_messages).where(_messages.c.answered_by == secretary)
        self.session.execute(answers.values(answered_by=None))

    def erase_of(self, person_id: int) -> tuple[list[int], list[int]]:
        """Erase all that a person wrote, with its answers; return the threads' ids, and who was to
        answer.
        """
        wanted = select(Thread).where(Thread.person_id == person_id).order_by(Thread.id)
        mine = list(self.session.scalars(wanted.with_for_update()))
        holders = {
            one.claimed_by for one in mine if one.claimed_by is not None and one.closed_at is None
        }
        for one in mine:
            self.session.expunge(one)
        ids = [one.id for one in mine]
        self._drop(ids)
        return ids, sorted(holders - {person_id})

    def forget_old(self, before: datetime) -> None:
        """Drop the threads that were closed before a moment, or in which nothing was said since."""
        lately = select(ThreadMessage.thread_id).where(ThreadMessage.said_at >= before)
        silent = (Thread.opened_at < before) & Thread.id.not_in(lately)
        old = select(Thread.id).where(or_(Thread.closed_at < before, silent))
        self._drop(list(self.session.scalars(old)))

    def _drop(self, ids: Sequence[int]) -> None:
        self.session.execute(delete(_messages).where(_messages.c.thread_id.in_(ids)))
        self.session.execute(delete(_threads).where(_threads.c.id.in_(ids)))

    def _decide(self, thread: Thread, secretary: int, now: datetime) -> None:
        """Take a thread to answer or close it, once all of it has been read."""
        self.take(thread, secretary, now)
        self.check_read(thread)

    def _open(self, person_id: int, now: datetime) -> None:
        insert = insert_into(self.session, Thread).values(person_id=person_id, opened_at=now)
        self.session.execute(
            insert.on_conflict_do_nothing(index_elements=["person_id"], index_where=text(OPEN))
        )

    def _say(
        self,
        thread: Thread,
        said: str,
        now: datetime,
        *,
        broadcast_id: int | None = None,
        answered_by: int | None = None,
    ) -> ThreadMessage:
        message = ThreadMessage(
            thread_id=thread.id,
            broadcast_id=broadcast_id,
            answered_by=answered_by,
            is_answer=answered_by is not None,
            text=said,
            said_at=now,
        )
        self.session.add(message)
        self.session.flush()
        return message

    def _unanswered(self, thread: Thread) -> int:
        """How many messages the person wrote since the last answer."""
        answers = select(func.coalesce(func.max(ThreadMessage.id), 0)).where(
            ThreadMessage.thread_id == thread.id, ThreadMessage.is_answer
        )
        wanted = select(func.count()).where(
            ThreadMessage.thread_id == thread.id, ThreadMessage.id > answers.scalar_subquery()
        )
        return int(self.session.execute(wanted).scalar_one())

    def _listed(self, which: ColumnElement[bool], first: int, at_most: int) -> list[Listed]:
        writer, holder = aliased(Person), aliased(Person)
        said = aliased(ThreadMessage)
        last = select(func.max(said.id)).where(said.thread_id == Thread.id).correlate(Thread)
        wanted = (
            select(Thread, ThreadMessage, writer, holder)
            .select_from(Thread)
            .join(ThreadMessage, ThreadMessage.id == last.scalar_subquery())
            .join(writer, writer.id == Thread.person_id)
            .outerjoin(holder, holder.id == Thread.claimed_by)
            .where(which)
            .order_by(Thread.waits_since, Thread.id)
            .offset(first)
            .limit(at_most)
        )
        return [Listed(*row) for row in self.session.execute(wanted)]

    def _locked(self, which: ColumnElement[bool]) -> Thread | None:
        wanted = select(Thread).where(which).with_for_update()
        return self.session.scalars(wanted.execution_options(populate_existing=True)).first()


def _answered() -> ColumnElement[bool]:
    return Thread.closed_at.is_(None) & Thread.waits_since.is_(None)
