"""Handing over: a substitute casts a delegate's ballots, in one poll or during a period."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, bindparam, case, delete, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from storage.handovers.model import Handover, hand_once
from storage.organisations import Mandate, MandateKind
from storage.types import Instant

if TYPE_CHECKING:  # casting ballots asks who has which at hand
    from storage.polls import Polls


__all__ = [
    "Given",
    "HandedAlready",
    "Handover",
    "Handovers",
    "NeverBegins",
    "NotDelegate",
    "NotInForce",
    "hand_once",
]


@dataclass(frozen=True)
class Given:
    """What giving did: the handing over, and those in single polls that end where it begins."""

    handover: Handover
    replaced: list[Handover]


class NotDelegate(Exception):
    """The person does not speak for the organisation as its delegate, or the other not as its
    substitute."""


class HandedAlready(Exception):
    """The delegate handed that over before."""


class NotInForce(Exception):
    """Nothing is handed over any more: it ended, or was taken back."""


class NeverBegins(Exception):
    """It would end before it begins: the mandate of one ends by then."""


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

    def unfinished(self, person_id: int, now: datetime) -> list[Handover]:
        """What a person handed over, or was handed, and still is or will be."""
        is_theirs = or_(Handover.delegate_id == person_id, Handover.substitute_id == person_id)
        wanted = select(Handover).where(is_theirs, Handover.unfinished(now))
        return list(self.session.scalars(wanted.order_by(Handover.id)))

    def term(self, person_id: int, mandate_id: int, now: datetime) -> datetime | None:
        """When the mandate of one of the two ends, and with it what is handed over.

        Raises:
            NotDelegate
        """
        return min(_ends(self._pair(person_id, mandate_id, now)), default=None)

    def give(
        self,
        person_id: int,
        mandate_id: int,
        now: datetime,
        *,
        poll_id: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Given:
        """Have a substitute cast the ballots of a delegate: of one poll, or until a moment.

        What is handed over in a single poll lasts until a period begins.

        Args:
            mandate_id: the substitute's, of the organisation that is meant.
            since: when a period begins, if that is to come.

        Raises:
            NotDelegate, HandedAlready, NeverBegins
            Closed, NotElector: the poll is over, or does not ask the organisation.
        """
        pair = mine, theirs = self._pair(person_id, mandate_id, now)
        organisation, starts_at = theirs.organisation_id, max(since or now, now)
        given = self._given(person_id, organisation, now)
        ends = _ends(pair)
        if poll_id is not None:
            until = self.polls.asking(poll_id, organisation, now).closes_at
            ends += [one.starts_at for one in given if one.starts_at > now]
        assert until is not None
        handover = Handover(
            organisation_id=organisation,
            delegate_id=mine.person_id,
            substitute_id=theirs.person_id,
            poll_id=poll_id,
            starts_at=starts_at,
            ends_at=min([until, *ends]),
            start_told_at=now if starts_at == now else None,
        )
        if handover.ends_at <= starts_at:
            raise NeverBegins
        replaced = [one for one in given if one.meets(handover)]
        if any(one.poll_id in (None, poll_id) for one in replaced):
            raise HandedAlready
        self.polls.lock_ballots_of(organisation)
        for one in replaced:
            one.ends_at = starts_at
            one.end_told_at = handover.start_told_at
        self.session.add(handover)
        self.session.flush()
        return Given(handover, replaced)

    def take_back(self, handover_id: int, person_id: int, now: datetime) -> Handover:
        """Have the delegate cast their ballots again, or go on casting them.

        Raises:
            NotInForce: it is over, or not theirs.
        """
        still = (Handover.id == handover_id) & (Handover.delegate_id == person_id)
        wanted = select(Handover).where(still, Handover.unfinished(now)).with_for_update()
        handover = self.session.scalars(wanted.execution_options(populate_existing=True)).first()
        if handover is None:
            raise NotInForce
        self.polls.lock_ballots_of(handover.organisation_id)
        handover.ends_at = handover.end_told_at = now
        self.session.flush()
        return handover

    def end_with(self, mandate: Mandate, now: datetime) -> None:
        """Have what a person handed over, or was handed, end no later than their mandate.

        What would begin after that is called off now.
        """
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
        never = Handover.starts_at >= mandate.ends_at
        ends_at = case((never, bindparam("now", now, Instant)), else_=mandate.ends_at)
        self.session.execute(ending.values(ends_at=ends_at))

    def end_of(self, person_id: int, now: datetime) -> None:
        """End all that a person handed over, or was handed."""
        for one in self.unfinished(person_id, now):
            one.ends_at = now
        self.session.flush()

    def follows(self, ended: Handover) -> Handover | None:
        """What takes the place of one as it ends, if its delegate has handed that over too."""
        wanted = select(Handover).where(
            Handover.organisation_id == ended.organisation_id,
            Handover.delegate_id == ended.delegate_id,
            Handover.poll_id.is_(None),
            Handover.active(ended.ends_at),
        )
        return self.session.scalars(wanted).first()

    def to_begin(self, now: datetime) -> list[Handover]:
        """Those that began by themselves, and whose beginning was not told; locked."""
        return self._due(Handover.start_untold() & (Handover.starts_at <= now))

    def to_end(self, now: datetime) -> list[Handover]:
        """Those that ended by themselves, and whose end was not told; locked."""
        return self._due((Handover.ends_at <= now) & Handover.end_told_at.is_(None))

    def next_due(self) -> datetime | None:
        """When one begins, or ends, and that was not told."""
        begins = select(func.min(Handover.starts_at)).where(Handover.start_untold())
        ends = select(func.min(Handover.ends_at)).where(Handover.end_told_at.is_(None))
        moments = [self.session.execute(one).scalar() for one in (begins, ends)]
        return min((one for one in moments if one is not None), default=None)

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
        """What a person handed over of an organisation's ballots, and still is or will be."""
        return [
            one
            for one in self.unfinished(person_id, now)
            if one.delegate_id == person_id and one.organisation_id == organisation_id
        ]

    def _due(self, which: ColumnElement[bool]) -> list[Handover]:
        wanted = select(Handover).where(which).order_by(Handover.id).with_for_update()
        return list(self.session.scalars(wanted))


def _ends(mandates: Sequence[Mandate]) -> list[datetime]:
    """When those of some mandates end that do."""
    return [one.ends_at for one in mandates if one.ends_at is not None]
