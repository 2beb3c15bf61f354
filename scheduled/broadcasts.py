"""Broadcasts leave once their minute is over, and end when nothing of them waits any more.

Their deliveries are made and cancelled a slice at a time, each in a transaction of its own, so that
nobody else waits long for the database; they are counted on a snapshot, for which nobody waits.
"""

from datetime import datetime

from bot.quiet import leaves_at
from bot.ticker import Job
from storage.broadcasts import Broadcast
from storage.deliveries import Kind, subject
from storage.following import SLICE, Drawing, Progress
from storage.people import Person
from storage.store import Store

REDRAW = 5.0  # seconds


def jobs() -> list[Job]:
    return [
        Job("broadcasts leave", leave, next_due=_next_leaving),
        Job("broadcasts cancel", withdraw, lambda store: store.following.withdrawn_since()),
        Job("broadcasts end", end, lambda store: store.following.ending_since(), prepare=ending),
        Job("broadcast cards", redraw, prepare=changed, every=REDRAW),
    ]


def leave(store: Store, now: datetime, at_most: int = SLICE) -> bool:
    """Start those that can no longer be cancelled, and make some deliveries of the first one.

    Returns:
        Whether more are to be made.
    """
    for broadcast_id in store.broadcasts.due(now):
        if store.broadcasts.start(broadcast_id, now):  # not cancelled, nor another process's
            notice_id = store.deliveries.announce(
                "broadcasts.said", {"broadcast": broadcast_id}, now
            )
            store.following.begin(_get(store, broadcast_id), notice_id)
    broadcast = store.following.spreading()
    if broadcast is None:
        return False
    assert broadcast.notice_id is not None
    assert broadcast.started_at is not None
    recipients = store.broadcasts.recipients(broadcast.whom, broadcast.kind, broadcast.started_at)
    next_ones = recipients.where(Person.id > broadcast.spread_to).order_by(Person.id).limit(at_most)
    due_at = leaves_at(now) if broadcast.urgency is None else now
    store.deliveries.address(broadcast.notice_id, next_ones, due_at, kind=Kind.broadcast)
    store.following.spread(broadcast, at_most)
    return store.following.spreading() is not None


def _next_leaving(store: Store) -> datetime | None:
    moments = (store.broadcasts.next_leaving(), store.following.spreading_since())
    return min((moment for moment in moments if moment is not None), default=None)


def withdraw(store: Store, now: datetime) -> bool:
    """Cancel what cancelled ones left waiting, and say whether there is more."""
    more = False
    for broadcast_id in store.following.withdrawn():
        more |= store.following.withdraw(_get(store, broadcast_id), now)
    return more


def ending(store: Store, now: datetime) -> list[tuple[int, Progress]] | None:
    """Count those of which nothing waits any more."""
    return store.following.ending(now) or None


def end(store: Store, now: datetime, counted: list[tuple[int, Progress]]) -> None:
    for broadcast_id, progress in counted:
        store.following.end(broadcast_id, progress, now)


def changed(store: Store, now: datetime) -> list[Drawing] | None:
    """Count those whose cards show something else than what is so."""
    return store.following.changed(now) or None


def redraw(store: Store, now: datetime, drawings: list[Drawing]) -> None:
    """Redraw the cards by which the secretariat follows broadcasts: one message counts up."""
    for drawing in drawings:
        if store.following.redrawn(drawing):
            number = drawing.broadcast_id
            shown = subject("broadcast", number)
            store.deliveries.redraw("broadcasts.card", {"broadcast": number}, shown, now)


def _get(store: Store, broadcast_id: int) -> Broadcast:
    broadcast = store.broadcasts.get(broadcast_id)
    assert broadcast is not None
    return broadcast
