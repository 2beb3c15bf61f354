"""Two people at once, and what a meeting leaves behind."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, select

from bot.messages import Reply
from bot.routing import NOTICES, Recipient
from scheduled.meetings import remind
from storage.database import Database
from storage.deliveries import Notice
from storage.files import File
from storage.meetings import (
    Attendance,
    Change,
    ChangedMeanwhile,
    Meeting,
    MeetingAnswer,
    Over,
    Plan,
    Reminder,
)
from storage.store import Store
from tests.storage.test_races import one_after_the_other

NOW = datetime(2027, 1, 11, 9, tzinfo=UTC)
START = NOW + timedelta(days=10)
PLAN = Plan(START, START + timedelta(hours=2), "Europe/Paris", link="https://example.org/")
LATER = replace(
    PLAN, starts_at=START + timedelta(days=1), ends_at=START + timedelta(days=1, hours=2)
)


def called(store: Store) -> tuple[int, int]:
    """A meeting and a member of its group, who called it."""
    person = store.people.arrive("web", "member", "fr", NOW)[0].person_id
    group = store.groups.all_open()[0].id
    store.groups.join(group, person, NOW, admitted=True)
    meeting = store.meetings.call(group, PLAN, person, NOW)
    store.meetings.attach(meeting, store.files.add(b"a file", "text/calendar", NOW))
    return meeting.id, person


@contextmanager
def counted(db: Database) -> Iterator[list[str]]:
    """The statements executed meanwhile."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    yield statements
    event.remove(db.engine, "before_cursor_execute", note)


def rows(store: Store, model: type) -> int:
    return int(store.session.execute(select(func.count()).select_from(model)).scalar_one())


def test_an_answer_is_one_upsert(db: Database) -> None:
    meeting, person = db.write_now(called)
    with counted(db) as statements:
        for said in (Attendance.coming, Attendance.maybe, Attendance.maybe):
            assert db.write_now(
                lambda store, said=said: store.meetings.answer(meeting, 1, person, said, NOW)  # type: ignore[misc]
            )
    assert len([one for one in statements if "meeting_answers" in one]) == 3
    assert db.read_now(lambda store: store.meetings.answer_of(meeting, person)) == Attendance.maybe
    assert db.read_now(lambda store: rows(store, MeetingAnswer)) == 1


def test_an_answer_that_cannot_be_given_is_not_kept(db: Database) -> None:
    meeting, person = db.write_now(called)

    def answers(store: Store) -> list[bool]:
        stranger = store.people.arrive("web", "stranger", "fr", NOW)[0].person_id
        give = store.meetings.answer
        kept = [
            give(meeting, 1, stranger, Attendance.coming, NOW),
            give(meeting, 2, person, Attendance.coming, NOW),
            give(meeting, 1, person, Attendance.coming, PLAN.ends_at),
            give(meeting + 1, 1, person, Attendance.coming, NOW),
        ]
        store.meetings.change(meeting, 0, replace(PLAN, link=None), NOW)
        kept.append(give(meeting, 1, person, Attendance.remotely, NOW))
        store.meetings.cancel(meeting, NOW)
        return [*kept, give(meeting, 1, person, Attendance.coming, NOW)]

    assert db.write_now(answers) == [False] * 6
    assert db.read_now(lambda store: rows(store, MeetingAnswer)) == 0


def test_the_second_of_two_changes_is_refused(db: Database) -> None:
    meeting, _ = db.write_now(called)
    later = replace(LATER, place="Salle 4")
    with pytest.raises(ChangedMeanwhile):
        one_after_the_other(
            db,
            lambda store: store.meetings.change(meeting, 0, LATER, NOW),
            lambda store: store.meetings.change(meeting, 0, later, NOW),
        )
    kept = db.read_now(lambda store: store.meetings.get(meeting))
    assert kept is not None
    assert (kept.starts_at, kept.place, kept.version, kept.sequence) == (
        LATER.starts_at,
        None,
        2,
        1,
    )


def test_an_answer_to_the_old_hour_does_not_outlive_a_move(db: Database) -> None:
    meeting, person = db.write_now(called)
    kept = one_after_the_other(
        db,
        lambda store: store.meetings.change(meeting, 0, LATER, NOW),
        lambda store: store.meetings.answer(meeting, 1, person, Attendance.coming, NOW),
    )
    assert kept is False
    assert db.read_now(lambda store: rows(store, MeetingAnswer)) == 0


def test_a_move_waits_for_the_answer_before_it(db: Database) -> None:
    meeting, person = db.write_now(called)
    changed = one_after_the_other(
        db,
        lambda store: store.meetings.answer(meeting, 1, person, Attendance.coming, NOW),
        lambda store: store.meetings.change(meeting, 0, LATER, NOW),
    )
    assert changed is Change.schedule
    assert db.read_now(lambda store: rows(store, MeetingAnswer)) == 0


def test_who_leaves_is_no_longer_counted_when_they_return(db: Database) -> None:
    meeting, person = db.write_now(called)

    def leave_and_return(store: Store) -> list[Attendance | None]:
        group, over = store.groups.all_open()[0].id, START + timedelta(days=1)
        for one in (meeting, store.meetings.call(group + 1, PLAN, person, NOW).id):
            store.groups.join(group + 1, person, NOW, admitted=True)
            assert store.meetings.answer(one, 1, person, Attendance.coming, NOW)
        found = [store.meetings.answer_of(meeting, person)]
        for now in (over, NOW):
            store.leave_group(group, person, now)
            store.groups.join(group, person, now, admitted=True)
            found.append(store.meetings.answer_of(meeting, person))
        return [*found, store.meetings.answer_of(meeting + 1, person)]

    coming = Attendance.coming
    kept = [coming, coming, None, coming]  # at first, once it was over, while it was to come, other
    assert db.write_now(leave_and_return) == kept


@pytest.mark.parametrize("answers_first", [True, False])
def test_no_answer_outlives_who_leaves(db: Database, answers_first: bool) -> None:
    meeting, person = db.write_now(called)
    group = db.read_now(lambda store: store.groups.all_open()[0].id)
    at_once: list[Callable[[Store], Any]] = [
        lambda store: store.meetings.answer(meeting, 1, person, Attendance.coming, NOW),
        lambda store: store.leave_group(group, person, NOW),
    ]
    one_after_the_other(db, *(at_once if answers_first else reversed(at_once)))
    assert db.read_now(lambda store: rows(store, MeetingAnswer)) == 0


def test_what_is_cancelled_can_no_longer_be_moved(db: Database) -> None:
    meeting, _ = db.write_now(called)
    with pytest.raises(Over):
        one_after_the_other(
            db,
            lambda store: store.meetings.cancel(meeting, NOW),
            lambda store: store.meetings.change(meeting, 0, LATER, NOW),
        )
    assert db.read_now(lambda store: rows(store, Reminder)) == 0


def test_two_clocks_make_one_reminder(db: Database) -> None:
    db.write_now(called)
    due = START - timedelta(days=7)
    one_after_the_other(db, lambda store: remind(store, due), lambda store: remind(store, due))
    assert db.read_now(lambda store: rows(store, Notice)) == 1
    assert db.read_now(lambda store: store.meetings.next_reminder()) == START - timedelta(days=1)


def moved(store: Store, meeting: int) -> None:
    store.meetings.change(meeting, 0, LATER, NOW)


def cancelled(store: Store, meeting: int) -> None:
    store.meetings.cancel(meeting, NOW)


@pytest.mark.parametrize("ends", [moved, cancelled])
@pytest.mark.parametrize("reminded_first", [True, False])
def test_no_reminder_of_the_old_schedule_is_said(
    db: Database, ends: Callable[[Store, int], None], reminded_first: bool
) -> None:
    """The clock makes it due at the very moment at which somebody ends that schedule."""
    meeting, person = db.write_now(called)
    due = START - timedelta(days=7)
    at_once: list[Callable[[Store], None]] = [
        lambda store: remind(store, due),
        lambda store: ends(store, meeting),
    ]
    one_after_the_other(db, *(at_once if reminded_first else reversed(at_once)))

    def said(store: Store) -> list[Reply | None]:
        notices = store.session.scalars(select(Notice)).all()
        return [
            NOTICES[one.name](Recipient(person, 0, due), store, **one.arguments) for one in notices
        ]

    assert db.read_now(said) == ([None] if reminded_first else [])
    after = START - timedelta(days=6) if ends is moved else None
    assert db.read_now(lambda store: store.meetings.next_reminder()) == after
    db.write_now(lambda store: remind(store, START - timedelta(days=5, hours=12)))
    assert len([one for one in db.read_now(said) if one is not None]) == (1 if ends is moved else 0)


def test_reminders_already_past_are_not_made(db: Database) -> None:
    meeting, _ = db.write_now(called)

    def minutes(store: Store) -> list[int]:
        soon = NOW + timedelta(hours=30)
        store.meetings.change(
            meeting, 0, replace(PLAN, starts_at=soon, ends_at=soon + timedelta(hours=1)), NOW
        )
        wanted = select(Reminder.minutes).order_by(Reminder.minutes)
        return list(store.session.scalars(wanted))

    assert db.write_now(minutes) == [60, 1440]


def test_an_old_meeting_goes_with_all_that_it_left(db: Database) -> None:
    meeting, person = db.write_now(called)
    db.write_now(lambda store: store.meetings.answer(meeting, 1, person, Attendance.maybe, NOW))
    for before, left in ((PLAN.ends_at, 1), (PLAN.ends_at + timedelta(seconds=1), 0)):
        db.write_now(lambda store, before=before: store.meetings.forget_old(before))  # type: ignore[misc]
        for model in (Meeting, MeetingAnswer, File):
            assert db.read_now(lambda store, model=model: rows(store, model)) == left  # type: ignore[misc]


def test_who_is_erased_is_no_longer_in_it(db: Database) -> None:
    meeting, person = db.write_now(called)

    def erased(store: Store) -> int | None:
        store.meetings.answer(meeting, 1, person, Attendance.maybe, NOW)
        store.erase(person, NOW)
        store.session.expire_all()
        kept = store.meetings.get(meeting)
        assert kept is not None
        return kept.called_by

    assert db.write_now(erased) is None
    assert db.read_now(lambda store: rows(store, MeetingAnswer)) == 0
