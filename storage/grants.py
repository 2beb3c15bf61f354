"""Roles that people hold, each with its scope and term."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, ForeignKey, Index, Select, String, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base
from storage.types import Instant, Named


class Role(StrEnum):
    """What a person may be. Delegates and substitutes hold a mandate besides."""

    secretariat = "secretariat"
    delegate = "delegate"
    substitute = "substitute"
    member = "member"
    reviewer = "reviewer"
    chair = "chair"
    rapporteur = "rapporteur"
    administrator = "administrator"


# Roles that one has everywhere or not at all: narrowed to a group, they would allow nothing there.
EVERYWHERE = (Role.secretariat, Role.reviewer, Role.administrator)


class Grant(Base):
    """A person holds a role; `scope` narrows it (a group, a theme), empty means everywhere."""

    __tablename__ = "grants"
    __table_args__ = (Index(None, "person_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    role: Mapped[Role] = mapped_column(Named(Role))
    scope: Mapped[str] = mapped_column(String(80), default="")
    starts_at: Mapped[datetime] = mapped_column(Instant)
    ends_at: Mapped[datetime | None] = mapped_column(Instant)
    granted_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))

    @classmethod
    def active(cls, now: datetime) -> ColumnElement[bool]:
        return (cls.starts_at <= now) & or_(cls.ends_at.is_(None), cls.ends_at > now)

    @classmethod
    def counts(cls, now: datetime) -> ColumnElement[bool]:
        """Whether it is active, and of a scope that its role can have."""
        return cls.active(now) & or_(cls.scope == "", cls.role.not_in(EVERYWHERE))


class Grants:
    def __init__(self, session: Session) -> None:
        self.session = session

    def give(
        self,
        person_id: int,
        role: Role,
        now: datetime,
        *,
        scope: str = "",
        granted_by: int | None = None,
    ) -> None:
        self.session.add(
            Grant(person_id=person_id, role=role, scope=scope, starts_at=now, granted_by=granted_by)
        )

    def roles_of(self, person_id: int, now: datetime) -> frozenset[Role]:
        wanted = select(Grant.role).where(Grant.person_id == person_id, Grant.counts(now))
        return frozenset(self.session.scalars(wanted))

    def holders(self, role: Role, now: datetime) -> list[int]:
        wanted = select(Grant.person_id).where(Grant.role == role, Grant.counts(now)).distinct()
        return sorted(self.session.scalars(wanted))

    def members(self, now: datetime) -> Select[int]:
        """The people who hold a role."""
        return select(Grant.person_id).where(Grant.counts(now))

    def readers(self, now: datetime) -> Select[int]:
        """The people who may read reports before they are published."""
        reads = Grant.role.in_((Role.secretariat, Role.reviewer))
        return select(Grant.person_id).where(reads, Grant.counts(now)).distinct()

    def secretaries(self, now: datetime, *, besides: int | None = None) -> Select[int]:
        """The people who answer for the secretariat, but for one."""
        serves = (Grant.role == Role.secretariat) & Grant.counts(now)
        if besides is not None:
            serves &= Grant.person_id != besides
        return select(Grant.person_id).where(serves).distinct()

    def end(self, person_id: int, now: datetime) -> None:
        mine = (Grant.person_id == person_id) & Grant.active(now)
        self.session.execute(update(Grant).where(mine).values(ends_at=now))

    def end_scope(
        self,
        scope: str,
        now: datetime,
        *,
        person_id: int | None = None,
        role: Role | None = None,
    ) -> None:
        """End what is held in one scope: by everybody, or a person; any role, or one."""
        ending = update(Grant).where(Grant.scope == scope, Grant.active(now))
        if person_id is not None:
            ending = ending.where(Grant.person_id == person_id)
        if role is not None:
            ending = ending.where(Grant.role == role)
        self.session.execute(ending.values(ends_at=now))
