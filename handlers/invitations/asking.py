"""Inviting somebody, for the secretariat: by a code to pass on, or by writing to them on Matrix."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, ClassVar
from urllib.parse import unquote

from bot import routing
from bot.addresses import of_page
from bot.allowed import allows, is_user_id
from bot.forms import Choose, Field, Form, Given, Open, Problem
from bot.messages import Label, Refused, Reply, Request, Said, Words
from bot.routing import command, form_action, secretariat
from handlers.broadcasts.composing import Among, those_there_are
from handlers.people import do
from storage.broadcasts import BroadcastKind
from storage.grants import Role
from storage.groups import scope_of
from storage.people import Account, Chat, ChatState
from storage.store import Store

MATRIX = "matrix"
LINK = "link"
SERVES = timedelta(days=7)
AN_HOUR = timedelta(hours=1)
MOST_AN_HOUR = 20  # of one person
_LINK = re.compile(r"https://matrix\.to/#/([^/?\s]+)(?:\?\S*)?", re.IGNORECASE)


class Invited(StrEnum):
    """As what somebody may be invited here; the secretariat itself is invited from a shell."""

    contributor = "contributor"
    delegate = "delegate"
    substitute = "substitute"
    member = "member"
    group_member = "group_member"
    chair = "chair"
    rapporteur = "rapporteur"
    reviewer = "reviewer"

    @property
    def role(self) -> Role | None:
        if self is Invited.contributor:
            return None
        return Role.member if self is Invited.group_member else Role(self)


SPEAKS = (Invited.delegate, Invited.substitute)
IN_A_GROUP = (Invited.group_member, Invited.chair, Invited.rapporteur)


def _problem(user_id: str, matrix: Mapping[str, Any]) -> str | None:
    """Why an account cannot be written to, as the name of a message; None if it can.

    Args:
        matrix: `ours`, our own account; `allowed`, the accounts and servers that are.
    """
    server = matrix["ours"].partition(":")[2]
    if not allows(matrix["allowed"], server, user_id):
        return "invitations.server_not_allowed"
    return "invitations.is_preau" if user_id == matrix["ours"] else None


def _account(typed: str) -> str:
    """The id of an account, of which a link may have been copied, as clients make them."""
    link = _LINK.fullmatch(typed)
    return (unquote(link[1]) if link else typed).lower()


@dataclass(frozen=True)
class Whom(Field):
    """An account of Matrix, to which we write, or a code to pass on oneself."""

    free: ClassVar[bool] = True

    @property
    def values(self) -> tuple[str, ...]:
        return (LINK,)

    def read(self, given: Given) -> str:
        if given.value == LINK:
            return LINK
        typed = _account(given.text.strip())
        if not is_user_id(typed):
            raise Problem("invitations.no_matrix_id")
        problem = _problem(typed, given.answers["matrix"])
        if problem is not None:
            raise Problem(problem)
        return typed

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        return [(LINK, Words("invitations.whom_link"))]

    def show(self, noun: str, answer: Any) -> Label:
        return Words("invitations.whom_link") if answer == LINK else Said(answer)


@command("invite", who=secretariat)
def invite(request: Request, store: Store) -> Open:
    return Open(invite_form, fresh=True)


def _begin(request: Request, store: Store, about: str) -> dict[str, Any]:
    known = those_there_are(request, store)
    return {**known, "matrix": _matrix(request, store)}


def _matrix(request: Request, store: Store) -> dict[str, Any] | None:
    """Our own account there, and whom it may write to; None if Matrix is not served."""
    settings = request.settings
    if not settings.serves_matrix:
        return None
    login = store.matrix.get("login") or {"user_id": settings.matrix_user}
    return {"ours": login["user_id"], "allowed": settings.matrix_allowed_servers}


def _submit(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    """Make the invitation, and pass it on; nothing of it is kept if it cannot be."""
    invited, whom = Invited(answers["role"]), answers["whom"] or LINK
    if invited is Invited.contributor and whom == LINK:
        page = of_page(request.settings) if request.settings.web_chat else None
        return Reply("invitations.open_to_all", page=page, choices=_onward())
    if not store.sessions.try_again(f"invite {request.person}", MOST_AN_HOUR, AN_HOUR, request.now):
        raise Refused("invitations.too_many", at_most=MOST_AN_HOUR, choices=[do("menu")])
    code = _made(invited, answers, request, store)
    until = request.now + SERVES
    if whom == LINK:
        link = f"{of_page(request.settings)}/#code={code}" if request.settings.web_chat else None
        return Reply("invitations.made", code=code, link=link, until=until, choices=_onward())
    chat = _chat(whom, request, store)
    said = {"code": code, "met": store.deliveries.has_any(chat.id)}
    store.deliveries.tell(chat.id, "people.invited_by", said, request.now, expires_at=until)
    return Reply("invitations.sent", user_id=whom, until=until, choices=_onward())


def _onward() -> list[tuple[str, Label | str]]:
    return [do("invite", "invitations.another"), do("menu")]


def _made(invited: Invited, answers: Mapping[str, Any], request: Request, store: Store) -> str:
    """The code of a new invitation."""
    organisation, group = (one and one["id"] for one in (answers["org"], answers["group"]))
    change = [(form_action("change", invite_form.name), "forms.change")]
    if group is not None and int(group) not in [one.id for one in store.groups.all_open()]:
        raise Refused("invitations.group_closed", choices=change)
    return store.invitations.invite(
        role=invited.role,
        organisation_id=organisation,
        scope=scope_of(int(group)) if group is not None else "",
        created_by=request.person,
        expires_at=request.now + SERVES,
        now=request.now,
    )


def _chat(user_id: str, request: Request, store: Store) -> Chat:
    """Where to write to somebody on Matrix: their chat, or one that is at the account itself.

    The platform opens a room for the latter, and the chat goes on there.
    """
    change = [(form_action("change", invite_form.name), "forms.change")]
    matrix = _matrix(request, store)
    problem = "invitations.no_matrix" if matrix is None else _problem(user_id, matrix)
    if problem is not None:
        raise Refused(problem, choices=change)
    account, is_new = store.people.arrive(MATRIX, user_id, request.settings.language, request.now)
    if is_new:  # and sent nothing else before they accept
        store.broadcasts.mute(account.person_id, BroadcastKind, request.now)
    chat = _open_chat(account, change, store)
    store.conversations.begin(chat, account, "", request.now)  # so that a number answers
    return chat


def _open_chat(account: Account, change: list[tuple[str, str]], store: Store) -> Chat:
    known = store.people.direct_chats_of(account.id)
    if any(one.state is ChatState.blocked for one in known):
        raise Refused("invitations.declined_before", choices=change)
    for one in known:
        if one.state is ChatState.active:
            return one
    chat = store.people.chat(MATRIX, account.address, account_id=account.id)
    store.people.mark_chat(chat.id, ChatState.active)
    return chat


def _is(*those: Invited) -> Callable[[Mapping[str, Any]], bool]:
    return lambda answers: answers.get("role") in those


invite_form = routing.form(
    Form(
        "invite",
        "invitations",
        (
            Choose("role", Invited),
            Among("org", source="organisations", when=_is(*SPEAKS)),
            Among("group", source="groups", when=_is(*IN_A_GROUP)),
            Whom("whom", when=lambda answers: answers.get("matrix") is not None),
        ),
        submit=_submit,
        begin=_begin,
        who=secretariat,
        send="invitations.send",
    )
)
