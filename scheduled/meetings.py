"""Meetings: reminders leave when they are due."""

from datetime import datetime

from bot.quiet import leaves_at
from bot.ticker import Job
from storage.broadcasts import Unasked
from storage.deliveries import Kind
from storage.store import Store


def jobs() -> list[Job]:
    return [Job("remind of meetings", remind, next_due=_next_reminder)]


def _next_reminder(store: Store) -> datetime | None:
    return store.meetings.next_reminder()


def remind(store: Store, now: datetime) -> None:
    """Make the notice of each reminder that is due: one, however often the clock ticks."""
    for reminder, meeting in store.meetings.due(now):
        reminder.notice_id = store.deliveries.notify(
            "meetings.reminder",
            {"meeting": meeting.id, "version": reminder.version},
            store.broadcasts.unmuted(store.meetings.expected(meeting), Unasked.reminder),
            now,
            due_at=leaves_at(now),
            expires_at=reminder.expires_at,
            kind=Kind.reminder,
        )
    store.session.flush()
