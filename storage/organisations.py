"""Organisations of the committee, their dated names, and who speaks for them."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
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
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base
from storage.types import Instant, Named

WARNING = timedelta(days=14)  # before the end of a term, when its holder is told


class MandateKind(StrEnum):
    delegate = "delegate"
    substitute = "substitute"


class Organisation(Base):
    """A signatory of the convention of 1 October 2015, or an associated organisation."""

    __tablename__ = "organisations"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    is_signatory: Mapped[bool]
    college: Mapped[str | None] = mapped_column(String(40))

    @classmethod
    def stands(cls, day: date) -> ColumnElement[bool]:
        """Whether its last name is still borne on a day; one whose names all ended is no more."""
        names = select(OrganisationName.organisation_id).where(
            OrganisationName.organisation_id == cls.id
        )
        lasts = or_(OrganisationName.ends_on.is_(None), OrganisationName.ends_on > day)
        return names.where(lasts).exists() | ~names.exists()


class OrganisationName(Base):
    """A name that an organisation bears from a day on (several were renamed since 2015)."""

    __tablename__ = "organisation_names"

    organisation_id: Mapped[str] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    starts_on: Mapped[date] = mapped_column(Date, primary_key=True)
    ends_on: Mapped[date | None] = mapped_column(Date)
    name: Mapped[str] = mapped_column(Text)
    short_name: Mapped[str] = mapped_column(String(80))


class Mandate(Base):
    """A person speaks and votes for an organisation during a term.

    Attributes:
        warned_at: when they were told that it ends soon.
        end_told_at: when it was told that it has ended.
    """

    __tablename__ = "mandates"
    __table_args__ = (Index(None, "person_id"), Index(None, "organisation_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    organisation_id: Mapped[str] = mapped_column(ForeignKey("organisations.id"))
    kind: Mapped[MandateKind] = mapped_column(Named(MandateKind))
    starts_at: Mapped[datetime] = mapped_column(Instant)
    ends_at: Mapped[datetime | None] = mapped_column(Instant)
    warned_at: Mapped[datetime | None] = mapped_column(Instant)
    end_told_at: Mapped[datetime | None] = mapped_column(Instant)

    @classmethod
    def active(cls, now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
        return (cls.starts_at <= now) & or_(cls.ends_at.is_(None), cls.ends_at > now)

    def lasts(self, now: datetime) -> bool:
        """Whether it is active."""
        return self.starts_at <= now and (self.ends_at is None or self.ends_at > now)


class NoSuchTerm(Exception):
    """There is no such mandate, or it has ended."""


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

    def all(self) -> dict[str, Organisation]:
        """Every organisation, by id."""
        wanted = select(Organisation).order_by(Organisation.id)
        return {one.id: one for one in self.session.scalars(wanted)}

    def all_names(self) -> dict[str, list[OrganisationName]]:
        """The names that each organisation ever bore, the oldest first."""
        order = (OrganisationName.organisation_id, OrganisationName.starts_on)
        found: dict[str, list[OrganisationName]] = {}
        for name in self.session.scalars(select(OrganisationName).order_by(*order)):
            found.setdefault(name.organisation_id, []).append(name)
        return found

    def rename(self, organisation_id: str, names: Iterable[OrganisationName]) -> None:
        """Put some names in the place of all that an organisation bears and bore."""
        mine = OrganisationName.organisation_id == organisation_id
        self.session.execute(delete(OrganisationName).where(mine))
        self.session.add_all(names)
        self.session.flush()

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
        self.session.flush()
        return mandate

    def mandates_of(self, person_id: int, now: datetime) -> list[Mandate]:
        wanted = select(Mandate).where(Mandate.person_id == person_id, Mandate.active(now))
        return list(self.session.scalars(wanted.order_by(Mandate.id)))

    def speakers(self, now: datetime, organisation_id: str | None = None) -> list[Mandate]:
        """Who speaks for an organisation, or for each: delegates first."""
        wanted = select(Mandate).where(Mandate.active(now))
        if organisation_id is not None:
            wanted = wanted.where(Mandate.organisation_id == organisation_id)
        found = self.session.scalars(wanted.order_by(Mandate.organisation_id, Mandate.id))
        return sorted(found, key=lambda one: one.kind is MandateKind.substitute)

    def has_delegate(self, organisation_id: str, now: datetime) -> bool:
        kinds = {one.kind for one in self.speakers(now, organisation_id)}
        return MandateKind.delegate in kinds

    def lock_mandate(self, mandate_id: int, now: datetime) -> Mandate:
        """A mandate that nobody ends meanwhile.

        Raises:
            NoSuchTerm
        """
        wanted = select(Mandate).where(Mandate.id == mandate_id, Mandate.active(now))
        wanted = wanted.with_for_update(key_share=True).execution_options(populate_existing=True)
        mandate = self.session.scalars(wanted).first()
        if mandate is None:
            raise NoSuchTerm
        return mandate

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

    def to_warn(self, now: datetime) -> list[Mandate]:
        """The mandates that end soon, of which nobody was warned; locked."""
        soon = Mandate.active(now) & (Mandate.ends_at <= now + WARNING)
        return self._due(soon & Mandate.warned_at.is_(None))

    def ended(self, now: datetime) -> list[Mandate]:
        """The mandates whose end was not told yet; locked."""
        return self._due((Mandate.ends_at <= now) & Mandate.end_told_at.is_(None))

    def next_due(self) -> datetime | None:
        """When a term ends next, or its end is to be told."""
        untold = select(func.min(Mandate.ends_at)).where(Mandate.end_told_at.is_(None))
        end: datetime | None = self.session.execute(untold).scalar()
        unwarned = untold.where(Mandate.warned_at.is_(None))
        warned: datetime | None = self.session.execute(unwarned).scalar()
        moments = [end, None if warned is None else warned - WARNING]
        return min((one for one in moments if one is not None), default=None)

    def _due(self, which: ColumnElement[bool]) -> list[Mandate]:
        wanted = select(Mandate).where(which).order_by(Mandate.id).with_for_update()
        return list(self.session.scalars(wanted.execution_options(populate_existing=True)))
