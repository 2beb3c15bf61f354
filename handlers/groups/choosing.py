"""A member of a group: choosing who leads it, and taking somebody out, for the secretariat.

To give somebody the lead, or to end what they are in a group, is to give or end a role.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import literal, select

from bot.approving import Worded, approved, by_secretariat
from bot.messages import Label, Refused, Reply, Request, Words
from bot.rights import secretariat
from bot.routing import Recipient, choice, notice, number
from bot.settings import Sensitive
from bot.wording import group_name, numbered
from handlers.groups.card import Choices, card, closed, found_open, locked, worded
from handlers.people import do
from storage.deliveries import subject
from storage.groups import GroupClosed, NotMember, WorkingGroup
from storage.store import Store


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


def _to(what: str) -> Worded:
    """What words an act on a member of a group."""

    def said(given: Mapping[str, Any], store: Store, now: datetime) -> Label:
        group, who = store.groups.get(given["group"]), numbered(store.people.get(given["person"]))
        assert group is not None
        return Words(f"groups.to_{what}", {"who": who, "name": group_name(group)})

    return said


@choice("groups.appoint", number, number, who=secretariat)
def appoint(request: Request, store: Store, group_id: int, person_id: int) -> Reply:
    group = found_open(store, group_id)
    if not store.groups.is_member(group_id, person_id):
        raise _gone(group)
    if store.groups.leads(group_id, person_id, request.now):
        done = Words("groups.leads_already")
        return _member(group, person_id, request, store, done=done)
    return _appoint(request, store, group=group_id, person=person_id)


@approved("groups.appoint", Sensitive.roles, may=by_secretariat, worded=_to("appoint"))
def _appoint(request: Request, store: Store, asker: int, *, group: int, person: int) -> Reply:
    found = found_open(store, group)
    try:
        is_new = store.groups.appoint(group, person, asker, request.now)
    except GroupClosed:
        raise closed(found) from None
    except NotMember:
        raise _gone(found) from None
    if is_new:
        request.note("groups.appointed", f"person:{person}")
        _tell("groups.appointed", group, person, request, store)
    done = Words("groups.has_appointed" if is_new else "groups.leads_already")
    return _member(found, person, request, store, done=done)


@choice("groups.dismiss", number, number, who=secretariat)
def dismiss(request: Request, store: Store, group_id: int, person_id: int) -> Reply:
    group = found_open(store, group_id)
    if not store.groups.leads(group_id, person_id, request.now):
        done = Words("groups.leads_no_more")
        return _member(group, person_id, request, store, done=done)
    return _dismiss(request, store, group=group_id, person=person_id)


@approved("groups.dismiss", Sensitive.roles, may=by_secretariat, worded=_to("dismiss"))
def _dismiss(request: Request, store: Store, _asker: int, *, group: int, person: int) -> Reply:
    found = found_open(store, group)
    led = store.groups.dismiss(group, person, request.now)
    if led:
        request.note("groups.dismissed", f"person:{person}")
        _tell("groups.dismissed", group, person, request, store)
    done = Words("groups.has_dismissed" if led else "groups.leads_no_more")
    return _member(found, person, request, store, done=done)


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
    """Take somebody out; who has a role in the group loses it thereby."""
    locked(store, group_id)
    if person_id in store.groups.holders(group_id, request.now):
        return _remove_holder(request, store, group=group_id, person=person_id)
    return _remove(request, store, group_id, person_id)


@approved("groups.remove", Sensitive.roles, may=by_secretariat, worded=_to("remove"))
def _remove_holder(
    request: Request, store: Store, _asker: int, *, group: int, person: int
) -> Reply:
    return _remove(request, store, group, person)


def _remove(request: Request, store: Store, group_id: int, person_id: int) -> Reply:
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
