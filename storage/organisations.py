"""Organisations of the committee, their dated names, and who speaks for them."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Date,
    ForeignKey,
    Index,
    Select,
    String,
    Text,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base
from storage.types import Instant, Named


class MandateKind(StrEnum):
    delegate = "delegate"
    substitute = "substitute"


class Organisation(Base):
    """A signatory of the convention of 1 October 2015, or an associated organisation."""

    __tablename__ = "organisations"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    is_signatory: Mapped[bool]
    college: Mapped[str | None] = mapped_column(String(40))


class OrganisationName(Base):
    """A name that an organisation bears from a day on (several were renamed since 2015)."""

    __tablename__ = "organisation_names"

    organisation_id: Mapped[str] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    starts_on: Mapped[date] = mapped_column(Date, primary_key=True)
    ends_on: Mapped[date | None] = mapped_column(Date)
    name: Mapped[str] = mapped_column(Text)
    short_name: Mapped[str] = mapped_column(String(80))


class Mandate(Base):
    """A person speaks and votes for an organisation during a term."""

    __tablename__ = "mandates"
    __table_args__ = (Index(None, "person_id"), Index(None, "organisation_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    organisation_id: Mapped[str] = mapped_column(ForeignKey("organisations.id"))
    kind: Mapped[MandateKind] = mapped_column(Named(MandateKind))
    starts_at: Mapped[datetime] = mapped_column(Instant)
    ends_at: Mapped[datetime | None] = mapped_column(Instant)

    @classmethod
    def active(cls, now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
        return (cls.starts_at <= now) & or_(cls.ends_at.is_(None), cls.ends_at > now)


class Organisations:
    def __init__(self, session: Session) -> None:
        self.session = session

    def names(self, day: date, short: bool = False) -> dict[str, str]:
        """The name that each organisation bears on a day, by id."""
        wanted = select(OrganisationName).where(
            OrganisationName.starts_on <= day,
            or_(OrganisationName.ends_on.is_(None), OrganisationName.ends_on > day),
        )
        return {
            row.organisation_id: row.short_name if short else row.name
            for row in self.session.scalars(wanted)
        }

    def get(self, organisation_id: str) -> Organisation | None:
        return self.session.get(Organisation, organisation_id)

    def add(
        self,
        organisation_id: str,
        *,
        is_signatory: bool,
        college: str | None,
        names: Iterable[OrganisationName],
    ) -> None:
        self.session.add(
            Organisation(id=organisation_id, is_signatory=is_signatory, college=college)
        )
        self.session.flush()
        self.session.add_all(names)

    def appoint(
        self,
        person_id: int,
        organisation_id: str,
        kind: MandateKind,
        now: datetime,
        ends_at: datetime | None = None,
    ) -> Mandate:
        mandate = Mandate(
            person_id=person_id,
            organisation_id=organisation_id,
            kind=kind,
            starts_at=now,
            ends_at=ends_at,
        )
        self.session.add(mandate)
        return mandate

    def mandates_of(self, person_id: int, now: datetime) -> list[Mandate]:
        wanted = select(Mandate).where(Mandate.person_id == person_id, Mandate.active(now))
        return list(self.session.scalars(wanted.order_by(Mandate.id)))

    def members(self, now: datetime) -> Select[int]:
        """The people who speak for an organisation."""
        return select(Mandate.person_id).where(Mandate.active(now))

    def spoken_for(self, people: Sequence[int], now: datetime) -> dict[int, list[str]]:
        """The organisations for which each of some people speaks, by person."""
        wanted = (
            select(Mandate.person_id, Mandate.organisation_id)
            .where(Mandate.person_id.in_(people), Mandate.active(now))
            .order_by(Mandate.id)
        )
        found: dict[int, list[str]] = {}
        for person_id, organisation_id in self.session.execute(wanted):
            found.setdefault(person_id, []).append(organisation_id)
        return found

    def end_mandates(self, person_id: int, now: datetime) -> None:
        mine = (Mandate.person_id == person_id) & Mandate.active(now)
        self.session.execute(update(Mandate).where(mine).values(ends_at=now))
