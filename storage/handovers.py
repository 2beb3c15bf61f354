"""Handing over: a substitute casts a delegate's ballots, in one poll or until a moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    ForeignKey,
    Index,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from storage.base import Base
from storage.organisations import Mandate, MandateKind
from storage.types import Instant

if TYPE_CHECKING:  # casting ballots asks who has which at hand
    from storage.polls import Polls


class Handover(Base):
    """A delegate's ballots for an organisation are cast by a substitute: one, or those of a period.

    It lasts no longer than the poll, nor than the mandate of either. A delegate hands each ballot
    to one person at a time.
    """

    __tablename__ = "handovers"
    __table_args__ = (
        Index(None, "organisation_id"),
        Index(None, "delegate_id"),
        Index(None, "substitute_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    organisation_id: Mapped[str] = mapped_column(ForeignKey("organisations.id"))
    delegate_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    substitute_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    poll_id: Mapped[int | None] = mapped_column(ForeignKey("polls.id"))
    starts_at: Mapped[datetime] = mapped_column(Instant)
    ends_at: Mapped[datetime] = mapped_column(Instant)
    end_told_at: Mapped[datetime | None] = mapped_column(Instant)

    @classmethod
    def active(cls, now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
        return (cls.starts_at <= now) & (cls.ends_at > now)

    @classmethod
    def covers(cls, poll_id: int | BindParameter[int]) -> ColumnElement[bool]:
        return or_(cls.poll_id.is_(None), cls.poll_id == poll_id)


@dataclass(frozen=True)
class Given:
    """What giving did: the handing over, and those in single polls that it takes the place of."""

    handover: Handover
    replaced: list[Handover]


def hand_once(session: Session, person_id: int, now: datetime) -> None:
    """Have a person who was two until now hand each ballot to one other, and none to themselves."""
    wanted = select(Handover).where(Handover.delegate_id == person_id, Handover.active(now))
    known: set[tuple[str, int | None]] = set()
    for one in session.scalars(wanted.order_by(Handover.poll_id.is_not(None), Handover.id.desc())):
        again = {(one.organisation_id, one.poll_id), (one.organisation_id, None)} & known
        if again or one.substitute_id == person_id:
            one.ends_at = now
        else:
            known.add((one.organisation_id, one.poll_id))
    session.flush()


class NotDelegate(Exception):
    """The person does not speak for the organisation as its delegate, or the other not as its
    substitute."""


class HandedAlready(Exception):
    """The delegate handed that over before."""


class NotInForce(Exception):
    """Nothing is handed over any more: it ended, or was taken back."""


class Handovers:
    def __init__(self, session: Session, polls: "Polls") -> None:
        self.session = session
        self.polls = polls

    def get(self, handover_id: int) -> Handover | None:
        return self.session.get(Handover, handover_id)

    def candidates(self, person_id: int, now: datetime) -> list[Mandate]:
        """The substitutes to whom a person may hand over, by their mandates."""
        mine = aliased(Mandate)
        wanted = (
            select(Mandate)
            .join(mine, mine.organisation_id == Mandate.organisation_id)
            .where(
                mine.person_id == person_id,
                mine.kind == MandateKind.delegate,
                mine.active(now),
                Mandate.kind == MandateKind.substitute,
                Mandate.person_id != person_id,
                Mandate.active(now),
            )
            .order_by(Mandate.organisation_id, Mandate.id)
        )
        return list(self.session.scalars(wanted).unique())

    def possible(self, organisations: Sequence[str], now: datetime) -> bool:
        """Whether some organisations have a substitute at all."""
        if not organisations:
            return False
        stands_in = Mandate.kind == MandateKind.substitute
        wanted = select(Mandate.id).where(
            stands_in, Mandate.organisation_id.in_(organisations), Mandate.active(now)
        )
        return self.session.execute(wanted.limit(1)).first() is not None

    def in_force(self, person_id: int, now: datetime) -> list[Handover]:
        """What a person handed over, or was handed, and still is."""
        is_theirs = or_(Handover.delegate_id == person_id, Handover.substitute_id == person_id)
        wanted = select(Handover).where(is_theirs, Handover.active(now))
        return list(self.session.scalars(wanted.order_by(Handover.id)))

    def give(
        self,
        person_id: int,
        mandate_id: int,
        now: datetime,
        *,
        poll_id: int | None = None,
        until: datetime | None = None,
    ) -> Given:
        """Have a substitute cast the ballots of a delegate: of one poll, or until a moment.

        Args:
            mandate_id: the substitute's, of the organisation that is meant.

        Raises:
            NotDelegate, HandedAlready
            Closed, NotElector: the poll is over, or does not ask the organisation.
        """
        mine, theirs = self._pair(person_id, mandate_id, now)
        organisation = theirs.organisation_id
        if poll_id is not None:
            until = self.polls.asking(poll_id, organisation, now).closes_at
        assert until is not None
        given = self._given(person_id, organisation, now)
        if any(one.poll_id in (None, poll_id) for one in given):
            raise HandedAlready
        self.polls.lock_ballots_of(organisation)
        replaced = given if poll_id is None else []
        for one in replaced:
            one.ends_at = one.end_told_at = now
        handover = Handover(
            organisation_id=organisation,
            delegate_id=person_id,
            substitute_id=theirs.person_id,
            poll_id=poll_id,
            starts_at=now,
            ends_at=min([until, *(one.ends_at for one in (mine, theirs) if one.ends_at)]),
        )
        self.session.add(handover)
        self.session.flush()
        return Given(handover, replaced)

    def take_back(self, handover_id: int, person_id: int, now: datetime) -> Handover:
        """Have the delegate cast their ballots again.

        Raises:
            NotInForce: it is over, or not theirs.
        """
        still = (Handover.id == handover_id) & (Handover.delegate_id == person_id)
        wanted = select(Handover).where(still, Handover.active(now)).with_for_update()
        handover = self.session.scalars(wanted.execution_options(populate_existing=True)).first()
        if handover is None:
            raise NotInForce
        self.polls.lock_ballots_of(handover.organisation_id)
        handover.ends_at = handover.end_told_at = now
        self.session.flush()
        return handover

    def end_with(self, mandate: Mandate) -> None:
        """Have what a person handed over, or was handed, end no later than their mandate."""
        if mandate.ends_at is None:
            return
        is_delegate = mandate.kind is MandateKind.delegate
        who = Handover.delegate_id if is_delegate else Handover.substitute_id
        ending = update(Handover).where(
            Handover.organisation_id == mandate.organisation_id,
            who == mandate.person_id,
            Handover.ends_at > mandate.ends_at,
        )
        self.polls.lock_ballots_of(mandate.organisation_id)
        self.session.execute(ending.values(ends_at=mandate.ends_at))

    def end_of(self, person_id: int, now: datetime) -> None:
        """End all that a person handed over, or was handed."""
        for one in self.in_force(person_id, now):
            one.ends_at = now
        self.session.flush()

    def due(self, now: datetime) -> list[Handover]:
        """Those that ended by themselves, and whose end was not told; locked."""
        over = (Handover.ends_at <= now) & Handover.end_told_at.is_(None)
        wanted = select(Handover).where(over).order_by(Handover.id).with_for_update()
        return list(self.session.scalars(wanted))

    def next_due(self) -> datetime | None:
        """When one ends whose end was not told."""
        wanted = select(func.min(Handover.ends_at)).where(Handover.end_told_at.is_(None))
        return self.session.execute(wanted).scalar()

    def forget_old(self, before: datetime) -> None:
        """Forget those that ended before a moment."""
        self.session.execute(delete(Handover).where(Handover.ends_at < before))

    def _pair(self, person_id: int, mandate_id: int, now: datetime) -> tuple[Mandate, Mandate]:
        """A delegate's mandate and a substitute's, of one organisation.

        The first is locked, so that one hands over one thing after the other.

        Raises:
            NotDelegate
        """
        theirs = self.session.get(Mandate, mandate_id, populate_existing=True)
        if theirs is None or theirs.kind is not MandateKind.substitute or not theirs.lasts(now):
            raise NotDelegate
        wanted = (
            select(Mandate)
            .where(
                Mandate.person_id == person_id,
                Mandate.organisation_id == theirs.organisation_id,
                Mandate.kind == MandateKind.delegate,
                Mandate.active(now),
            )
            .order_by(Mandate.id)
            .with_for_update(key_share=True)
        )
        mine = self.session.scalars(wanted).first()
        if mine is None or theirs.person_id == person_id:
            raise NotDelegate
        return mine, theirs

    def _given(self, person_id: int, organisation_id: str, now: datetime) -> list[Handover]:
        """What a person handed over of an organisation's ballots, and still is."""
        return [
            one
            for one in self.in_force(person_id, now)
            if one.delegate_id == person_id and one.organisation_id == organisation_id
        ]
