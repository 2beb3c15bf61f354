"""Making groups, naming and closing them: for the secretariat."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from bot import routing
from bot.approving import approved, by_secretariat
from bot.forms import Choose, Form, Open, ShortText
from bot.messages import Label, Refused, Reply, Request, Words
from bot.rendering import texts_for
from bot.rights import secretariat
from bot.routing import Recipient, choice, form_action, notice, number
from bot.settings import Sensitive
from bot.texts import LANGUAGES, normalise
from bot.wording import group_name
from handlers.groups.card import Choices, card, closed, found_open, locked
from handlers.meetings.running import call_off
from handlers.people import do
from storage.groups import GroupClosed, Joining
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
    """Close a group; who has a role in it loses it thereby."""
    locked(store, group_id)
    if store.groups.holders(group_id, request.now):
        return _close_held(request, store, group=group_id)
    return _close(request, store, group_id)


def _to_close(given: Mapping[str, Any], store: Store, _now: datetime) -> Label:
    group = store.groups.get(given["group"])
    assert group is not None
    return Words("groups.to_close", {"name": group_name(group)})


@approved("groups.close", Sensitive.roles, may=by_secretariat, worded=_to_close)
def _close_held(request: Request, store: Store, _asker: int, *, group: int) -> Reply:
    return _close(request, store, group)


def _close(request: Request, store: Store, group_id: int) -> Reply:
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
