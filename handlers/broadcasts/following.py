"""Following a broadcast on one card, for the secretariat.

The card is redrawn by the clock (`scheduled.broadcasts`), in whichever chats it stands.
"""

from datetime import datetime

from bot.messages import Label, Refused, Reply, Request
from bot.rights import secretariat
from bot.routing import Recipient, choice, notice, number
from handlers.broadcasts.telling import first_words, whom
from handlers.people import do
from storage.broadcasts import Broadcast, BroadcastState
from storage.deliveries import subject
from storage.grants import Role
from storage.store import Store

Choices = list[tuple[str, Label | str]]

PAUSE = ("pause", "broadcasts.pause")
RESUME = ("resume", "broadcasts.resume")
CANCEL = ("cancel", "broadcasts.cancel")
# What may be done on the card, by state.
ON_CARD = {
    BroadcastState.confirmed: (("cancel_now", "broadcasts.cancel_before"),),
    BroadcastState.leaving: (PAUSE, CANCEL),
    BroadcastState.paused: (RESUME, CANCEL),
}


@choice("broadcasts.follow", number, who=secretariat)
def follow(request: Request, store: Store, broadcast_id: int) -> Reply:
    return card(_confirmed(store, broadcast_id), request.now, store, replace=False)


@choice("broadcasts.refresh", number, who=secretariat)
def refresh(request: Request, store: Store, broadcast_id: int) -> Reply:
    return card(_confirmed(store, broadcast_id), request.now, store)


@choice("broadcasts.pause", number, who=secretariat)
def pause(request: Request, store: Store, broadcast_id: int) -> Reply:
    """Pause it; of one that is not leaving any more, the card says what became of it."""
    found = _confirmed(store, broadcast_id)
    if store.broadcasts.pause(found.id):
        request.note("broadcasts.paused", f"broadcast:{found.id}")
    return card(found, request.now, store)


@choice("broadcasts.resume", number, who=secretariat)
def resume(request: Request, store: Store, broadcast_id: int) -> Reply:
    found = _confirmed(store, broadcast_id)
    if store.broadcasts.resume(found.id):
        request.note("broadcasts.resumed", f"broadcast:{found.id}")
    return card(found, request.now, store)


@choice("broadcasts.cancel", number, who=secretariat)
def cancel(request: Request, store: Store, broadcast_id: int) -> Reply:
    """Ask once more: what has left cannot be taken back."""
    found = _confirmed(store, broadcast_id)
    if found.state not in (BroadcastState.leaving, BroadcastState.paused):
        return card(found, request.now, store)
    choices: Choices = [
        (f"broadcasts.refresh:{found.id}", "broadcasts.keep_sending"),
        (f"broadcasts.cancel_now:{found.id}", "broadcasts.cancel_now"),
    ]
    progress = store.following.progress(found)
    return Reply("broadcasts.confirm_cancel", progress=progress, choices=choices, replace=True)


@choice("broadcasts.cancel_now", number, who=secretariat)
def cancel_now(request: Request, store: Store, broadcast_id: int) -> Reply:
    found = _confirmed(store, broadcast_id)
    if store.broadcasts.cancel(found.id, request.now):
        request.note("broadcasts.cancelled", f"broadcast:{found.id}")
    return card(found, request.now, store)


@notice("broadcasts.card")
def redrawn(recipient: Recipient, store: Store, broadcast: int) -> Reply | None:
    found = store.broadcasts.get(broadcast)
    if found is None or recipient.person is None:  # others are in that chat by now
        return None
    if Role.secretariat not in store.grants.roles_of(recipient.person, recipient.now):
        return None
    return card(found, recipient.now, store)


def card(found: Broadcast, now: datetime, store: Store, *, replace: bool = True) -> Reply:
    """How far it has come, and what may be done about it; it takes its own place."""
    choices: Choices = [
        (f"broadcasts.{verb}:{found.id}", label) for verb, label in ON_CARD.get(found.state, ())
    ]
    by = store.people.get(found.confirmed_by).name if found.confirmed_by else None
    return Reply(
        "broadcasts.card",
        broadcast=found,
        beginning=first_words(found),
        to=whom(found.whom, store, now),
        by=by,
        progress=store.following.progress(found),
        shows=subject("broadcast", found.id),
        choices=[*choices, do("broadcast", "broadcasts.back")],
        replace=replace,
    )


def _confirmed(store: Store, broadcast_id: int) -> Broadcast:
    found = store.broadcasts.get(broadcast_id)
    if found is None or found.state is BroadcastState.composed:
        raise Refused("people.stale_choice")
    return found
