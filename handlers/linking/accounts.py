"""The accounts of one person: which they are, where notices come, and how one is unlinked."""

from datetime import datetime, timedelta
from typing import Any

from bot.messages import Label, Refused, Reply, Request, Words
from bot.rights import anyone
from bot.routing import Recipient, choice, notice, number
from handlers.linking.sides import lends_nothing, seen_from
from handlers.linking.telling import tell_secretariat
from handlers.people import do
from storage.deliveries import subject
from storage.people import Account, ChatState
from storage.sessions import SESSION
from storage.store import Store

LAST_SPOKEN = 0  # in an action: where they spoke last, instead of an account
NEW_FOR = timedelta(days=7)  # in which an account that was linked unlinks none that was there


@choice("linking.accounts", who=anyone)
def accounts(request: Request, store: Store) -> Reply:
    """Where this person talks to us."""
    mine = store.people.accounts_of(request.person)
    choices: list[tuple[str, Label | str]] = [do("link", "linking.link_another")]
    if len(mine) > 1:
        choices.append(("linking.notices", "linking.choose_notices"))
    choices += [
        (f"linking.unlink:{one.id}", Words("linking.unlink", _in_short(one, mine, request)))
        for one in mine
        if one.id != request.context.account_id
    ]
    chosen = next((one for one in mine if one.takes_notices), None)
    return Reply(
        "linking.accounts",
        accounts=[_shown(one, mine) for one in mine],
        here=[one.id == request.context.account_id for one in mine],
        chosen=_shown(chosen, mine) if chosen is not None else None,
        reached=chosen is None or _is_reached(chosen, store),
        choices=[*choices, do("menu")],
    )


def _shown(account: Account, mine: list[Account]) -> Label:
    """An account by its platform; of several there, also by when it was used last."""
    alike = [one for one in mine if one.platform == account.platform]
    return Words(
        "linking.account",
        {
            "platform": account.platform,
            "since": account.created_at,
            "seen": account.last_seen_at if len(alike) > 1 else None,
        },
    )


def _in_short(account: Account, mine: list[Account], request: Request) -> dict[str, Any]:
    """As `_shown`, for a button; what was used today is said by its hour."""
    alike = [one for one in mine if one.platform == account.platform]
    seen = account.last_seen_at.astimezone(request.zone)
    return {
        "platform": account.platform,
        "seen": seen if len(alike) > 1 else None,
        "today": seen.date() == request.now.astimezone(request.zone).date(),
    }


def _is_reached(account: Account, store: Store) -> bool:
    """Whether an account has a chat in which we may write."""
    chats = store.people.direct_chats_of(account.id)
    return any(one.state is ChatState.active for one in chats)


# Where notices come


@choice("linking.notices", who=anyone)
def notices(request: Request, store: Store) -> Reply:
    mine = store.people.accounts_of(request.person)
    choices: list[tuple[str, Label | str]] = [
        (f"linking.notify:{LAST_SPOKEN}", "linking.last_spoken"),
        *((f"linking.notify:{one.id}", _shown(one, mine)) for one in mine),
        ("linking.accounts", "linking.see_accounts"),
    ]
    return Reply("linking.notices", choices=choices)


@choice("linking.notify", number, who=anyone)
def notify(request: Request, store: Store, account_id: int) -> Reply:
    """Choose the account to which notices go, or none: they follow where one speaks."""
    choices = [("linking.accounts", "linking.see_accounts"), do("menu")]
    if account_id == LAST_SPOKEN:
        store.people.choose_account(request.person, None)
        return Reply("linking.notices_follow", choices=choices)
    account = _mine(account_id, request, store)
    store.people.choose_account(request.person, account.id)
    shown = _shown(account, store.people.accounts_of(request.person))
    reached = _is_reached(account, store)
    return Reply("linking.notices_go", account=shown, reached=reached, choices=choices)


# Parting


@choice("linking.unlink", number, who=anyone)
def unlink(request: Request, store: Store, account_id: int) -> Reply:
    """Say what unlinking does; it is to be confirmed."""
    account = _to_unlink(account_id, request, store)
    choices = [
        (f"linking.unlink_now:{account.id}", "linking.unlink_now"),
        ("linking.accounts", "linking.keep_linked"),
    ]
    shown = _shown(account, store.people.accounts_of(request.person))
    return Reply("linking.unlink_sure", account=shown, choices=choices)


@choice("linking.unlink_now", number, who=anyone)
def unlink_now(request: Request, store: Store, account_id: int) -> Reply:
    """Make a newcomer of an account; all that was done with it stays this person's."""
    account = _to_unlink(account_id, request, store)
    shown = _shown(account, store.people.accounts_of(request.person))
    chats = store.people.direct_chats_of(account.id)
    store.unlink(account.id, request.now)
    for chat in chats:
        if chat.state is ChatState.active:
            about = {"account": account.id}
            store.deliveries.tell(chat.id, "linking.unlinked", about, request.now)
    request.note("linking.unlinked", f"person:{request.person}")
    if request.held:
        tell_secretariat(request.person, account.platform, request, store, joined=False)
    choices = [("linking.accounts", "linking.see_accounts"), do("menu")]
    here = store.session.get_one(Account, request.context.account_id)
    if seen_from(here, account) != account.platform:
        shown = Words("linking.on", {"platform": seen_from(here, account)})
    return Reply("linking.unlinked_here", account=shown, choices=choices)


@notice("linking.unlinked", reserved=False)
def unlinked(recipient: Recipient, store: Store, account: int) -> Reply:
    return Reply("linking.unlinked", choices=[do("menu")], shows=subject(SESSION, account))


def _to_unlink(account_id: int, request: Request, store: Store) -> Account:
    """One of their other accounts; who holds a role parts with it only where roles count.

    An account that was linked not long ago may be somebody else's, by a trick: it must not be able
    to throw out whose the roles, votes and reports are.
    """
    if request.held and not request.incoming.signed_in:
        raise lends_nothing(request)
    if account_id == request.context.account_id:
        raise Refused(
            "linking.not_this_one", choices=[("linking.accounts", "linking.see_accounts")]
        )
    account = _mine(account_id, request, store)
    joined = store.session.get_one(Account, request.context.account_id).joined_at
    if joined is not None and (account.joined_at is None or account.joined_at <= joined):
        until = joined + NEW_FOR
        if request.now < until:
            shown = _shown(account, store.people.accounts_of(request.person))
            choices: list[tuple[str, Label | str]] = [("linking.accounts", "linking.see_accounts")]
            raise Refused("linking.too_new", account=shown, until=until, choices=choices)
    return account


def may_not_before(request: Request, store: Store) -> datetime | None:
    """Until when this account, linked not long ago, may not decide over those that were there."""
    here = store.session.get_one(Account, request.context.account_id)
    joined = here.joined_at
    if joined is None or request.now >= joined + NEW_FOR:
        return None
    others = [one.joined_at for one in store.people.accounts_of(request.person) if one is not here]
    was_there = any(one is None or one < joined for one in others)
    return joined + NEW_FOR if was_there else None


def _mine(account_id: int, request: Request, store: Store) -> Account:
    account = store.session.get(Account, account_id)
    if account is None or account.person_id != request.person:
        raise Refused("people.stale_choice")
    return account
