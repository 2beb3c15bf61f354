"""Linkings that nobody finished end; what came late for who became another follows them."""

from datetime import datetime

from bot.ticker import Job
from storage.linking import LinkingState
from storage.store import Store

HOUR = 3600.0  # seconds


def jobs() -> list[Job]:
    return [
        Job("linkings end", end, next_due=lambda store: store.linking.next_end(), every=15),
        Job("strays", merge_strays, prepare=strays, every=HOUR),
    ]


def end(store: Store, now: datetime) -> None:
    """Tell who said yes that the other side, or the secretariat, did not in time."""
    for one in store.linking.ended(now):
        told = {one.other_chat_id}
        if one.state is not LinkingState.agreed:
            told.add(one.chat_id)
        for chat_id in sorted(chat for chat in told if chat is not None):
            store.deliveries.tell(chat_id, "linking.ended", {}, now)
        store.linking.drop(one)


def strays(store: Store, now: datetime) -> list[tuple[int, int]] | None:
    """Who became another, and is still referred to."""
    return store.strays() or None


def merge_strays(store: Store, now: datetime, found: list[tuple[int, int]]) -> None:
    for gone, kept in found:
        store.merge_stray(gone, kept, now)
