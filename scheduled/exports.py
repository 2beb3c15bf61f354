"""Copies of what is kept of people are made on a snapshot, so that nobody waits for them."""

from datetime import datetime

from sqlalchemy import literal, select

from bot.copying import Copied, copy_of
from bot.settings import Settings
from bot.ticker import Job
from storage.store import Store

Made = tuple[int, Copied]


def jobs(settings: Settings) -> list[Job]:
    return [
        Job(
            "make copies of data",
            keep,
            next_due=_next_due,
            prepare=lambda store, now: make(store, now, settings),
        )
    ]


def _next_due(store: Store) -> datetime | None:
    return store.exports.next_due()


def make(store: Store, now: datetime, settings: Settings) -> Made | None:
    """The copy that was asked for first."""
    export = store.exports.next_waiting()
    if export is None:
        return None
    return export.id, copy_of(store, export.person_id, settings, now)


def keep(store: Store, now: datetime, made: Made) -> bool:
    """Keep a copy, unless its person was erased meanwhile, and tell them that it is there."""
    export_id, copied = made
    export = store.exports.lock(export_id)
    if export is not None and export.made_at is None:
        store.exports.keep(export, copied.data, copied.page, now)
        person = select(literal(export.person_id))
        store.deliveries.notify("privacy.copy_made", {"export": export_id}, person, now)
    return store.exports.next_waiting() is not None
