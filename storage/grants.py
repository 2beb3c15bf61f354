"""Roles that people hold, each with its scope and term."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    ForeignKey,
    Index,
    Select,
    String,
    or_,
    select,
    update,
)
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
EVERYWHERE = (Role.secretariat, Role.administrator)
THEME, ACADEMIE = "theme:", "academie:"  # what begins the scope of a reviewer of only these


def scope_of_reviewer(theme: str | None, academie: str | None) -> str:
    """The scope of who reviews the reports of one theme, or one académie; empty: all of them."""
    if theme is not None:
        return f"{THEME}{theme}"
    return f"{ACADEMIE}{academie}" if academie is not None else ""


# The roles of those who run all this. Somebody always holds each, or nobody could give it back;
# only an administrator gives them; nobody else pauses, excludes or erases who holds one.
RUNNING = frozenset({Role.secretariat, Role.administrator})


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
    def active(cls, now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
        return (cls.starts_at <= now) & or_(cls.ends_at.is_(None), cls.ends_at > now)

    @classmethod
    def counts(cls, now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
        """Whether it is active, and of a scope that its role can have."""
        some = or_(cls.scope.startswith(THEME), cls.scope.startswith(ACADEMIE))
        return cls.active(now) & or_(
            cls.scope == "",
            (cls.role == Role.reviewer) & some,
            cls.role.not_in((*EVERYWHERE, Role.reviewer)),
        )


@dataclass(frozen=True)
class Reach:
    """The reports that somebody may read before they are published.

    Attributes:
        everything: all of them; else those on some themes, and those from some académies.
    """

    everything: bool = False
    themes: frozenset[str] = frozenset()
    academies: frozenset[str] = frozenset()

    def covers(self, theme: str | None, academie: str | None) -> bool:
        return self.everything or theme in self.themes or academie in self.academies


ALL_REPORTS = Reach(everything=True)


class NoSuchGrant(Exception):
    """There is no such role, or it has ended."""


class LastHolder(Exception):
    """Nobody else holds a role that somebody must hold."""


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
        self.session.flush()

    def roles_of(self, person_id: int, now: datetime) -> frozenset[Role]:
        wanted = select(Grant.role).where(Grant.person_id == person_id, Grant.counts(now))
        return frozenset(self.session.scalars(wanted))

    def scoped(self, person_id: int, now: datetime) -> list[tuple[Role, str]]:
        """A person's roles, each with its scope."""
        wanted = select(Grant.role, Grant.scope).where(
            Grant.person_id == person_id, Grant.counts(now)
        )
        return [(role, scope) for role, scope in self.session.execute(wanted)]

    def holders(self, role: Role, now: datetime) -> list[int]:
        wanted = select(Grant.person_id).where(Grant.role == role, Grant.counts(now)).distinct()
        return sorted(self.session.scalars(wanted))

    def members(self, now: datetime) -> Select[int]:
        """The people who hold a role."""
        return select(Grant.person_id).where(Grant.counts(now))

    def reach_of(self, person_id: int, now: datetime) -> Reach:
        """What a person may read before it is published, by all their roles."""
        wanted = select(Grant.role, Grant.scope).where(
            Grant.person_id == person_id,
            Grant.role.in_((Role.secretariat, Role.reviewer)),
            Grant.counts(now),
        )
        scopes = {scope for _, scope in self.session.execute(wanted)}
        return Reach(
            everything="" in scopes,
            themes=frozenset(_named(THEME, scopes)),
            academies=frozenset(_named(ACADEMIE, scopes)),
        )

    def readers(self, now: datetime) -> Select[int]:
        """The people who may read some reports, or all, before they are published."""
        reads = Grant.role.in_((Role.secretariat, Role.reviewer))
        return select(Grant.person_id).where(reads, Grant.counts(now)).distinct()

    def secretaries(self, now: datetime, *, besides: int | None = None) -> Select[int]:
        """The people who answer for the secretariat, but for one."""
        serves = (Grant.role == Role.secretariat) & Grant.counts(now)
        if besides is not None:
            serves &= Grant.person_id != besides
        return select(Grant.person_id).where(serves).distinct()

    def get(self, grant_id: int, now: datetime) -> Grant | None:
        """A role that somebody holds now."""
        wanted = select(Grant).where(Grant.id == grant_id, Grant.counts(now))
        return self.session.scalars(wanted).first()

    def held(self, now: datetime) -> list[Grant]:
        """Every role that somebody holds."""
        return list(self.session.scalars(select(Grant).where(Grant.counts(now)).order_by(Grant.id)))

    def of(self, person_id: int, now: datetime) -> list[Grant]:
        """Every role that one person holds."""
        mine = select(Grant).where(Grant.person_id == person_id, Grant.counts(now))
        return list(self.session.scalars(mine.order_by(Grant.id)))

    def end_one(self, grant_id: int, now: datetime) -> Grant:
        """End one role of one person.

        All who hold it are locked, so that two do not end each other's at once.

        Raises:
            NoSuchGrant
            LastHolder: of one of `RUNNING`.
        """
        found = self.get(grant_id, now)
        if found is None:
            raise NoSuchGrant
        alike = select(Grant).where(Grant.role == found.role, Grant.counts(now))
        locked = alike.order_by(Grant.id).with_for_update()
        held = self.session.scalars(locked.execution_options(populate_existing=True)).all()
        if found not in held:
            raise NoSuchGrant
        if found.role in RUNNING and len(held) == 1:
            raise LastHolder
        found.ends_at = now
        self.session.flush()
        return found

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


def _named(kind: str, scopes: Collection[str]) -> Iterator[str]:
    """The themes, or the académies, that some scopes name."""
    return (scope.removeprefix(kind) for scope in scopes if scope.startswith(kind))
