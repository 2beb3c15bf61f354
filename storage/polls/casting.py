"""Casting ballots: which ones a person may cast, and one ballot for each elector."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any, cast

from sqlalchemy import (
    BindParameter,
    Executable,
    Table,
    bindparam,
    case,
    null,
    select,
    type_coerce,
    union_all,
    update,
)
from sqlalchemy.orm import Session

from storage.base import dialect_insert, dialect_of, execute, insert_into
from storage.organisations import Mandate, MandateKind
from storage.polls.model import PERSONS, Ballot, Elector, Electorate, Poll, bits, chosen
from storage.types import Instant, Named


@dataclass(frozen=True)
class Voice:
    """One ballot in a poll as somebody who may have a say in it sees it.

    Attributes:
        choices: what the ballot says now; None if it was not cast.
        mine: whether this very person cast it.
        may_cast: whether they may cast it. A substitute may as long as nobody else did.
    """

    elector_id: int
    organisation_id: str | None
    college: str
    weight: int
    choices: int | None
    cast_by: int | None
    reason: str | None
    mine: bool
    may_cast: bool

    @property
    def awaits(self) -> bool:
        """Whether this person has yet to decide."""
        return self.may_cast and not self.mine


@dataclass(frozen=True)
class Cast:
    """What a press did.

    Attributes:
        voices: the person's voices, as they are now.
        overruled: the people whose ballot for an organisation this one replaces.
    """

    poll: Poll
    voices: list[Voice]
    overruled: list[tuple[int, str]]


@dataclass(frozen=True)
class Press:
    """An option chosen by a person.

    Attributes:
        received_at: decides whether the poll was open.
        as_member: whether the person is signed in; if not, they only have a voice in public
            consultations.
    """

    person_id: int
    option: int
    received_at: datetime
    as_member: bool


class Closed(Exception):
    """The poll takes no ballot received at that time, or was cancelled."""


class NotElector(Exception):
    """The person has no voice in this poll."""


class NotSignedIn(Exception):
    """The poll is for members, who must be signed in."""


class Superseded(Exception):
    """Somebody else has cast the ballot of the organisation that the person stands in for."""


class WrongChoice(Exception):
    """The choice is not one of the poll's."""


def _voices() -> Any:
    """Some people's own ballots and those of their organisations, each found by an index."""
    people: BindParameter[Sequence[int]] = bindparam("people", expanding=True)
    moment = bindparam("moment", type_=Instant())
    seat = (
        Elector.id,
        Elector.organisation_id,
        Elector.college,
        Elector.weight,
        Ballot.choices,
        Ballot.cast_by,
        Ballot.reason,
    )
    in_poll = Elector.poll_id == bindparam("poll")
    own = (
        select(Elector.person_id, *seat, type_coerce(null(), Named(MandateKind)))
        .outerjoin(Ballot, Ballot.elector_id == Elector.id)
        .where(in_poll, Elector.person_id.in_(people))
    )
    for_others = (
        select(Mandate.person_id, *seat, Mandate.kind)
        .join(Mandate, Mandate.organisation_id == Elector.organisation_id)
        .outerjoin(Ballot, Ballot.elector_id == Elector.id)
        .where(in_poll, Mandate.person_id.in_(people), Mandate.active(moment))
    )
    return union_all(own, for_others).order_by(Elector.id)


_voices_of = _voices()
_lock_electors = (
    select(Elector.id)
    .where(Elector.id.in_(bindparam("electors", expanding=True)))
    .order_by(Elector.id)
    .with_for_update(key_share=True)
)


@cache
def _upsert(dialect: str) -> Executable:
    """One ballot an elector: a new one takes the place of the one before.

    The reason stays with a ballot that its author casts again as it was.
    """
    insert = dialect_insert(dialect, Ballot)
    new, kept = insert.excluded, cast(Table, Ballot.__table__).c
    same = (kept.choices == new.choices) & (kept.cast_by == new.cast_by)
    changed = {
        "choices": new.choices,
        "cast_by": new.cast_by,
        "received_at": new.received_at,
        "reason": case((same, kept.reason), else_=null()),
    }
    return insert.on_conflict_do_update(index_elements=["elector_id"], set_=changed)


class Casting:
    """The part of `Polls` that votes go through. Its statements are built once."""

    session: Session
    _held: dict[int, Poll]

    def voices(self, poll_id: int, person_id: int, now: datetime) -> list[Voice]:
        """The ballots in which a person has a say: their own, and those of their organisations."""
        return self._voices_of(poll_id, [person_id], now)[person_id]

    def _voices_of(
        self, poll_id: int, people: Collection[int], now: datetime
    ) -> dict[int, list[Voice]]:
        """The ballots in which each of some people has a say, in one statement."""
        given = {"poll": poll_id, "people": list(people), "moment": now}
        found: dict[int, dict[int, Voice]] = {person: {} for person in people}
        for person, *seat, mandate in execute(self.session, _voices_of, given):
            elector, organisation, college, weight, choices, cast_by, reason = seat
            mine = choices is not None and cast_by == person
            may_cast = mandate is not MandateKind.substitute or choices is None or mine
            # One may be delegate and substitute at once.
            if elector not in found[person] or may_cast:
                found[person][elector] = Voice(
                    elector,
                    organisation,
                    college,
                    weight,
                    choices,
                    cast_by,
                    reason if mine else None,
                    mine,
                    may_cast,
                )
        return {person: list(voices.values()) for person, voices in found.items()}

    def press_together(self, poll_id: int, presses: Sequence[Press]) -> list[Cast | None]:
        """Cast at once the ballots of people who have only their own, and choose one option.

        Returns:
            What each press did; None for one that has to be done by itself.
        """
        poll = self._locked(poll_id)
        people = {one.person_id for one in presses}
        if poll is None or poll.several or len(people) < len(presses):
            return [None] * len(presses)
        known = self._voices_of(poll_id, people, presses[0].received_at)
        done: list[Cast | None] = []
        rows: list[dict[str, Any]] = []
        for press in presses:
            voices, cast = known[press.person_id], None
            is_alone = len(voices) == 1 and voices[0].organisation_id is None
            why_not = _why_not_open(poll, press.received_at, press.as_member)
            if is_alone and why_not is None and _fits(poll, [press.option]):
                cast = _counted(poll, voices, press.person_id, bits([press.option]))
                rows += _ballots(cast, press.person_id, press.received_at)
            done.append(cast)
        if rows:
            execute(self.session, _upsert(dialect_of(self.session)), rows)
        return done

    def press(
        self,
        poll_id: int,
        person_id: int,
        option: int,
        received_at: datetime,
        *,
        as_member: bool,
    ) -> Cast:
        """Choose an option; where several may be chosen, add it, or take it away again.

        What somebody else chose for an organisation is replaced, never added to. See `cast`.
        """
        poll, voices = self._open_to(poll_id, person_id, received_at, as_member)
        held = {option}
        if poll.several:
            held ^= set(chosen(next((one.choices or 0 for one in voices if one.mine), 0)))
        return self._cast(poll, voices, person_id, sorted(held), received_at)

    def cast(
        self,
        poll_id: int,
        person_id: int,
        options: Sequence[int],
        received_at: datetime,
        *,
        as_member: bool,
    ) -> Cast:
        """Cast, or change, every ballot that the person may cast; say what they are now.

        Args:
            received_at: decides whether the poll was open.
            as_member: whether the person is signed in; if not, they only have a voice in public
                consultations.

        Raises:
            Closed, NotElector, NotSignedIn, Superseded, WrongChoice: nothing was counted.
        """
        poll, voices = self._open_to(poll_id, person_id, received_at, as_member)
        return self._cast(poll, voices, person_id, options, received_at)

    def explain(
        self, poll_id: int, person_id: int, reason: str, received_at: datetime, *, as_member: bool
    ) -> int:
        """Add a reason to the ballots that the person cast; return how many there are.

        Raises:
            Closed, NotElector, NotSignedIn: nothing was changed.
        """
        self._open(poll_id, received_at, as_member)
        explained = self.session.execute(
            update(Ballot)
            .where(Ballot.poll_id == poll_id, Ballot.cast_by == person_id)
            .values(reason=reason)
            .execution_options(synchronize_session=False)
        )
        return int(explained.rowcount)  # type: ignore[attr-defined]

    def _locked(self, poll_id: int) -> Poll | None:
        """The poll, locked against closing.

        The lock is taken once for all the votes of a transaction. A savepoint that is undone gives
        it back, and takes the poll out of the session.
        """
        poll = self._held.get(poll_id)
        if poll is None or poll not in self.session:
            lock = {"read": True, "key_share": True}
            poll = self.session.get(Poll, poll_id, with_for_update=lock)
            if poll is not None:
                self._held[poll_id] = poll
        return poll

    def _open(self, poll_id: int, received_at: datetime, as_member: bool) -> Poll:
        """The poll, locked, if it is open to whoever presses."""
        poll = self._locked(poll_id)
        if poll is None:
            raise NotElector
        why_not = _why_not_open(poll, received_at, as_member)
        if why_not is not None:
            raise why_not
        return poll

    def _open_to(
        self, poll_id: int, person_id: int, received_at: datetime, as_member: bool
    ) -> tuple[Poll, list[Voice]]:
        """The poll, locked against closing, and the person's voices in it.

        Where two people may cast one ballot, or one person add to theirs from two chats, it is
        read again once it is locked.
        """
        poll = self._open(poll_id, received_at, as_member)
        voices = self.voices(poll_id, person_id, received_at)
        if not voices and poll.electorate is Electorate.public:
            voices = [self._join(poll_id, person_id)]
        shared = poll.several or any(one.organisation_id for one in voices)
        if shared and dialect_of(self.session) != "sqlite":  # which has one writer at a time
            electors = [one.elector_id for one in voices]
            execute(self.session, _lock_electors, {"electors": electors})
            voices = self.voices(poll_id, person_id, received_at)
        if not voices:
            raise NotElector
        if not any(one.may_cast for one in voices):
            raise Superseded
        return poll, voices

    def _cast(
        self,
        poll: Poll,
        voices: list[Voice],
        person_id: int,
        options: Sequence[int],
        received_at: datetime,
    ) -> Cast:
        if not _fits(poll, options):
            raise WrongChoice
        cast = _counted(poll, voices, person_id, bits(options))
        rows = _ballots(cast, person_id, received_at)
        execute(self.session, _upsert(dialect_of(self.session)), rows)
        return cast

    def _join(self, poll_id: int, person_id: int) -> Voice:
        """Make the elector of a public consultation at their first vote."""
        insert = insert_into(self.session, Elector).values(
            poll_id=poll_id, person_id=person_id, college=PERSONS, weight=1
        )
        self.session.execute(insert.on_conflict_do_nothing())
        wanted = select(Elector.id).where(
            Elector.poll_id == poll_id, Elector.person_id == person_id
        )
        elector = self.session.execute(wanted).scalar_one()
        return Voice(elector, None, PERSONS, 1, None, None, None, mine=False, may_cast=True)


def _why_not_open(poll: Poll, received_at: datetime, as_member: bool) -> Exception | None:
    if not as_member and poll.electorate is not Electorate.public:
        return NotSignedIn()
    if poll.closed_at is not None or not poll.opened_at <= received_at < poll.closes_at:
        return Closed()
    return None


def _counted(poll: Poll, voices: list[Voice], person_id: int, choices: int) -> Cast:
    """What casting the ballots that a person may cast comes to."""
    overruled = [
        (one.cast_by, one.organisation_id)
        for one in voices
        if one.awaits and one.cast_by is not None and one.organisation_id is not None
    ]
    return Cast(poll, [_after(one, choices, person_id) for one in voices], overruled)


def _ballots(cast: Cast, person_id: int, received_at: datetime) -> list[dict[str, Any]]:
    """The ballots of what was cast, as rows."""
    return [
        {
            "elector_id": one.elector_id,
            "poll_id": cast.poll.id,
            "college": one.college,
            "weight": one.weight,
            "choices": one.choices,
            "cast_by": person_id,
            "received_at": received_at,
        }
        for one in cast.voices
        if one.may_cast
    ]


def _after(voice: Voice, choices: int, person_id: int) -> Voice:
    """A voice once its ballot was cast."""
    if not voice.may_cast:
        return voice
    reason = voice.reason if voice.choices == choices else None
    return replace(voice, choices=choices, cast_by=person_id, reason=reason, mine=True)


def _fits(poll: Poll, options: Sequence[int]) -> bool:
    known = all(0 <= option < poll.size for option in options)
    return known and (len(options) >= 1 if poll.several else len(options) == 1)
