"""Making groups, naming, closing them, and choosing who leads them: for the secretariat."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import literal, select

from bot import routing
from bot.forms import Choose, Form, Open, ShortText
from bot.messages import Label, Refused, Reply, Request, Words
from bot.rendering import texts_for
from bot.rights import secretariat
from bot.routing import Recipient, choice, form_action, notice, number
from bot.texts import LANGUAGES, normalise
from bot.wording import group_name
from handlers.groups.card import Choices, card, closed, found_open, worded
from handlers.meetings.running import call_off
from handlers.people import do
from storage.deliveries import subject
from storage.groups import GroupClosed, Joining, NotMember, WorkingGroup
from storage.meetings import Meeting, Over
from storage.store import Store

LONGEST_NAME = 80


@choice("groups.run", number, who=secretariat)
def run(request: Request, store: Store, group_id: int) -> Reply:
    """What may be changed of a group."""
    group = found_open(store, group_id)
    other = Joining.request if group.joining is Joining.open else Joining.open
    choices: Choices = [
        (f"groups.members:{group_id}:0", "groups.choose_chair"),
        (f"groups.rename:{group_id}", "groups.rename"),
        (f"groups.joining:{group_id}:{other}", f"groups.make_{other}"),
        (f"groups.close:{group_id}", "groups.close"),
        (f"groups.show:{group_id}", "groups.see_group"),
    ]
    return Reply("groups.run_it", name=group_name(group), choices=choices)


@choice("groups.joining", number, Joining, who=secretariat)
def choose_joining(request: Request, store: Store, group_id: int, how: Joining) -> Reply:
    group = found_open(store, group_id)
    try:
        store.groups.choose_joining(group_id, how)
    except GroupClosed:
        raise closed(group) from None
    request.note("groups.joining_changed", f"group:{group_id}")
    return card(group, request, store, done=Words(f"groups.is_{how}"))


@choice("groups.new", who=secretariat)
def new(request: Request, store: Store) -> Open:
    return Open(group_form)


def _make(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    name = answers["group_name"]
    if _is_taken(name, store, request):
        again: Choices = [(form_action("resume", group_form.name), "groups.other_name")]
        raise Refused("groups.name_taken", name=name, choices=[*again, do("groups")])
    group = store.groups.make(name, Joining(answers["entry"]), request.person, request.now)
    request.note("groups.made", f"group:{group.id}")
    return card(group, request, store, done=Words("groups.made"))


def _is_taken(name: str, store: Store, request: Request, besides: int = 0) -> bool:
    """Whether another open group bears that name, in any language."""
    texts = [texts_for(language, request.zone) for language in LANGUAGES]
    others = [group_name(one) for one in store.groups.all_open() if one.id != besides]
    taken = {normalise(one.label(other)) for one in texts for other in others}
    return normalise(name) in taken


group_form = routing.form(
    Form(
        "new_group",
        "groups",
        (ShortText("group_name", at_most=LONGEST_NAME), Choose("entry", Joining)),
        submit=_make,
        who=secretariat,
        send="groups.make",
    )
)


@choice("groups.rename", number, who=secretariat)
def rename(request: Request, store: Store, group_id: int) -> Open:
    found_open(store, group_id)
    return Open(rename_form, about=str(group_id), fresh=True)


def _rename(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    group, name = found_open(store, number(about)), answers["new_name"]
    if _is_taken(name, store, request, besides=group.id):
        again: Choices = [(f"groups.rename:{about}", "groups.other_name")]
        return Reply("groups.name_taken", name=name, choices=[*again, do("groups")])
    try:
        store.groups.rename(group.id, name)
    except GroupClosed:
        raise closed(group) from None
    request.note("groups.renamed", f"group:{group.id}")
    return card(group, request, store, done=Words("groups.renamed"))


rename_form = routing.form(
    Form(
        "rename_group",
        "groups",
        (ShortText("new_name", at_most=LONGEST_NAME),),
        submit=_rename,
        who=secretariat,
        reviewed=False,
    )
)


@choice("groups.close", number, who=secretariat)
def close(request: Request, store: Store, group_id: int) -> Reply:
    group = found_open(store, group_id)
    choices: Choices = [
        (f"groups.show:{group_id}", "groups.keep_open"),
        (f"groups.close_now:{group_id}", "groups.close_now"),
    ]
    return Reply(
        "groups.confirm_close",
        name=group_name(group),
        size=store.groups.count().get(group_id, 0),
        meetings=len(_meetings(group_id, request, store)),
        choices=choices,
    )


@choice("groups.close_now", number, who=secretariat)
def close_now(request: Request, store: Store, group_id: int) -> Reply:
    """Members are told, and those who still waited for an answer; its meetings are cancelled."""
    group = found_open(store, group_id)
    known = store.groups.known(group_id, request.person)
    store.deliveries.notify("groups.closed", {"group": group_id}, known, request.now)
    if not store.groups.close(group_id, request.now):
        raise closed(group)
    request.note("groups.closed", f"group:{group_id}")
    cancelled = 0
    for one in _meetings(group_id, request, store):
        with suppress(Over):  # a colleague has just cancelled it
            call_off(one.id, request, store)
            cancelled += 1
    choices: Choices = [do("groups"), do("menu")]
    return Reply("groups.has_closed", name=group_name(group), meetings=cancelled, choices=choices)


def _meetings(group_id: int, request: Request, store: Store) -> list[Meeting]:
    """The meetings of a group that have not begun."""
    upcoming = store.meetings.upcoming([group_id], request.now, at_most=None)
    return [one for one in upcoming if one.starts_at > request.now]


@notice("groups.closed", reserved=False)
def told_closed(recipient: Recipient, store: Store, group: int) -> Reply | None:
    found = store.groups.get(group)
    if found is None:
        return None
    choices: Choices = [do("groups"), do("menu")]
    if store.groups.is_member(group, recipient.person_id):
        choices.insert(0, (f"groups.leave:{group}", "groups.leave"))
    return Reply("groups.is_closed", name=group_name(found), choices=choices)


@choice("groups.member", number, number, who=secretariat)
def member(request: Request, store: Store, group_id: int, person_id: int) -> Reply:
    return _member(found_open(store, group_id), person_id, request, store)


def _member(
    group: WorkingGroup,
    person_id: int,
    request: Request,
    store: Store,
    *,
    done: Label | None = None,
) -> Reply:
    """A member, and what the secretariat may do; first a word on what was just done."""
    if not store.groups.is_member(group.id, person_id):
        raise _gone(group)
    leads = store.groups.leads(group.id, person_id, request.now)
    verb = "dismiss" if leads else "appoint"
    choices: Choices = [
        (f"groups.{verb}:{group.id}:{person_id}", f"groups.{verb}"),
        (f"groups.remove:{group.id}:{person_id}", "groups.remove"),
        (f"limits.person:{person_id}", "limits.restrict"),
        (f"groups.members:{group.id}:0", "groups.see_members"),
        (f"groups.show:{group.id}", "groups.see_group"),
    ]
    return Reply(
        "groups.member",
        name=group_name(group),
        who=_who(person_id, request, store),
        leads=leads,
        done=done,
        choices=choices,
        shows=subject("person", person_id),
    )


def _who(person_id: int, request: Request, store: Store) -> Label:
    return worded([store.people.get(person_id)], store, request.now)[person_id]


def _gone(group: WorkingGroup) -> Refused:
    back: Choices = [(f"groups.members:{group.id}:0", "groups.see_members")]
    return Refused("groups.not_member", name=group_name(group), choices=[*back, do("groups")])


@choice("groups.appoint", number, number, who=secretariat)
def appoint(request: Request, store: Store, group_id: int, person_id: int) -> Reply:
    group = found_open(store, group_id)
    try:
        is_new = store.groups.appoint(group_id, person_id, request.person, request.now)
    except GroupClosed:
        raise closed(group) from None
    except NotMember:
        raise _gone(group) from None
    if is_new:
        request.note("groups.appointed", f"person:{person_id}")
        _tell("groups.appointed", group_id, person_id, request, store)
    done = Words("groups.has_appointed" if is_new else "groups.leads_already")
    return _member(group, person_id, request, store, done=done)


@choice("groups.dismiss", number, number, who=secretariat)
def dismiss(request: Request, store: Store, group_id: int, person_id: int) -> Reply:
    group = found_open(store, group_id)
    led = store.groups.dismiss(group_id, person_id, request.now)
    if led:
        request.note("groups.dismissed", f"person:{person_id}")
        _tell("groups.dismissed", group_id, person_id, request, store)
    done = Words("groups.has_dismissed" if led else "groups.leads_no_more")
    return _member(group, person_id, request, store, done=done)


def _tell(name: str, group_id: int, person_id: int, request: Request, store: Store) -> None:
    person = select(literal(person_id))
    store.deliveries.notify(name, {"group": group_id}, person, request.now)


@notice("groups.appointed")
def appointed(recipient: Recipient, store: Store, group: int) -> Reply | None:
    found = store.groups.get(group)
    if found is None or not store.groups.leads(group, recipient.person_id, recipient.now):
        return None
    choices: Choices = [(f"groups.show:{group}", "groups.see_group"), do("menu")]
    return Reply("groups.appointed", name=group_name(found), choices=choices)


@notice("groups.dismissed")
def dismissed(recipient: Recipient, store: Store, group: int) -> Reply | None:
    found = store.groups.get(group)
    if found is None or store.groups.leads(group, recipient.person_id, recipient.now):
        return None
    choices: Choices = [(f"groups.show:{group}", "groups.see_group"), do("menu")]
    return Reply("groups.dismissed", name=group_name(found), choices=choices)


@choice("groups.remove", number, number, who=secretariat)
def remove(request: Request, store: Store, group_id: int, person_id: int) -> Reply:
    group = found_open(store, group_id)
    if not store.groups.is_member(group_id, person_id):
        raise _gone(group)
    choices: Choices = [
        (f"groups.member:{group_id}:{person_id}", "groups.keep_member"),
        (f"groups.remove_now:{group_id}:{person_id}", "groups.remove_now"),
    ]
    return Reply(
        "groups.confirm_remove",
        name=group_name(group),
        who=_who(person_id, request, store),
        choices=choices,
        shows=subject("person", person_id),
    )


@choice("groups.remove_now", number, number, who=secretariat)
def remove_now(request: Request, store: Store, group_id: int, person_id: int) -> Reply:
    group = found_open(store, group_id)
    if store.leave_group(group_id, person_id, request.now) is None:
        raise _gone(group)
    request.note("groups.removed", f"person:{person_id}")
    _tell("groups.removed", group_id, person_id, request, store)
    return card(group, request, store, done=Words("groups.has_removed"))


@notice("groups.removed", reserved=False)
def removed(recipient: Recipient, store: Store, group: int) -> Reply | None:
    found = store.groups.get(group)
    if found is None or store.groups.is_member(group, recipient.person_id):
        return None
    return Reply("groups.removed", name=group_name(found), choices=[do("groups"), do("menu")])
