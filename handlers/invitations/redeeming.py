"""An invitation brought to a messenger, which vouches for who writes: by its link, or its code.

Préau itself may have written: then it is accepted, or declined, with a choice.
"""

from sqlalchemy import literal, select

from bot import entrances, routing
from bot.codes import typed_code
from bot.messages import Label, Refused, Reply, Request, Words
from bot.rights import anyone
from bot.routing import Recipient, choice, link, notice
from bot.wording import group_name
from handlers import people
from handlers.people import do
from storage.broadcasts import BroadcastKind
from storage.groups import group_of
from storage.invitations import Invitation
from storage.limits import CODES
from storage.people import ChatState
from storage.store import Store


@notice("people.invited_by", reserved=False)
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


@choice("invitations.accept", typed_code, who=anyone)
@link("invitation", typed_code, who=anyone)
def redeem(request: Request, store: Store, code: str) -> routing.Answer:
    """Give this person what an invitation promises; to who is given no role, the ordinary welcome.

    Whoever brings it again some minutes later is answered the same, and uses no other.
    """
    account, now = request.context.account_id, request.now
    once = f"account {account}"
    again = store.sessions.redemption(code, once, now)
    gives_role = again is not None and again[1]
    if again is None:
        invitation = _use(code, request, store)
        if invitation is None:
            return _wrong(code, store)
        gives_role = invitation.role is not None
        store.invitations.apply(invitation, request.person, now)
        _unmute(request, store)
        if gives_role:
            by, via = request.person, request.incoming.platform
            entrances.note_redeemed(store, invitation, by, via, now)
        store.sessions.remember_redemption(code, once, account, gives_role, now)
    request.look_again()
    comes_for_role = gives_role and request.roles
    return people.invited(request, store) if comes_for_role else people.start(request, store)


@choice("invitations.decline", typed_code, who=anyone)
def decline(request: Request, store: Store, code: str) -> Reply:
    """Use it up for nothing. We write here no more, unless the person does."""
    invitation = _use(code, request, store)
    if invitation is None:
        return _wrong(code, store)
    request.note("invitations.declined", f"invitation:{invitation.id}")
    if invitation.role is not None and invitation.created_by is not None:
        told, maker = {"invitation": invitation.id}, select(literal(invitation.created_by))
        store.deliveries.notify("invitations.was_declined", told, maker, request.now)
    store.people.mark_chat(request.context.chat_id, ChatState.blocked)
    return Reply("people.declined", choices=[do("privacy")])


def _use(code: str, request: Request, store: Store) -> Invitation | None:
    """The invitation of a code, which is used by that; None if it serves nobody.

    Wrong codes are counted, right ones are not. On the web, an invitation opens a session of its
    own; one to a role is not taken where roles do not count.
    """
    incoming, now = request.incoming, request.now
    known = store.invitations.find(code)
    counts = incoming.signed_in or (known is not None and known.role is None)
    if incoming.session_id is not None or not counts:
        raise Refused("people.open_invitation", choices=[do("menu")])
    tried = f"account {request.context.account_id}"
    if not store.rates.peek(CODES, tried, now).is_taken:
        raise Refused("people.too_many_codes", choices=[do("menu")])
    try:
        invitation = entrances.redeem(code, request.person, store, now)
    except entrances.OwnInvitation:
        raise Refused("invitations.your_own", choices=[do("menu")]) from None
    if invitation is None:
        request.slow(store.rates.count(CODES, tried, now).delay)
    return invitation


def _wrong(code: str, store: Store) -> Reply:
    """What was wrong with a code is said only if that tells nothing of a role."""
    if store.invitations.over(code):
        return Reply("invitations.over", choices=[do("report"), do("write"), do("menu")])
    return Reply("people.wrong_code", choices=[do("write"), do("menu")])


def _unmute(request: Request, store: Store) -> None:
    """Who accepts is sent what all are: until then, whom we wrote to first was sent nothing else.

    What they asked not to be sent themselves stays so.
    """
    met = store.people.get(request.person).created_at
    store.broadcasts.unmute(request.person, BroadcastKind, since=met)
