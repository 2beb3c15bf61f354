"""Handing over ends by itself: the two are told who votes from now on."""

from datetime import datetime

from sqlalchemy import select

from bot.quiet import leaves_at
from bot.ticker import Job
from storage.people import Person
from storage.store import Store


def jobs() -> list[Job]:
    return [Job("handing over ends", tell_ended, next_due=_next_end)]


def _next_end(store: Store) -> datetime | None:
    return store.handovers.next_due()


def tell_ended(store: Store, now: datetime) -> None:
    """Tell the two, unless it ended with the poll, whose result they are told."""
    for one in store.handovers.due(now):
        one.end_told_at = now
        poll = None if one.poll_id is None else store.polls.get(one.poll_id)
        if poll is not None and (poll.closed_at is not None or poll.closes_at <= now):
            continue
        people = (one.delegate_id, one.substitute_id)
        told = select(Person.id).where(Person.id.in_(people), Person.erased_at.is_(None))
        arguments = {"handover": one.id}
        store.deliveries.notify("handovers.ended", arguments, told, now, due_at=leaves_at(now))
    store.session.flush()
