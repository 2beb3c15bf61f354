"""Broadcasts leave once their minute is over, and end when nothing of them waits any more."""

from datetime import datetime

from bot.ticker import Job
from storage.deliveries import Kind
from storage.store import Store


def jobs() -> list[Job]:
    return [
        Job("broadcasts leave", leave, next_due=lambda store: store.broadcasts.next_leaving()),
        Job("broadcasts end", settle, next_due=lambda store: store.following.unsettled_since()),
    ]


def leave(store: Store, now: datetime) -> None:
    """Start those that can no longer be cancelled: one notice, and all the rows at once."""
    for broadcast_id in store.broadcasts.due(now):
        if not store.broadcasts.start(broadcast_id, now):  # cancelled, or another process's
            continue
        broadcast = store.broadcasts.get(broadcast_id)
        assert broadcast is not None
        notice_id = store.deliveries.notify(
            "broadcasts.said",
            {"broadcast": broadcast_id},
            store.broadcasts.recipients(broadcast.whom, broadcast.kind, now),
            now,
            kind=Kind.broadcast,
        )
        store.following.begin(broadcast, notice_id, now)


def settle(store: Store, now: datetime) -> None:
    """Cancel what cancelled ones left waiting, some at a tick; end those of which nothing waits."""
    for broadcast_id in store.following.unsettled():
        broadcast = store.broadcasts.get(broadcast_id)
        assert broadcast is not None
        store.following.settle(broadcast, now)
