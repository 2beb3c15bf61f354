"""Sensitive acts to which a second person agrees first, where `PREAU_SECOND_PERSON` says so.

An act is declared beside the function that does it. Asked for, it is kept as its name and plain
arguments; `handlers.approvals` has somebody else decide, and it is checked again when it is done.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from bot.messages import Label, Refused, Reply, Request
from bot.settings import Sensitive
from storage.grants import Role
from storage.people import Person
from storage.store import Store

Do = Callable[..., Reply]
May = Callable[[frozenset[Role], Mapping[str, Any]], bool]
Worded = Callable[[Mapping[str, Any], Store, datetime], Label]

AGREE = (Role.secretariat, Role.administrator)  # who may be the second person


@dataclass(frozen=True)
class Act:
    """A sensitive act.

    Attributes:
        do: does it: the request of who makes it happen, the store, the id of who asked for it,
            and the arguments, which are checked again.
        may: whether somebody of these roles may do it with these arguments; both must.
        worded: what it is, with these arguments.
    """

    sensitive: Sensitive
    do: Do
    may: May
    worded: Worded


ACTS: dict[str, Act] = {}


def approved(
    name: str, sensitive: Sensitive, *, may: May, worded: Worded
) -> Callable[[Do], Callable[..., Reply]]:
    """Declare a sensitive act; what is declared does it, or asks for a second person first.

    The function is called with keyword arguments that are plain data.
    """

    def declare(do: Do) -> Callable[..., Reply]:
        act = ACTS[name] = Act(sensitive, do, may, worded)

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
    made = store.approvals.ask(name, arguments, request.person, request.now)
    request.note("approvals.asked", f"approval:{made.id}")
    told = select(Person.id).where(Person.id.in_(others))
    until, about = made.expires_at, {"approval": made.id}
    store.deliveries.notify("approvals.asked", about, told, request.now, expires_at=until)
    what = act.worded(arguments, store, request.now)
    return Reply("approvals.waits", what=what, until=until, choices=menu)


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
