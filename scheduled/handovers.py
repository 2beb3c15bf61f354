"""Handing over begins and ends by itself: the two are told who votes from now on."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select

from bot.quiet import leaves_at
from bot.ticker import Job
from storage.handovers import Handover
from storage.people import Person
from storage.store import Store


def jobs() -> list[Job]:
    return [Job("handing over", tell, next_due=_next_due)]


def _next_due(store: Store) -> datetime | None:
    return store.handovers.next_due()


def tell(store: Store, now: datetime) -> None:
    """Tell what began, and what ended or never begins: each once."""
    for one in store.handovers.to_begin(now):
        one.start_told_at = now
        _tell("handovers.begun", one, (one.delegate_id, one.substitute_id), store, now)
    for one in store.handovers.to_end(now):
        one.end_told_at = now
        _tell_ended(one, store, now)
    store.session.flush()


def _tell_ended(one: Handover, store: Store, now: datetime) -> None:
    """Tell the two, unless it ended with the poll, whose result they are told.

    Who goes on voting, or goes on not voting, is told of what follows.
    """
    if not one.has_begun(now):
        _tell("handovers.called_off", one, (one.delegate_id, one.substitute_id), store, now)
        return
    poll = None if one.poll_id is None else store.polls.get(one.poll_id)
    if poll is not None and (poll.closed_at is not None or poll.closes_at <= now):
        return
    told, follows = {one.delegate_id, one.substitute_id}, store.handovers.follows(one)
    if follows is not None:
        told -= {follows.delegate_id, follows.substitute_id}
    _tell("handovers.ended", one, told, store, now)


def _tell(name: str, one: Handover, people: Collection[int], store: Store, now: datetime) -> None:
    told = select(Person.id).where(Person.id.in_(people), Person.erased_at.is_(None))
    store.deliveries.notify(name, {"handover": one.id}, told, now, due_at=leaves_at(now))
