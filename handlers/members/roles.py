"""The roles that people hold besides speaking for an organisation, and ending one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import literal, select

from bot.approving import approved, by_either
from bot.messages import Label, Refused, Reply, Request, Words
from bot.rights import appointer, may_give, secretariat
from bot.routing import choice, number
from bot.settings import Sensitive
from handlers import scopes
from handlers.groups.card import worded
from handlers.members.listing import SHOWS, Choices
from handlers.people import do
from storage.grants import Grant, LastHolder, NoSuchGrant, Role
from storage.store import Store

SHOWN = 20  # in one message


@choice("members.roles", number, who=appointer)
def roles(request: Request, store: Store, after: int) -> Reply:
    """Who holds which role, some at a time."""
    return _list(request, store, after)


def _list(request: Request, store: Store, after: int, *, done: Label | None = None) -> Reply:
    lines = lines_of(request.now, store)
    shown = list(lines.items())[after : after + SHOWN]
    choices: Choices = [(f"members.role:{grant}", line) for grant, line in shown]
    if len(lines) > after + SHOWN:
        choices.append((f"members.roles:{after + SHOWN}", "members.more_roles"))
    return Reply(
        "members.roles",
        total=len(lines),
        done=done,
        choices=[*choices, do("members", "members.see_all"), do("menu")],
        shows=SHOWS,
    )


def lines_of(now: datetime, store: Store) -> dict[int, Label]:
    """Who holds each role, by its id, and where: in a group, on a theme, in an académie.

    Of those who would read the same, because they gave no name, each is said with a number: that
    by which the audit log says them.
    """
    held = sorted(store.grants.held(now), key=lambda one: (one.role, one.id))
    store.people.load({one.person_id for one in held})
    people = worded([store.people.get(one.person_id) for one in held], store, now)
    said = {one.id: _line(one, people[one.person_id], store) for one in held}
    alike = list(said.values())
    return {
        one.id: said[one.id]
        if alike.count(said[one.id]) == 1
        else _line(one, _numbered(one, people), store)
        for one in held
    }


def _line(grant: Grant, who: Label, store: Store) -> Label:
    role, where = Words(f"people.role_{grant.role}"), scopes.named(grant.scope, store)
    return Words("members.role_line", {"who": who, "role": role, "where": where})


def _numbered(grant: Grant, people: Mapping[int, Label]) -> Label:
    who = people[grant.person_id]
    return Words("audit.person", {"name": who, "number": grant.person_id})


@choice("members.role", number, who=appointer)
def role(request: Request, store: Store, grant_id: int) -> Reply:
    """A role that somebody holds; it is asked again before it ends."""
    found = store.grants.get(grant_id, request.now)
    if found is None:
        raise _over()
    may_end = _may_end(request.roles, request.person, found)
    choices: Choices = [("members.roles:0", "members.keep_role")]
    if may_end:
        choices.append((f"members.end_role:{grant_id}", "members.end_role_now"))
    if secretariat(request) and found.person_id != request.person:
        choices.append((f"members.erase:{found.person_id}", "members.erase"))
    return Reply(
        "members.confirm_role",
        line=lines_of(request.now, store)[grant_id],
        is_own=found.person_id == request.person,
        may_end=may_end,
        choices=choices,
        shows=SHOWS,
    )


@choice("members.end_role", number, who=appointer)
def end_role(request: Request, store: Store, grant_id: int) -> Reply:
    found = store.grants.get(grant_id, request.now)
    if found is None:
        raise _over()
    if not _may_end(request.roles, request.person, found):
        raise Refused("members.by_administrator", choices=[_back(), do("menu")])
    return _end(request, store, grant=grant_id)


def _may_end(roles: frozenset[Role], person_id: int, grant: Grant) -> bool:
    """Whether somebody may end a role: their own, or one that they might give."""
    return grant.person_id == person_id or may_give(roles, grant.role)


def _to_end(given: Mapping[str, Any], store: Store, now: datetime) -> Label:
    line = lines_of(now, store).get(given["grant"])
    return Words("members.to_end_role", {"line": line or Words("members.role_over_already")})


@approved("members.end_role", Sensitive.roles, may=by_either, worded=_to_end)
def _end(request: Request, store: Store, asker: int, *, grant: int) -> Reply:
    found = store.grants.get(grant, request.now)
    if found is None:
        raise _over()
    if not _may_end(store.roles_of(asker, request.now), asker, found):
        raise Refused("members.by_administrator", choices=[_back(), do("menu")])
    try:
        ended = store.grants.end_one(grant, request.now)
    except NoSuchGrant:
        raise _over() from None
    except LastHolder:
        raise Refused("members.last_holder", choices=[_back(), do("invite")]) from None
    request.note("members.role_ended", f"grant:{grant}")
    request.look_again()
    if ended.person_id != request.person:
        told = select(literal(ended.person_id))
        store.deliveries.notify("members.role_ended", {"role": ended.role}, told, request.now)
        return _list(request, store, 0, done=Words("members.role_is_ended"))
    return Reply("members.own_role_ended", choices=[do("menu")])


def _back() -> tuple[str, str]:
    return ("members.roles:0", "members.see_roles")


def _over() -> Refused:
    return Refused("members.role_over_already", choices=[_back(), do("menu")])
