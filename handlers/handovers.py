"""« Je passe la main »: a delegate has a substitute vote, in one poll or until a day."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import literal, select

from bot import routing
from bot.forms import Form, Moment, Open
from bot.messages import Label, Refused, Reply, Request, Said, Words
from bot.rights import delegate
from bot.routing import Recipient, choice, command, notice, number
from bot.wording import person_name
from handlers.people import do
from handlers.polls import results
from storage.deliveries import subject
from storage.handovers import Given, HandedAlready, Handover, NotDelegate, NotInForce
from storage.organisations import Mandate
from storage.polls import Bar, Closed, NotElector
from storage.store import Store
from storage.threads import ALL

Choices = list[tuple[str, Label | str]]

LONGEST = timedelta(days=366)


@command("hand_over", who=delegate)
@choice("handovers.manage", who=delegate)
def manage(request: Request, store: Store) -> Reply:
    """What this person has handed over, to be taken back; and to whom they may hand a period."""
    given = [
        one
        for one in store.handovers.in_force(request.person, request.now)
        if one.delegate_id == request.person
    ]
    whole = {one.organisation_id for one in given if one.poll_id is None}
    candidates = store.handovers.candidates(request.person, request.now)
    choices: Choices = [
        (f"handovers.take_back:{one.id}", Words("handovers.take_back_of", _about(one, store)))
        for one in given
    ]
    choices += [
        (f"handovers.until:{one.id}", Words("handovers.until", _who(one, store, request.now)))
        for one in candidates
        if one.organisation_id not in whole
    ]
    return Reply(
        "handovers.page",
        given=[_about(one, store) for one in given],
        possible=bool(candidates),
        choices=[*choices, do("polls"), do("menu")],
        shows=subject("members", ALL),
    )


@choice("handovers.hand", number, who=delegate)
def hand(request: Request, store: Store, poll_id: int) -> Reply:
    """To whom the ballot of one poll may be handed."""
    poll = results.found(store, poll_id)
    voices = store.polls.voices(poll_id, request.person, request.now)
    mine = {one.organisation_id for one in voices if one.may_cast}
    candidates = [
        one
        for one in store.handovers.candidates(request.person, request.now)
        if one.organisation_id in mine
    ]
    if poll.closed_at is not None or poll.closes_at <= request.now:
        raise _refused(Closed(), poll_id)
    if not candidates:
        handed = any(one.bar is Bar.handed for one in voices)
        raise _refused(HandedAlready() if handed else NotDelegate(), poll_id)
    choices: Choices = [
        (f"handovers.give:{poll_id}:{one.id}", Words("handovers.to", _who(one, store, request.now)))
        for one in candidates
    ]
    choices += [
        ("handovers.manage", "handovers.every_poll"),
        (f"polls.show:{poll_id}", "handovers.keep"),
    ]
    return Reply(
        "handovers.hand_poll",
        poll=poll.public_id,
        choices=choices,
        shows=subject("members", ALL),
    )


@choice("handovers.give", number, number, who=delegate)
def give(request: Request, store: Store, poll_id: int, mandate_id: int) -> Reply:
    try:
        given = store.handovers.give(request.person, mandate_id, request.now, poll_id=poll_id)
    except (Closed, NotElector, NotDelegate, HandedAlready) as error:
        raise _refused(error, poll_id) from None
    return _done(given, request, store)


@choice("handovers.until", number, who=delegate)
def until(request: Request, store: Store, mandate_id: int) -> Open:
    """Until when to hand over to a substitute."""
    candidates = store.handovers.candidates(request.person, request.now)
    if mandate_id not in [one.id for one in candidates]:
        raise _refused(NotDelegate())
    return Open(period_form, about=str(mandate_id), fresh=True)


def _submit(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    ends_at = datetime.fromisoformat(answers["handed_until"])
    if ends_at <= request.now:  # it was chosen a while ago
        raise Refused("handovers.too_late", choices=[_again()])
    try:
        given = store.handovers.give(request.person, number(about), request.now, until=ends_at)
    except (NotDelegate, HandedAlready) as error:
        raise _refused(error) from None
    return _done(given, request, store)


period_form = routing.form(
    Form(
        "handing_over",
        "handovers",
        (Moment("handed_until", at_most=LONGEST, offered=(7, 14, 28)),),
        submit=_submit,
        who=delegate,
        reviewed=False,
    )
)


def _done(given: Given, request: Request, store: Store) -> Reply:
    """Who votes now is told, and who does no more."""
    handover = given.handover
    request.note("handovers.given", f"handover:{handover.id}")
    _tell("handovers.entrusted", handover, request, store)
    for one in given.replaced:
        request.note("handovers.taken_back", f"handover:{one.id}")
        if one.substitute_id != handover.substitute_id:
            _tell("handovers.taken_back", one, request, store)
    return Reply(
        "handovers.given",
        who=person_name(store.people.get(handover.substitute_id)),
        cast=_has_ballot(handover, store, request.now),
        **_about(handover, store),
        choices=[(f"handovers.take_back:{handover.id}", "handovers.take_back"), do("polls")],
        shows=subject("person", handover.substitute_id),
    )


@choice("handovers.take_back", number, who=delegate)
def take_back(request: Request, store: Store, handover_id: int) -> Reply:
    try:
        handover = store.handovers.take_back(handover_id, request.person, request.now)
    except NotInForce:
        raise Refused("handovers.not_in_force", choices=[do("polls"), do("menu")]) from None
    request.note("handovers.taken_back", f"handover:{handover_id}")
    _tell("handovers.taken_back", handover, request, store)
    choices: Choices = [do("polls"), do("menu")]
    if handover.poll_id is not None:
        choices.insert(0, (f"polls.show:{handover.poll_id}", "polls.go_vote"))
    return Reply(
        "handovers.is_taken_back",
        cast=_has_ballot(handover, store, request.now),
        **_about(handover, store),
        choices=choices,
    )


def _tell(name: str, handover: Handover, request: Request, store: Store) -> None:
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
    choices: Choices = [do("polls")]
    if handover.poll_id is not None:
        choices.insert(0, (f"polls.show:{handover.poll_id}", to_poll))
    cast = _has_ballot(handover, store, recipient.now)
    return Reply(name, cast=cast, **_about(handover, store), choices=choices)


def _speaks(handover: Handover, recipient: Recipient, store: Store) -> bool:
    mandates = store.organisations.mandates_of(recipient.person_id, recipient.now)
    return handover.organisation_id in [one.organisation_id for one in mandates]


def _about(handover: Handover, store: Store) -> dict[str, Any]:
    """What a handing over is about, as messages word it: one poll, or a period."""
    names = store.organisations.names(handover.starts_at.date())
    poll = None if handover.poll_id is None else store.polls.get(handover.poll_id)
    return {
        "organisation": names.get(handover.organisation_id, handover.organisation_id),
        "poll": poll.public_id if poll else None,
        "until": handover.ends_at,
    }


def _has_ballot(handover: Handover, store: Store, now: datetime) -> bool:
    """Whether a ballot stands already, of a handing over of one poll."""
    if handover.poll_id is None:
        return False
    voices = store.polls.voices(handover.poll_id, handover.delegate_id, now)
    return any(
        one.choices is not None for one in voices if one.organisation_id == handover.organisation_id
    )


def _who(mandate: Mandate, store: Store, now: datetime) -> dict[str, Any]:
    """A substitute, for whom, and since when: two may have given no name."""
    names = store.organisations.names(now.date(), short=True)
    return {
        "who": person_name(store.people.get(mandate.person_id)),
        "organisation": Said(names.get(mandate.organisation_id, mandate.organisation_id)),
        "since": mandate.starts_at,
    }


def _again() -> tuple[str, str]:
    return ("handovers.manage", "handovers.manage")


def _refused(error: Exception, poll_id: int | None = None) -> Refused:
    """Why nothing was handed over."""
    choices: Choices = [do("polls"), do("menu")]
    if poll_id is not None:
        choices.insert(0, (f"polls.show:{poll_id}", "polls.see_vote"))
    if isinstance(error, Closed):
        return Refused("handovers.poll_over", choices=choices)
    if isinstance(error, HandedAlready):
        return Refused("handovers.handed_already", choices=[_again(), *choices])
    if isinstance(error, NotElector):
        return Refused("polls.not_elector", choices=[do("polls"), do("menu")])
    return Refused("handovers.nobody", choices=choices)
