"""What the two are told of a handing over, and how it is worded."""

from datetime import datetime
from typing import Any

from sqlalchemy import literal, select

from bot.messages import Label, Reply, Request
from bot.routing import Recipient, notice
from bot.wording import person_name
from handlers.people import do
from storage.handovers import Handover
from storage.store import Store


def tell(name: str, handover: Handover, request: Request, store: Store) -> None:
    """Tell the substitute."""
    told = select(literal(handover.substitute_id))
    store.deliveries.notify(name, {"handover": handover.id}, told, request.now)


@notice("handovers.entrusted")
def entrusted(recipient: Recipient, store: Store, handover: int) -> Reply | None:
    found = store.handovers.get(handover)
    if found is None or found.ends_at <= recipient.now:
        return None
    return _told("handovers.entrusted", found, recipient, store, to_poll="polls.go_vote")


@notice("handovers.taken_back")
def taken_back(recipient: Recipient, store: Store, handover: int) -> Reply | None:
    found = store.handovers.get(handover)
    if found is None or not _speaks(found, recipient, store):
        return None
    return _told("handovers.taken_back", found, recipient, store)


@notice("handovers.begun")
def begun(recipient: Recipient, store: Store, handover: int) -> Reply | None:
    """It began by itself: said to the two, unless it is over already."""
    found = store.handovers.get(handover)
    if found is None or found.ends_at <= recipient.now or not _speaks(found, recipient, store):
        return None
    if recipient.person_id == found.substitute_id:
        return _told("handovers.begun", found, recipient, store)
    return Reply(
        "handovers.begun_for_delegate",
        who=person_name(store.people.get(found.substitute_id)),
        **about(found, store, recipient.now),
        choices=[(f"handovers.take_back:{found.id}", "handovers.take_back"), do("polls")],
    )


@notice("handovers.called_off")
def called_off(recipient: Recipient, store: Store, handover: int) -> Reply | None:
    """It never begins, since a mandate ends before: said to the two."""
    found = store.handovers.get(handover)
    if found is None:
        return None
    is_delegate = recipient.person_id == found.delegate_id
    again = is_delegate and _speaks(found, recipient, store)
    return Reply(
        "handovers.called_off_for_delegate" if is_delegate else "handovers.called_off",
        **about(found, store, recipient.now),
        choices=[("handovers.manage", "handovers.manage") if again else do("menu")],
    )


@notice("handovers.ended")
def ended(recipient: Recipient, store: Store, handover: int) -> Reply | None:
    """It ended by itself: said to the two, as long as they speak for the organisation."""
    found = store.handovers.get(handover)
    if found is None or not _speaks(found, recipient, store):
        return None
    is_delegate = recipient.person_id == found.delegate_id
    name = "handovers.ended_for_delegate" if is_delegate else "handovers.ended"
    return _told(name, found, recipient, store)


def _told(
    name: str,
    handover: Handover,
    recipient: Recipient,
    store: Store,
    to_poll: str = "polls.see_vote",
) -> Reply:
    choices: list[tuple[str, Label | str]] = [do("polls")]
    if handover.poll_id is not None:
        choices.insert(0, (f"polls.show:{handover.poll_id}", to_poll))
    cast = has_ballot(handover, store, recipient.now)
    return Reply(name, cast=cast, **about(handover, store, recipient.now), choices=choices)


def _speaks(handover: Handover, recipient: Recipient, store: Store) -> bool:
    mandates = store.organisations.mandates_of(recipient.person_id, recipient.now)
    return handover.organisation_id in [one.organisation_id for one in mandates]


def about(handover: Handover, store: Store, now: datetime) -> dict[str, Any]:
    """What a handing over is about, as messages word it: one poll, or a period.

    `since` is there as long as it has not begun, `until` unless it ends with the poll.
    """
    names = store.organisations.names(handover.starts_at.date())
    poll = None if handover.poll_id is None else store.polls.get(handover.poll_id)
    ends_with_poll = poll is not None and poll.closes_at == handover.ends_at
    return {
        "organisation": names.get(handover.organisation_id, handover.organisation_id),
        "poll": poll.public_id if poll else None,
        "since": None if handover.has_begun(now) else handover.starts_at,
        "until": None if ends_with_poll else handover.ends_at,
    }


def has_ballot(handover: Handover, store: Store, now: datetime) -> bool:
    """Whether a ballot stands already, of a handing over of one poll."""
    if handover.poll_id is None:
        return False
    voices = store.polls.voices(handover.poll_id, handover.delegate_id, now)
    return any(
        one.choices is not None for one in voices if one.organisation_id == handover.organisation_id
    )
