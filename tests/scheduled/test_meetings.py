"""Reminders: each once, of the schedule that counts, and never when it makes no sense."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from bot.routing import NOTICES, Recipient
from scheduled.meetings import remind
from storage.database import Database
from storage.deliveries import Delivery, Notice
from storage.meetings import Attendance, Meeting, Over, Plan, Reminder
from storage.store import Store

NOW = datetime(2027, 1, 11, 9, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
PEOPLE = 3
# For each reminder, minutes before the start, until when it may be sent.
UNTIL = {10080: timedelta(days=5), 1440: timedelta(hours=2), 60: timedelta()}

steps = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 60), st.just(0)),
        st.tuples(st.just("until due"), st.just(0), st.just(0)),
        st.tuples(st.just("tick"), st.just(0), st.just(0)),
        st.tuples(st.just("send"), st.just(0), st.just(0)),
        st.tuples(st.just("move"), st.integers(1, 240), st.just(0)),
        st.tuples(st.just("answer"), st.integers(0, PEOPLE - 1), st.integers(0, 3)),
        st.tuples(st.just("cancel"), st.just(0), st.just(0)),
        st.tuples(st.just("leave"), st.integers(0, PEOPLE - 1), st.just(0)),
    ),
    max_size=40,
)


class Undone(Exception):
    """The example is over; nothing of it stays."""


class Life:
    """A meeting, the people of its group, and all reminders that they were sent."""

    def __init__(self, store: Store, hours: int) -> None:
        self.store = store
        self.now = NOW
        self.group = store.groups.all_open()[0].id
        self.people = [
            store.people.arrive("web", f"m{one}", "fr", NOW)[0].person_id for one in range(PEOPLE)
        ]
        for person in self.people:
            store.groups.join(self.group, person, NOW, admitted=True)
        self.meeting = store.meetings.call(self.group, self.plan(hours), self.people[0], NOW)
        self.versions = {1: self.meeting.starts_at}
        self.absent: set[int] = set()
        self.left: set[int] = set()
        self.cancelled = False
        self.sent: Counter[tuple[int, int, int]] = Counter()

    def plan(self, hours: int) -> Plan:
        start = self.now + hours * HOUR
        return Plan(start, start + 2 * HOUR, "Europe/Paris", place="Salle 4")

    def do(self, what: str, first: int, second: int) -> None:
        if what == "wait":
            self.now += first * HOUR
        elif what == "until due":
            self.now = max(self.now, self.store.meetings.next_reminder() or self.now)
        elif what == "tick":
            remind(self.store, self.now)
        elif what == "send":
            self.send()
        elif what == "move":
            self.move(first)
        elif what == "answer":
            self.answer(first, tuple(Attendance)[second])
        elif what == "cancel":
            with suppress(Over):
                self.store.meetings.cancel(self.meeting.id, self.now)
                self.cancelled = True
        else:
            self.left.add(first)
            self.store.groups.leave(self.group, self.people[first], self.now)

    def move(self, hours: int) -> None:
        plan = self.plan(hours)
        if plan.starts_at == self.meeting.starts_at:
            return
        with suppress(Over):
            self.store.meetings.change(self.meeting.id, self.meeting.sequence, plan, self.now)
            self.versions[max(self.versions) + 1] = plan.starts_at
            self.absent.clear()

    def answer(self, who: int, said: Attendance) -> None:
        version = max(self.versions)
        kept = self.store.meetings.answer(
            self.meeting.id, version, self.people[who], said, self.now
        )
        if kept:
            change = self.absent.add if said is Attendance.not_coming else self.absent.discard
            change(who)

    def send(self) -> None:
        """What the sender does with all that is due."""
        for claimed in self.store.deliveries.claim(self.now):
            lapsed = claimed.expires_at is not None and claimed.expires_at <= self.now
            person = claimed.person_id or 0
            words = None
            if claimed.notice is not None and not lapsed:
                recipient = Recipient(person, 0, self.now)
                words = NOTICES[claimed.notice](recipient, self.store, **claimed.arguments)
            self.store.deliveries.expired(claimed.id, self.now)  # done with
            if words is not None:
                self.check(claimed.id, person)

    def check(self, delivery: int, person: int) -> None:
        """One reminder reached one person."""
        wanted = (
            select(Reminder.version, Reminder.minutes)
            .join(Delivery, Delivery.notice_id == Reminder.notice_id)
            .where(Delivery.id == delivery)
        )
        [(version, minutes)] = self.store.session.execute(wanted).all()
        self.sent[person, version, minutes] += 1
        assert self.sent[person, version, minutes] == 1, "once"
        assert version == max(self.versions), "of no older schedule"
        start = self.versions[version]
        assert start - timedelta(minutes=minutes) <= self.now < start - UNTIL[minutes]
        assert not self.cancelled
        assert self.people.index(person) not in self.absent | self.left


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(1, 400), steps)
def test_each_reminder_once_and_only_while_it_makes_sense(
    db: Database, hours: int, played: list[tuple[str, int, int]]
) -> None:
    def play(store: Store) -> None:
        life = Life(store, hours)
        for step in played:
            life.do(*step)
        for what in ("tick", "send"):
            life.do(what, 0, 0)
        raise Undone

    with suppress(Undone):
        db.write_now(play)


def moments(first: datetime, last: datetime) -> list[datetime]:
    """When to look: twice a day, and around each moment at which one may be sent, or no more."""
    found = {NOW + 12 * HOUR * times for times in range((last - NOW) // (12 * HOUR) + 2)}
    for start in (first, last):
        for minutes, until in UNTIL.items():
            for moment in (start - timedelta(minutes=minutes), start - until):
                found |= {moment - MINUTE, moment, moment + MINUTE}
    return sorted(moment for moment in found if moment >= NOW)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(1, 400), st.integers(1, 400))
def test_undisturbed_each_one_arrives(db: Database, first: int, second: int) -> None:
    """Nobody misses any: of the first schedule before the move, and of the second after it."""

    def play(store: Store) -> None:
        life = Life(store, first)
        life.move(second)
        start = life.meeting.starts_at
        for life.now in moments(NOW + first * HOUR, start):
            life.do("tick", 0, 0)
            life.do("send", 0, 0)
        version = max(life.versions)
        expected = [one for one in UNTIL if start - timedelta(minutes=one) > NOW]
        assert set(life.sent) == {
            (person, version, minutes) for person in life.people for minutes in expected
        }
        raise Undone

    with suppress(Undone):
        db.write_now(play)


def called(store: Store) -> Meeting:
    return Life(store, 24 * 10).meeting


def test_what_was_due_while_nothing_ran_is_not_sent_late(db: Database) -> None:
    meeting = db.write_now(called)

    def notices(store: Store) -> Iterator[str]:
        return iter(store.session.scalars(select(Notice.name)).all())

    late = meeting.starts_at - timedelta(hours=1, minutes=30)
    db.write_now(lambda store: remind(store, late))
    assert list(db.read_now(notices)) == [], "seven days and one day before: too late for both"
    assert db.read_now(lambda store: store.meetings.next_reminder()) == (
        meeting.starts_at - timedelta(hours=1)
    )
    db.write_now(lambda store: remind(store, meeting.starts_at - timedelta(minutes=20)))
    assert list(db.read_now(notices)) == ["meetings.reminder"]
    assert db.read_now(lambda store: store.meetings.next_reminder()) is None
