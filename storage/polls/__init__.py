"""Polls, electors and ballots: one ballot per elector, whoever casts it and from where."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import (
    BindParameter,
    Select,
    Subquery,
    bindparam,
    func,
    literal,
    or_,
    select,
    union,
    update,
)
from sqlalchemy.orm import Session

from storage.base import insert_into, next_number
from storage.grants import Grant, Role
from storage.organisations import Mandate, Organisation
from storage.people import Person
from storage.polls.casting import (
    Cast,
    Casting,
    Closed,
    HandedOver,
    NotElector,
    NotSignedIn,
    Press,
    Superseded,
    TermOver,
    VoiceSpent,
    WrongChoice,
)
from storage.polls.counting import College, Counting, Reason, Tally, Turnout
from storage.polls.model import (
    LONGEST,
    MOST_OPTIONS,
    ORGANISATIONS,
    PERSONS,
    Ballot,
    Elector,
    Electorate,
    Poll,
    Vote,
    bits,
    chosen,
)
from storage.polls.voices import Bar, Standing, Voice, standing
from storage.recommendations import TextVersion
from storage.types import Instant

__all__ = [
    "LONGEST",
    "MOST_OPTIONS",
    "ORGANISATIONS",
    "PERSONS",
    "Ballot",
    "Bar",
    "Cast",
    "Closed",
    "College",
    "Elector",
    "Electorate",
    "HandedOver",
    "NotElector",
    "NotSignedIn",
    "Poll",
    "Polls",
    "Press",
    "Reason",
    "Standing",
    "Superseded",
    "Tally",
    "TermOver",
    "Turnout",
    "Voice",
    "VoiceSpent",
    "Vote",
    "WrongChoice",
    "bits",
    "chosen",
]

S = TypeVar("S", int, Poll)

_person: BindParameter[int] = bindparam("person")
# The polls in which a person has a say, found by their own seats and their organisations'.
_polls_of = union(
    select(Elector.poll_id).where(Elector.person_id == _person),
    select(Elector.poll_id)
    .join(Mandate, Mandate.organisation_id == Elector.organisation_id)
    .where(Mandate.person_id == _person, Mandate.active(bindparam("moment", type_=Instant()))),
)


class Polls(Casting, Counting):
    """The polls themselves: who may vote, until when, and who is told."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._held = {}

    def get(self, poll_id: int) -> Poll | None:
        return self.session.get(Poll, poll_id)

    def open(
        self,
        question: str,
        *,
        electorate: Electorate,
        closes_at: datetime,
        now: datetime,
        text_version_id: int | None = None,
        options: Sequence[str] = (),
        several: bool = False,
        hidden: bool = True,
        created_by: int | None = None,
    ) -> Poll:
        """Open a poll and freeze who may vote in it.

        In a public consultation an elector is made at each person's first vote instead.

        Raises:
            ValueError: it closes in the past or after a year, or has one option or more than ten.
        """
        if not now < closes_at <= now + LONGEST:
            raise ValueError("a poll closes in the future, within a year")
        if len(options) == 1 or len(options) > MOST_OPTIONS:
            raise ValueError("a poll has two to ten options")
        year, number = next_number(self.session, "VOTE", now)
        poll = Poll(
            public_id=f"VOTE-{year}-{number:03d}",
            text_version_id=text_version_id,
            question=question,
            options=list(options),
            several=several and bool(options),
            hidden=hidden,
            electorate=electorate,
            created_by=created_by,
            opened_at=now,
            closes_at=closes_at,
        )
        self.session.add(poll)
        self.session.flush()
        if electorate in (Electorate.members, Electorate.both):
            self._freeze_members(poll, now)
        if electorate in (Electorate.organisations, Electorate.both):
            self._freeze_organisations(poll, now)
        return poll

    def may_read(self, poll: Poll, person_id: int, now: datetime, *, as_member: bool) -> bool:
        """Whether a person has a say in a poll; everybody has in a consultation.

        Args:
            as_member: whether the person is signed in, without which member polls are not shown.
        """
        if poll.electorate is Electorate.public:
            return True
        voices = self.voices(poll.id, person_id, now) if as_member else []
        return any(one.bar is not Bar.over for one in voices)

    def awaiting(
        self, person_id: int, now: datetime, *, as_member: bool
    ) -> list[tuple[Poll, Standing]]:
        """The open polls in which a person has a say, with whether something is left to decide.

        What awaits them first, then what closes soonest.
        """
        wanted = (
            self._shown_to(person_id, now, as_member)
            .where(Poll.closed_at.is_(None), Poll.closes_at > now)
            .order_by(Poll.closes_at)
        )
        polls = self.session.scalars(wanted).all()
        found = [(one, standing(self.voices(one.id, person_id, now))) for one in polls]
        return sorted(found, key=lambda pair: pair[1] is not Standing.awaits)

    def closed(
        self, person_id: int, now: datetime, *, as_member: bool, at_most: int = 5
    ) -> list[Poll]:
        """The last polls with a result in which a person had a say."""
        wanted = (
            self._shown_to(person_id, now, as_member)
            .where(Poll.closed_at.is_not(None), Poll.cancelled_at.is_(None))
            .order_by(Poll.closed_at.desc(), Poll.id.desc())
            .limit(at_most)
        )
        return list(self.session.scalars(wanted))

    def under_way(self, now: datetime) -> list[Poll]:
        """Every open poll, the one that closes soonest first, for those who run them."""
        wanted = select(Poll).where(Poll.closed_at.is_(None), Poll.closes_at > now)
        return list(self.session.scalars(wanted.order_by(Poll.closes_at, Poll.id)))

    def open_on(self, text_id: int) -> list[tuple[Poll, int]]:
        """The open polls on a text, with the number of the version that each one is on."""
        wanted = (
            select(Poll, TextVersion.number)
            .join(TextVersion, Poll.text_version_id == TextVersion.id)
            .where(TextVersion.text_id == text_id, Poll.closed_at.is_(None))
            .order_by(Poll.id)
        )
        return [(poll, number) for poll, number in self.session.execute(wanted)]

    def electors_to_be(self, electorate: Electorate, now: datetime) -> tuple[int, int, int]:
        """How many persons and organisations a poll would ask, and how many people it would tell.

        In a public consultation nobody is an elector before they vote.
        """
        members = self._members(now)
        signatories = select(Organisation.id).where(
            Organisation.is_signatory, Organisation.stands(now.date())
        )
        speakers = select(Mandate.person_id).where(
            Mandate.active(now), Mandate.organisation_id.in_(signatories)
        )
        match electorate:
            case Electorate.public:
                told = select(Person.id).where(Person.erased_at.is_(None))
                return 0, 0, self._number(told)
            case Electorate.members:
                return self._number(members), 0, self._number(members)
            case Electorate.organisations:
                told = _alive(speakers.subquery())
                return 0, self._number(signatories), self._number(told)
            case Electorate.both:
                told = _alive(union(members, speakers).subquery())
                return self._number(members), self._number(signatories), self._number(told)

    def could_vote(self, poll_id: int, now: datetime) -> Select[int]:
        """The people who have a say in a poll: its electors, and those who speak for one."""
        persons = select(Elector.person_id).where(
            Elector.poll_id == poll_id, Elector.person_id.is_not(None)
        )
        speakers = (
            select(Mandate.person_id)
            .join(Elector, Elector.organisation_id == Mandate.organisation_id)
            .where(Elector.poll_id == poll_id, Mandate.active(now))
        )
        return _alive(union(persons, speakers).subquery())

    def asked(self, poll: Poll, now: datetime) -> Select[int]:
        """Who is told that a poll opens, or is cancelled: everybody for a consultation."""
        if poll.electorate is Electorate.public:
            return select(Person.id).where(Person.erased_at.is_(None))
        return self.could_vote(poll.id, now)

    def told_result(self, poll: Poll, now: datetime) -> Select[int]:
        """Who is told a result: who had a say, or took part, and those who run polls."""
        run = select(Grant.person_id).where(Grant.role == Role.secretariat, Grant.active(now))
        opened = select(Person.id).where(Person.id == poll.created_by)
        return _alive(union(self.could_vote(poll.id, now), run, opened).subquery())

    def due(self, now: datetime) -> list[int]:
        """The polls whose closing time has come."""
        wanted = select(Poll.id).where(Poll.closed_at.is_(None), Poll.closes_at <= now)
        return list(self.session.scalars(wanted.order_by(Poll.closes_at)))

    def next_closing(self) -> datetime | None:
        wanted = select(func.min(Poll.closes_at)).where(Poll.closed_at.is_(None))
        return self.session.execute(wanted).scalar()

    def unannounced(self) -> list[int]:
        """The closed polls whose result nobody was told."""
        return list(self.session.scalars(_unannounced(select(Poll.id)).order_by(Poll.id)))

    def close(self, poll_id: int, now: datetime) -> Poll | None:
        """Close a poll once the ballots being cast are in; None if it was closed already."""
        wanted = select(Poll).where(Poll.id == poll_id, Poll.closed_at.is_(None)).with_for_update()
        poll = self.session.scalars(wanted).first()
        if poll is not None:
            poll.closed_at = now
            self.forget_spent(poll_id)
            self.session.flush()
        return poll

    def cancel(self, poll_id: int, now: datetime) -> Poll | None:
        """Close a poll without a result; None if it was closed already."""
        poll = self.close(poll_id, now)
        if poll is not None:
            poll.cancelled_at = now
            self.session.flush()
        return poll

    def over(self, poll_ids: Collection[int]) -> list[int]:
        """Which of some polls are closed; none of the others closes before this transaction ends.

        Their rows are locked, in the order of their ids.
        """
        wanted = (
            select(Poll.id, Poll.closed_at)
            .where(Poll.id.in_(poll_ids))
            .order_by(Poll.id)
            .with_for_update(read=True)
        )
        locked = self.session.execute(wanted).all()
        return [poll_id for poll_id, closed_at in locked if closed_at is not None]

    def announce(self, poll_id: int, now: datetime) -> Poll | None:
        """Mark a result as told; None if it was told already, or there is none to tell."""
        wanted = _unannounced(select(Poll)).where(Poll.id == poll_id).with_for_update()
        poll = self.session.scalars(wanted).first()
        if poll is not None:
            poll.announced_at = now
            self.session.flush()
        return poll

    def people(self) -> Select[int]:
        """The people who are electors, in any poll."""
        return select(Person.id).join(Elector, Elector.person_id == Person.id)

    def ballots_of(self, person_id: int) -> list[tuple[Poll, str | None]]:
        """The polls in which a person cast a ballot, with the organisation it was cast for."""
        wanted = (
            select(Poll, Elector.organisation_id)
            .join(Elector, Elector.poll_id == Poll.id)
            .join(Ballot, Ballot.elector_id == Elector.id)
            .where(Ballot.cast_by == person_id)
            .order_by(Poll.id, Elector.id)
        )
        return [(poll, organisation) for poll, organisation in self.session.execute(wanted)]

    def cast_by(self, person_id: int) -> list[tuple[Poll, Ballot, str | None]]:
        """The ballots that a person cast, each with its poll and the organisation it was for."""
        wanted = (
            select(Poll, Ballot, Elector.organisation_id)
            .join(Elector, Elector.poll_id == Poll.id)
            .join(Ballot, Ballot.elector_id == Elector.id)
            .where(Ballot.cast_by == person_id)
            .order_by(Poll.id, Elector.id)
        )
        return [(row[0], row[1], row[2]) for row in self.session.execute(wanted)]

    def forget_person(self, person_id: int) -> None:
        """Detach a person from their ballots, which stay counted. Their reasons go.

        In an open poll their own voice is used or lost; nobody else can take it.
        """
        ballots = update(Ballot).where(Ballot.cast_by == person_id)
        electors = update(Elector).where(Elector.person_id == person_id)
        self.session.execute(ballots.values(cast_by=None, reason=None))
        self.session.execute(electors.values(person_id=None))

    def forget_voters(self, before: datetime) -> None:
        """Detach everybody from their ballots in consultations that closed before a moment."""
        old = select(Poll.id).where(
            Poll.electorate == Electorate.public,
            or_(Poll.closed_at < before, Poll.cancelled_at < before),
        )
        ballots = update(Ballot).where(Ballot.poll_id.in_(old), Ballot.cast_by.is_not(None))
        electors = update(Elector).where(Elector.poll_id.in_(old), Elector.person_id.is_not(None))
        self.session.execute(ballots.values(cast_by=None))
        self.session.execute(electors.values(person_id=None))

    def _number(self, wanted: Select[Any]) -> int:
        counted = select(func.count()).select_from(wanted.subquery())
        return int(self.session.execute(counted).scalar_one())

    def _shown_to(self, person_id: int, now: datetime, as_member: bool) -> Select[Poll]:
        public = Poll.electorate == Electorate.public
        if not as_member:
            return select(Poll).where(public)
        mine = Poll.id.in_(select(_polls_of.subquery()))
        return select(Poll).where(or_(public, mine)).params(person=person_id, moment=now)

    def _members(self, now: datetime) -> Select[int]:
        """Whoever holds a mandate or a role: for signatories, associates and groups alike."""
        return _alive(
            union(
                select(Mandate.person_id).where(Mandate.active(now)),
                select(Grant.person_id).where(Grant.active(now)),
            ).subquery()
        )

    def _freeze_members(self, poll: Poll, now: datetime) -> None:
        members = self._members(now).subquery()
        rows = select(literal(poll.id), members.c.id, literal(PERSONS), literal(1)).order_by(
            members.c.id
        )
        columns = ["poll_id", "person_id", "college", "weight"]
        self.session.execute(insert_into(self.session, Elector).from_select(columns, rows))

    def _freeze_organisations(self, poll: Poll, now: datetime) -> None:
        rows = (
            select(
                literal(poll.id),
                Organisation.id,
                func.coalesce(Organisation.college, ORGANISATIONS),
                literal(1),
            )
            .where(Organisation.is_signatory, Organisation.stands(now.date()))
            .order_by(Organisation.id)
        )
        columns = ["poll_id", "organisation_id", "college", "weight"]
        self.session.execute(insert_into(self.session, Elector).from_select(columns, rows))


def _alive(people: Subquery) -> Select[int]:
    """The ids in a query of people that are still there, each once."""
    return select(Person.id).where(Person.erased_at.is_(None), Person.id.in_(select(people)))


def _unannounced(polls: Select[S]) -> Select[S]:
    return polls.where(
        Poll.closed_at.is_not(None), Poll.announced_at.is_(None), Poll.cancelled_at.is_(None)
    )
