"""Handing over: in any order of acts one ballot an organisation, cast by who has it in hand."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.database import Database
from storage.handovers import (
    HandedAlready,
    Handover,
    NeverBegins,
    NotDelegate,
    NotInForce,
    hand_once,
)
from storage.organisations import MandateKind, NoSuchTerm, OrganisationName
from storage.polls import (
    Bar,
    Closed,
    Electorate,
    HandedOver,
    NotElector,
    Poll,
    Superseded,
    TermOver,
    chosen,
)
from storage.store import Store
from tests.conftest import NOW
from tests.storage.test_polls import somebody
from tests.storage.test_races import one_after_the_other

CLOSING = NOW + timedelta(days=1)
DELEGATE, FIRST, SECOND = range(3)
MINUTE = timedelta(minutes=1)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("vote"), st.integers(0, 2), st.integers(0, 3)),
        st.tuples(st.just("vote"), st.integers(0, 2), st.integers(0, 3)),
        st.tuples(st.just("poll"), st.integers(1, 2), st.just(0)),
        st.tuples(st.just("period"), st.integers(1, 2), st.integers(1, 6)),
        st.tuples(st.just("later"), st.integers(1, 2), st.integers(1, 6)),
        st.tuples(st.just("back"), st.just(0), st.just(0)),
        st.tuples(st.just("end"), st.integers(0, 2), st.integers(0, 3)),
        st.tuples(st.just("erase"), st.integers(1, 2), st.just(0)),
    ),
    min_size=8,
    max_size=20,
)


class Committee:
    """An organisation that is asked, its delegate and two substitutes."""

    def __init__(self, store: Store, key: str = "a") -> None:
        self.store, self.key = store, key
        if store.organisations.get(key) is None:
            name = OrganisationName(
                organisation_id=key, starts_on=NOW.date(), name=key, short_name=key
            )
            store.organisations.add(key, is_signatory=True, college=None, names=[name])
        kinds = (MandateKind.delegate, MandateKind.substitute, MandateKind.substitute)
        self.people = [somebody(store) for _ in kinds]
        self.mandates = [
            store.organisations.appoint(person, key, kind, NOW)
            for person, kind in zip(self.people, kinds, strict=True)
        ]
        store.session.flush()
        self.poll = self.opened()

    def opened(self) -> Poll:
        return self.store.polls.open(
            "?", electorate=Electorate.organisations, closes_at=CLOSING, now=NOW
        )

    def give(
        self,
        to: int,
        at: datetime = NOW,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        poll: Poll | None = None,
    ) -> Handover:
        """Hand over a poll, by default the first, or a period."""
        poll_id = None if until else (poll or self.poll).id
        mandate = self.mandates[to].id
        return self.store.handovers.give(
            self.people[DELEGATE], mandate, at, poll_id=poll_id, since=since, until=until
        ).handover

    def vote(self, who: int, option: int, at: datetime = NOW, poll: Poll | None = None) -> None:
        """Press an option of a poll, by default the first."""
        poll_id = (poll or self.poll).id
        self.store.polls.press(poll_id, self.people[who], option, at, as_member=True)

    def may(self, who: int, at: datetime = NOW) -> bool:
        voices = self.store.polls.voices(self.poll.id, self.people[who], at)
        return any(one.may_cast for one in voices)

    def goes_at(self, at: datetime) -> datetime | None:
        """When the delegate hands over next."""
        [voice] = self.store.polls.voices(self.poll.id, self.people[DELEGATE], at)
        return voice.goes_at

    def ballot(self) -> int | None:
        """The option of the organisation's ballot."""
        named = self.store.polls.tally(self.poll).named
        return named[self.key][0] if named else None


@dataclass
class Entrusted:
    """What was handed over: a poll or a period, to whom, from when until when."""

    kind: str
    who: int
    start: datetime
    end: datetime


class Model:
    """What the rules say, without a database."""

    def __init__(self) -> None:
        self.given: list[Entrusted] = []
        self.ends: dict[int, datetime] = {}
        self.ballot: tuple[int, int | None] | None = None

    def speaks(self, who: int, at: datetime) -> bool:
        return self.ends.get(who, CLOSING) > at

    def unfinished(self, at: datetime) -> list[Entrusted]:
        return [one for one in self.given if one.end > max(at, one.start)]

    def in_hand(self, at: datetime) -> int:
        """Who has the ballot in hand."""
        in_force = [one.who for one in self.unfinished(at) if one.start <= at]
        assert len(in_force) <= 1
        return in_force[0] if in_force else DELEGATE

    def goes_at(self, at: datetime) -> datetime | None:
        return min((one.start for one in self.unfinished(at) if one.start > at), default=None)

    def end(self, who: int, ends_at: datetime, at: datetime) -> None:
        """End a term; what would begin after it never does."""
        self.ends[who] = ends_at
        for one in self.given:
            if who in (DELEGATE, one.who):
                one.end = min(one.end, ends_at if one.start < ends_at else at)

    def may(self, who: int, at: datetime) -> bool:
        if not self.speaks(who, at):
            return False
        if who == self.in_hand(at):
            return True
        return who != DELEGATE and (self.ballot is None or self.ballot[1] == who)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_in_any_order_as_a_simple_model_says(
    db: Database, played: list[tuple[str, int, int]]
) -> None:
    class Undo(Exception):
        pass

    def play(store: Store) -> None:
        committee, model = Committee(store), Model()
        for rank, (what, who, number) in enumerate(played, start=1):
            step(committee, model, what, who, number, NOW + rank * MINUTE)
            at = NOW + rank * MINUTE
            for one in (DELEGATE, FIRST, SECOND):
                assert committee.may(one, at) is model.may(one, at), (rank, one)
            holder = model.in_hand(at)
            if holder == DELEGATE and model.speaks(DELEGATE, at):
                assert committee.goes_at(at) == model.goes_at(at)
            if holder != DELEGATE and model.speaks(DELEGATE, at):
                assert committee.may(holder, at), "who was handed it casts it"
                assert not committee.may(DELEGATE, at), "and nobody else in their place"
            assert committee.ballot() == (model.ballot[0] if model.ballot else None)
            assert store.polls.turnout(committee.poll.id).voted[1] == (model.ballot is not None)
        raise Undo

    with pytest.raises(Undo):
        db.write_now(play)


def step(
    committee: Committee, model: Model, what: str, who: int, number: int, at: datetime
) -> None:
    """Do one thing, to both."""
    store = committee.store
    match what:
        case "vote":
            if model.may(who, at):
                committee.vote(who, number, at)
                model.ballot = (number, who)
            else:
                with pytest.raises((Superseded, HandedOver, TermOver)):
                    committee.vote(who, number, at)
        case "poll" | "period" | "later":
            since = at + 2 * MINUTE if what == "later" else None
            until = None if what == "poll" else (since or at) + number * MINUTE
            kind, unfinished = "poll" if what == "poll" else "period", model.unfinished(at)
            ends = [model.ends.get(one, CLOSING) for one in (DELEGATE, who)]
            if what == "poll":
                ends += [one.start for one in unfinished if one.start > at]
            new = Entrusted(kind, who, since or at, min([until or CLOSING, *ends]))
            met = [one for one in unfinished if one.start < new.end and new.start < one.end]
            refused: type[Exception] | None = None
            if not (model.speaks(DELEGATE, at) and model.speaks(who, at)):
                refused = NotDelegate
            elif new.end <= new.start:
                refused = NeverBegins
            elif any(one.kind in ("period", kind) for one in met):
                refused = HandedAlready
            if refused is not None:
                with pytest.raises(refused):
                    committee.give(who, at, since=since, until=until)
                return
            committee.give(who, at, since=since, until=until)
            for one in met:
                one.end = new.start
            model.given.append(new)
        case "back":
            handed = [
                one
                for one in store.handovers.unfinished(committee.people[DELEGATE], at)
                if one.delegate_id == committee.people[DELEGATE]
            ]
            assert len(handed) == len(model.unfinished(at))
            for given in handed:
                store.handovers.take_back(given.id, committee.people[DELEGATE], at)
            model.given = []
        case "end":
            ends_at = at + number * MINUTE
            if model.speaks(who, at):
                store.change_term(committee.mandates[who].id, ends_at, at)
                model.end(who, ends_at, at)
            else:
                with pytest.raises(NoSuchTerm):
                    store.change_term(committee.mandates[who].id, ends_at, at)
        case "erase":
            store.erase(committee.people[who], at)
            model.end(who, min(model.ends.get(who, at), at), at)
            if model.ballot and model.ballot[1] == who:
                model.ballot = (model.ballot[0], None)


def played(db: Database, play: Callable[[Committee], None]) -> None:
    db.write_now(lambda store: play(Committee(store)))


def test_a_substitute_of_another_organisation_is_given_nothing(db: Database) -> None:
    def play(store: Store) -> None:
        here, there = Committee(store), Committee(store, "b")
        with pytest.raises(NotDelegate):
            store.handovers.give(
                here.people[DELEGATE], there.mandates[FIRST].id, NOW, poll_id=here.poll.id
            )
        for other in (FIRST, SECOND):
            with pytest.raises(NotDelegate):
                store.handovers.give(
                    here.people[other], here.mandates[SECOND].id, NOW, poll_id=here.poll.id
                )
        with pytest.raises(NotDelegate):  # nor is a delegate handed anything
            store.handovers.give(
                here.people[DELEGATE], here.mandates[DELEGATE].id, NOW, poll_id=here.poll.id
            )

    db.write_now(play)


def test_only_an_open_poll_that_asks_the_organisation(db: Database) -> None:
    def play(here: Committee) -> None:
        members = here.store.polls.open(
            "?", electorate=Electorate.members, closes_at=CLOSING, now=NOW
        )
        with pytest.raises(NotElector):
            here.give(FIRST, poll=members)
        with pytest.raises(Closed):
            here.give(FIRST, CLOSING)
        here.store.polls.cancel(here.poll.id, NOW)
        with pytest.raises(Closed):
            here.give(FIRST)

    played(db, play)


def test_only_the_delegate_takes_back_and_once(db: Database) -> None:
    def play(here: Committee) -> None:
        given = here.give(FIRST)
        for other in (FIRST, SECOND):
            with pytest.raises(NotInForce):
                here.store.handovers.take_back(given.id, here.people[other], NOW)
        here.store.handovers.take_back(given.id, here.people[DELEGATE], NOW)
        with pytest.raises(NotInForce):
            here.store.handovers.take_back(given.id, here.people[DELEGATE], NOW)

    played(db, play)


def test_a_period_takes_the_place_of_what_was_handed_in_single_polls(db: Database) -> None:
    def play(here: Committee) -> None:
        other = here.opened()
        here.give(FIRST)
        until = NOW + timedelta(hours=2)
        given = here.store.handovers.give(
            here.people[DELEGATE], here.mandates[SECOND].id, NOW, until=until
        )
        assert [one.substitute_id for one in given.replaced] == [here.people[FIRST]]
        here.vote(SECOND, 0)
        here.vote(SECOND, 1, poll=other)
        with pytest.raises(Superseded):
            here.vote(FIRST, 2)
        late = here.store.polls.open(
            "?", electorate=Electorate.organisations, closes_at=CLOSING, now=NOW + MINUTE
        )
        with pytest.raises(HandedOver):
            here.vote(DELEGATE, 0, NOW + 2 * MINUTE, late)
        here.vote(DELEGATE, 0, until, late)
        assert here.ballot() == 0

    played(db, play)


def test_what_was_handed_in_a_single_poll_ends_where_a_period_begins(db: Database) -> None:
    """Whichever was given first."""

    def play(here: Committee) -> None:
        alone, since, until = here.give(FIRST), NOW + 5 * MINUTE, NOW + 9 * MINUTE
        period = here.give(SECOND, since=since, until=until)
        assert alone.ends_at == since
        other = here.give(FIRST, poll=here.opened())
        assert other.ends_at == since
        for at, holder in ((NOW, FIRST), (since, SECOND), (until, DELEGATE)):
            here.vote(holder, 1, at)
        store = here.store
        assert store.handovers.next_due() == since
        assert store.handovers.to_begin(since) == [period]
        assert store.handovers.to_end(since) == [alone, other]
        assert [store.handovers.follows(one) for one in (alone, other, period)] == [
            period,
            period,
            None,
        ]

    played(db, play)


def test_two_periods_may_be_prepared_that_do_not_meet(db: Database) -> None:
    def play(here: Committee) -> None:
        first = here.give(FIRST, since=NOW + 5 * MINUTE, until=NOW + 9 * MINUTE)
        here.give(SECOND, since=NOW + 9 * MINUTE, until=NOW + 12 * MINUTE)
        here.give(SECOND, until=NOW + 5 * MINUTE)
        with pytest.raises(HandedAlready):
            here.give(SECOND, since=NOW + 8 * MINUTE, until=NOW + 9 * MINUTE)
        here.store.handovers.take_back(first.id, here.people[DELEGATE], NOW)
        assert here.store.handovers.to_begin(NOW + 9 * MINUTE) != []
        assert first not in here.store.handovers.to_begin(NOW + 9 * MINUTE)
        here.give(SECOND, since=NOW + 8 * MINUTE, until=NOW + 9 * MINUTE)

    played(db, play)


def test_a_term_that_ends_mid_poll_leaves_the_ballot(db: Database) -> None:
    def play(here: Committee) -> None:
        here.vote(DELEGATE, 2)
        here.store.change_term(here.mandates[DELEGATE].id, NOW + MINUTE, NOW)
        here.vote(DELEGATE, 3)
        with pytest.raises(TermOver):
            here.vote(DELEGATE, 0, NOW + MINUTE)
        with pytest.raises(TermOver):
            here.store.polls.explain(
                here.poll.id, here.people[DELEGATE], "?", NOW + MINUTE, as_member=True
            )
        assert here.ballot() == 3
        [voice] = here.store.polls.voices(here.poll.id, here.people[DELEGATE], NOW + MINUTE)
        assert (voice.bar, voice.mine, chosen(voice.choices or 0)) == (Bar.over, True, (3,))
        assert not here.store.polls.may_read(
            here.poll, here.people[DELEGATE], NOW + MINUTE, as_member=True
        )
        with pytest.raises(Superseded):
            here.vote(FIRST, 1, NOW + MINUTE)
        here.store.organisations.appoint(
            here.people[SECOND], here.key, MandateKind.delegate, NOW + MINUTE
        )
        here.store.session.flush()
        here.vote(SECOND, 1, NOW + MINUTE)
        assert here.ballot() == 1

    played(db, play)


@pytest.mark.parametrize("whose", [DELEGATE, FIRST])
@pytest.mark.parametrize("before", [True, False])
def test_it_lasts_no_longer_than_either_mandate(db: Database, whose: int, before: bool) -> None:
    """Whether the end of a term was set before it was handed over, or after."""

    def play(here: Committee) -> None:
        def end() -> None:
            here.store.change_term(here.mandates[whose].id, NOW + MINUTE, NOW)

        if before:
            end()
        given = here.give(FIRST)
        if not before:
            end()
        assert given.ends_at == NOW + MINUTE
        assert (here.may(DELEGATE), here.may(FIRST)) == (False, True)
        after = NOW + MINUTE
        here.vote(FIRST, 1)
        assert here.may(DELEGATE, after) is (whose != DELEGATE)
        assert here.may(FIRST, after) is (whose != FIRST), "their own ballot stays theirs"

    played(db, play)


def test_what_was_handed_over_before_is_no_reason_to_be_given(db: Database) -> None:
    """Neither who handed it over explains a ballot, nor who had it in hand before."""

    def play(here: Committee) -> None:
        here.vote(DELEGATE, 2)
        given = here.give(FIRST)
        with pytest.raises(HandedOver):
            here.store.polls.explain(here.poll.id, here.people[DELEGATE], "?", NOW, as_member=True)
        here.vote(FIRST, 1)
        explain = here.store.polls.explain
        assert explain(here.poll.id, here.people[FIRST], "?", NOW, as_member=True) == 1
        here.store.handovers.take_back(given.id, here.people[DELEGATE], NOW)
        here.vote(DELEGATE, 1)
        assert explain(here.poll.id, here.people[FIRST], "?", NOW, as_member=True) == 0

    played(db, play)


def test_who_becomes_one_person_hands_no_period_twice(db: Database) -> None:
    """The newer begins in the older, which ends there."""

    def play(here: Committee) -> None:
        store, since = here.store, NOW + 5 * MINUTE
        older = here.give(FIRST, until=CLOSING)
        other = somebody(store)
        store.organisations.appoint(other, here.key, MandateKind.delegate, NOW)
        store.session.flush()
        newer = store.handovers.give(
            other, here.mandates[SECOND].id, NOW, since=since, until=CLOSING
        ).handover
        newer.delegate_id = here.people[DELEGATE]
        store.session.flush()
        hand_once(store.session, here.people[DELEGATE], NOW)
        assert (older.ends_at, newer.starts_at, newer.ends_at) == (since, since, CLOSING)

    played(db, play)


def test_old_ones_are_forgotten(db: Database) -> None:
    def play(here: Committee) -> None:
        here.give(FIRST)
        here.store.handovers.forget_old(CLOSING)
        assert here.store.handovers.unfinished(here.people[FIRST], NOW)
        here.store.handovers.forget_old(CLOSING + MINUTE)
        assert not here.store.handovers.unfinished(here.people[FIRST], NOW)

    played(db, play)


def test_a_vote_that_waits_for_a_handing_over_sees_it(db: Database) -> None:
    """A substitute's vote while the delegate takes back: whoever was first, one of them counts."""

    def begin(store: Store) -> tuple[int, int, int, int]:
        here = Committee(store)
        given = here.give(FIRST)
        here.vote(DELEGATE, 3, NOW) if here.may(DELEGATE) else here.vote(FIRST, 3)
        return here.poll.id, given.id, here.people[DELEGATE], here.people[FIRST]

    poll, given, delegate, substitute = db.write_now(begin)

    def take_back(store: Store) -> None:
        store.handovers.take_back(given, delegate, NOW + MINUTE)
        store.polls.press(poll, delegate, 0, NOW + 2 * MINUTE, as_member=True)

    def vote(store: Store) -> str:
        try:
            store.polls.press(poll, substitute, 1, NOW + 3 * MINUTE, as_member=True)
        except Superseded:
            return "refused"
        return "counted"

    assert one_after_the_other(db, take_back, vote) == "refused"


@pytest.mark.parametrize("kind", [MandateKind.delegate, MandateKind.substitute])
def test_who_becomes_one_person_hands_each_ballot_once(db: Database, kind: MandateKind) -> None:
    def play(here: Committee) -> None:
        first = here.give(FIRST)
        store = here.store
        if kind is MandateKind.substitute:  # the delegate and the substitute are one
            first.substitute_id = here.people[DELEGATE]
        else:  # two delegates are one
            other = somebody(store)
            store.organisations.appoint(other, here.key, MandateKind.delegate, NOW)
            store.session.flush()
            again = store.handovers.give(
                other, here.mandates[SECOND].id, NOW, until=CLOSING
            ).handover
            again.delegate_id = here.people[DELEGATE]
        store.session.flush()
        hand_once(store.session, here.people[DELEGATE], NOW)
        left = store.handovers.unfinished(here.people[DELEGATE], NOW)
        assert [one.substitute_id for one in left] == (
            [] if kind is MandateKind.substitute else [here.people[SECOND]]
        )

    played(db, play)
