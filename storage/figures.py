"""What an operator watches: a few counts over all nouns, none of them about anybody."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Select, func, select, text

from storage.conversations import Update
from storage.deliveries import Delivery, DeliveryState
from storage.deliveries.model import WAITING
from storage.people import Person
from storage.polls import Poll
from storage.store import Store


@dataclass(frozen=True)
class Figures:
    """
    Attributes:
        oldest_due: how long the oldest delivery that is due has waited; zero if none is.
        bytes: size of the database, for SQLite its file and its log.
    """

    deliveries_waiting: int
    oldest_due: timedelta
    reports_waiting: int
    polls_open: int
    people: int
    updates_set_aside: int
    bytes: int


def figures(store: Store, now: datetime) -> Figures:
    waiting = store.session.execute(
        select(func.count()).where(Delivery.state == DeliveryState.waiting)
    ).scalar_one()
    # A broadcast takes its time, or is paused: it is no sign that nothing leaves.
    first = store.session.execute(select(func.min(Delivery.due_at)).where(text(WAITING))).scalar()

    def count(wanted: Select[int]) -> int:
        return store.session.execute(wanted).scalar_one()

    return Figures(
        deliveries_waiting=waiting,
        oldest_due=timedelta() if first is None else max(now - first, timedelta()),
        reports_waiting=store.reports.count_waiting(),
        polls_open=count(
            select(func.count()).where(Poll.closed_at.is_(None), Poll.cancelled_at.is_(None))
        ),
        people=count(select(func.count()).where(Person.erased_at.is_(None))),
        updates_set_aside=count(select(func.count()).where(Update.failure.is_not(None))),
        bytes=_size(store),
    )


def _size(store: Store) -> int:
    bind = store.session.get_bind()
    if bind.dialect.name == "postgresql":
        size: int = store.session.scalars(text("SELECT pg_database_size(current_database())")).one()
        return size
    path = bind.engine.url.database or ""
    return sum(file.stat().st_size for file in (Path(path), Path(f"{path}-wal")) if file.exists())
