"""Mandates end by themselves: their holders are told before and then, and the secretariat.

Who is to be erased was told so some minutes before.
"""

from datetime import datetime

from sqlalchemy import select

from bot.quiet import leaves_at
from bot.ticker import Job
from storage.audit import BY_CLOCK
from storage.organisations import MandateKind
from storage.people import Person
from storage.store import Store


def jobs() -> list[Job]:
    return [
        Job("terms", tell_terms, next_due=_next_term),
        Job("erase people", erase, next_due=lambda store: store.people.next_erasure()),
    ]


def _next_term(store: Store) -> datetime | None:
    return store.organisations.next_due()


def tell_terms(store: Store, now: datetime) -> None:
    """Tell each end of a term before it comes, and when it has: once, however often it ticks."""
    for one in store.organisations.to_warn(now):
        one.warned_at = now
        _tell("members.term_ends", one.id, one.person_id, store, now, expires_at=one.ends_at)
    ended = store.organisations.ended(now)
    for one in ended:
        one.end_told_at = now
        _tell("members.term_ended", one.id, one.person_id, store, now)
    store.session.flush()
    left = {one.organisation_id for one in ended if one.kind is MandateKind.delegate}
    for key in sorted(left):
        if not store.organisations.has_delegate(key, now):
            secretaries = store.grants.secretaries(now)
            arguments = {"organisation": key}
            due = leaves_at(now)
            store.deliveries.notify("members.no_delegate", arguments, secretaries, now, due_at=due)


def erase(store: Store, now: datetime) -> None:
    """Erase whom the secretariat decided to, once they were told."""
    for person_id in store.people.to_erase(now):
        store.erase(person_id, now)
        store.audit.add("members.erased", now, via=BY_CLOCK, about=f"person:{person_id}")


def _tell(
    name: str,
    mandate_id: int,
    person_id: int,
    store: Store,
    now: datetime,
    expires_at: datetime | None = None,
) -> None:
    """Tell whoever holds a mandate, unless they were erased."""
    told = select(Person.id).where(Person.id == person_id, Person.erased_at.is_(None))
    store.deliveries.notify(
        name, {"mandate": mandate_id}, told, now, due_at=leaves_at(now), expires_at=expires_at
    )
