"""One person one vote, one organisation one vote, in any order of presses."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from storage.database import Database
from storage.grants import Role
from storage.organisations import MandateKind, OrganisationName
from storage.polls import (
    Ballot,
    Closed,
    Elector,
    Electorate,
    NotElector,
    NotSignedIn,
    Poll,
    Standing,
    Superseded,
    WrongChoice,
    bits,
    chosen,
)
from storage.polls import Press as OnePress
from storage.store import Store

SECRET = "a secret of the tests, long enough to be taken"  # that of the template
NOW = datetime(2027, 1, 11, 9, tzinfo=UTC)
CLOSING = NOW + timedelta(days=1)
# Who speaks for whom: 0 and 1 are delegate and substitute of A, 2 and 3 of B.
SPEAKERS = [
    ("a", MandateKind.delegate),
    ("a", MandateKind.substitute),
    ("b", MandateKind.delegate),
    ("b", MandateKind.substitute),
]
OPTIONS = ("un", "deux", "trois", "quatre")
# Most steps are presses; somebody is erased now and then.
steps = st.lists(
    st.one_of(
        st.tuples(st.just("press"), st.integers(0, 3), st.integers(0, 3)),
        st.tuples(st.just("press"), st.integers(0, 3), st.integers(0, 3)),
        st.tuples(st.just("press"), st.integers(0, 3), st.integers(0, 3)),
        st.tuples(st.just("erase"), st.integers(0, 3), st.just(0)),
    ),
    max_size=25,
)


def committee(store: Store) -> list[int]:
    """Two organisations, and who speaks for them."""
    people = []
    if not store.organisations.names(NOW.date()):
        for key in ("a", "b"):
            name = OrganisationName(
                organisation_id=key, starts_on=NOW.date(), name=key, short_name=key
            )
            store.organisations.add(key, is_signatory=True, college=None, names=[name])
    for organisation, kind in SPEAKERS:
        person = somebody(store)
        store.organisations.appoint(person, organisation, kind, NOW)
        people.append(person)
    store.session.flush()
    return people


def somebody(store: Store) -> int:
    somebody.count += 1  # type: ignore[attr-defined]
    address = f"somebody-{somebody.count}"  # type: ignore[attr-defined]
    return store.people.arrive("web", address, "fr", NOW)[0].person_id


somebody.count = 0  # type: ignore[attr-defined]


def opened(store: Store, electorate: Electorate = Electorate.both, **more: object) -> Poll:
    return store.polls.open("?", electorate=electorate, closes_at=CLOSING, now=NOW, **more)  # type: ignore[arg-type]


class Model:
    """What the rules say, without a database."""

    def __init__(self, *, several: bool) -> None:
        self.several = several
        self.persons: dict[int, set[int]] = {}
        self.spoken: dict[str, tuple[set[int], int | None]] = {}

    def press(self, who: int, option: int) -> bool:
        """Whether it is counted."""
        organisation, kind = SPEAKERS[who]
        chosen = self.persons.get(who, set()) ^ {option} if self.several else {option}
        if not chosen:
            return False
        self.persons[who] = chosen
        _, by = self.spoken.get(organisation, (set(), who))
        if kind is MandateKind.delegate or by == who:
            self.spoken[organisation] = (chosen, who)
        return True

    def erase(self, who: int) -> None:
        for organisation, (options, by) in self.spoken.items():
            if by == who:
                self.spoken[organisation] = (options, None)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps, st.booleans(), st.booleans())
def test_the_tally_is_that_of_a_simple_model(
    db: Database, played: list[tuple[str, int, int]], several: bool, cancelled: bool
) -> None:
    def play(store: Store) -> None:
        people = committee(store)
        poll = opened(store, options=OPTIONS, several=several)
        could_vote = store.polls.turnout(poll.id).electors
        model, gone = Model(several=several), set()
        for step, (what, who, option) in enumerate(played, start=1):
            if who in gone:
                continue
            if what == "erase":
                gone.add(who)
                model.erase(who)
                store.erase(people[who], NOW)
                continue
            at = NOW + timedelta(seconds=step)
            if model.press(who, option):
                store.polls.press(poll.id, people[who], option, at, as_member=True)
            else:
                with pytest.raises(WrongChoice):
                    store.polls.press(poll.id, people[who], option, at, as_member=True)
        tally = store.polls.tally(poll)
        votes = [option for chosen in model.persons.values() for option in chosen]
        assert tally.persons == tuple(votes.count(option) for option in range(4))
        assert tally.named == {
            name: tuple(sorted(chosen)) for name, (chosen, _) in model.spoken.items()
        }
        assert tally.absent == tuple(sorted({"a", "b"} - set(model.spoken)))
        assert tally.voted == (len(model.persons), len(model.spoken))
        assert tally.electors == could_vote
        assert store.polls.turnout(poll.id).voted == tally.voted
        if cancelled:
            store.polls.cancel(poll.id, NOW)
            with pytest.raises(Closed):
                store.polls.press(poll.id, people[0], 0, NOW, as_member=True)
            assert poll.id not in store.polls.unannounced()
            assert store.polls.announce(poll.id, CLOSING) is None
        for person in people:  # the next example begins with nobody
            store.organisations.end_mandates(person, NOW)

    db.write_now(play)


def test_an_elector_sees_the_polls_of_their_own_only(db: Database) -> None:
    """The elector of one poll is told nothing of the others, open or closed."""

    def look(store: Store) -> None:
        delegate, _, other, _ = committee(store)
        mine = opened(store, Electorate.organisations)
        stranger = somebody(store)
        store.grants.give(stranger, Role.member, NOW)
        store.session.flush()
        theirs = opened(store, Electorate.members)
        newcomer = somebody(store)
        store.grants.give(newcomer, Role.member, NOW + timedelta(minutes=1))
        store.session.flush()
        later = NOW + timedelta(minutes=2)
        polls = store.polls
        assert [one for one, _ in polls.awaiting(stranger, later, as_member=True)] == [theirs]
        assert polls.awaiting(newcomer, later, as_member=True) == []
        assert not polls.may_read(mine, stranger, later, as_member=True)
        assert polls.may_read(mine, delegate, later, as_member=True)
        assert not polls.may_read(theirs, newcomer, later, as_member=True)
        for poll in (mine, theirs):
            polls.close(poll.id, CLOSING)
        assert polls.closed(stranger, later, as_member=True) == [theirs]
        assert polls.closed(newcomer, later, as_member=True) == []
        assert polls.closed(other, later, as_member=True) == [theirs, mine]
        assert set(store.session.scalars(polls.could_vote(mine.id, later))).isdisjoint(
            {stranger, newcomer}
        )

    db.write_now(look)


def test_who_is_not_signed_in_has_no_say_but_in_consultations(db: Database) -> None:
    def look(store: Store) -> None:
        delegate, *_ = committee(store)
        members, public = opened(store), opened(store, Electorate.public)
        polls = store.polls
        assert [one for one, _ in polls.awaiting(delegate, NOW, as_member=False)] == [public]
        assert not polls.may_read(members, delegate, NOW, as_member=False)
        with pytest.raises(NotSignedIn):
            polls.press(members.id, delegate, 0, NOW, as_member=False)
        with pytest.raises(NotSignedIn):
            polls.explain(members.id, delegate, "Parce que.", NOW, as_member=False)
        polls.press(public.id, delegate, 0, NOW, as_member=False)
        assert polls.tally(members).voted == (0, 0)
        assert polls.tally(public).voted == (1, 0)
        polls.close(members.id, CLOSING)
        assert polls.closed(delegate, NOW, as_member=False) == []

    db.write_now(look)


def test_a_substitute_takes_no_ballot_that_is_there(db: Database) -> None:
    """Neither their delegate's, nor one whose delegate was erased."""

    def look(store: Store) -> None:
        delegate, substitute, *_ = committee(store)
        poll = opened(store, Electorate.organisations)
        store.polls.press(poll.id, delegate, 0, NOW, as_member=True)
        with pytest.raises(Superseded):
            store.polls.press(poll.id, substitute, 1, NOW, as_member=True)
        store.erase(delegate, NOW)
        with pytest.raises(Superseded):
            store.polls.press(poll.id, substitute, 1, NOW, as_member=True)
        assert store.polls.tally(poll).named == {"a": (0,)}
        found = store.polls.awaiting(substitute, NOW, as_member=True)
        assert found == [(poll, Standing.settled)]

    db.write_now(look)


def test_a_new_delegate_begins_with_nothing_chosen(db: Database) -> None:
    def look(store: Store) -> None:
        before, *_ = committee(store)
        poll = opened(store, Electorate.organisations, options=OPTIONS, several=True)
        store.polls.press(poll.id, before, 0, NOW, as_member=True)
        later = NOW + timedelta(hours=1)
        store.organisations.end_mandates(before, later)
        now_delegate = somebody(store)
        store.organisations.appoint(now_delegate, "a", MandateKind.delegate, later)
        store.session.flush()
        found = store.polls.awaiting(now_delegate, later, as_member=True)
        assert found == [(poll, Standing.awaits)]
        cast = store.polls.press(poll.id, now_delegate, 1, later, as_member=True)
        assert store.polls.tally(poll).named == {"a": (1,)}
        assert cast.overruled == [(before, "a")]

    db.write_now(look)


def test_a_reason_stays_with_the_same_choice(db: Database) -> None:
    def look(store: Store) -> None:
        delegate, *_ = committee(store)
        poll = opened(store)
        assert store.polls.explain(poll.id, delegate, "Trop tôt.", NOW, as_member=True) == 0
        store.polls.press(poll.id, delegate, 0, NOW, as_member=True)
        assert store.polls.explain(poll.id, delegate, "C'est utile.", NOW, as_member=True) == 2
        store.polls.press(poll.id, delegate, 0, NOW, as_member=True)
        assert [one.text for one in store.polls.reasons(poll.id, 10)] == ["C'est utile."]
        store.polls.press(poll.id, delegate, 1, NOW, as_member=True)
        assert store.polls.reasons(poll.id, 10) == []
        store.polls.close(poll.id, NOW)
        with pytest.raises(Closed):
            store.polls.explain(poll.id, delegate, "Trop tard.", NOW, as_member=True)

    db.write_now(look)


def test_a_hidden_reason_leaves_the_vote(db: Database) -> None:
    def look(store: Store) -> None:
        delegate, substitute, *_ = committee(store)
        poll = opened(store)
        for person, reason in ((delegate, "Madame Untel a dit non."), (substitute, "Utile.")):
            store.polls.press(poll.id, person, 0, NOW, as_member=True)
            store.polls.explain(poll.id, person, reason, NOW, as_member=True)
        assert store.polls.count_reasons(poll.id) == 2, "one explanation of two ballots is one"
        [bad] = [one for one in store.polls.reasons(poll.id, 10) if "Untel" in one.text]
        store.polls.drop_reason(poll.id, bad.elector_id)
        assert [one.text for one in store.polls.reasons(poll.id, 10)] == ["Utile."]
        assert store.polls.tally(poll).voted == (2, 1)

    db.write_now(look)


def test_a_stranger_casts_nothing(db: Database) -> None:
    def look(store: Store) -> None:
        committee(store)
        poll, stranger = opened(store), somebody(store)
        with pytest.raises(NotElector):
            store.polls.press(poll.id, stranger, 0, NOW, as_member=True)
        assert store.polls.tally(poll).electors[0] == 4

    db.write_now(look)


def test_votes_of_one_transaction_see_a_closing_among_them(db: Database) -> None:
    """The poll is locked once for all; what a savepoint undid does not stay with it."""

    def close_and_fail(store: Store, poll_id: int) -> None:
        with store.savepoint():
            store.polls.close(poll_id, NOW)
            raise RuntimeError

    def vote_vote_close_vote(store: Store) -> None:
        first, second, third, *_ = committee(store)
        poll = opened(store, Electorate.members)
        store.polls.press(poll.id, first, 0, NOW, as_member=True)
        with suppress(RuntimeError):
            close_and_fail(store, poll.id)
        store.polls.press(poll.id, second, 0, NOW, as_member=True)
        store.polls.close(poll.id, NOW)
        with pytest.raises(Closed):
            store.polls.press(poll.id, third, 0, NOW, as_member=True)

    db.write_now(vote_vote_close_vote)


rarely, mostly = st.sampled_from([False] * 9 + [True]), st.sampled_from([True] * 9 + [False])
options = st.sampled_from([0, 1, 2, 3] * 3 + [4])  # of which the last is none
one_press = st.tuples(st.integers(0, 6), options, rarely, mostly)
# One who presses twice has all of them heard one by one: in most rounds nobody does so.
one_round = st.one_of(
    *[st.lists(one_press, min_size=3, max_size=7, unique_by=lambda one: one[0])] * 3,
    st.lists(one_press, min_size=2, max_size=4),
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(one_round, min_size=1, max_size=3),
    st.sampled_from([*Electorate, Electorate.organisations]),
    st.booleans(),
)
def test_pressed_together_counts_as_one_by_one(
    db: Database,
    played: list[list[tuple[int, int, bool, bool]]],
    electorate: Electorate,
    several: bool,
) -> None:
    """Delegates, members and a stranger press, some too late, some not signed in."""

    def one_by_one(store: Store, poll: Poll, presses: list[OnePress]) -> list[object]:
        done: list[object] = []
        for one in presses:
            try:
                cast = store.polls.press(
                    poll.id, one.person_id, one.option, one.received_at, as_member=one.as_member
                )
            except (Closed, NotElector, NotSignedIn, Superseded, WrongChoice) as error:
                done.append(type(error))
            else:
                done.append([(voice.choices, voice.mine, voice.reason) for voice in cast.voices])
        return done

    def ballots(store: Store, poll: Poll) -> list[object]:
        wanted = select(Elector.person_id, Elector.organisation_id, Ballot.choices, Ballot.cast_by)
        cast = wanted.join(Ballot, Ballot.elector_id == Elector.id)
        rows = store.session.execute(cast.where(Elector.poll_id == poll.id).order_by(Elector.id))
        return [tuple(row) for row in rows]

    def play(store: Store) -> None:
        people = [*committee(store), somebody(store), somebody(store)]
        for person in people[4:6]:
            store.grants.give(person, Role.member, NOW)
        people.append(somebody(store))  # no member
        store.session.flush()
        polls = [opened(store, electorate, options=OPTIONS, several=several) for _ in range(2)]
        for one in played:
            presses = [
                OnePress(people[who], option, CLOSING if late else NOW, signed_in)
                for who, option, late, signed_in in one
            ]
            expected = one_by_one(store, polls[0], presses)
            cast = store.polls.press_together(polls[1].id, presses)
            alone = [press for press, done in zip(presses, cast, strict=True) if done is None]
            rest = iter(one_by_one(store, polls[1], alone))
            assert [
                next(rest) if done is None else [(v.choices, v.mine, v.reason) for v in done.voices]
                for done in cast
            ] == expected
        assert ballots(store, polls[1]) == ballots(store, polls[0])
        for person in people:  # the next example begins with nobody
            store.organisations.end_mandates(person, NOW)
            store.grants.end(person, NOW)

    db.write_now(play)


def test_the_second_vote_of_a_transaction_costs_two_statements(db: Database) -> None:
    statements: list[str] = []

    def vote_twice(store: Store) -> None:
        first, second, *_ = committee(store)
        poll = opened(store, Electorate.members)
        store.polls.press(poll.id, first, 0, NOW, as_member=True)
        event.listen(db.engine, "before_cursor_execute", lambda *seen: statements.append(seen[2]))
        store.polls.press(poll.id, second, 0, NOW, as_member=True)

    db.write_now(vote_twice)
    assert len([one for one in statements if "ballots" in one]) == 2
    assert not [one for one in statements if "FROM polls" in one]


def test_a_vote_costs_three_statements(db: Database) -> None:
    """The poll, the person's voices, the ballots; one more locks them where others may cast them.

    PostgreSQL reads the voices again once they are locked; SQLite has one writer at a time.
    """
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    def press(store: Store, electorate: Electorate, person: int) -> int:
        poll = opened(store, electorate)
        statements.clear()
        store.polls.press(poll.id, person, 0, NOW, as_member=True)
        return len(statements)

    def look(store: Store) -> None:
        delegate, *_ = committee(store)
        event.listen(db.engine, "before_cursor_execute", note)
        assert press(store, Electorate.members, delegate) == 3
        assert press(store, Electorate.both, delegate) == (3 if db.is_sqlite else 5)
        event.remove(db.engine, "before_cursor_execute", note)

    db.write_now(look)


@given(st.sets(st.integers(0, 9)))
def test_a_ballot_keeps_a_set_of_options(options: set[int]) -> None:
    assert set(chosen(bits(options))) == options


Press = Callable[[Store], object]


def at_once(url: str, *works: Press) -> None:
    """Do some works in transactions that begin before any of them ends."""
    ready = threading.Barrier(len(works))

    def do(work: Press) -> None:
        process = Database(url, [SECRET])
        process.open()
        try:
            process.write_now(lambda store: (ready.wait(10), work(store)))
        finally:
            process.close()

    with ThreadPoolExecutor(len(works)) as pool:
        list(pool.map(do, works))


@pytest.fixture
def shared(postgresql_url: str) -> Iterator[Database]:
    """A database of several processes."""
    database = Database(postgresql_url, [SECRET])
    database.open()
    yield database
    database.close()


@pytest.mark.servers
@pytest.mark.parametrize("several", [False, True])
def test_two_processes_do_not_lose_a_rule(
    shared: Database, postgresql_url: str, several: bool
) -> None:
    def begin(store: Store) -> tuple[list[int], int]:
        people = committee(store)
        return people, opened(store, options=OPTIONS, several=several).id

    def press(poll_id: int, person: int, option: int) -> Press:
        return lambda store: store.polls.press(poll_id, person, option, NOW, as_member=True)

    def named(poll_id: int) -> dict[str, tuple[int, ...]]:
        return shared.read_now(
            lambda store: store.polls.tally(store.session.get_one(Poll, poll_id)).named
        )

    def end(people: list[int]) -> Press:
        def work(store: Store) -> None:
            for person in people:
                store.organisations.end_mandates(person, NOW)

        return work

    for _ in range(6):
        people, poll = shared.write_now(begin)
        delegate, substitute, *_ = people
        at_once(postgresql_url, press(poll, delegate, 0), press(poll, substitute, 1))
        assert named(poll) == {"a": (0,)}, "the delegate's ballot stays, whoever was first"
        if several:
            at_once(postgresql_url, press(poll, delegate, 2), press(poll, delegate, 3))
            assert named(poll) == {"a": (0, 2, 3)}, "what two chats add is there"
        shared.write_now(end(people))


@pytest.mark.servers
def test_two_processes_announce_once(shared: Database, postgresql_url: str) -> None:
    poll = shared.write_now(lambda store: opened(store, Electorate.public).id)
    shared.write_now(lambda store: store.polls.close(poll, CLOSING))
    told: list[bool] = []

    def announce(store: Store) -> None:
        told.append(store.polls.announce(poll, CLOSING) is not None)

    at_once(postgresql_url, announce, announce)
    assert sorted(told) == [False, True]
