"""Sensitive acts to which a second person agrees first, where `PREAU_SECOND_PERSON` says so.

An act is declared beside the function that does it. Asked for, it is kept as its name and plain
arguments; `handlers.approvals` has somebody else decide, and it is checked again when it is done.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import literal, select

from bot.messages import Label, Refused, Reply, Request, Words
from bot.settings import Sensitive
from storage.deliveries import subject
from storage.grants import Role
from storage.people import Person
from storage.store import Store
from storage.threads import ALL

Do = Callable[..., Reply]
May = Callable[[frozenset[Role], Mapping[str, Any]], bool]
Worded = Callable[[Mapping[str, Any], Store, datetime], Label]
Shown = Callable[[Mapping[str, Any], Store, datetime], Sequence[Reply]]

SHOWS = subject("members", ALL)  # acts name people: what is said of them leaves with these
AGREE = (Role.secretariat, Role.administrator)  # who may be the second person


@dataclass(frozen=True)
class Act:
    """A sensitive act.

    Attributes:
        do: does it: the request of who makes it happen, the store, the id of who asked for it,
            and the arguments, which are checked again.
        may: whether somebody of these roles may do it with these arguments; both must.
        worded: what it is, with these arguments.
        shown: what the second person reads before they can agree, if that takes more words.
    """

    sensitive: Sensitive
    do: Do
    may: May
    worded: Worded
    shown: Shown | None = None


ACTS: dict[str, Act] = {}


def named(act: str) -> Words:
    """What an act is called, whatever it was to be done with."""
    return Words(f"approvals.act_{act.replace('.', '_')}")


def by_secretariat(roles: frozenset[Role], _arguments: Mapping[str, Any]) -> bool:
    """Whether somebody of these roles may do what only the secretariat does."""
    return Role.secretariat in roles


def by_either(roles: frozenset[Role], _arguments: Mapping[str, Any]) -> bool:
    """Whether somebody of these roles may do what the secretariat and administrators do."""
    return not roles.isdisjoint(AGREE)


def approved(
    name: str, sensitive: Sensitive, *, may: May, worded: Worded, shown: Shown | None = None
) -> Callable[[Do], Callable[..., Reply]]:
    """Declare a sensitive act; what is declared does it, or asks for a second person first.

    The function is called with keyword arguments that are plain data.
    """

    def declare(do: Do) -> Callable[..., Reply]:
        act = ACTS[name] = Act(sensitive, do, may, worded, shown)

        def ask_or_do(request: Request, store: Store, **arguments: Any) -> Reply:
            if not may(request.roles, arguments):
                raise Refused("people.not_allowed")
            if sensitive not in request.settings.second_person:
                return do(request, store, request.person, **arguments)
            return _ask(name, act, arguments, request, store)

        return ask_or_do

    return declare


def _ask(
    name: str, act: Act, arguments: Mapping[str, Any], request: Request, store: Store
) -> Reply:
    menu = [("people.menu", "people.see_menu")]
    others = second_people(act, arguments, request, store)
    if not others:
        raise Refused("approvals.nobody", choices=menu)
    alike = store.approvals.alike(name, arguments, request.now)
    made = next((one for one in alike if one.asked_by == request.person), None)
    if made is None:
        made = store.approvals.ask(name, arguments, request.person, request.now)
        request.note("approvals.asked", f"approval:{made.id}")
        told, about = select(Person.id).where(Person.id.in_(others)), {"approval": made.id}
        store.deliveries.notify(
            "approvals.asked", about, told, request.now, expires_at=made.expires_at
        )
    what = act.worded(arguments, store, request.now)
    return Reply("approvals.waits", what=what, until=made.expires_at, choices=menu, shows=SHOWS)


def void(name: str, request: Request, store: Store, **arguments: Any) -> None:
    """Have an act wait no more that is not to be done any more; others who asked are told."""
    for one in store.approvals.void(name, arguments, request.now):
        request.note("approvals.void", f"approval:{one.id}")
        if one.asked_by != request.person:
            told, asker = {"approval": one.id}, select(literal(one.asked_by))
            store.deliveries.notify("approvals.settled", told, asker, request.now)


def second_people(
    act: Act, arguments: Mapping[str, Any], request: Request, store: Store
) -> list[int]:
    """Who may agree to what somebody asks."""
    held = {one for role in AGREE for one in store.grants.holders(role, request.now)}
    return [
        one
        for one in sorted(held - {request.person})
        if act.may(store.grants.roles_of(one, request.now), arguments)
    ]
