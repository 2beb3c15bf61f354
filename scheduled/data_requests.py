"""The secretariat is reminded of what is asked about data before an answer is due."""

from datetime import datetime

from bot.quiet import leaves_at
from bot.ticker import Job
from storage.store import Store


def jobs() -> list[Job]:
    return [Job("remind of data requests", remind, next_due=_next_due)]


def _next_due(store: Store) -> datetime | None:
    return store.data_requests.next_due()


def remind(store: Store, now: datetime) -> None:
    """Tell the secretariat 15, 7 and 1 days before, and once it is late: of all at once."""
    due = store.data_requests.due(now)
    for asked, days in due:
        asked.reminded = days
    store.session.flush()
    if due:
        secretaries = store.grants.secretaries(now)
        store.deliveries.notify("data_requests.due", {}, secretaries, now, due_at=leaves_at(now))
