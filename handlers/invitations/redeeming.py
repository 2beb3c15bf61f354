"""An invitation brought to a messenger, which vouches for who writes: by its link, or its code.

Préau itself may have written: then it is accepted, or declined, with a choice.
"""

from datetime import timedelta

from bot import routing
from bot.messages import Label, Refused, Reply, Request, Words
from bot.routing import Recipient, anyone, choice, link, notice
from bot.wording import group_name
from handlers import people
from handlers.people import do
from storage.broadcasts import BroadcastKind
from storage.groups import group_of
from storage.invitations import Invitation
from storage.people import ChatState
from storage.store import Store

WRONG_CODES = 10  # of one account, in ten minutes: codes have 75 bits
WINDOW = timedelta(minutes=10)
LONGEST = 50


def _code(text: str) -> str:
    if not 0 < len(text) <= LONGEST:
        raise ValueError(text)
    return text


@notice("people.invited_by")
def invited_by(recipient: Recipient, store: Store, code: str, met: bool) -> Reply | None:
    """What the secretariat offers, as long as it serves; who never `met` us is told who we are."""
    invitation = store.invitations.waiting(code, recipient.now)
    if invitation is None or recipient.person is None:
        return None
    names = store.organisations.names(recipient.now.date())
    group = store.groups.get(group_of(invitation.scope) or 0)
    choices: list[tuple[str, Label | str]] = [
        (f"invitations.accept:{code}", "people.accept"),
        (f"invitations.decline:{code}", "people.decline"),
        ("privacy.notice", "privacy.read_notice"),
    ]
    return Reply(
        "people.invited_by",
        role=Words(f"people.role_{invitation.role}") if invitation.role is not None else None,
        organisation=names.get(invitation.organisation_id or ""),
        group=group_name(group) if group is not None else None,
        until=invitation.expires_at,
        met=met,
        choices=choices,
    )


@choice("invitations.accept", _code)
@link("invitation", _code, who=anyone)
def redeem(request: Request, store: Store, code: str) -> routing.Answer:
    """Give this person what an invitation promises.

    Whoever opens the same link again some minutes later is answered the same.
    """
    account, now = request.context.account_id, request.now
    once = f"account {account}"
    if store.sessions.redemption(code, once, now) is None:
        invitation = _use(code, request, store)
        if invitation is None:
            return _wrong()
        store.invitations.apply(invitation, request.person, now)
        _unmute(request, store)
        if invitation.role is not None:  # it served once; others may serve the same person again
            store.sessions.remember_redemption(code, once, account, True, now)
    vars(request).pop("roles", None)  # they may have been looked up before
    return people.invited(request, store) if request.roles else people.start(request, store)


@choice("invitations.decline", _code)
def decline(request: Request, store: Store, code: str) -> Reply:
    """Use it up for nothing. We write here no more, unless the person does."""
    if _use(code, request, store) is None:
        return _wrong()
    store.people.mark_chat(request.context.chat_id, ChatState.blocked)
    return Reply("people.declined", choices=[do("privacy")])


def _use(code: str, request: Request, store: Store) -> Invitation | None:
    """The invitation of a code, which is used by that; None if it serves nobody.

    Wrong codes are counted, right ones are not; what was wrong with one is not said. On the web, an
    invitation opens a session of its own.
    """
    incoming, now = request.incoming, request.now
    if incoming.session_id is not None or not incoming.signed_in:
        raise Refused("people.open_invitation", choices=[do("menu")])
    tried = f"codes account {request.context.account_id}"
    if store.sessions.tries(tried, WINDOW, now) >= WRONG_CODES:
        raise Refused("people.too_many_codes", choices=[do("menu")])
    invitation = store.invitations.redeem(code, now)
    if invitation is None:
        store.sessions.try_again(tried, WRONG_CODES, WINDOW, now)
    return invitation


def _wrong() -> Reply:
    return Reply("people.wrong_code", choices=[do("write"), do("menu")])


def _unmute(request: Request, store: Store) -> None:
    """Who accepts is sent what all are: until then, whom we wrote to first was sent nothing else.

    What they asked not to be sent themselves stays so.
    """
    met = store.people.get(request.person).created_at
    store.broadcasts.unmute(request.person, BroadcastKind, since=met)
