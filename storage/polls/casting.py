"""Casting ballots: which ones a person may cast, and one ballot for each elector."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any, cast

from sqlalchemy import Executable, Table, bindparam, case, null, select, update
from sqlalchemy.orm import Session

from storage.base import dialect_insert, dialect_of, execute, insert_into
from storage.polls.model import PERSONS, Ballot, Elector, Electorate, Poll, bits, chosen
from storage.polls.spent import Spending
from storage.polls.voices import Bar, Voice, voices_of


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


class VoiceSpent(NotElector):
    """The person used their voice before they erased their data, or parted their accounts."""


class NotSignedIn(Exception):
    """The poll is for members, who must be signed in."""


class TermOver(NotElector):
    """The person speaks no more for the organisation that has a voice."""


class Superseded(Exception):
    """Somebody else has cast the ballot of the organisation that the person stands in for."""


class HandedOver(Exception):
    """The person handed the ballot over to a substitute, and did not take it back."""


class WrongChoice(Exception):
    """The choice is not one of the poll's."""


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


class Casting(Spending):
    """The part of `Polls` that votes go through. Its statements are built once."""

    session: Session
    _held: dict[int, Poll]

    def voices(self, poll_id: int, person_id: int, now: datetime) -> list[Voice]:
        """The ballots in which a person has a say: their own, and those of their organisations."""
        return voices_of(self.session, poll_id, [person_id], now)[person_id]

    def press_together(self, poll_id: int, presses: Sequence[Press]) -> list[Cast | None]:
        """Cast at once the ballots of people who have only their own, and choose one option.

        Returns:
            What each press did; None for one that has to be done by itself.
        """
        poll = self._locked(poll_id)
        people = {one.person_id for one in presses}
        if poll is None or poll.several or len(people) < len(presses):
            return [None] * len(presses)
        known = voices_of(self.session, poll_id, people, presses[0].received_at)
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
            mine = (one.choices or 0 for one in voices if one.mine and one.may_cast)
            held ^= set(chosen(next(mine, 0)))
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
            Closed, NotElector, NotSignedIn, Superseded, HandedOver, WrongChoice: nothing was
                counted.
        """
        poll, voices = self._open_to(poll_id, person_id, received_at, as_member)
        return self._cast(poll, voices, person_id, options, received_at)

    def explain(
        self, poll_id: int, person_id: int, reason: str, received_at: datetime, *, as_member: bool
    ) -> int:
        """Add a reason to the ballots that the person cast, and still may; return how many.

        Raises:
            Closed, NotElector, NotSignedIn, HandedOver: nothing was changed.
        """
        self._open(poll_id, received_at, as_member)
        mine = [one for one in self.voices(poll_id, person_id, received_at) if one.mine]
        electors = [one.elector_id for one in mine if one.may_cast]
        if mine and not electors:
            raise _barred(mine)
        explained = self.session.execute(
            update(Ballot)
            .where(Ballot.elector_id.in_(electors), Ballot.cast_by == person_id)
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
            raise _barred(voices)
        return poll, voices

    def lock_ballots_of(self, organisation_id: str) -> None:
        """Have nobody cast the ballots of an organisation until this transaction ends."""
        wanted = (
            select(Elector.id)
            .join(Poll, Poll.id == Elector.poll_id)
            .where(Elector.organisation_id == organisation_id, Poll.closed_at.is_(None))
            .order_by(Elector.id)
            .with_for_update(key_share=True, of=Elector)
        )
        self.session.execute(wanted)

    def asking(self, poll_id: int, organisation_id: str, now: datetime) -> Poll:
        """An open poll, locked against closing, that asks an organisation.

        Raises:
            Closed, NotElector
        """
        poll = self._open(poll_id, now, as_member=True)
        asked = (Elector.poll_id == poll_id) & (Elector.organisation_id == organisation_id)
        if self.session.execute(select(Elector.id).where(asked)).first() is None:
            raise NotElector
        return poll

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
        """Make the elector of a public consultation at their first vote.

        Raises:
            VoiceSpent
        """
        if self.has_spent(poll_id, person_id):
            raise VoiceSpent
        insert = insert_into(self.session, Elector).values(
            poll_id=poll_id, person_id=person_id, college=PERSONS, weight=1
        )
        self.session.execute(insert.on_conflict_do_nothing())
        wanted = select(Elector.id).where(
            Elector.poll_id == poll_id, Elector.person_id == person_id
        )
        elector = self.session.execute(wanted).scalar_one()
        return Voice(elector, None, PERSONS, 1, None, None, None, mine=False)


def _barred(voices: list[Voice]) -> Exception:
    """Why none of some voices may be cast."""
    bars = {one.bar for one in voices}
    if Bar.handed in bars:
        return HandedOver()
    return Superseded() if Bar.settled in bars else TermOver()


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
