"""Reminders: each once, of the schedule that counts, and never when it makes no sense."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from bot.routing import NOTICES, Recipient
from scheduled.meetings import remind
from storage.database import Database
from storage.deliveries import Delivery, Notice
from storage.meetings import Attendance, Change, Meeting, Over, Plan, Reminder
from storage.store import Store

NOW = datetime(2027, 1, 11, 9, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
PEOPLE = 3
# For each reminder, minutes before the start, until when it may be sent.
UNTIL = {10080: timedelta(days=5), 1440: timedelta(hours=2), 60: timedelta()}

Step = tuple[str | int | Attendance, ...]
who, which, hours = st.integers(0, PEOPLE - 1), st.integers(0, 2), st.integers(1, 400)
STEPS: dict[str, tuple[st.SearchStrategy[int | Attendance], ...]] = {
    "call": (hours,),
    "move": (which, hours),
    "cancel": (which,),
    "join": (who,),
    "leave": (who,),
    "answer": (which, who, st.sampled_from(Attendance)),
    "wait": (st.integers(1, 60),),
    "until_due": (),
    "until_lapsed": (),
    "tick": (),
    "send": (),
}
steps = st.lists(
    st.one_of(*(st.tuples(st.just(name), *given) for name, given in STEPS.items())), max_size=40
)


class Undone(Exception):
    """The example is over; nothing of it stays."""


@dataclass(eq=False)
class Called:
    """A meeting as it should be."""

    id: int
    starts_at: datetime
    version: int = 1
    cancelled: bool = False
    answers: dict[int, Attendance] = field(default_factory=dict)

    def holds(self, now: datetime) -> bool:
        return not self.cancelled and now < self.starts_at + 2 * HOUR


@dataclass(frozen=True)
class Planned:
    """A reminder that should exist."""

    meeting: Called
    version: int
    minutes: int
    due_at: datetime
    expires_at: datetime

    def as_kept(self) -> tuple[int, int, int, datetime, datetime]:
        return self.meeting.id, self.version, self.minutes, self.due_at, self.expires_at


class Life:
    """The meetings of a group, who belongs to it, and which reminders should wait and arrive.

    `left` are the reminders that left, each with those whom it is still on its way to.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = NOW
        self.group = store.groups.all_open()[0].id
        self.people = [
            store.people.arrive("web", f"m{one}", "fr", NOW)[0].person_id for one in range(PEOPLE)
        ]
        self.members: set[int] = set()
        self.meetings: list[Called] = []
        self.waiting: set[Planned] = set()
        self.left: dict[Planned, set[int]] = {}
        self.sent: list[tuple[int, int, int, int]] = []
        for one in range(PEOPLE - 1):
            self.join(one)

    def do(self, step: Step) -> None:
        """One step, and whether the right reminders exist after it."""
        name, *arguments = step
        getattr(self, str(name))(*arguments)
        kept = self.store.session.scalars(select(Reminder)).all()
        wait, left = [
            sorted(
                (one.meeting_id, one.version, one.minutes, one.due_at, one.expires_at)
                for one in kept
                if (one.notice_id is not None) is gone
            )
            for gone in (False, True)
        ]
        assert wait == sorted(one.as_kept() for one in self.waiting)
        assert left == sorted(one.as_kept() for one in self.left)

    # What people do

    def plan(self, hours: int) -> Plan:
        start = self.now + hours * HOUR
        return Plan(start, start + 2 * HOUR, "Europe/Paris", place="Salle 4")

    def call(self, hours: int) -> None:
        plan = self.plan(hours)
        made = self.store.meetings.call(self.group, plan, self.people[0], self.now)
        self.meetings.append(Called(made.id, plan.starts_at))
        self.is_planned(self.meetings[-1])

    def is_planned(self, one: Called) -> None:
        for minutes, until in UNTIL.items():
            due = one.starts_at - timedelta(minutes=minutes)
            if due > self.now:
                self.waiting.add(Planned(one, one.version, minutes, due, one.starts_at - until))

    def is_dropped(self, one: Called) -> None:
        self.waiting = {planned for planned in self.waiting if planned.meeting is not one}

    def chosen(self, which: int) -> Called | None:
        return self.meetings[which % len(self.meetings)] if self.meetings else None

    def move(self, which: int, hours: int) -> None:
        one, plan = self.chosen(which), self.plan(hours)
        if one is None:
            return
        meeting = self.store.meetings.get(one.id)
        assert meeting is not None
        if not one.holds(self.now):
            with pytest.raises(Over):
                self.store.meetings.change(one.id, meeting.sequence, plan, self.now)
            return
        changed = self.store.meetings.change(one.id, meeting.sequence, plan, self.now)
        if plan.starts_at == one.starts_at:
            assert changed is Change.nothing
            return
        one.version, one.starts_at = one.version + 1, plan.starts_at
        one.answers.clear()
        self.is_dropped(one)
        self.is_planned(one)

    def cancel(self, which: int) -> None:
        one = self.chosen(which)
        if one is None:
            return
        if not one.holds(self.now):
            with pytest.raises(Over):
                self.store.meetings.cancel(one.id, self.now)
            return
        self.store.meetings.cancel(one.id, self.now)
        one.cancelled = True
        self.is_dropped(one)

    def join(self, who: int) -> None:
        self.store.groups.join(self.group, self.people[who], self.now, admitted=True)
        self.members.add(self.people[who])

    def leave(self, who: int) -> None:
        """Who comes back is asked again."""
        person = self.people[who]
        self.store.leave_group(self.group, person, self.now)
        self.members.discard(person)
        for one in self.meetings:
            if one.holds(self.now):
                one.answers.pop(person, None)

    def answer(self, which: int, who: int, said: Attendance) -> None:
        one, person = self.chosen(which), self.people[who]
        if one is None:
            return
        kept = self.store.meetings.answer(one.id, one.version, person, said, self.now)
        by_link = said is Attendance.remotely  # there is none
        assert kept is (person in self.members and one.holds(self.now) and not by_link)
        if kept:
            one.answers[person] = said

    # What time does

    def wait(self, hours: int) -> None:
        self.now += hours * HOUR

    def until_due(self) -> None:
        self.now = max(self.now, min((one.due_at for one in self.waiting), default=self.now))

    def until_lapsed(self) -> None:
        lapse = [one.expires_at for one in (*self.waiting, *self.left) if one.expires_at > self.now]
        self.now = min(lapse, default=self.now)

    def tick(self) -> None:
        remind(self.store, self.now)
        for one in [one for one in self.waiting if one.due_at <= self.now]:
            self.waiting.remove(one)
            if self.now < one.expires_at:
                self.left[one] = {
                    person for person in self.members if self.is_expected(person, one.meeting)
                }

    def is_expected(self, person: int, one: Called) -> bool:
        return one.answers.get(person) is not Attendance.not_coming

    def send(self) -> None:
        """What is due goes: to exactly those for whom it still makes sense, and once."""
        expected = []
        for one, people in self.left.items():
            meeting = one.meeting
            counts = not meeting.cancelled and one.version == meeting.version
            if counts and self.now < one.expires_at:
                expected += [
                    (person, meeting.id, one.version, one.minutes)
                    for person in people & self.members
                    if self.is_expected(person, meeting)
                ]
            people.clear()
        sent = list(self.sending())
        assert sorted(sent) == sorted(expected)
        self.sent += sent

    def sending(self) -> Iterator[tuple[int, int, int, int]]:
        """What the sender does with all that is due; each reminder that reached somebody."""
        for claimed in self.store.deliveries.claim(self.now):
            lapsed = claimed.expires_at is not None and claimed.expires_at <= self.now
            person = claimed.person_id or 0
            words = None
            if claimed.notice is not None and not lapsed:
                recipient = Recipient(person, 0, self.now)
                words = NOTICES[claimed.notice](recipient, self.store, **claimed.arguments)
            self.store.deliveries.expired(claimed.id, self.now)  # done with
            if words is not None:
                wanted = (
                    select(Reminder.meeting_id, Reminder.version, Reminder.minutes)
                    .join(Delivery, Delivery.notice_id == Reminder.notice_id)
                    .where(Delivery.id == claimed.id)
                )
                [(meeting, version, minutes)] = self.store.session.execute(wanted).all()
                yield person, meeting, version, minutes


NOT_COMING = ("answer", 0, 0, Attendance.not_coming)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
@example([("call", 200), ("until_due",), ("tick",), ("move", 0, 300), ("send",)])
@example([("call", 200), ("until_due",), ("tick",), ("cancel", 0), ("send",)])
@example([("call", 200), ("until_due",), ("tick",), ("leave", 0), ("send",)])
@example([("call", 200), ("until_due",), ("tick",), NOT_COMING, ("send",)])
@example([("call", 200), ("until_due",), ("tick",), ("until_lapsed",), ("send",)])
@example([("call", 200), ("until_lapsed",), ("tick",), ("send",)])
@example([("call", 200), NOT_COMING, ("leave", 0), ("join", 0), ("until_due",), ("tick",)])
@example([("call", 200), ("until_due",), ("tick",), ("leave", 0), ("join", 0), ("send",)])
@example([("call", 200), ("call", 201), ("move", 0, 300), ("until_due",), ("tick",), ("send",)])
def test_exactly_the_right_reminders_exist_and_arrive(db: Database, played: list[Step]) -> None:
    """The clock ticks, and what was made is sent, as two steps: anything may happen between."""

    def play(store: Store) -> None:
        life = Life(store)
        for step in (*played, ("tick",), ("send",)):
            life.do(step)
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


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hours, hours)
def test_undisturbed_each_one_arrives(db: Database, first: int, second: int) -> None:
    """Nobody misses any: of the first schedule before the move, and of the second after it."""

    def play(store: Store) -> None:
        life = Life(store)
        life.do(("call", first))
        life.do(("move", 0, second))
        [one] = life.meetings
        for life.now in moments(NOW + first * HOUR, one.starts_at):
            life.do(("tick",))
            life.do(("send",))
        expected = [
            minutes for minutes in UNTIL if one.starts_at - timedelta(minutes=minutes) > NOW
        ]
        assert sorted(life.sent) == sorted(
            (person, one.id, one.version, minutes)
            for person in life.members
            for minutes in expected
        )
        raise Undone

    with suppress(Undone):
        db.write_now(play)


def called(store: Store) -> Meeting:
    life = Life(store)
    life.call(24 * 10)
    meeting = store.meetings.get(life.meetings[0].id)
    assert meeting is not None
    return meeting


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
