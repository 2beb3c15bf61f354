"""Two people become one: every reference has its rule, and no voice is lost or doubled."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from storage.base import Base
from storage.broadcasts import Unasked
from storage.conversations import Place
from storage.database import Database
from storage.deliveries import Delivery, DeliveryState, subject
from storage.grants import Grant, Role
from storage.groups import Belonging, Joining
from storage.merging import RULES, Conflict, Undecided
from storage.merging.rules import column_of
from storage.organisations import MandateKind, OrganisationName
from storage.people import ChatKind
from storage.polls import Ballot, Elector, Electorate, Poll, bits
from storage.store import Store
from storage.threads import Thread, ThreadMessage
from tests.conftest import NOW
from tests.storage.test_races import one_after_the_other

LATER = NOW + timedelta(hours=1)
CLOSING = NOW + timedelta(days=1)


def somebody(store: Store, address: str, platform: str = "web") -> tuple[int, int]:
    """A newcomer with a chat: their person and their account."""
    account, _ = store.people.arrive(platform, address, "fr", NOW)
    chat = store.people.chat(platform, address, account_id=account.id)
    store.conversations.begin(chat, account, "", NOW)
    return account.person_id, account.id


def two(store: Store) -> tuple[tuple[int, int], tuple[int, int]]:
    """Two newcomers: both people, and both accounts."""
    (kept, first), (gone, other) = somebody(store, "one"), somebody(store, "two", "telegram")
    return (kept, gone), (first, other)


def references() -> set[str]:
    """Every column that refers to a person."""
    return {
        f"{table.name}.{key.parent.name}"
        for table in Base.metadata.tables.values()
        for key in table.foreign_keys
        if key.column.table.name == "people"
    }


def test_every_reference_to_a_person_has_its_rule() -> None:
    others = {"audit_entries.actor_id", "deliveries.subject"}
    assert RULES.keys() - others == references()
    assert {column_of(name).name for name in others} == {"actor_id", "subject"}


def open_poll(store: Store, electorate: Electorate = Electorate.public) -> int:
    poll = store.polls.open("Quoi ?", electorate=electorate, closes_at=CLOSING, now=NOW)
    return poll.id


def vote(store: Store, poll: int, person: int, option: int) -> None:
    store.polls.press(poll, person, option, LATER, as_member=True)


def counted(store: Store, poll_id: int) -> list[int]:
    """The voices of persons, per option."""
    poll = store.polls.get(poll_id)
    assert poll is not None
    return list(store.polls.tally(poll).persons)


def test_who_came_first_stays_and_the_other_row_is_bare(db: Database) -> None:
    def prepare(store: Store) -> tuple[tuple[int, int], tuple[int, int]]:
        people, accounts = two(store)
        store.people.get(people[1]).name = "Ada"
        store.people.get(people[1]).academie = "14"
        return people, accounts

    (kept, gone), (first, other) = db.write_now(prepare)
    assert db.write_now(lambda store: store.merge((other, first), {}, LATER)) == kept

    def look(store: Store) -> tuple[Any, ...]:
        bare, known = store.people.get(gone), store.people.get(kept)
        accounts = [one.id for one in store.people.accounts_of(kept)]
        return bare.name, bare.academie, bare.merged_into, known.name, known.academie, accounts

    assert db.read_now(look) == (None, None, kept, "Ada", "14", [first, other])
    assert db.read_now(lambda store: list(store.session.scalars(store.people.everybody()))) == [
        kept
    ]


def test_who_became_one_again_becomes_the_oldest(db: Database) -> None:
    def merge_all(store: Store) -> tuple[int, list[int]]:
        accounts = [somebody(store, name)[1] for name in ("a", "b", "c")]
        store.merge((accounts[1], accounts[2]), {}, LATER)
        oldest = store.merge((accounts[2], accounts[0]), {}, LATER)
        return oldest, sorted(store.people.who_became(oldest))

    assert db.write_now(merge_all) == (1, [2, 3])
    assert db.write_now(lambda store: store.merge((1, 3), {}, LATER)) == 1, "they are one"


# Ballots


def test_one_ballot_stays_and_the_empty_seat_goes(db: Database) -> None:
    def votes(store: Store) -> tuple[list[int], int]:
        people, accounts = two(store)
        for person in people:
            store.grants.give(person, Role.member, NOW)
        poll = open_poll(store, Electorate.members)
        vote(store, poll, people[1], 2)
        store.merge(accounts, {}, LATER)
        electors = select(func.count()).where(Elector.poll_id == poll)
        return counted(store, poll), store.session.execute(electors).scalar_one()

    assert db.write_now(votes) == ([0, 0, 1, 0], 1)


@pytest.mark.parametrize("side", [0, 1])
def test_of_two_ballots_the_chosen_one_stays(db: Database, side: int) -> None:
    def votes(store: Store) -> tuple[list[int], list[int]]:
        people, accounts = two(store)
        poll = open_poll(store)
        vote(store, poll, people[0], 0)
        vote(store, poll, people[1], 1)
        with pytest.raises(Undecided) as raised:
            store.merge(accounts, {}, LATER)
        ballots = (bits([0]), bits([1]))
        assert raised.value.conflicts == [Conflict(poll, ballots)]
        with pytest.raises(Undecided):  # it was decided of other ballots
            store.merge(accounts, {poll: (side, ballots[::-1])}, LATER)
        kept = store.merge(accounts, {poll: (side, ballots)}, LATER)
        voices = store.polls.voices(poll, kept, LATER)
        assert [one.mine for one in voices] == [True]
        before = counted(store, poll)
        vote(store, poll, kept, 3)
        return before, counted(store, poll)

    before, after = db.write_now(votes)
    assert before == ([1, 0, 0, 0] if side == 0 else [0, 1, 0, 0])
    assert after == [0, 0, 0, 1], "it is one ballot, changed from any chat"


def test_what_was_counted_stays_counted(db: Database) -> None:
    def votes(store: Store) -> tuple[list[int], list[int | None], int]:
        people, accounts = two(store)
        poll = open_poll(store)
        for person in people:
            vote(store, poll, person, 0)
        store.polls.close(poll, CLOSING)
        kept = store.merge(accounts, {}, CLOSING)
        seats = select(Elector.person_id).where(Elector.poll_id == poll).order_by(Elector.id)
        return (
            counted(store, poll),
            list(store.session.scalars(seats)),
            len(store.polls.ballots_of(kept)),
        )

    assert db.write_now(votes) == ([2, 0, 0, 0], [1, None], 1)


def test_an_organisation_keeps_its_ballot(db: Database) -> None:
    def votes(store: Store) -> tuple[int | None, list[tuple[str, MandateKind]]]:
        people, accounts = two(store)
        day = NOW.date()
        name = OrganisationName(organisation_id="a", starts_on=day, name="A", short_name="A")
        store.organisations.add("a", is_signatory=True, college=None, names=[name])
        for person in people:
            store.organisations.appoint(person, "a", MandateKind.delegate, NOW)
        poll = open_poll(store, Electorate.organisations)
        vote(store, poll, people[1], 1)
        kept = store.merge(accounts, {}, LATER)
        cast = store.session.execute(select(Ballot.cast_by)).scalar()
        held = store.organisations.mandates_of(kept, LATER)
        return cast, [(one.organisation_id, one.kind) for one in held]

    assert db.write_now(votes) == (1, [("a", MandateKind.delegate)])


steps = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 3)), max_size=12)


@settings(max_examples=30, suppress_health_check=list(HealthCheck), deadline=None)
@given(steps=steps, closed=st.sets(st.integers(0, 3)), sides=st.lists(st.integers(0, 1)))
def test_never_two_ballots_and_never_a_vote_lost(
    db: Database, steps: list[tuple[int, int, int]], closed: set[int], sides: list[int]
) -> None:
    """Whatever two people voted, in polls that are over or not: one ballot each, the chosen one."""

    def run(store: Store) -> None:
        names = [
            str(store.session.execute(select(func.count(Poll.id))).scalar_one() + n) for n in (0, 1)
        ]
        (one, first), (two, other) = (
            somebody(store, f"x{name}-{n}") for n, name in enumerate(names)
        )
        polls = [open_poll(store) for _ in range(4)]
        last: dict[int, dict[int, int]] = {poll: {} for poll in polls}
        for which, side, option in steps:
            vote(store, polls[which], (one, two)[side], option)
            last[polls[which]][side] = option
        for which in closed:
            store.polls.close(polls[which], LATER)
        over = {polls[which] for which in closed}
        decided: dict[int, tuple[int, tuple[int, int]]] = {}
        choosing = iter(sides)
        for poll, votes in last.items():
            if len(votes) == 2 and poll not in over:
                ballots = (bits([votes[0]]), bits([votes[1]]))
                decided[poll] = (next(choosing, 0), ballots)
        kept = store.merge((first, other), decided, LATER)
        for poll, votes in last.items():
            expected = [0, 0, 0, 0]
            counting = list(votes.values())
            if poll in decided:
                counting = [votes[decided[poll][0]]]
            for option in counting:
                expected[option] += 1
            assert counted(store, poll) == expected
            mine = [one for one in store.polls.voices(poll, kept, LATER) if one.mine]
            assert len(mine) == (1 if votes else 0)
            seats = select(func.count()).where(Elector.poll_id == poll)
            assert store.session.execute(seats).scalar_one() == (
                len(votes) if poll in over else min(len(votes), 1)
            )

    db.write_now(run)


# What one may have only once


def test_what_both_have_is_had_once(db: Database) -> None:
    def run(store: Store) -> None:
        (kept, gone), accounts = two(store)
        store.conversations.save_draft(kept, "report", {"of": "kept"}, NOW)
        store.conversations.save_draft(gone, "report", {"of": "gone"}, LATER)
        store.conversations.save_draft(gone, "poll", {"of": "gone"}, NOW)
        group = store.groups.make("Équité", Joining.request, None, NOW).id
        store.groups.join(group, kept, NOW)
        store.groups.join(group, gone, NOW, admitted=True)
        for person in (kept, gone):
            store.grants.give(person, Role.member, NOW)
            store.broadcasts.mute(person, [Unasked.news], NOW)
            store.counted.add("polls", [(person, "message", "words")], NOW)
        store.broadcasts.mute(gone, [Unasked.event], NOW)
        store.merge(accounts, {}, LATER)
        assert store.conversations.draft(kept, "report") == {"of": "gone"}, "the newer"
        assert store.conversations.draft(kept, "poll") == {"of": "gone"}
        assert store.groups.of_person(kept) == {group: Belonging.member}, "the fuller"
        held = Grant.active(LATER + timedelta(seconds=1))
        active = select(func.count()).where(Grant.person_id == kept, held)
        assert store.session.execute(active).scalar_one() == 1
        assert store.broadcasts.muted_by(kept) == {Unasked.news, Unasked.event}
        assert store.strays() == []

    db.write_now(run)


def test_open_letters_become_one_and_are_read_again(db: Database) -> None:
    def run(store: Store) -> None:
        (kept, gone), accounts = two(store)
        secretary, _ = somebody(store, "secretary")
        first, _ = store.threads.write(kept, "Une question.", NOW)
        store.threads.take(first, secretary, NOW)
        store.threads.mark_read(first, secretary, store.threads.last_message(first.id))
        store.threads.write(gone, "Une autre.", NOW)
        store.merge(accounts, {}, LATER)
        thread = store.threads.open_of(kept)
        assert thread is not None
        assert (thread.id, thread.claimed_by, thread.read_to) == (first.id, secretary, None)
        said = select(ThreadMessage.text).where(ThreadMessage.thread_id == thread.id)
        assert set(store.session.scalars(said)) == {"Une question.", "Une autre."}
        open_ = select(func.count()).where(Thread.person_id == kept, Thread.closed_at.is_(None))
        assert store.session.execute(open_).scalar_one() == 1

    db.write_now(run)


def test_a_notice_for_both_is_told_once(db: Database) -> None:
    def run(store: Store) -> list[tuple[int | None, DeliveryState]]:
        (kept, gone), accounts = two(store)
        store.deliveries.notify("tests.plain", {}, store.people.everybody(), NOW)
        told = store.session.scalars(select(Delivery).where(Delivery.person_id == gone)).one()
        told.state, told.chat_id = DeliveryState.on_page, 2
        told.subject = subject("person", gone)
        store.session.flush()
        store.merge(accounts, {}, LATER)
        rows = store.session.scalars(select(Delivery).order_by(Delivery.id))
        assert subject("person", kept) in {one.subject for one in rows}
        rows = store.session.scalars(select(Delivery).order_by(Delivery.id))
        return sorted((one.person_id or 0, one.state) for one in rows)

    told = db.write_now(run)
    assert told == [(0, DeliveryState.expired), (1, DeliveryState.on_page)]


# At the same moment, on both databases


def test_who_votes_while_they_become_one_has_one_ballot(db: Database) -> None:
    """A press among others knows them by their account alone: it is read again under its lock."""

    def prepare(store: Store) -> tuple[tuple[int, int], int]:
        _, accounts = two(store)
        group = store.people.chat("telegram", "#room", ChatKind.group)
        account = store.people.account("telegram", "two")
        assert account is not None
        store.conversations.begin(group, account, "", NOW)
        return accounts, open_poll(store)

    accounts, poll = db.write_now(prepare)
    place = Place("telegram", "#room", "two", "")

    def press(store: Store) -> int:
        context = store.conversations.find([place], NOW)[place]
        vote(store, poll, context.person_id, 1)
        return context.person_id

    def merge(store: Store) -> None:
        store.merge(accounts, {}, LATER)

    assert one_after_the_other(db, merge, press) == 1
    assert db.read_now(lambda store: counted(store, poll)) == [0, 1, 0, 0]
    assert db.read_now(lambda store: store.strays()) == []


def test_a_vote_cast_before_is_seen_by_the_merge(db: Database) -> None:
    def prepare(store: Store) -> tuple[tuple[int, int], int]:
        people, accounts = two(store)
        poll = open_poll(store)
        vote(store, poll, people[0], 0)
        return accounts, poll

    accounts, poll = db.write_now(prepare)
    place = Place("telegram", "two", "two", "")

    def press(store: Store) -> None:
        context = store.conversations.find([place], NOW)[place]
        vote(store, poll, context.person_id, 1)

    def merge(store: Store) -> list[Conflict]:
        try:
            store.merge(accounts, {}, LATER)
        except Undecided as undecided:
            return list(undecided.conflicts)
        return []

    found = one_after_the_other(db, press, merge)
    assert found == [Conflict(poll, (bits([0]), bits([1])))]


def test_a_poll_that_closes_meanwhile_asks_for_nothing_more(db: Database) -> None:
    def prepare(store: Store) -> tuple[tuple[int, int], int]:
        people, accounts = two(store)
        poll = open_poll(store)
        for option, person in enumerate(people):
            vote(store, poll, person, option)
        return accounts, poll

    accounts, poll = db.write_now(prepare)
    kept = one_after_the_other(
        db,
        lambda store: store.polls.close(poll, CLOSING),
        lambda store: store.merge(accounts, {}, CLOSING),
    )
    assert kept == 1
    assert db.read_now(lambda store: counted(store, poll)) == [1, 1, 0, 0]


def test_two_who_cross_become_one_of_all(db: Database) -> None:
    accounts = db.write_now(lambda store: [somebody(store, name)[1] for name in ("a", "b", "c")])
    a, b, c = accounts
    one_after_the_other(
        db,
        lambda store: store.merge((a, b), {}, LATER),
        lambda store: store.merge((c, b), {}, LATER),
    )

    def look(store: Store) -> tuple[set[int], list[int]]:
        return {one.id for one in store.people.accounts_of(1)}, sorted(store.people.who_became(1))

    assert db.read_now(look) == ({a, b, c}, [2, 3])


def test_what_was_written_too_late_follows(db: Database) -> None:
    """Somebody gives a role to who becomes another in this very moment."""

    def run(store: Store) -> tuple[list[tuple[int, int]], frozenset[Role]]:
        (kept, gone), accounts = two(store)
        store.merge(accounts, {}, LATER)
        store.grants.give(gone, Role.member, LATER)
        poll = open_poll(store)
        vote(store, poll, kept, 0)
        store.polls.session.add(Elector(poll_id=poll, person_id=gone, college="persons", weight=1))
        store.session.flush()
        strays = store.strays()
        for one, other in strays:
            store.merge_stray(one, other, LATER)
        assert store.strays() == []
        assert counted(store, poll) == [1, 0, 0, 0]
        return strays, store.grants.roles_of(kept, LATER)

    assert db.write_now(run) == ([(2, 1)], frozenset({Role.member}))
