"""The invitations that still serve, and revoking one: for the secretariat. No code is shown."""

from bot.forms import Open
from bot.messages import Label, Refused, Reply, Request, Words
from bot.rights import appointer, may_give
from bot.routing import choice, command, number
from bot.wording import person_name
from handlers.invitations.asking import invite_form
from handlers.invitations.making import promised
from handlers.people import do
from storage.deliveries import subject
from storage.invitations import Invitation
from storage.store import Store
from storage.threads import ALL

Choices = list[tuple[str, Label | str]]

SHOWN = 10  # invitations in one message
SHOWS = subject("members", ALL)  # what names people here leaves with them


@command("invite", who=appointer)
def invite(request: Request, store: Store) -> Reply | Open:
    """What is under way, or at once the questions of a new one."""
    if store.invitations.serving(request.now):
        return _list(request, store, 0)
    return Open(invite_form, fresh=True)


@choice("invitations.list", number, who=appointer)
def more(request: Request, store: Store, after: int) -> Reply:
    return _list(request, store, after)


def _list(request: Request, store: Store, after: int) -> Reply:
    serving = store.invitations.serving(request.now)
    shown = serving[after : after + SHOWN]
    choices: Choices = [("invitations.begin", "invitations.begin")]
    choices += [(f"invitations.see:{one.id}", _line(one, request, store)) for one in shown]
    if len(serving) > after + SHOWN:
        choices.append((f"invitations.list:{after + SHOWN}", "invitations.more"))
    choices.append(do("menu"))
    return Reply("invitations.list", total=len(serving), choices=choices, shows=SHOWS)


def _what(one: Invitation, request: Request, store: Store) -> Label:
    role = one.role and str(one.role)
    return promised(role, one.organisation_id, one.scope, request.now, store)


def _line(one: Invitation, request: Request, store: Store) -> Label:
    about = {
        "what": _what(one, request, store),
        "label": one.label,
        "gives_role": one.role is not None,
        "until": one.expires_at,
    }
    return Words("invitations.line", about)


@choice("invitations.see", number, who=appointer)
def see(request: Request, store: Store, invitation_id: int) -> Reply:
    """An invitation: who made it, for what, how often it served; it can be revoked."""
    found = _serving(invitation_id, request, store)
    maker = None if found.created_by is None else store.people.find(found.created_by)
    choices: Choices = [do("invite", "invitations.see"), do("menu")]
    if _may_revoke(found, request):
        choices.insert(0, (f"invitations.revoke:{found.id}", "invitations.revoke"))
    return Reply(
        "invitations.card",
        what=_what(found, request, store),
        label=found.label,
        by=None if maker is None or maker.erased_at is not None else person_name(maker),
        mine=found.created_by == request.person,
        made_at=found.created_at,
        left=found.uses_left,
        uses=found.uses,
        until=found.expires_at,
        choices=choices,
        shows=SHOWS,
    )


@choice("invitations.revoke", number, who=appointer)
def revoke(request: Request, store: Store, invitation_id: int) -> Reply:
    """It is asked again before it is done."""
    found = _serving(invitation_id, request, store)
    choices: Choices = [
        (f"invitations.see:{found.id}", "invitations.keep"),
        (f"invitations.revoke_now:{found.id}", "invitations.revoke_now"),
    ]
    line = _line(found, request, store)
    return Reply("invitations.confirm_revoking", line=line, choices=choices, shows=SHOWS)


@choice("invitations.revoke_now", number, who=appointer)
def revoke_now(request: Request, store: Store, invitation_id: int) -> Reply:
    if not _may_revoke(_serving(invitation_id, request, store), request):
        raise Refused("people.not_allowed", choices=[do("menu")])
    if store.invitations.revoke(invitation_id, request.now) is None:
        raise _over()
    request.note("invitations.revoked", f"invitation:{invitation_id}")
    return Reply("invitations.is_revoked", choices=[do("invite", "invitations.see"), do("menu")])


def _may_revoke(one: Invitation, request: Request) -> bool:
    """Whoever may give a role may take it back, before it is taken, too."""
    return one.role is None or may_give(request.roles, one.role)


def _serving(invitation_id: int, request: Request, store: Store) -> Invitation:
    found = store.invitations.get(invitation_id)
    if found is None or not found.serves(request.now):
        raise _over()
    return found


def _over() -> Refused:
    choices = [do("invite", "invitations.see"), do("menu")]
    return Refused("invitations.over_already", choices=choices)
