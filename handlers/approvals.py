"""Agreeing, as the second person, to what somebody else asked for, or declining it."""

from datetime import datetime

from sqlalchemy import literal, select

from bot.approving import ACTS, SHOWS, Act, by_either, named
from bot.messages import Label, Refused, Reply, Request
from bot.rights import appointer
from bot.routing import Recipient, choice, notice, number
from bot.wording import numbered
from handlers.people import do
from storage.approvals import Approval, ApprovalState
from storage.store import Store

Choices = list[tuple[str, Label | str]]

ACCEPT, DECLINE = ("accept", "accept"), ("decline", "decline")


@notice("approvals.asked")
def asked(recipient: Recipient, store: Store, approval: int) -> Reply | None:
    found = store.approvals.get(approval)
    if found is None or found.act not in ACTS or not found.waits(recipient.now):
        return None
    if ACTS[found.act].shown is not None:
        return _asked(found, ("see", "read"), recipient.now, store)
    return _asked(found, ACCEPT, recipient.now, store)


def _asked(found: Approval, first: tuple[str, str], now: datetime, store: Store) -> Reply:
    choices: Choices = [
        (f"approvals.{verb}:{found.id}", f"approvals.{label}") for verb, label in (first, DECLINE)
    ]
    what = ACTS[found.act].worded(found.arguments or {}, store, now)
    by, until = numbered(store.people.get(found.asked_by)), found.expires_at
    return Reply("approvals.asked", what=what, by=by, until=until, choices=choices, shows=SHOWS)


@choice("approvals.list", who=appointer)
def waiting(request: Request, store: Store) -> Reply:
    """What others asked for, and waits."""
    found = to_decide(request, store)
    choices: Choices = [
        (f"approvals.see:{one.id}", ACTS[one.act].worded(one.arguments or {}, store, request.now))
        for one in found
    ]
    choices.append(do("menu"))
    return Reply("approvals.list", total=len(found), choices=choices, shows=SHOWS)


def to_decide(request: Request, store: Store) -> list[Approval]:
    """What waits, and may be decided by who asks."""
    found = store.approvals.waiting(request.now)
    return [one for one in found if one.asked_by != request.person and _may(one, request)]


@choice("approvals.see", number, who=appointer)
def see(request: Request, store: Store, approval_id: int) -> list[Reply]:
    """All there is to read before one decides."""
    found, act = _to_decide(approval_id, request, store)
    shown = act.shown(found.arguments or {}, store, request.now) if act.shown else ()
    return [*shown, _asked(found, ACCEPT, request.now, store)]


@choice("approvals.accept", number, who=appointer)
def accept(request: Request, store: Store, approval_id: int) -> Reply:
    """Do it, checked again for both; if it cannot be done, it goes on waiting."""
    found, act = _to_decide(approval_id, request, store)
    arguments = found.arguments or {}
    asker = store.grants.roles_of(found.asked_by, request.now)
    if not act.may(asker, arguments) or not by_either(asker, arguments):
        raise Refused("approvals.decided", choices=[do("menu")])
    store.approvals.settle(found, ApprovalState.accepted)
    act.do(request, store, found.asked_by, **arguments)
    return _settled(found, "approvals.accepted", "approvals.is_done", request, store)


@choice("approvals.decline", number, who=appointer)
def decline(request: Request, store: Store, approval_id: int) -> Reply:
    found, _ = _to_decide(approval_id, request, store)
    store.approvals.settle(found, ApprovalState.declined)
    return _settled(found, "approvals.declined", "approvals.is_declined", request, store)


def _settled(found: Approval, act: str, said: str, request: Request, store: Store) -> Reply:
    request.note(act, f"approval:{found.id}")
    told = select(literal(found.asked_by))
    store.deliveries.notify("approvals.settled", {"approval": found.id}, told, request.now)
    return Reply(said, choices=[do("menu")])


def _to_decide(approval_id: int, request: Request, store: Store) -> tuple[Approval, Act]:
    """What waits, locked, for somebody else than who asked."""
    found = store.approvals.lock(approval_id, request.now)
    if found is None:
        raise Refused("approvals.decided", choices=[do("menu")])
    if found.asked_by == request.person:
        raise Refused("approvals.not_yourself", choices=[do("menu")])
    if not _may(found, request):
        raise Refused("people.not_allowed")
    return found, ACTS[found.act]


def _may(found: Approval, request: Request) -> bool:
    """Whether who asks may do it; nobody may what only a newer version knows."""
    act = ACTS.get(found.act)
    return act is not None and act.may(request.roles, found.arguments or {})


@notice("approvals.settled")
def settled(recipient: Recipient, store: Store, approval: int) -> Reply | None:
    """What became of what somebody asked for."""
    found = store.approvals.get(approval)
    if found is None or found.act not in ACTS or found.asked_by != recipient.person_id:
        return None
    what, choices = named(found.act), [do("menu")]
    return Reply("approvals.settled", state=found.state, what=what, choices=choices)
