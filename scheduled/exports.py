"""What people asked to have as files is made on a snapshot, so that nobody waits for it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import literal, select

from bot.copying import Copied, copy_of
from bot.exporting import Table, may_have, table_of
from bot.settings import Settings
from bot.ticker import Job
from storage.audit import BY_CLOCK
from storage.exports import DataExport
from storage.store import Store


@dataclass(frozen=True)
class Made:
    """What was made, for what was asked for then."""

    export_id: int
    asked_at: datetime
    content: Copied | Table


def jobs(settings: Settings) -> list[Job]:
    return [
        Job(
            "make exports",
            keep,
            next_due=_next_due,
            prepare=lambda store, now: make(store, now, settings),
        )
    ]


def _next_due(store: Store) -> datetime | None:
    return store.exports.next_due()


def make(store: Store, now: datetime, settings: Settings) -> Made | None:
    """What was asked for first."""
    export = store.exports.next_waiting()
    if export is None:
        return None
    if export.what.is_table:
        return Made(export.id, export.asked_at, table_of(export, store, settings, now))
    return Made(export.id, export.asked_at, copy_of(store, export.person_id, settings, now))


def keep(store: Store, now: datetime, made: Made) -> bool:
    """Keep it, and tell its person that it is there; not if they were erased meanwhile.

    A table is not kept either if who asked may have it no more, or if something that it may say was
    erased meanwhile: then it is made anew.
    """
    export = store.exports.lock(made.export_id)
    if export is not None and export.made_at is None and export.asked_at == made.asked_at:
        if isinstance(made.content, Table):
            _keep_table(export, made.content, store, now)
        else:
            store.exports.keep(export, made.content.data, made.content.page, now)
            _tell("privacy.copy_made", export, store, now)
    return store.exports.next_waiting() is not None


def _keep_table(export: DataExport, table: Table, store: Store, now: datetime) -> None:
    if not may_have(export, store, now):
        store.exports.drop(export)
        return
    store.exports.keep_table(export, table.data, now)
    by, about, details = export.person_id, f"export:{export.what}", {"rows": table.rows}
    store.audit.add("exports.made", now, via=BY_CLOCK, by=by, about=about, details=details)
    _tell("exports.made", export, store, now, rows=table.rows)


def _tell(name: str, export: DataExport, store: Store, now: datetime, **more: int) -> None:
    person = select(literal(export.person_id))
    store.deliveries.notify(name, {"export": export.id, **more}, person, now)
