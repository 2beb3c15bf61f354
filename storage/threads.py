"""What people write to the secretariat, and what it answers."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base
from storage.types import Encrypted, Instant


class Thread(Base):
    """A conversation of one person with the secretariat. A person has one open thread at most."""

    __tablename__ = "threads"
    __table_args__ = (
        Index(None, "closed_at"),
        Index(
            "uq_threads_open",
            "person_id",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index(
            "ix_threads_waiting",
            "waits_since",
            sqlite_where=text("waits_since IS NOT NULL"),
            postgresql_where=text("waits_since IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    broadcast_id: Mapped[int | None] = mapped_column(ForeignKey("broadcasts.id"))
    opened_at: Mapped[datetime] = mapped_column(Instant)
    waits_since: Mapped[datetime | None] = mapped_column(Instant)
    claimed_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    claimed_at: Mapped[datetime | None] = mapped_column(Instant)
    closed_at: Mapped[datetime | None] = mapped_column(Instant)


class ThreadMessage(Base):
    """One message of a thread; `answered_by` is who answered for the secretariat, if it is one."""

    __tablename__ = "thread_messages"
    __table_args__ = (Index(None, "thread_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    thread_id: Mapped[int] = mapped_column(ForeignKey("threads.id", ondelete="CASCADE"))
    answered_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    is_answer: Mapped[bool]
    text: Mapped[str] = mapped_column(Encrypted("thread_messages.text"))
    said_at: Mapped[datetime] = mapped_column(Instant)


class Threads:
    def __init__(self, session: Session) -> None:
        self.session = session

    def get(self, thread_id: int) -> Thread | None:
        return self.session.get(Thread, thread_id)
