"""Broadcasts: what is said to many, by whom it was confirmed, and who asked not to be told."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base
from storage.types import Encrypted, EncryptedJSON, Instant, Named


class BroadcastKind(StrEnum):
    """What a broadcast is about; people may stop each kind by itself."""

    news = "news"
    consultation = "consultation"
    event = "event"


class BroadcastState(StrEnum):
    """`composed`: shown in a preview only. `confirmed`: it leaves at `leaves_at`."""

    composed = "composed"
    confirmed = "confirmed"
    leaving = "leaving"
    paused = "paused"
    done = "done"
    cancelled = "cancelled"


class Broadcast(Base):
    """One text to an audience. `audience` is plain data: a kind, and what narrows it."""

    __tablename__ = "broadcasts"
    __table_args__ = (
        Index(
            "ix_broadcasts_under_way",
            "id",
            sqlite_where=text("state IN ('confirmed', 'leaving', 'paused')"),
            postgresql_where=text("state IN ('confirmed', 'leaving', 'paused')"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[BroadcastKind] = mapped_column(Named(BroadcastKind))
    body: Mapped[str] = mapped_column(Encrypted("broadcasts.body"))
    file_id: Mapped[int | None] = mapped_column(ForeignKey("files.id", ondelete="SET NULL"))
    audience: Mapped[dict[str, Any]] = mapped_column(EncryptedJSON("broadcasts.audience"))
    state: Mapped[BroadcastState] = mapped_column(Named(BroadcastState))
    composed_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    composed_at: Mapped[datetime] = mapped_column(Instant)
    confirmed_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    leaves_at: Mapped[datetime | None] = mapped_column(Instant)
    started_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    notice_id: Mapped[int | None] = mapped_column(ForeignKey("notices.id", ondelete="SET NULL"))
    total: Mapped[int | None]


class Mute(Base):
    """A person asked not to be sent a kind of broadcast."""

    __tablename__ = "mutes"

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    kind: Mapped[BroadcastKind] = mapped_column(Named(BroadcastKind), primary_key=True)
    since: Mapped[datetime] = mapped_column(Instant)


class Broadcasts:
    def __init__(self, session: Session) -> None:
        self.session = session

    def get(self, broadcast_id: int) -> Broadcast | None:
        return self.session.get(Broadcast, broadcast_id)
