"""Who has a say in which ballots of a poll, and whether they may cast them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BindParameter,
    Integer,
    and_,
    bindparam,
    null,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.orm import Session

from storage.base import execute
from storage.handovers import Handover
from storage.organisations import Mandate, MandateKind
from storage.polls.model import Ballot, Elector
from storage.types import Instant, Named

Rank = tuple[int, datetime]
_NEVER = datetime.max.replace(tzinfo=UTC)


class Bar(StrEnum):
    """Why somebody may not cast a ballot in which they have a say."""

    settled = "settled"  # they only stand in, and somebody else cast it
    handed = "handed"  # they handed it over to a substitute
    over = "over"  # their term has ended


class Standing(StrEnum):
    """What is left to decide in a poll: something, nothing, or all is in another's hand."""

    awaits = "awaits"
    settled = "settled"
    handed = "handed"


@dataclass(frozen=True)
class Voice:
    """One ballot in a poll as somebody who may have a say in it sees it.

    Attributes:
        choices: what the ballot says now; None if it was not cast.
        mine: whether this very person cast it.
        bar: why they may not cast it, if so. A substitute may as long as nobody else did.
        kind: of the mandate by which they speak for the organisation.
        handover: the handing over by which they may cast it, or may not.
        goes_at, comes_at: when they hand it over next, or are handed it, if that is to come.
    """

    elector_id: int
    organisation_id: str | None
    college: str
    weight: int
    choices: int | None
    cast_by: int | None
    reason: str | None
    mine: bool
    bar: Bar | None = None
    kind: MandateKind | None = None
    handover: int | None = None
    goes_at: datetime | None = None
    comes_at: datetime | None = None

    @property
    def may_cast(self) -> bool:
        return self.bar is None

    @property
    def awaits(self) -> bool:
        """Whether this person has yet to decide."""
        return self.may_cast and not self.mine


def _voices() -> Any:
    """Some people's own ballots and those of their organisations, each found by an index.

    A row for each mandate that a person holds or held, and each handing over in force or to come.
    """
    people: BindParameter[Sequence[int]] = bindparam("people", expanding=True)
    moment, poll = bindparam("moment", type_=Instant()), bindparam("poll", type_=Integer())
    seat = (
        Elector.id,
        Elector.organisation_id,
        Elector.college,
        Elector.weight,
        Ballot.choices,
        Ballot.cast_by,
        Ballot.reason,
    )
    no_mandate = (
        type_coerce(null(), Named(MandateKind)),
        type_coerce(null(), Instant()),
        type_coerce(null(), Integer()),
        type_coerce(null(), Integer()),
        type_coerce(null(), Instant()),
    )
    own = (
        select(Elector.person_id, *seat, *no_mandate)
        .outerjoin(Ballot, Ballot.elector_id == Elector.id)
        .where(Elector.poll_id == poll, Elector.person_id.in_(people))
    )
    theirs = or_(
        Handover.delegate_id == Mandate.person_id, Handover.substitute_id == Mandate.person_id
    )
    handed = and_(
        Handover.organisation_id == Mandate.organisation_id,
        theirs,
        Handover.covers(poll),
        Handover.unfinished(moment),
    )
    mandate = (
        Mandate.kind,
        Mandate.ends_at,
        Handover.id,
        Handover.substitute_id,
        Handover.starts_at,
    )
    for_others = (
        select(Mandate.person_id, *seat, *mandate)
        .join(Mandate, Mandate.organisation_id == Elector.organisation_id)
        .outerjoin(Ballot, Ballot.elector_id == Elector.id)
        .outerjoin(Handover, handed)
        .where(Elector.poll_id == poll, Mandate.person_id.in_(people), Mandate.starts_at <= moment)
    )
    return union_all(own, for_others).order_by(Elector.id)


def _voice(row: Sequence[Any], now: datetime) -> tuple[Rank, Voice]:
    """A row of `_voices` as a voice, and its rank beside others in the same ballot.

    One may have been delegate, be substitute, and have been handed the ballot, all at once: what
    gives it to them goes first (0), then what takes it from them, then what they are, and a term
    that is over last. Of what is to come, the first counts.
    """
    person, *seat, kind, ends_at, handover, substitute, starts_at = row
    elector, organisation, college, weight, choices, cast_by, reason = seat
    mine = choices is not None and cast_by == person
    to_come = starts_at if starts_at is not None and starts_at > now else None
    if to_come is not None:
        handover = None
    rank, bar = 2, None
    if ends_at is not None and ends_at <= now:
        rank, bar = 4, Bar.over
    elif handover is not None:
        rank, bar = (0, None) if substitute == person else (1, Bar.handed)
    elif kind is MandateKind.substitute:
        rank, bar = 3, None if choices is None or mine else Bar.settled
    voice = Voice(
        elector,
        organisation,
        college,
        weight,
        choices,
        cast_by,
        reason if mine else None,
        mine,
        bar,
        kind,
        handover,
        goes_at=to_come if substitute != person else None,
        comes_at=to_come if substitute == person else None,
    )
    return (rank, to_come or _NEVER), voice


_voices_of = _voices()


def voices_of(
    session: Session, poll_id: int, people: Collection[int], now: datetime
) -> dict[int, list[Voice]]:
    """The ballots in which each of some people has a say, in one statement."""
    given = {"poll": poll_id, "people": list(people), "moment": now}
    found: dict[int, dict[int, tuple[Rank, Voice]]] = {person: {} for person in people}
    for row in execute(session, _voices_of, given):
        rank, voice = _voice(row, now)
        known = found[row[0]].get(voice.elector_id)
        if known is None or rank < known[0]:
            found[row[0]][voice.elector_id] = rank, voice
    return {person: [one for _, one in voices.values()] for person, voices in found.items()}


def standing(voices: Sequence[Voice]) -> Standing:
    """What is left to decide for who has some voices in a poll, or none yet in a consultation."""
    if not voices or any(one.awaits for one in voices):
        return Standing.awaits
    is_handed = all(one.bar in (Bar.handed, Bar.over) for one in voices)
    return Standing.handed if is_handed else Standing.settled
