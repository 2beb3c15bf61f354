"""The cards that stand in groups are redrawn by the clock, never by a vote or an answer."""

from datetime import datetime

from bot.ticker import Job
from storage.rooms import NOTICES, Redrawing
from storage.store import Store

REDRAW = 5.0  # seconds: twelve times a minute at most, where a group takes twenty messages


def jobs() -> list[Job]:
    return [Job("group cards", redraw, prepare=changed, every=REDRAW)]


def changed(store: Store, now: datetime) -> list[Redrawing] | None:
    """What is shown in groups otherwise than it is so."""
    return store.rooms.changed(now) or None


def redraw(store: Store, now: datetime, redrawings: list[Redrawing]) -> None:
    """Redraw the cards of each such thing, in whatever groups they stand."""
    for one in redrawings:
        if store.rooms.note(one):
            name, argument = NOTICES[one.noun]
            store.deliveries.redraw(name, {argument: one.number}, one.subject, now)
