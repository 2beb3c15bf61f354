"""Counting: from the ballots themselves, for there are no counters."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, aliased

from storage.polls.model import Ballot, Elector, Poll, chosen


@dataclass(frozen=True)
class College:
    """The votes of a group of organisations: voices per option, how many voted and could."""

    voices: tuple[int, ...]
    voted: int
    electors: int


@dataclass(frozen=True)
class Tally:
    """The count of a poll.

    Attributes:
        persons, organisations: voices per option.
        voted, electors: how many voted and could vote, (persons, organisations).
        named: the choices of each organisation that voted, by id.
        absent: the organisations that did not.
        colleges: the organisations' votes by college.
    """

    persons: tuple[int, ...]
    organisations: tuple[int, ...]
    voted: tuple[int, int]
    electors: tuple[int, int]
    named: dict[str, tuple[int, ...]] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    colleges: dict[str, College] = field(default_factory=dict)


@dataclass(frozen=True)
class Turnout:
    """How many voted and could vote, (persons, organisations); never what."""

    voted: tuple[int, int]
    electors: tuple[int, int]


class Reason(NamedTuple):
    """A reason, without who gave it. `elector_id` names one of the ballots that it explains."""

    elector_id: int
    text: str


class _Seat(NamedTuple):
    organisation: str
    college: str
    weight: int
    choices: int | None


class Counting:
    """The part of `Polls` that counts."""

    session: Session

    def tally(self, poll: Poll) -> Tally:
        """Count a poll, from the ballots themselves."""
        counted = (
            select(Ballot.choices, func.count(), func.sum(Ballot.weight))
            .join(Elector, Elector.id == Ballot.elector_id)
            .where(Ballot.poll_id == poll.id, Elector.organisation_id.is_(None))
            .group_by(Ballot.choices)
        )
        persons, voted = [0] * poll.size, 0
        for choices, ballots, weight in self.session.execute(counted):
            voted += ballots
            for option in chosen(choices):
                persons[option] += int(weight)
        could = select(func.count()).where(
            Elector.poll_id == poll.id, Elector.organisation_id.is_(None)
        )
        seats = self._organisations(poll.id)
        everybody = _count(seats, poll.size)
        colleges = {
            name: _count((seat for seat in seats if seat.college == name), poll.size)
            for name in sorted({seat.college for seat in seats})
        }
        return Tally(
            persons=tuple(persons),
            organisations=everybody.voices,
            voted=(voted, everybody.voted),
            electors=(self.session.execute(could).scalar_one(), everybody.electors),
            named={
                seat.organisation: chosen(seat.choices)
                for seat in seats
                if seat.choices is not None
            },
            absent=tuple(seat.organisation for seat in seats if seat.choices is None),
            colleges=colleges,
        )

    def ballots(self, poll_id: int) -> int:
        """How many ballots there are, by an index: of many, much faster than `turnout`."""
        counted = select(func.count()).where(Ballot.poll_id == poll_id)
        return int(self.session.execute(counted).scalar_one())

    def turnout(self, poll_id: int) -> Turnout:
        """How many have voted so far."""
        is_person = Elector.organisation_id.is_(None)
        wanted = (
            select(is_person, func.count(Ballot.elector_id), func.count(Elector.id))
            .outerjoin(Ballot, Ballot.elector_id == Elector.id)
            .where(Elector.poll_id == poll_id)
            .group_by(is_person)
        )
        counts = {bool(person): (cast, all_) for person, cast, all_ in self.session.execute(wanted)}
        persons, organisations = counts.get(True, (0, 0)), counts.get(False, (0, 0))
        return Turnout((persons[0], organisations[0]), (persons[1], organisations[1]))

    def reasons(self, poll_id: int, at_most: int, first: int = 0) -> list[Reason]:
        """Some of the reasons given, in a stable order that tells nothing.

        One explanation of several ballots is the same bytes in each of them, and no two others
        are; their order is that of the cipher's random beginning.
        """
        wanted = (
            select(func.min(Ballot.elector_id), Ballot.reason)
            .where(Ballot.poll_id == poll_id, Ballot.reason.is_not(None))
            .group_by(Ballot.reason)
            .order_by(Ballot.reason)
            .limit(at_most)
            .offset(first)
        )
        return [Reason(elector, text) for elector, text in self.session.execute(wanted) if text]

    def count_reasons(self, poll_id: int) -> int:
        wanted = select(func.count(Ballot.reason.distinct())).where(Ballot.poll_id == poll_id)
        return int(self.session.execute(wanted).scalar_one())

    def drop_reason(self, poll_id: int, elector_id: int) -> None:
        """Drop a reason from every ballot that it explains; the ballots stay counted."""
        one = aliased(Ballot)
        same = select(one.reason).where(one.elector_id == elector_id).scalar_subquery()
        self.session.execute(
            update(Ballot)
            .where(Ballot.poll_id == poll_id, Ballot.reason == same)
            .values(reason=None)
            .execution_options(synchronize_session=False)
        )

    def _organisations(self, poll_id: int) -> list[_Seat]:
        wanted = (
            select(Elector.organisation_id, Elector.college, Elector.weight, Ballot.choices)
            .outerjoin(Ballot, Ballot.elector_id == Elector.id)
            .where(Elector.poll_id == poll_id, Elector.organisation_id.is_not(None))
            .order_by(Elector.organisation_id)
        )
        return [
            _Seat(organisation, college, weight, choices)
            for organisation, college, weight, choices in self.session.execute(wanted)
            if organisation is not None
        ]


def _count(seats: Iterable[_Seat], size: int) -> College:
    voices, voted, electors = [0] * size, 0, 0
    for seat in seats:
        electors += 1
        if seat.choices is not None:
            voted += 1
            for option in chosen(seat.choices):
                voices[option] += seat.weight
    return College(tuple(voices), voted, electors)
