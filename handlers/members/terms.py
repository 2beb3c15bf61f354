"""A mandate: when it ends, and ending it now."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import literal, select

from bot import routing
from bot.approving import approved, by_secretariat
from bot.forms import Form, Moment, Open
from bot.messages import Label, Refused, Reply, Request, Words
from bot.rights import secretariat
from bot.routing import choice, number
from bot.settings import Sensitive
from handlers.members.listing import SHOWS, Choices, name_of, speaking
from handlers.people import do
from storage.organisations import Mandate, NoSuchTerm
from storage.store import Store

LONGEST = timedelta(days=10 * 366)


@choice("members.mandate", number, who=secretariat)
def mandate(request: Request, store: Store, mandate_id: int) -> Reply:
    return _card(_found(mandate_id, request, store), request, store)


def _card(found: Mandate, request: Request, store: Store, *, done: Label | None = None) -> Reply:
    """Who speaks for an organisation, and what may be changed; first a word on what was done."""
    [speaker] = speaking([found], store)
    grants = store.grants.of(found.person_id, request.now)
    choices: Choices = [
        (f"members.term:{found.id}", "members.change_term" if found.ends_at else "members.set_term")
    ]
    if found.ends_at is not None:
        choices.append((f"members.no_term:{found.id}", "members.drop_term"))
    choices.append((f"members.end:{found.id}", "members.end"))
    choices += [
        (f"members.role:{one.id}", Words("members.end_role", {"role": one.role})) for one in grants
    ]
    key = found.organisation_id
    choices += [
        (f"limits.person:{found.person_id}", "limits.restrict"),
        (f"members.erase:{found.person_id}", "members.erase"),
        (f"members.organisation:{key}", "members.see_organisation"),
        do("members", "members.see_all"),
    ]
    return Reply(
        "members.mandate",
        name=name_of(key, store, request.now),
        speaker=speaker,
        roles=[Words(f"people.role_{one.role}") for one in grants],
        done=done,
        choices=choices,
        shows=SHOWS,
    )


def _found(mandate_id: int, request: Request, store: Store) -> Mandate:
    try:
        return store.organisations.lock_mandate(mandate_id, request.now)
    except NoSuchTerm:
        raise _over() from None


def _over() -> Refused:
    return Refused("members.over_already", choices=[do("members", "members.see_all"), do("menu")])


@choice("members.term", number, who=secretariat)
def term(request: Request, store: Store, mandate_id: int) -> Open:
    _found(mandate_id, request, store)
    return Open(term_form, about=str(mandate_id), fresh=True)


def _submit(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    _found(number(about), request, store)
    return _change(request, store, mandate=number(about), ends_at=answers["ends"])


term_form = routing.form(
    Form(
        "term",
        "members",
        (Moment("ends", at_most=LONGEST, offered=()),),
        submit=_submit,
        who=secretariat,
        reviewed=False,
    )
)


@choice("members.no_term", number, who=secretariat)
def no_term(request: Request, store: Store, mandate_id: int) -> Reply:
    """Let a mandate last until somebody ends it."""
    _found(mandate_id, request, store)
    return _change(request, store, mandate=mandate_id, ends_at=None)


def _to_change(given: Mapping[str, Any], store: Store, now: datetime) -> Label:
    """What is to become of a mandate: another end, none, or its end now."""
    found = store.session.get(Mandate, given["mandate"])
    if found is None:
        return Words("members.over_already")
    [speaker] = speaking([found], store)
    whose = {"who": speaker.who, "name": name_of(found.organisation_id, store, now)}
    if "ends_at" not in given:
        return Words("members.to_end_now", whose)
    if given["ends_at"] is None:
        return Words("members.to_drop_term", whose)
    ends_at = datetime.fromisoformat(given["ends_at"])
    return Words("members.to_set_term", {**whose, "ends_at": ends_at})


@approved("members.change_term", Sensitive.roles, may=by_secretariat, worded=_to_change)
def _change(
    request: Request, store: Store, asker: int, *, mandate: int, ends_at: str | None
) -> Reply:
    at = None if ends_at is None else datetime.fromisoformat(ends_at)
    if at is not None and at <= request.now:  # it was chosen a while ago
        again: Choices = [(f"members.term:{mandate}", "members.set_term")]
        raise Refused("members.too_late", choices=[*again, do("members", "members.see_all")])
    try:
        changed = store.change_term(mandate, at, request.now)
    except NoSuchTerm:
        raise _over() from None
    request.note("members.term_changed", f"mandate:{mandate}")
    if changed.person_id != request.person:
        told = select(literal(changed.person_id))
        arguments = {"mandate": mandate}
        store.deliveries.notify("members.term_changed", arguments, told, request.now)
    return _card(changed, request, store, done=Words("members.is_changed"))


@choice("members.end", number, who=secretariat)
def end(request: Request, store: Store, mandate_id: int) -> Reply:
    found = _found(mandate_id, request, store)
    [speaker] = speaking([found], store)
    choices: Choices = [
        (f"members.mandate:{mandate_id}", "members.keep"),
        (f"members.end_now:{mandate_id}", "members.end_now"),
    ]
    return Reply(
        "members.confirm_end",
        name=name_of(found.organisation_id, store, request.now),
        who=speaker.who,
        choices=choices,
        shows=SHOWS,
    )


@choice("members.end_now", number, who=secretariat)
def end_now(request: Request, store: Store, mandate_id: int) -> Reply:
    _found(mandate_id, request, store)
    return _end(request, store, mandate=mandate_id)


@approved("members.end_mandate", Sensitive.roles, may=by_secretariat, worded=_to_change)
def _end(request: Request, store: Store, asker: int, *, mandate: int) -> Reply:
    """Their person and, if no delegate is left, the secretariat are told by the clock, at once."""
    try:
        ended = store.change_term(mandate, request.now, request.now)
    except NoSuchTerm:
        raise _over() from None
    request.note("members.mandate_ended", f"mandate:{mandate}")
    key = ended.organisation_id
    choices: Choices = [
        (f"members.organisation:{key}", "members.see_organisation"),
        do("invite"),
        do("members", "members.see_all"),
    ]
    return Reply(
        "members.is_ended",
        name=name_of(key, store, request.now),
        led=store.organisations.has_delegate(key, request.now),
        choices=choices,
    )
