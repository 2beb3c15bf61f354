"""Second agreements: a sensitive act that one person asked for, and another has to agree to."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, delete, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base
from storage.types import EncryptedJSON, Instant, Named

WAITS = timedelta(days=3)


class ApprovalState(StrEnum):
    """What became of it.

    `void`: who asked was erased, or found to be one with somebody else; or nothing is to be done.
    """

    waiting = "waiting"
    accepted = "accepted"
    declined = "declined"
    expired = "expired"
    void = "void"


class Approval(Base):
    """An act that waits for a second person.

    Attributes:
        act: its name, as `bot.approving` knows it.
        arguments: plain data that it is done with; None once it was decided.
    """

    __tablename__ = "approvals"
    __table_args__ = (Index(None, "asked_by"), Index(None, "expires_at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    act: Mapped[str] = mapped_column(String(60))
    arguments: Mapped[dict[str, Any] | None] = mapped_column(EncryptedJSON("approvals.arguments"))
    asked_by: Mapped[int] = mapped_column(ForeignKey("people.id"))
    state: Mapped[ApprovalState] = mapped_column(Named(ApprovalState))
    asked_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)

    def waits(self, now: datetime) -> bool:
        return self.state is ApprovalState.waiting and self.expires_at > now


class Approvals:
    def __init__(self, session: Session) -> None:
        self.session = session

    def ask(self, act: str, arguments: Mapping[str, Any], by: int, now: datetime) -> Approval:
        approval = Approval(
            act=act,
            arguments=dict(arguments),
            asked_by=by,
            state=ApprovalState.waiting,
            asked_at=now,
            expires_at=now + WAITS,
        )
        self.session.add(approval)
        self.session.flush()
        return approval

    def get(self, approval_id: int) -> Approval | None:
        return self.session.get(Approval, approval_id)

    def lock(self, approval_id: int, now: datetime) -> Approval | None:
        """One that still waits, locked, so that two do not decide it."""
        wanted = select(Approval).where(Approval.id == approval_id, *_waits(now))
        locked = wanted.with_for_update().execution_options(populate_existing=True)
        return self.session.scalars(locked).first()

    def waiting(self, now: datetime) -> list[Approval]:
        """Those that still wait, the oldest first."""
        wanted = select(Approval).where(*_waits(now)).order_by(Approval.id)
        return list(self.session.scalars(wanted))

    def alike(self, act: str, arguments: Mapping[str, Any], now: datetime) -> list[Approval]:
        """Those that wait for one and the same act."""
        wanted = act, dict(arguments)
        return [one for one in self.waiting(now) if (one.act, one.arguments) == wanted]

    def settle(self, approval: Approval, state: ApprovalState) -> bool:
        """Note what became of it, once; what it was to be done with is forgotten.

        False if somebody was first, and it waits no more.
        """
        still = (Approval.id == approval.id) & (Approval.state == ApprovalState.waiting)
        settling = update(Approval).where(still).values(state=state, arguments=None)
        settling = settling.execution_options(synchronize_session=False)
        settled = self.session.execute(settling.returning(Approval.id)).scalar()
        self.session.expire(approval)
        return settled is not None

    def void(self, act: str, arguments: Mapping[str, Any], now: datetime) -> list[Approval]:
        """Have an act wait no more that is not to be done any more; those that did wait for it."""
        alike = self.alike(act, arguments, now)
        return [one for one in alike if self.settle(one, ApprovalState.void)]

    def next_due(self) -> datetime | None:
        """When the next one that waits ends."""
        waits = Approval.state == ApprovalState.waiting
        return self.session.scalars(select(func.min(Approval.expires_at)).where(waits)).one()

    def expired(self, now: datetime) -> list[Approval]:
        """Those that nobody decided in time, and that wait no more; locked."""
        late = (Approval.state == ApprovalState.waiting) & (Approval.expires_at <= now)
        wanted = select(Approval).where(late).order_by(Approval.id).with_for_update()
        return list(self.session.scalars(wanted))

    def void_all(self) -> None:
        """Have none wait any more."""
        self._void(update(Approval))

    def void_of(self, person_id: int) -> None:
        """Have nothing wait any more that a person asked for."""
        self._void(update(Approval).where(Approval.asked_by == person_id))

    def forget(self, before: datetime) -> None:
        """Drop those that ended before a moment, whatever became of them."""
        self.session.execute(delete(Approval).where(Approval.expires_at < before))

    def _void(self, which: Any) -> None:
        voided = which.where(Approval.state == ApprovalState.waiting)
        self.session.execute(voided.values(state=ApprovalState.void, arguments=None))


def _waits(now: datetime) -> tuple[Any, ...]:
    return Approval.state == ApprovalState.waiting, Approval.expires_at > now
