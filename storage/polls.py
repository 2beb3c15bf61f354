"""Polls, electors and ballots: one ballot per elector, whoever casts it and from where."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    Executable,
    ForeignKey,
    Index,
    Select,
    String,
    UniqueConstraint,
    bindparam,
    func,
    literal,
    null,
    or_,
    select,
    type_coerce,
    union,
    union_all,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, mapped_column

from storage.base import Base, dialect_insert, dialect_of, execute, insert_into, next_number
from storage.grants import Grant
from storage.organisations import Mandate, MandateKind, Organisation
from storage.people import Person
from storage.types import Encrypted, EncryptedJSON, Instant, Named

PERSONS = "persons"  # the college of persons, who have one voice each
ORGANISATIONS = "organisations"  # the college of an organisation that has none of its own
MOST_OPTIONS = 10
LONGEST = timedelta(days=366)


class Electorate(StrEnum):
    """Who may vote. `both` asks members as persons, and organisations as well."""

    members = "members"
    organisations = "organisations"
    both = "both"
    public = "public"


class Vote(StrEnum):
    """The standard options, in the order in which they are shown."""

    favour = "for"
    reservation = "for_with_reservation"
    against = "against"
    abstain = "abstain"


class Poll(Base):
    """A question put to electors. Its choices are numbered from 0.

    `options` is empty for the standard ones (`Vote`). A poll that `closes_at` has passed takes no
    ballot received later; it is counted once everything received before has been applied.
    """

    __tablename__ = "polls"
    __table_args__ = (Index(None, "closes_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(String(20), unique=True)
    text_version_id: Mapped[int | None] = mapped_column(ForeignKey("text_versions.id"))
    question: Mapped[str] = mapped_column(Encrypted("polls.question"))
    options: Mapped[list[str]] = mapped_column(EncryptedJSON("polls.options"))
    several: Mapped[bool]
    hidden: Mapped[bool]
    electorate: Mapped[Electorate] = mapped_column(Named(Electorate))
    created_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    opened_at: Mapped[datetime] = mapped_column(Instant)
    closes_at: Mapped[datetime] = mapped_column(Instant)
    closed_at: Mapped[datetime | None] = mapped_column(Instant)
    cancelled_at: Mapped[datetime | None] = mapped_column(Instant)
    announced_at: Mapped[datetime | None] = mapped_column(Instant)
    chart_id: Mapped[int | None] = mapped_column(ForeignKey("files.id"))

    @property
    def size(self) -> int:
        """How many options there are."""
        return len(self.options) or len(Vote)


class Elector(Base):
    """A person or an organisation that may cast one ballot in a poll."""

    __tablename__ = "electors"
    __table_args__ = (
        UniqueConstraint("poll_id", "person_id"),
        UniqueConstraint("poll_id", "organisation_id"),
        Index(None, "person_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    poll_id: Mapped[int] = mapped_column(ForeignKey("polls.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    organisation_id: Mapped[str | None] = mapped_column(ForeignKey("organisations.id"))
    college: Mapped[str] = mapped_column(String(40))
    weight: Mapped[int] = mapped_column(default=1)


class Ballot(Base):
    """An elector's choice: a set of options as bits, option 0 being the lowest."""

    __tablename__ = "ballots"
    __table_args__ = (
        Index("ix_ballots_tally", "poll_id", "college", "choices", "weight"),
        Index(None, "cast_by"),
    )

    elector_id: Mapped[int] = mapped_column(
        ForeignKey("electors.id"), primary_key=True, autoincrement=False
    )
    poll_id: Mapped[int] = mapped_column(ForeignKey("polls.id"))
    college: Mapped[str] = mapped_column(String(40))
    weight: Mapped[int]
    choices: Mapped[int]
    cast_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    received_at: Mapped[datetime] = mapped_column(Instant)
    reason: Mapped[str | None] = mapped_column(Encrypted("ballots.reason"))


@dataclass(frozen=True)
class Voice:
    """One ballot that a person may cast in a poll, and what it says now."""

    elector_id: int
    organisation_id: str | None
    college: str
    weight: int
    choices: int | None


@dataclass(frozen=True)
class Tally:
    """The count of a poll.

    Attributes:
        persons, organisations: voices per option.
        voted, electors: how many voted and could vote, (persons, organisations).
        named: the choices of each organisation that voted, by id.
    """

    persons: tuple[int, ...]
    organisations: tuple[int, ...]
    voted: tuple[int, int]
    electors: tuple[int, int]
    named: dict[str, tuple[int, ...]]


class Closed(Exception):
    """The poll takes no ballot received at that time."""


class NotElector(Exception):
    """The person has no voice in this poll."""


class WrongChoice(Exception):
    """The choice is not one of the poll's."""


def bits(options: Iterable[int]) -> int:
    """A set of options as a ballot keeps it."""
    return sum(1 << option for option in set(options))


def chosen(choices: int) -> tuple[int, ...]:
    """The options in a ballot, in order."""
    return tuple(option for option in range(choices.bit_length()) if choices >> option & 1)


def _voices() -> Any:
    """A person's own ballot and those of their organisations, each found by an index."""
    person: BindParameter[int] = bindparam("person")
    moment = bindparam("moment", type_=Instant())
    seat = (
        Elector.id,
        Elector.organisation_id,
        Elector.college,
        Elector.weight,
        Ballot.choices,
        Ballot.cast_by,
    )
    in_poll = Elector.poll_id == bindparam("poll")
    own = (
        select(*seat, type_coerce(null(), Named(MandateKind)))
        .outerjoin(Ballot, Ballot.elector_id == Elector.id)
        .where(in_poll, Elector.person_id == person)
    )
    for_others = (
        select(*seat, Mandate.kind)
        .join(Mandate, Mandate.organisation_id == Elector.organisation_id)
        .outerjoin(Ballot, Ballot.elector_id == Elector.id)
        .where(in_poll, Mandate.person_id == person, Mandate.active(moment))
    )
    return union_all(own, for_others).order_by(Elector.id)


_voices_of = _voices()
_open_poll = (
    select(Poll).where(Poll.id == bindparam("poll")).with_for_update(read=True, key_share=True)
)


@cache
def _upsert(dialect: str) -> Executable:
    """One ballot an elector: a new one takes the place of the one before."""
    insert = dialect_insert(dialect, Ballot)
    new = insert.excluded
    changed = {
        "choices": new.choices,
        "cast_by": new.cast_by,
        "received_at": new.received_at,
        "reason": None,
    }
    return insert.on_conflict_do_update(index_elements=["elector_id"], set_=changed)


class Polls:
    def __init__(self, session: Session) -> None:
        self.session = session

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
            self._freeze_organisations(poll)
        return poll

    def voices(self, poll_id: int, person_id: int, now: datetime) -> list[Voice]:
        """The ballots that a person may cast: their own, and those of their organisations.

        A substitute casts the organisation's ballot as long as its delegate has not.
        """
        rows = execute(
            self.session, _voices_of, {"poll": poll_id, "person": person_id, "moment": now}
        )
        return [
            Voice(elector, organisation, college, weight, choices)
            for elector, organisation, college, weight, choices, cast_by, mandate in rows
            if mandate is not MandateKind.substitute
            or cast_by in (None, person_id)
            or not self._speaks_for(cast_by, organisation, now)
        ]

    def press(
        self, poll_id: int, person_id: int, option: int, received_at: datetime
    ) -> tuple[Poll, list[Voice]]:
        """Choose an option; where several may be chosen, add it, or take it away again.

        See `cast`.
        """
        poll, voices = self._open_to(poll_id, person_id, received_at)
        held = {option}
        if poll.several:
            held ^= set(chosen(next((voice.choices or 0 for voice in voices), 0)))
        return poll, self._cast(poll, voices, person_id, sorted(held), received_at)

    def cast(
        self, poll_id: int, person_id: int, options: Sequence[int], received_at: datetime
    ) -> tuple[Poll, list[Voice]]:
        """Cast, or change, every ballot that the person may cast; say what they are now.

        The time of receipt decides whether the poll was open. A reason given before goes with the
        ballot that it explained.

        Raises:
            Closed, NotElector, WrongChoice: nothing was counted.
        """
        poll, voices = self._open_to(poll_id, person_id, received_at)
        return poll, self._cast(poll, voices, person_id, options, received_at)

    def _open_to(
        self, poll_id: int, person_id: int, received_at: datetime
    ) -> tuple[Poll, list[Voice]]:
        """The poll, locked against closing, and the ballots that the person may cast."""
        poll = self.session.scalars(_open_poll, {"poll": poll_id}).first()
        if poll is None:
            raise NotElector
        if poll.closed_at is not None or not poll.opened_at <= received_at < poll.closes_at:
            raise Closed
        voices = self.voices(poll_id, person_id, received_at)
        if not voices and poll.electorate is Electorate.public:
            voices = [self._join(poll_id, person_id)]
        if not voices:
            raise NotElector
        return poll, voices

    def _cast(
        self,
        poll: Poll,
        voices: list[Voice],
        person_id: int,
        options: Sequence[int],
        received_at: datetime,
    ) -> list[Voice]:
        if not _fits(poll, options):
            raise WrongChoice
        choices = bits(options)
        rows = [
            {
                "elector_id": voice.elector_id,
                "poll_id": poll.id,
                "college": voice.college,
                "weight": voice.weight,
                "choices": choices,
                "cast_by": person_id,
                "received_at": received_at,
            }
            for voice in voices
        ]
        execute(self.session, _upsert(dialect_of(self.session)), rows)
        return [replace(voice, choices=choices) for voice in voices]

    def explain(self, poll_id: int, person_id: int, reason: str) -> None:
        """Add a reason to the ballots that the person cast."""
        self.session.execute(
            update(Ballot)
            .where(Ballot.poll_id == poll_id, Ballot.cast_by == person_id)
            .values(reason=reason)
            .execution_options(synchronize_session=False)
        )

    def reasons(self, poll_id: int) -> list[str]:
        """The reasons given, without who gave them, in a stable order that tells nothing."""
        wanted = select(Ballot.reason).where(Ballot.poll_id == poll_id, Ballot.reason.is_not(None))
        return sorted({reason for reason in self.session.scalars(wanted) if reason})

    def may_read(self, poll: Poll, person_id: int, now: datetime) -> bool:
        """Whether a person has, or had, a voice in a poll; everybody has in a consultation."""
        if poll.electorate is Electorate.public:
            return True
        mine = self.could_vote(poll.id, now).where(Person.id == person_id)
        return self.session.execute(mine).first() is not None

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

    def forget_person(self, person_id: int) -> None:
        """Detach a person from their ballots, which stay counted. Their reasons go.

        In an open poll their own voice is used or lost; nobody else can take it.
        """
        ballots = update(Ballot).where(Ballot.cast_by == person_id)
        electors = update(Elector).where(Elector.person_id == person_id)
        self.session.execute(ballots.values(cast_by=None, reason=None))
        self.session.execute(electors.values(person_id=None))

    def awaiting(self, person_id: int, now: datetime) -> list[tuple[Poll, bool]]:
        """The open polls in which a person has a voice, with whether all their ballots are cast.

        What awaits them first, then what closes soonest.
        """
        wanted = select(Poll).where(Poll.closed_at.is_(None), Poll.closes_at > now)
        found = []
        for poll in self.session.scalars(wanted.order_by(Poll.closes_at)):
            voices = self.voices(poll.id, person_id, now)
            if voices or poll.electorate is Electorate.public:
                done = bool(voices) and all(voice.choices is not None for voice in voices)
                found.append((poll, done))
        return sorted(found, key=lambda pair: pair[1])

    def closed(self, person_id: int, now: datetime, at_most: int = 5) -> list[Poll]:
        """The last closed polls that a person could vote in."""
        mine = self.could_vote(Poll.id, now).where(Person.id == person_id).exists()
        public = Poll.electorate == Electorate.public
        wanted = (
            select(Poll)
            .where(Poll.closed_at.is_not(None), or_(public, mine))
            .order_by(Poll.closed_at.desc())
            .limit(at_most)
        )
        return list(self.session.scalars(wanted))

    def could_vote(self, poll_id: int | InstrumentedAttribute[int], now: datetime) -> Select[int]:
        """The people who have or had a voice in a poll: its electors, and their delegates."""
        persons = select(Elector.person_id).where(
            Elector.poll_id == poll_id, Elector.person_id.is_not(None)
        )
        speakers = (
            select(Mandate.person_id)
            .join(Elector, Elector.organisation_id == Mandate.organisation_id)
            .where(Elector.poll_id == poll_id, Mandate.active(now))
        )
        alive = Person.erased_at.is_(None)
        return select(Person.id).where(alive, or_(Person.id.in_(persons), Person.id.in_(speakers)))

    def due(self, now: datetime) -> list[int]:
        """The polls whose closing time has come."""
        wanted = select(Poll.id).where(Poll.closed_at.is_(None), Poll.closes_at <= now)
        return list(self.session.scalars(wanted.order_by(Poll.closes_at)))

    def next_closing(self) -> datetime | None:
        wanted = select(func.min(Poll.closes_at)).where(Poll.closed_at.is_(None))
        return self.session.execute(wanted).scalar()

    def unannounced(self) -> list[int]:
        """The closed polls whose result nobody was told."""
        wanted = select(Poll.id).where(Poll.closed_at.is_not(None), Poll.announced_at.is_(None))
        return list(self.session.scalars(wanted.order_by(Poll.id)))

    def close(self, poll_id: int, now: datetime) -> Poll | None:
        """Close a poll once the ballots being cast are in; None if it was closed already."""
        wanted = select(Poll).where(Poll.id == poll_id, Poll.closed_at.is_(None)).with_for_update()
        poll = self.session.scalars(wanted).first()
        if poll is not None:
            poll.closed_at = now
            self.session.flush()
        return poll

    def announce(self, poll_id: int, now: datetime) -> Poll:
        """Mark a result as told."""
        poll = self.session.get_one(Poll, poll_id, with_for_update=True)
        poll.announced_at = now
        return poll

    def voters(self, poll_id: int) -> Select[int]:
        """The people who took part in a public consultation."""
        wanted = select(Elector.person_id).where(
            Elector.poll_id == poll_id, Elector.person_id.is_not(None)
        )
        return select(Person.id).where(Person.erased_at.is_(None), Person.id.in_(wanted))

    def tally(self, poll: Poll) -> Tally:
        """Count a poll, from the ballots themselves."""
        counted = (
            select(Ballot.college, Ballot.choices, func.count(), func.sum(Ballot.weight))
            .where(Ballot.poll_id == poll.id)
            .group_by(Ballot.college, Ballot.choices)
        )
        voices = {True: [0] * poll.size, False: [0] * poll.size}
        voted = {True: 0, False: 0}
        for college, choices, ballots, weight in self.session.execute(counted):
            is_person = college == PERSONS
            voted[is_person] += ballots
            for option in chosen(choices):
                voices[is_person][option] += int(weight)
        could = select(
            func.count(Elector.id) - func.count(Elector.organisation_id),
            func.count(Elector.organisation_id),
        ).where(Elector.poll_id == poll.id)
        persons, organisations = self.session.execute(could).one()
        named = (
            select(Elector.organisation_id, Ballot.choices)
            .join(Ballot, Ballot.elector_id == Elector.id)
            .where(Elector.poll_id == poll.id, Elector.organisation_id.is_not(None))
            .order_by(Elector.organisation_id)
        )
        return Tally(
            persons=tuple(voices[True]),
            organisations=tuple(voices[False]),
            voted=(voted[True], voted[False]),
            electors=(persons, organisations),
            named={name: chosen(choices) for name, choices in self.session.execute(named) if name},
        )

    def _speaks_for(self, person_id: int, organisation_id: str | None, now: datetime) -> bool:
        delegate = select(Mandate.id).where(
            Mandate.person_id == person_id,
            Mandate.organisation_id == organisation_id,
            Mandate.kind == MandateKind.delegate,
            Mandate.active(now),
        )
        return self.session.execute(delegate.limit(1)).scalar() is not None

    def _join(self, poll_id: int, person_id: int) -> Voice:
        """Make the elector of a public consultation at their first vote."""
        insert = insert_into(self.session, Elector).values(
            poll_id=poll_id, person_id=person_id, college=PERSONS, weight=1
        )
        self.session.execute(insert.on_conflict_do_nothing())
        wanted = select(Elector.id).where(
            Elector.poll_id == poll_id, Elector.person_id == person_id
        )
        return Voice(self.session.execute(wanted).scalar_one(), None, PERSONS, 1, None)

    def _freeze_members(self, poll: Poll, now: datetime) -> None:
        members = union(
            select(Mandate.person_id).where(Mandate.active(now)),
            select(Grant.person_id).where(Grant.active(now)),
        ).subquery()
        rows = (
            select(literal(poll.id), Person.id, literal(PERSONS), literal(1))
            .where(Person.erased_at.is_(None), Person.id.in_(select(members.c.person_id)))
            .order_by(Person.id)
        )
        columns = ["poll_id", "person_id", "college", "weight"]
        self.session.execute(insert_into(self.session, Elector).from_select(columns, rows))

    def _freeze_organisations(self, poll: Poll) -> None:
        rows = (
            select(
                literal(poll.id),
                Organisation.id,
                func.coalesce(Organisation.college, ORGANISATIONS),
                literal(1),
            )
            .where(Organisation.is_signatory)
            .order_by(Organisation.id)
        )
        columns = ["poll_id", "organisation_id", "college", "weight"]
        self.session.execute(insert_into(self.session, Elector).from_select(columns, rows))


def _fits(poll: Poll, options: Sequence[int]) -> bool:
    known = all(0 <= option < poll.size for option in options)
    return known and (len(options) >= 1 if poll.several else len(options) == 1)
