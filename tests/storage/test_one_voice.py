"""Whatever people do, in whatever order: one ballot for each elector, and no vote is lost.

A model beside the database says who holds which seat in each poll, and what it counts for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from storage.database import Database
from storage.grants import Role
from storage.handovers import HandedAlready, Handover, NeverBegins, NotDelegate, NotInForce
from storage.merging import Undecided
from storage.organisations import MandateKind, OrganisationName
from storage.people import Account
from storage.polls import Ballot, Closed, Elector, Electorate, NotElector, Voice, bits
from storage.store import Store
from tests.conftest import NOW, SECRET, Copy

ORGANISATIONS = ("north", "south")
OPTIONS = 4
LONG = timedelta(days=30)
# Why a vote may be refused, whoever casts it: the person has no say, or not at that moment.
NO_SAY = (NotElector, Closed)


@dataclass(eq=False)
class Seat:
    """Who may vote with it, a person or an organisation; what it counts for; who cast that."""

    owner: int | str | None
    choice: int | None = None
    cast_by: int | None = None


@dataclass
class Model:
    """What should be.

    Attributes:
        people: their accounts, by person; who was erased, or became another, is not there.
        addresses: of each account; `free`, those of who was erased.
        spent: the consultations in which a voice was used from an address by who has left it.
        polls: the seats of each, and `open`, those that take votes.
    """

    people: dict[int, list[int]] = field(default_factory=dict)
    addresses: dict[int, int] = field(default_factory=dict)
    free: set[int] = field(default_factory=set)
    spent: set[tuple[int, int]] = field(default_factory=set)
    polls: dict[int, list[Seat]] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)
    public: set[int] = field(default_factory=set)

    def may_join(self, poll: int, person: int) -> bool:
        """Whether a person may still have a voice in a consultation."""
        theirs = {self.addresses[account] for account in self.people[person]}
        return poll in self.public and not any((poll, one) in self.spent for one in theirs)

    def leave(self, person: int, accounts: list[int]) -> None:
        """Some accounts are a person's no more: no second voice is had from there."""
        for poll in self.public & self.open:
            seat = self.seat_of(poll, person)
            if seat is not None and seat.choice is not None:
                self.spent |= {(poll, self.addresses[account]) for account in accounts}

    def seat_of(self, poll: int, owner: int | str) -> Seat | None:
        return next((one for one in self.polls[poll] if one.owner == owner), None)


class OneVoice(RuleBasedStateMachine):
    db: Database

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.now: datetime = NOW
        self.addresses = 0
        self.coming: list[int] = []

    # What there is to begin with

    @initialize()
    def begin(self) -> None:
        self._do(self._organisations)
        for kind in MandateKind:
            self._arrive(mandate=(ORGANISATIONS[0], kind))
        self._arrive(role=Role.member)
        self._arrive()
        for electorate in (Electorate.both, Electorate.public):
            self._open(electorate)

    def _organisations(self, store: Store) -> None:
        for key in ORGANISATIONS:
            name = OrganisationName(
                organisation_id=key, starts_on=NOW.date(), name=key, short_name=key
            )
            store.organisations.add(key, is_signatory=True, college=None, names=[name])

    def _arrive(
        self,
        role: Role | None = None,
        mandate: tuple[str, MandateKind] | None = None,
        address: int | None = None,
    ) -> int:
        if address is None:
            self.addresses += 1
            address = self.addresses

        def arrive(store: Store) -> tuple[int, int]:
            account, _ = store.people.arrive("matrix", f"@{address}:home.test", "fr", self.now)
            store.people.chat("matrix", f"!{address}:home.test", account_id=account.id)
            if role is not None:
                store.grants.give(account.person_id, role, self.now)
            if mandate is not None:
                store.organisations.appoint(account.person_id, *mandate, self.now)
            return account.person_id, account.id

        person, account = self.db.write_now(arrive)
        self.model.people[person] = [account]
        self.model.addresses[account] = address
        return person

    def _open(self, electorate: Electorate) -> None:
        def open_(store: Store) -> tuple[int, list[Seat]]:
            poll = store.polls.open(
                "Lequel ?", electorate=electorate, closes_at=self.now + LONG, now=self.now
            )
            seats = store.session.scalars(select(Elector).where(Elector.poll_id == poll.id))
            return poll.id, [Seat(one.person_id or one.organisation_id) for one in seats]

        poll, seats = self._do(open_)
        self.model.polls[poll] = seats
        self.model.open.add(poll)
        if electorate is Electorate.public:
            self.model.public.add(poll)

    # What people do

    @rule(data=st.data(), option=st.integers(0, OPTIONS - 1))
    def vote(self, data: st.DataObject, option: int) -> None:
        self._vote(self._somebody(data), self._poll(data), option)

    @rule(data=st.data())
    def everybody_votes(self, data: st.DataObject) -> None:
        poll = self._poll(data)
        for person in sorted(self.model.people):
            self._vote(person, poll, data.draw(st.integers(0, OPTIONS - 1)))

    def _vote(self, person: int, poll: int, option: int) -> None:
        """Every ballot that one may cast is cast, and no other."""
        voices = self._voices(poll, person)
        may = {one.elector_id: one.organisation_id for one in voices if one.may_cast}
        joins = not voices and self.model.may_join(poll, person)
        allowed = poll in self.model.open and (bool(may) or joins)
        try:
            self._do(
                lambda store: store.polls.press(poll, person, option, self.now, as_member=True)
            )
        except NO_SAY:
            assert not allowed
            return
        except Exception as error:
            # Somebody else has cast it, or was handed it: there was nothing one might cast.
            assert type(error).__module__ == "storage.polls.casting"
            assert voices
            assert not may
            return
        assert allowed
        if joins:
            self.model.polls[poll].append(Seat(person))
        for owner in [organisation or person for organisation in may.values()] or [person]:
            seat = self.model.seat_of(poll, owner)
            assert seat is not None
            seat.choice, seat.cast_by = bits([option]), person

    @rule(data=st.data(), which=st.integers(0, 1))
    def vote_and_link(self, data: st.DataObject, which: int) -> None:
        self.everybody_votes(data)
        self.link(data, True, which)

    @rule(data=st.data(), decides=st.booleans(), which=st.integers(0, 1))
    def link(self, data: st.DataObject, decides: bool, which: int) -> None:
        """Two become one; in each open poll the ballot that they chose stays."""
        first, other = self._somebody(data), self._somebody(data)
        accounts = self.model.people[first][0], self.model.people[other][-1]
        both = [self._own(poll, (first, other)) for poll in self.model.open]
        conflicts = {
            poll: (seats[0].choice, seats[1].choice)
            for poll, seats in zip(self.model.open, both, strict=True)
            if first != other and all(one is not None and one.choice is not None for one in seats)
            if seats[0] is not None and seats[1] is not None
        }
        decided: dict[int, Any] = (
            {poll: (which, ballots) for poll, ballots in conflicts.items()} if decides else {}
        )
        try:
            kept = self._do(lambda store: store.merge(accounts, decided, self.now))
        except Undecided:
            assert conflicts
            assert not decides
            return
        assert decides or not conflicts
        assert kept == min(first, other)
        if first != other:
            self._become_one(kept, max(first, other), (first, other)[which])

    def _own(self, poll: int, people: tuple[int, int]) -> list[Seat | None]:
        return [self.model.seat_of(poll, one) for one in people]

    def _become_one(self, kept: int, gone: int, preferred: int) -> None:
        self.model.people[kept] += self.model.people.pop(gone)
        for poll, seats in self.model.polls.items():
            mine = [one for one in seats if one.owner in (kept, gone)]
            for seat in seats:
                seat.cast_by = kept if seat.cast_by == gone else seat.cast_by
            if len(mine) == 2:
                stays = self._stays(mine, kept, preferred if poll in self.model.open else kept)
                other = next(one for one in mine if one is not stays)
                if poll in self.model.open:
                    seats.remove(other)
                other.owner = other.cast_by = None
                mine = [stays]
            for seat in mine:
                seat.owner = kept

    def _stays(self, both: list[Seat], kept: int, preferred: int) -> Seat:
        """Of two seats, that in which somebody voted; of two such, that which was chosen."""
        voted = [one for one in both if one.choice is not None]
        if len(voted) == 1:
            return voted[0]
        return next(one for one in both if one.owner == (preferred if voted else kept))

    @precondition(lambda self: any(len(one) > 1 for one in self.model.people.values()))
    @rule(data=st.data())
    def unlink(self, data: st.DataObject) -> None:
        """An account goes its own way, with nothing: seats and ballots stay with the person."""
        several = [one for one, accounts in self.model.people.items() if len(accounts) > 1]
        person = data.draw(st.sampled_from(sorted(several)))
        account = self.model.people[person].pop()
        self.model.leave(person, [account])
        self._do(lambda store: store.unlink(account, self.now))
        wanted = select(Account.person_id).where(Account.id == account)
        newcomer = self._do(lambda store: store.session.execute(wanted).scalar_one())
        assert newcomer not in self.model.people
        self.model.people[newcomer] = [account]

    @rule(data=st.data())
    def erase(self, data: st.DataObject) -> None:
        """What was counted stays counted, without the person; nobody else takes their seat."""
        person = self._somebody(data)
        self._do(lambda store: store.erase(person, self.now))
        accounts = self.model.people[person]
        self.model.leave(person, accounts)
        self.model.free |= {self.model.addresses.pop(account) for account in accounts}
        del self.model.people[person]
        for seats in self.model.polls.values():
            for seat in seats:
                seat.owner = None if seat.owner == person else seat.owner
                seat.cast_by = None if seat.cast_by == person else seat.cast_by

    @precondition(lambda self: self.model.free)
    @rule(data=st.data())
    def come_back(self, data: st.DataObject) -> None:
        """Who was erased is somebody new, and has no second voice."""
        address = data.draw(st.sampled_from(sorted(self.model.free)))
        self.model.free.remove(address)
        self._arrive(address=address)

    @rule(data=st.data(), what=st.sampled_from(("poll", "period", "later")))
    def hand_over(self, data: st.DataObject, what: str) -> None:
        """While it lasts the substitute may cast the organisation's ballot, and no delegate of it.

        Until it begins, the delegate votes as ever.
        """
        person, poll = self._somebody(data), self._poll(data)
        since = self.now + timedelta(days=1) if what == "later" else None
        until = (since or self.now) + timedelta(days=2)
        before = [self._may(one, person) for one in sorted(self.model.open)]

        def give(store: Store) -> tuple[str, int, int] | None:
            possible = store.handovers.candidates(person, self.now)
            if not possible:
                return None
            mandate = possible[0]
            when = {"poll_id": poll} if what == "poll" else {"since": since, "until": until}
            given = store.handovers.give(person, mandate.id, self.now, **when)
            return mandate.organisation_id, mandate.person_id, given.handover.id

        try:
            given = self._do(give)
        except (HandedAlready, NeverBegins, NotDelegate, *NO_SAY):
            return
        if given is not None and what == "later":
            self.coming.append(given[2])
            assert before == [self._may(one, person) for one in sorted(self.model.open)]
            return
        for one in self.model.open if given is not None else ():
            assert given is not None
            if what == "poll" and one != poll:
                continue
            self._casts(one, given[0], by=given[1], but_not=person)

    def _casts(self, poll: int, organisation: str, *, by: int, but_not: int) -> None:
        for person, may in ((by, True), (but_not, False)):
            voices = self._voices(poll, person)
            its = [one.may_cast for one in voices if one.organisation_id == organisation]
            if self.model.seat_of(poll, organisation) is not None:
                assert its == [may]

    @rule(data=st.data())
    def take_back(self, data: st.DataObject) -> None:
        person = self._somebody(data)

        def take(store: Store) -> None:
            for one in store.handovers.unfinished(person, self.now):
                store.handovers.take_back(one.id, person, self.now)

        try:
            self._do(take)
        except NotInForce:  # it was handed to them, not by them
            return

    @rule(data=st.data())
    def end_mandate(self, data: st.DataObject) -> None:
        """A term that ends: what was cast stays counted."""
        person = self._somebody(data)
        self._do(lambda store: store.organisations.end_mandates(person, self.now))

    @rule()
    def pass_time(self) -> None:
        """What was prepared begins, as long as both still speak for the organisation."""
        self.now += timedelta(days=1)
        for one in self._do(self._begun):
            for poll in self.model.open:
                self._casts(poll, one[0], by=one[1], but_not=one[2])

    def _begun(self, store: Store) -> list[tuple[str, int, int]]:
        wanted = select(Handover).where(Handover.id.in_(self.coming), Handover.active(self.now))
        found = []
        for one in store.session.scalars(wanted):
            organisation, pair = one.organisation_id, (one.substitute_id, one.delegate_id)
            spoken = [store.organisations.mandates_of(who, self.now) for who in pair]
            handed = store.handovers.unfinished(one.delegate_id, self.now)
            if all(organisation in [its.organisation_id for its in mine] for mine in spoken) and (
                all(other.delegate_id == one.delegate_id for other in handed)
            ):
                found.append((organisation, *pair))
        return found

    @precondition(lambda self: len(self.model.polls) < 6)
    @rule(electorate=st.sampled_from(Electorate))
    def open_another(self, electorate: Electorate) -> None:
        self._open(electorate)

    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        poll = self._poll(data)
        self._do(lambda store: store.polls.close(poll, self.now))
        self.model.open.discard(poll)

    @precondition(lambda self: len(self.model.people) < 10)
    @rule()
    def arrive(self) -> None:
        self._arrive()

    # What always holds

    @invariant()
    def what_is_counted_is_what_was_voted(self) -> None:
        for poll_id, seats in self.model.polls.items():

            def counted(store: Store, poll_id: int = poll_id) -> tuple[list[Any], int]:
                found = select(
                    Elector.person_id, Elector.organisation_id, Ballot.choices, Ballot.cast_by
                ).outerjoin(Ballot, Ballot.elector_id == Elector.id)
                rows = store.session.execute(found.where(Elector.poll_id == poll_id))
                poll = store.polls.get(poll_id)
                assert poll is not None
                tally = store.polls.tally(poll)
                return [tuple(row) for row in rows], sum(tally.persons) + sum(tally.organisations)

            rows, tallied = self.db.read_now(counted)
            found = [(person or organisation, *rest) for person, organisation, *rest in rows]
            wanted = [(seat.owner, seat.choice, seat.cast_by) for seat in seats]
            assert sorted(map(str, found)) == sorted(map(str, wanted))
            owners = [seat.owner for seat in seats if seat.owner is not None]
            assert len(owners) == len(set(owners))
            assert tallied == sum(seat.choice is not None for seat in seats)

    @invariant()
    def nothing_refers_to_who_became_another(self) -> None:
        assert self.db.read_now(lambda store: store.strays()) == []

    def teardown(self) -> None:
        self.db.close()

    # How

    def _do(self, work: Any) -> Any:
        return self.db.write_now(work)

    def _voices(self, poll: int, person: int) -> list[Voice]:
        return self.db.read_now(lambda store: store.polls.voices(poll, person, self.now))

    def _may(self, poll: int, person: int) -> list[bool]:
        return [one.may_cast for one in self._voices(poll, person)]

    def _somebody(self, data: st.DataObject) -> int:
        if not self.model.people:
            return self._arrive()
        return data.draw(st.sampled_from(sorted(self.model.people)))

    def _poll(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.model.polls)))


def played(copy: Copy, examples: int) -> None:
    @contextmanager
    def opened() -> Iterator[Database]:
        with copy() as url:
            database = Database(url, [SECRET])
            database.open()
            yield database

    class Played(OneVoice):
        def __init__(self) -> None:
            super().__init__()
            self._opened = opened()
            self.db = self._opened.__enter__()

        def teardown(self) -> None:
            super().teardown()
            self._opened.__exit__(None, None, None)

    run_state_machine_as_test(
        Played,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],  # a sequence of 25 steps says enough; to shorten it takes long
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_one_voice_each(sqlite_copy: Copy) -> None:
    played(sqlite_copy, 12)


@pytest.mark.servers
def test_one_voice_each_on_postgresql(postgresql_copy: Copy) -> None:
    played(postgresql_copy, 3)
