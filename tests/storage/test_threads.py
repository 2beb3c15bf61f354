"""A thread's protocol: one open thread a person, one holder, every message once and in order."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import select

from storage.database import Database
from storage.grants import Role
from storage.store import Store
from storage.threads import (
    LAPSE,
    MOST_UNANSWERED,
    Ended,
    Held,
    Thread,
    ThreadMessage,
    TooMany,
    Unread,
)
from tests.conftest import NOW
from tests.storage.test_races import one_after_the_other

addresses = count()
people, secretaries = st.integers(0, 1), st.integers(0, 2)
hours = st.integers(0, 30)


def somebody(store: Store, role: Role | None = None) -> int:
    person = store.people.arrive("web", f"threads-{next(addresses)}", "fr", NOW)[0].person_id
    if role is not None:
        store.grants.give(person, role, NOW)
    store.session.flush()
    return person


@dataclass
class Told:
    """A thread as the rules say it is."""

    person: int
    said: list[tuple[bool, str]] = field(default_factory=list)
    waits_since: datetime | None = None
    holder: int | None = None
    claimed_at: datetime = NOW
    read: int = 0
    is_open: bool = True

    @property
    def unanswered(self) -> int:
        return next((n for n, (answer, _) in enumerate(reversed(self.said)) if answer), self.length)

    @property
    def length(self) -> int:
        return len(self.said)

    @property
    def last_question(self) -> int:
        """How many messages there are up to the person's last one."""
        return self.length - next(n for n, (answer, _) in enumerate(self.said[::-1]) if not answer)


class Protocol(RuleBasedStateMachine):
    """What people and secretaries do, in any order, beside a model without a database."""

    db: Database

    def __init__(self) -> None:
        super().__init__()
        db, self.now, self.words = self.db, NOW, count()
        self.people = db.write_now(lambda store: [somebody(store) for _ in range(2)])
        self.secretaries = db.write_now(
            lambda store: [somebody(store, Role.secretariat) for _ in range(3)]
        )
        self.threads: dict[int, Told] = {}
        self.serving = {0, 1, 2}

    def last_of(self, who: int) -> tuple[int, Told] | None:
        """The newest thread of a person."""
        mine = [(n, one) for n, one in self.threads.items() if one.person == self.people[who]]
        return mine[-1] if mine else None

    def may_take(self, one: Told, who: int) -> type[Exception] | None:
        """Take a thread in the model; or why not."""
        if not one.is_open:
            return Ended
        me = self.secretaries[who]
        if one.holder == me:
            return None
        if one.holder is not None:
            since = max(one.claimed_at, one.waits_since or one.claimed_at)
            serves = self.secretaries.index(one.holder) in self.serving
            if since > self.now - LAPSE and serves:
                return Held
        one.holder, one.claimed_at, one.read = me, self.now, 0
        return None

    def do(self, number: int, what: str, who: int, *given: object) -> None:
        """Have a secretary do something with a thread."""

        def work(store: Store) -> None:
            thread = store.threads.get(number)
            assert thread is not None
            getattr(store.threads, what)(thread, self.secretaries[who], *given)

        self.db.write_now(work)

    @rule(who=people, times=st.integers(1, 8))
    def write(self, who: int, times: int) -> None:
        for _ in range(times):
            found, said = self.last_of(who), f"question {next(self.words)}"
            one = found[1] if found and found[1].is_open else Told(self.people[who])

            def work(store: Store, said: str = said) -> tuple[int, bool]:
                thread, begins = store.threads.write(self.people[who], said, self.now)
                return thread.id, begins

            if one.unanswered >= MOST_UNANSWERED:
                with pytest.raises(TooMany):
                    self.db.write_now(work)
                return
            number, begins = self.db.write_now(work)
            assert begins == (one.waits_since is None)
            assert self.threads.setdefault(number, one) is one
            one.said.append((False, said))
            one.waits_since = one.waits_since or self.now

    @rule(who=people, by=secretaries)
    def take(self, who: int, by: int) -> None:
        found = self.last_of(who)
        if found is None:
            return
        refused = self.may_take(found[1], by)
        if refused is None:
            self.do(found[0], "take", by, self.now)
        else:
            with pytest.raises(refused):
                self.do(found[0], "take", by, self.now)

    @rule(who=people, by=secretaries)
    def read(self, who: int, by: int) -> None:
        found = self.last_of(who)
        if found is None:
            return
        self.do(found[0], "mark_read", by, 10**11)
        if found[1].holder == self.secretaries[by]:
            found[1].read = found[1].length

    @rule(who=people, by=secretaries)
    def release(self, who: int, by: int) -> None:
        found = self.last_of(who)
        if found is None:
            return
        one = found[1]
        refused = Ended if not one.is_open else Held if one.holder != self.secretaries[by] else None
        if refused is None:
            self.do(found[0], "release", by)
            one.holder, one.read = None, 0
        else:
            with pytest.raises(refused):
                self.do(found[0], "release", by)

    @rule(who=people, by=secretaries)
    def answer(self, who: int, by: int) -> None:
        self.decide(who, by, "answer")

    @rule(who=people, by=secretaries)
    def close(self, who: int, by: int) -> None:
        self.decide(who, by, "close")

    def decide(self, who: int, by: int, what: str) -> None:
        """Answer or close; what is refused changes nothing, as a handler would undo it."""
        found = self.last_of(who)
        if found is None:
            return
        number, one = found
        before = one.holder, one.claimed_at, one.read
        refused = self.may_take(one, by)
        if refused is None and one.read < one.last_question:
            refused = Unread
        said = f"réponse {next(self.words)}"
        given = (said, self.now) if what == "answer" else (self.now,)
        if refused is not None:
            one.holder, one.claimed_at, one.read = before
            with pytest.raises(refused):
                self.do(number, what, by, *given)
            return
        self.do(number, what, by, *given)
        one.waits_since = None
        if what == "answer":
            one.said.append((True, said))
        else:
            one.is_open = False

    @rule(step=hours)
    def wait(self, step: int) -> None:
        self.now += timedelta(hours=step)

    @rule(by=secretaries)
    def change_roles(self, by: int) -> None:
        """Somebody leaves the secretariat, or comes back."""
        person = self.secretaries[by]
        if by in self.serving:
            self.db.write_now(lambda store: store.grants.end(person, self.now))
        else:
            self.db.write_now(lambda store: store.grants.give(person, Role.secretariat, self.now))
        self.serving ^= {by}
        self.now += timedelta(seconds=1)

    @rule(who=people)
    def erase(self, who: int) -> None:
        self.db.write_now(lambda store: store.erase(self.people[who], self.now))
        self.threads = {n: t for n, t in self.threads.items() if t.person != self.people[who]}
        self.people[who] = self.db.write_now(somebody)

    @invariant()
    def agrees(self) -> None:
        kept, said = self.db.read_now(self.kept)
        assert {one.id: one.waits_since for one in kept} == {
            number: one.waits_since for number, one in self.threads.items()
        }
        assert {one.id: one.claimed_by for one in kept} == {
            number: one.holder for number, one in self.threads.items()
        }
        open_threads = [one.person_id for one in kept if one.closed_at is None]
        assert len(open_threads) == len(set(open_threads))
        assert said == {number: one.said for number, one in self.threads.items()}
        for one in kept:
            is_question = not said[one.id][-1][0]
            assert (one.waits_since is not None) == (is_question and one.closed_at is None)

    def kept(self, store: Store) -> tuple[list[Thread], dict[int, list[tuple[bool, str]]]]:
        ours = Thread.person_id.in_(self.people)
        kept = list(store.session.scalars(select(Thread).where(ours)))
        said: dict[int, list[tuple[bool, str]]] = {one.id: [] for one in kept}
        wanted = select(ThreadMessage).where(ThreadMessage.thread_id.in_(said))
        for one in store.session.scalars(wanted.order_by(ThreadMessage.id)):
            said[one.thread_id].append((one.is_answer, one.text))
        return kept, said


def test_threads_keep_their_protocol(db: Database) -> None:
    run_state_machine_as_test(
        type("Here", (Protocol,), {"db": db}),
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def waiting(store: Store) -> tuple[int, list[int]]:
    """A thread that waits, and two secretaries."""
    thread, _ = store.threads.write(somebody(store), "?", NOW)
    return thread.id, [somebody(store, Role.secretariat) for _ in range(2)]


def test_a_person_who_writes_twice_at_once_has_one_thread(db: Database) -> None:
    person = db.write_now(somebody)
    one_after_the_other(
        db,
        lambda store: store.threads.write(person, "one", NOW),
        lambda store: store.threads.write(person, "two", NOW),
    )
    [listed] = db.read_now(lambda store: store.threads.waiting(0, 10))
    lines = db.read_now(lambda store: store.threads.messages(listed.thread.id, at_most=9))
    assert [line.message.text for line in lines] == ["one", "two"]


def test_of_two_who_take_a_thread_at_once_one_holds_it(db: Database) -> None:
    number, (first, second) = db.write_now(waiting)

    def take(store: Store, who: int) -> bool:
        thread = store.threads.get(number)
        assert thread is not None
        try:
            store.threads.take(thread, who, NOW)
        except Held:
            return False
        return True

    won = one_after_the_other(
        db, lambda store: take(store, first), lambda store: take(store, second)
    )
    assert not won
    [listed] = db.read_now(lambda store: store.threads.waiting(0, 10))
    assert listed.thread.claimed_by == first


def test_a_message_that_comes_while_it_is_closed_opens_another(db: Database) -> None:
    number, (secretary, _) = db.write_now(waiting)
    person = db.read_now(lambda store: store.threads.waiting(0, 10)[0].thread.person_id)

    def close(store: Store) -> None:
        thread = store.threads.get(number)
        assert thread is not None
        store.threads.take(thread, secretary, NOW)
        store.threads.mark_read(thread, secretary, store.threads.last_message(number))
        store.threads.close(thread, secretary, NOW)

    one_after_the_other(db, close, lambda store: store.threads.write(person, "more", NOW))
    [listed] = db.read_now(lambda store: store.threads.waiting(0, 10))
    assert listed.thread.id != number
    assert db.read_now(lambda store: store.threads.count_of(person)) == 2


def test_what_is_over_goes_after_its_period(db: Database) -> None:
    def work(store: Store) -> None:
        ended, silent, going = (store.threads.write(somebody(store), "?", NOW)[0] for _ in range(3))
        secretary = somebody(store, Role.secretariat)
        store.threads.take(ended, secretary, NOW)
        store.threads.mark_read(ended, secretary, store.threads.last_message(ended.id))
        store.threads.close(ended, secretary, NOW)
        later = NOW + timedelta(days=100)
        store.threads.write(going.person_id, "!", later)
        store.threads.forget_old(NOW)
        assert store.threads.count_waiting() == 2
        store.threads.forget_old(NOW + timedelta(days=1))
        store.session.expunge_all()
        left = store.session.scalars(select(Thread.id))
        assert list(left) == [going.id], "neither the one that ended nor the silent one"
        assert silent.id not in list(store.session.scalars(select(ThreadMessage.thread_id)))

    db.write_now(work)


def test_the_clock_of_a_claim_begins_again_with_each_wait(db: Database) -> None:
    number, (holder, colleague) = db.write_now(waiting)

    def work(store: Store) -> None:
        thread = store.threads.get(number)
        assert thread is not None
        store.threads.take(thread, holder, NOW)
        store.threads.mark_read(thread, holder, store.threads.last_message(number))
        store.threads.answer(thread, holder, "!", NOW)
        later = NOW + LAPSE * 3
        store.threads.write(thread.person_id, "again ?", later)
        with pytest.raises(Held):
            store.threads.take(thread, colleague, later + LAPSE - timedelta(seconds=1))
        store.threads.take(thread, colleague, later + LAPSE)
        assert thread.claimed_by == colleague

    db.write_now(work)
