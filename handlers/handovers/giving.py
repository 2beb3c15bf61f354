"""A delegate hands over, and takes back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot import routing
from bot.forms import Form, Open
from bot.messages import Label, Refused, Reply, Request, Said, Words
from bot.rights import delegate
from bot.routing import choice, command, number
from bot.wording import person_name
from handlers.handovers.period import AT_ONCE, Beginning, Ending
from handlers.handovers.telling import about, has_ballot, tell
from handlers.people import do
from handlers.polls import results
from storage.deliveries import subject
from storage.handovers import Given, HandedAlready, NeverBegins, NotDelegate, NotInForce
from storage.organisations import Mandate
from storage.polls import Bar, Closed, NotElector
from storage.store import Store
from storage.threads import ALL

Choices = list[tuple[str, Label | str]]


@command("hand_over", who=delegate)
@choice("handovers.manage", who=delegate)
def manage(request: Request, store: Store) -> Reply:
    """What this person has handed over, to be taken back; and to whom they may hand a period."""
    given = [
        one
        for one in store.handovers.unfinished(request.person, request.now)
        if one.delegate_id == request.person
    ]
    listed = [about(one, store, request.now) for one in given]
    candidates = store.handovers.candidates(request.person, request.now)
    choices: Choices = [
        (f"handovers.take_back:{one.id}", Words("handovers.take_back_of", worded))
        for one, worded in zip(given, listed, strict=True)
    ]
    choices += [
        (f"handovers.until:{one.id}", Words("handovers.until", _who(one, store, request.now)))
        for one in candidates
    ]
    return Reply(
        "handovers.page",
        given=listed,
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
    """From when until when to hand over to a substitute."""
    return Open(period_form, about=str(mandate_id), fresh=True)


def _begin(request: Request, store: Store, about: str) -> dict[str, Any]:
    """When a mandate ends, with which the period ends at the latest."""
    try:
        term = store.handovers.term(request.person, number(about), request.now)
    except NotDelegate as error:
        raise _refused(error) from None
    return {"term": term and term.isoformat()}


def _submit(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    begins, ends_at = answers["handed_from"], datetime.fromisoformat(answers["handed_until"])
    since = None if begins == AT_ONCE else datetime.fromisoformat(begins)
    if ends_at <= request.now:  # it was chosen a while ago
        raise Refused("handovers.too_late", choices=[_again()])
    try:
        given = store.handovers.give(
            request.person, number(about), request.now, since=since, until=ends_at
        )
    except (NotDelegate, HandedAlready, NeverBegins) as error:
        raise _refused(error) from None
    return _done(given, request, store)


period_form = routing.form(
    Form(
        "handing_over",
        "handovers",
        (Beginning("handed_from"), Ending("handed_until")),
        submit=_submit,
        who=delegate,
        begin=_begin,
        reviewed=False,
    )
)


def _done(given: Given, request: Request, store: Store) -> Reply:
    """Who votes now is told, and who does no more."""
    handover = given.handover
    request.note("handovers.given", f"handover:{handover.id}")
    tell("handovers.entrusted", handover, request, store)
    at_once = [one for one in given.replaced if one.ends_at <= request.now]
    for one in at_once:
        request.note("handovers.taken_back", f"handover:{one.id}")
        if one.substitute_id != handover.substitute_id:
            tell("handovers.taken_back", one, request, store)
    return Reply(
        "handovers.given",
        who=person_name(store.people.get(handover.substitute_id)),
        cast=has_ballot(handover, store, request.now),
        then_too=given.replaced != at_once,
        **about(handover, store, request.now),
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
    tell("handovers.taken_back", handover, request, store)
    choices: Choices = [do("polls"), do("menu")]
    if handover.poll_id is not None:
        choices.insert(0, (f"polls.show:{handover.poll_id}", "polls.go_vote"))
    return Reply(
        "handovers.is_taken_back",
        cast=has_ballot(handover, store, request.now),
        **about(handover, store, request.now),
        choices=choices,
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
    if isinstance(error, NeverBegins):
        return Refused("handovers.never_begins", choices=[_again(), *choices])
    if isinstance(error, NotElector):
        return Refused("polls.not_elector", choices=[do("polls"), do("menu")])
    return Refused("handovers.nobody", choices=choices)
