"""Restrictions end by the clock; who was under one is told, and nothing is left of it."""

from datetime import datetime

from sqlalchemy import literal, select

from bot.ticker import Job
from storage.audit import BY_CLOCK
from storage.store import Store


def jobs() -> list[Job]:
    return [Job("restrictions", end_over, every=60, next_due=_next_over)]


def _next_over(store: Store) -> datetime | None:
    return store.restrictions.next_over()


def end_over(store: Store, now: datetime) -> None:
    for restriction in store.restrictions.over(now):
        number, kind = restriction.id, restriction.kind
        people = store.restrictions.lift(restriction)
        abouts = [f"person:{one}" for one in people] or [f"restriction:{number}"]
        for about in abouts:
            store.audit.add("limits.ended", now, via=BY_CLOCK, about=about)
        for person in people:
            told = select(literal(person))
            store.deliveries.notify("limits.over", {"kind": kind, "lifted": False}, told, now)
