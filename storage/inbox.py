"""Updates that their platform gave away, and that take long to be applied: files, and pastes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import String, UniqueConstraint, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base, insert_into
from storage.people import Account
from storage.types import BlindIndex, EncryptedJSON, Instant


class Held(Base):
    """An update as it came, from when its platform is told that we have it until it is applied.

    `sender_index` is that of the account which said it, made or not yet.
    """

    __tablename__ = "inbox"
    __table_args__ = (UniqueConstraint("platform", "update_index"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    platform: Mapped[str] = mapped_column(String(12))
    update_index: Mapped[str] = mapped_column(BlindIndex("inbox.update"))
    sender_index: Mapped[str | None] = mapped_column(BlindIndex("accounts.address"))
    body: Mapped[dict[str, Any]] = mapped_column(EncryptedJSON("inbox.body"))
    received_at: Mapped[datetime] = mapped_column(Instant)


@dataclass(frozen=True)
class Waiting:
    """An update that is held, as it came."""

    id: int
    body: dict[str, Any]
    received_at: datetime


class Inbox:
    def __init__(self, session: Session) -> None:
        self.session = session

    def hold(
        self,
        platform: str,
        update_id: str,
        body: dict[str, Any],
        received_at: datetime,
        sender: str | None = None,
    ) -> int | None:
        """Keep an update; its number here, or None if it is held already.

        Args:
            sender: the address of the account that said it: what it holds is erased with it.
        """
        insert = insert_into(self.session, Held).values(
            platform=platform,
            update_index=update_id,
            sender_index=sender,
            body=body,
            received_at=received_at,
        )
        made = self.session.execute(insert.on_conflict_do_nothing().returning(Held.id))
        return made.scalar()

    def waiting(self, platform: str) -> list[Waiting]:
        """What is held, as it came, the oldest first."""
        wanted = (
            select(Held.id, Held.body, Held.received_at)
            .where(Held.platform == platform)
            .order_by(Held.id)
        )
        return [Waiting(*row) for row in self.session.execute(wanted)]

    def some(self, ids: Collection[int]) -> list[Waiting]:
        """Those that are still held of some, as they came, the oldest first."""
        wanted = select(Held.id, Held.body, Held.received_at).where(Held.id.in_(ids))
        return [Waiting(*row) for row in self.session.execute(wanted.order_by(Held.id))]

    def release(self, ids: Sequence[int]) -> None:
        """Drop what was applied."""
        self.session.execute(delete(Held).where(Held.id.in_(ids)))

    def forget_person(self, person_id: int) -> None:
        """Drop what a person said that was not applied yet; their accounts must still be there."""
        theirs = select(Account.id).where(
            Account.person_id == person_id,
            Account.platform == Held.platform,
            Account.address_index == Held.sender_index,
        )
        mine = delete(Held).where(theirs.exists())
        self.session.execute(mine.execution_options(synchronize_session=False))

    def forget_old(self, before: datetime) -> None:
        """Drop what was received before a moment, and never applied."""
        self.session.execute(delete(Held).where(Held.received_at < before))
