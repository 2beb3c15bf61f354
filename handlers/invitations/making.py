"""Making an invitation, and passing it on: as a code with its ways in, or by a letter on Matrix."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import literal, select

from bot.allowed import allows
from bot.approving import approved
from bot.entrances import Ways, on_matrix, ways_of
from bot.messages import Attachment, Label, Refused, Reply, Request, Said, Words
from bot.rights import may_give
from bot.routing import form_action
from bot.settings import Sensitive
from handlers import scopes
from handlers.people import do
from storage.broadcasts import BroadcastKind
from storage.grants import Role
from storage.groups import group_of
from storage.invitations import TO_A_ROLE, Invitation
from storage.people import Account, Chat, ChatState
from storage.store import Store

Choices = list[tuple[str, Label | str]]

MATRIX = "matrix"
FORM = "invite"  # by which it is asked for
LINK = "link"  # instead of an account: a code to pass on


def promised(
    role: str | None, organisation: str | None, scope: str, now: datetime, store: Store
) -> Label:
    """What an invitation gives, in words."""
    if role is None:
        return Words("invitations.no_role")
    where: Label | None = scopes.named(scope, store)
    if organisation is not None:
        where = Said(store.organisations.names(now.date(), short=True).get(organisation, ""))
    return Words("invitations.promised", {"role": Words(f"people.role_{role}"), "where": where})


def _worded(given: Mapping[str, Any], store: Store, now: datetime) -> Label:
    what = promised(given["role"], given["organisation"], given["scope"], now, store)
    whom = None if given["whom"] == LINK else given["whom"]
    about = {"what": what, "whom": whom, "label": given.get("label")}
    return Words("invitations.to_give", about)


@approved(
    "invitations.give_role",
    Sensitive.roles,
    may=lambda roles, given: may_give(roles, Role(given["role"])),
    worded=_worded,
)
def give_role(request: Request, store: Store, asker: int, **given: Any) -> Reply:
    return make(request, store, asker, **given)


def make(
    request: Request,
    store: Store,
    asker: int,
    *,
    role: str | None,
    organisation: str | None,
    scope: str,
    whom: str,
    label: str | None = None,
) -> Reply:
    """Invite one person.

    Args:
        asker: who passes it on, and is told what becomes of it.
        whom: their account on Matrix, or `LINK`.
        label: who it is for, as the secretariat calls them.
    """
    mine = asker == request.person
    change: Choices = [(form_action("change", FORM), "forms.change")] if mine else []
    group = group_of(scope)
    if group is not None and group not in [one.id for one in store.groups.all_open()]:
        raise Refused("invitations.group_closed", choices=change)
    until = request.now + TO_A_ROLE
    code = store.invitations.invite(
        role=None if role is None else Role(role),
        organisation_id=organisation,
        scope=scope,
        label=label,
        created_by=asker,
        agreed_by=None if mine else request.person,
        expires_at=until,
        now=request.now,
    )
    made = _noted(code, request, store)
    if whom != LINK:
        chat = _chat(whom, change, request, store)
        said = {"code": code, "met": store.deliveries.has_any(chat.id)}
        store.deliveries.tell(chat.id, "people.invited_by", said, request.now, expires_at=until)
        return Reply("invitations.sent", user_id=whom, until=until, choices=onward())
    ways = ways_of(code, request.settings, store, gives_role=True)
    picture = _picture(ways, asker, request, store)
    if mine:
        return to_pass_on(made, ways, picture)
    told = {"invitation": made.id, "ways": asdict(ways), "picture": picture}
    whose = select(literal(asker))
    store.deliveries.notify("invitations.made_for", told, whose, request.now, expires_at=until)
    return Reply("invitations.passed_on", choices=[do("menu")])


def make_open(request: Request, store: Store, place: str, uses: int, until: datetime) -> Reply:
    """Make a code for many, who may tell something. Its poster is drawn afterwards."""
    code = store.invitations.invite(
        role=None,
        uses=uses,
        label=place,
        created_by=request.person,
        expires_at=until,
        now=request.now,
    )
    made = _noted(code, request, store)
    ways = ways_of(code, request.settings, store, gives_role=False)
    if ways.printed is not None:
        made.poster = {"code": code}
    return to_pass_on(made, ways, _picture(ways, request.person, request, store))


def _noted(code: str, request: Request, store: Store) -> Invitation:
    made = store.invitations.find(code)
    assert made is not None
    request.note("invitations.made", f"invitation:{made.id}")
    return made


def _picture(ways: Ways, person: int, request: Request, store: Store) -> int | None:
    """The QR code as a file, which is swept after a day."""
    if ways.picture is None:
        return None
    return store.files.add(ways.picture, "image/png", request.now, person)


def to_pass_on(made: Invitation, ways: Ways, picture: int | None) -> Reply:
    """An invitation for who passes it on: the only time that its code is shown."""
    name = Words("invitations.picture_name")
    return Reply(
        "invitations.made" if made.role is not None else "invitations.made_open",
        ways=ways,
        label=made.label,
        uses=made.uses,
        until=made.expires_at,
        files=[] if picture is None else [Attachment(picture, name, "image/png")],
        choices=onward(),
    )


def onward() -> Choices:
    another: Choices = [("invitations.begin", "invitations.another")]
    return [*another, do("invite", "invitations.see"), do("menu")]


# By a letter on Matrix


def problem(user_id: str, ours: str, allowed: Sequence[str]) -> str | None:
    """Why an account cannot be written to, as the name of a message; None if it can.

    Args:
        ours: our own account.
        allowed: the accounts and servers that are.
    """
    if not allows(allowed, ours.partition(":")[2], user_id):
        return "invitations.server_not_allowed"
    return "invitations.is_preau" if user_id == ours else None


def _chat(user_id: str, change: Choices, request: Request, store: Store) -> Chat:
    """Where to write to somebody on Matrix: their chat, or one that is at the account itself.

    The platform opens a room for the latter, and the chat goes on there.
    """
    ours, allowed = on_matrix(request.settings, store), request.settings.matrix_allowed_servers
    why = "invitations.no_matrix" if ours is None else problem(user_id, ours, allowed)
    if why is not None:
        raise Refused(why, choices=change)
    account, is_new = store.people.arrive(MATRIX, user_id, request.settings.language, request.now)
    if is_new:  # and sent nothing else before they accept
        store.broadcasts.mute(account.person_id, BroadcastKind, request.now)
    chat = _open_chat(account, change, store)
    store.conversations.begin(chat, account, "", request.now)  # so that a number answers
    return chat


def _open_chat(account: Account, change: Choices, store: Store) -> Chat:
    known = store.people.direct_chats_of(account.id)
    if any(one.state is ChatState.blocked for one in known):
        raise Refused("invitations.declined_before", choices=change)
    for one in known:
        if one.state is ChatState.active:
            return one
    chat = store.people.chat(MATRIX, account.address, account_id=account.id)
    store.people.mark_chat(chat.id, ChatState.active)
    return chat
