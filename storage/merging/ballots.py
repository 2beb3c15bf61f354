"""The seats and ballots of two people who become one: one seat in each poll."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, delete, select, tuple_, update
from sqlalchemy.orm import Session

from storage.merging.model import Merge, moves
from storage.polls import Ballot, Elector, Poll

Decisions = Mapping[int, tuple[int, tuple[int, int]]]
QUIETLY = {"synchronize_session": False}


@dataclass(frozen=True)
class Conflict:
    """An open poll in which both have cast a ballot of their own: what each chose."""

    poll_id: int
    ballots: tuple[int, int]


class Undecided(Exception):
    """Nothing was merged: in some open polls it is to be said first which ballot stays."""

    def __init__(self, conflicts: Sequence[Conflict]) -> None:
        super().__init__(f"{len(conflicts)} polls")
        self.conflicts = conflicts


def conflicts(session: Session, people: tuple[int, int]) -> list[Conflict]:
    """The open polls in which both of two people cast a ballot of their own, in order.

    No open poll in which either has a seat closes before this transaction ends.
    """
    seats = select(Elector.poll_id).where(Elector.person_id.in_(people))
    lock = select(Poll.id).where(Poll.id.in_(seats), Poll.closed_at.is_(None)).order_by(Poll.id)
    session.execute(lock.with_for_update(read=True, key_share=True)).all()
    wanted = (
        select(Poll.id, Elector.person_id, Ballot.choices)
        .join(Elector, Elector.poll_id == Poll.id)
        .join(Ballot, Ballot.elector_id == Elector.id)
        .where(Elector.person_id.in_(people), Poll.closed_at.is_(None))
    )
    chosen: dict[int, dict[int | None, int]] = {}
    for poll_id, person, choices in session.execute(wanted):
        chosen.setdefault(poll_id, {})[person] = choices
    return [
        Conflict(poll_id, (its[people[0]], its[people[1]]))
        for poll_id, its in sorted(chosen.items())
        if len(its) > 1
    ]


def staying(
    session: Session, people: tuple[int, int], conflicting: Sequence[Conflict], decided: Decisions
) -> frozenset[int]:
    """The electors whose ballot stays in the polls in which both voted.

    Raises:
        Undecided: it was not said, or not of these ballots.
    """
    open_ = [one for one in conflicting if decided.get(one.poll_id, (0, None))[1] != one.ballots]
    if open_:
        raise Undecided(open_)
    kept = [(one.poll_id, people[decided[one.poll_id][0]]) for one in conflicting]
    wanted = select(Elector.id).where(tuple_(Elector.poll_id, Elector.person_id).in_(kept))
    return frozenset(session.scalars(wanted)) if kept else frozenset()


def seats(merge: Merge, column: "Column[Any]") -> None:
    """One seat in each poll.

    While it is open, the seat with the ballot that stays; what was counted in one that is over
    stays counted, and the other seat is nobody's any more, as when somebody is erased.
    """
    seen: dict[int, list[tuple[int, int | None, bool, bool]]] = {}
    wanted = (
        select(Elector.poll_id, Elector.id, Elector.person_id, Ballot.elector_id, Poll.closed_at)
        .join(Poll, Poll.id == Elector.poll_id)
        .outerjoin(Ballot, Ballot.elector_id == Elector.id)
        .where(Elector.person_id.in_(merge.both))
    )
    for poll_id, elector, person, ballot, closed_at in merge.session.execute(wanted):
        seen.setdefault(poll_id, []).append(
            (elector, person, ballot is not None, closed_at is None)
        )
    for seat_of in (both for both in seen.values() if len(both) > 1):
        seat_of.sort(key=lambda seat: (seat[0] in merge.stays, seat[2], seat[1] == merge.kept))
        other, _, _, is_open = seat_of[0]
        _give_up_seat(merge.session, other, is_open=is_open)
    moves(merge, column)


def _give_up_seat(session: Session, elector: int, *, is_open: bool) -> None:
    if is_open:
        session.execute(delete(Ballot).where(Ballot.elector_id == elector))
        session.execute(delete(Elector).where(Elector.id == elector))
        return
    cast = update(Ballot).where(Ballot.elector_id == elector)
    session.execute(cast.values(cast_by=None), execution_options=QUIETLY)
    nobody = update(Elector).where(Elector.id == elector).values(person_id=None)
    session.execute(nobody, execution_options=QUIETLY)
