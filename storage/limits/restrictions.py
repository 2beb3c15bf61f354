"""Who may do less for a while, and why. It goes with where a person is reached, not with them.

So it holds for all their accounts, and who erases their data and comes back at the same address
finds it again. When it ends, nothing is left of it here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    Select,
    String,
    delete,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base
from storage.people import Account, Person
from storage.types import BlindIndex, Encrypted, Instant, Named

PAGE = "web"  # whose addresses are made anew for each visit: nobody comes back to one


class RestrictionKind(StrEnum):
    """`mute`: they read and vote, but send nothing. `ban`: they see to their data, no more."""

    mute = "mute"
    ban = "ban"


class Restriction(Base):
    """Why and until when; without `ends_at`, until somebody lifts it."""

    __tablename__ = "restrictions"
    __table_args__ = (Index(None, "ends_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[RestrictionKind] = mapped_column(Named(RestrictionKind))
    reason: Mapped[str] = mapped_column(Encrypted("restrictions.reason"))
    given_at: Mapped[datetime] = mapped_column(Instant)
    ends_at: Mapped[datetime | None] = mapped_column(Instant)

    def lasts(self, now: datetime) -> bool:
        return self.ends_at is None or self.ends_at > now


class RestrictedAddress(Base):
    """An address under a restriction, by the keyed hash that its account has, or had."""

    __tablename__ = "restricted_addresses"
    __table_args__ = (Index(None, "restriction_id"),)

    platform: Mapped[str] = mapped_column(String(12), primary_key=True)
    address_index: Mapped[str] = mapped_column(BlindIndex("accounts.address"), primary_key=True)
    restriction_id: Mapped[int] = mapped_column(ForeignKey("restrictions.id", ondelete="CASCADE"))


@dataclass(frozen=True)
class Restricted:
    """A restriction and whose it is; None: they erased their data since."""

    restriction: Restriction
    person: Person | None


def of_account() -> ColumnElement[bool]:
    """How an account finds its address here."""
    return (RestrictedAddress.platform == Account.platform) & (
        RestrictedAddress.address_index == Account.address_index
    )


class Restrictions:
    def __init__(self, session: Session) -> None:
        self.session = session

    def get(self, restriction_id: int) -> Restriction | None:
        return self.session.get(Restriction, restriction_id)

    def lock(self, restriction_id: int) -> Restriction | None:
        """One that nobody else lifts meanwhile."""
        wanted = select(Restriction).where(Restriction.id == restriction_id).with_for_update()
        return self.session.scalars(wanted.execution_options(populate_existing=True)).first()

    def of(self, person_id: int, now: datetime) -> Restriction | None:
        """What a person is under; the strictest, where two accounts became theirs."""
        found = [one for one in self._of(person_id) if one.lasts(now)]
        return max(found, key=_strictness, default=None)

    def is_banned(self, person_id: int, now: datetime) -> bool:
        """Whether somebody is excluded: who became one with them would be as well."""
        found = self.of(person_id, now)
        return found is not None and found.kind is RestrictionKind.ban

    def give(
        self,
        person_id: int,
        kind: RestrictionKind,
        reason: str,
        ends_at: datetime | None,
        now: datetime,
    ) -> Restriction:
        """Restrict a person, at all their addresses; it takes the place of what there was."""
        given = Restriction(kind=kind, reason=reason, given_at=now, ends_at=ends_at)
        self.session.add(given)
        self.session.flush()
        self._hold(person_id, given)
        return given

    def spread(self, person_id: int, now: datetime) -> None:
        """Two people became one: what either was under holds at every address of theirs."""
        strictest = self.of(person_id, now)
        if strictest is not None:
            self._hold(person_id, strictest)

    def lift(self, restriction: Restriction) -> list[int]:
        """End one, and forget the addresses; the people who were under it."""
        people = list(self.session.scalars(self.people(restriction.id)))
        self._drop([restriction.id])
        self.session.expunge(restriction)
        return people

    def over(self, now: datetime) -> list[Restriction]:
        """Those whose time has come; locked."""
        wanted = select(Restriction).where(Restriction.ends_at <= now).order_by(Restriction.id)
        return list(self.session.scalars(wanted.with_for_update()))

    def next_over(self) -> datetime | None:
        """When the next one ends."""
        return self.session.execute(select(func.min(Restriction.ends_at))).scalar()

    def people(self, restriction_id: int) -> Select[int]:
        """The people with an account at an address of a restriction."""
        its = (RestrictedAddress.restriction_id == restriction_id) & of_account()
        return select(Account.person_id).join(RestrictedAddress, its).distinct()

    def count(self, now: datetime) -> int:
        wanted = select(func.count()).where(_lasting(now))
        return int(self.session.execute(wanted).scalar_one())

    def lasting(self, first: int, at_most: int, now: datetime) -> list[Restricted]:
        """Those that last, the newest first, with whose they are."""
        wanted = select(Restriction).where(_lasting(now)).order_by(Restriction.id.desc())
        found = self.session.scalars(wanted.offset(first).limit(at_most)).all()
        return [Restricted(one, self.person(one)) for one in found]

    def forget_pages(self, person_id: int) -> None:
        """Drop a person's addresses on the page, to which nobody comes back."""
        mine = select(Account.address_index).where(
            Account.person_id == person_id, Account.platform == PAGE
        )
        gone = delete(RestrictedAddress).where(
            RestrictedAddress.platform == PAGE, RestrictedAddress.address_index.in_(mine)
        )
        self.session.execute(gone.execution_options(synchronize_session=False))
        self._drop_empty()

    def _of(self, person_id: int) -> Sequence[Restriction]:
        wanted = (
            select(Restriction)
            .join(RestrictedAddress, RestrictedAddress.restriction_id == Restriction.id)
            .join(Account, of_account())
            .where(Account.person_id == person_id)
            .distinct()
        )
        return self.session.scalars(wanted).all()

    def person(self, restriction: Restriction) -> Person | None:
        """Whose a restriction is; None: they erased their data since."""
        person_id = self.session.scalars(self.people(restriction.id).limit(1)).first()
        return None if person_id is None else self.session.get(Person, person_id)

    def _hold(self, person_id: int, restriction: Restriction) -> None:
        """Put a person's addresses under a restriction, and under no other."""
        mine = select(Account.platform, Account.address_index).where(Account.person_id == person_id)
        before = delete(RestrictedAddress).where(
            select(Account.id).where(of_account(), Account.person_id == person_id).exists()
        )
        self.session.execute(before.execution_options(synchronize_session=False))
        held = mine.add_columns(literal(restriction.id))
        names = ["platform", "address_index", "restriction_id"]
        self.session.execute(insert(RestrictedAddress).from_select(names, held))
        self._drop_empty()

    def _drop(self, ids: Sequence[int]) -> None:
        for model, column in (
            (RestrictedAddress, RestrictedAddress.restriction_id),
            (Restriction, Restriction.id),
        ):
            gone = delete(model).where(column.in_(ids))
            self.session.execute(gone.execution_options(synchronize_session=False))

    def _drop_empty(self) -> None:
        """Forget the restrictions that hold at no address any more."""
        held = select(RestrictedAddress.restriction_id)
        gone = delete(Restriction).where(Restriction.id.not_in(held))
        self.session.execute(gone.execution_options(synchronize_session=False))


def _lasting(now: datetime) -> ColumnElement[bool]:
    return Restriction.ends_at.is_(None) | (Restriction.ends_at > now)


def _strictness(one: Restriction) -> tuple[bool, bool, float]:
    ends = 0.0 if one.ends_at is None else one.ends_at.timestamp()
    return one.kind is RestrictionKind.ban, one.ends_at is None, ends
