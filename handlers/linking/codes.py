"""A code that is shown in one chat, and typed in another of the same person."""

from datetime import timedelta

from bot import routing
from bot.codes import typed_code
from bot.entrances import TELEGRAM
from bot.limiting import spend
from bot.messages import Refused, Reply, Request
from bot.rights import anyone
from bot.routing import command, link
from handlers.linking.agreeing import ask
from handlers.linking.sides import (
    check_stay,
    holds,
    lends_nothing,
    may_have_lent,
    may_lend,
)
from handlers.people import do
from storage.limits import CODES, LINKING
from storage.linking import SERVES, Linking, LinkingState
from storage.people import Account
from storage.store import Store


@command("link", who=anyone)
def show_code(request: Request, store: Store) -> Reply:
    """A code to be typed in another chat; the one before serves no more."""
    context, now = request.context, request.now
    session = request.incoming.session_id
    check_stay([request.person], request, store)
    spend(request, store, LINKING)
    again = store.linking.offers(context.account_id, now)
    code = store.linking.offer(context.account_id, context.chat_id, session, now)
    return Reply(
        "linking.code",
        code=code,
        again=again,
        minutes=SERVES // timedelta(minutes=1),
        signs_in=session is not None and not request.incoming.signed_in and bool(request.held),
        telegram=_on_telegram(code, request, store),
        choices=[("linking.accounts", "linking.see_accounts"), do("menu")],
    )


def _on_telegram(code: str, request: Request, store: Store) -> str | None:
    """The link that says a code to us on Telegram, for who is elsewhere and may link it there."""
    settings = request.settings
    if request.incoming.platform == TELEGRAM or not settings.serves_telegram:
        return None
    if request.held and not settings.counts_roles_on(TELEGRAM):
        return None
    name = store.own_names.get(TELEGRAM)
    return None if name is None else f"https://t.me/{name}?start=link-{code}"


@link("link", typed_code, who=anyone)
def typed(request: Request, store: Store, code: str) -> routing.Answer:
    """The other side of a code: what is about to be linked, to be confirmed here first.

    Wrong codes are counted, right ones are not; what was wrong with one is not said.
    """
    tried = _tried(request)
    if not all(store.rates.peek(CODES, one, request.now).is_taken for one in tried):
        raise Refused("people.too_many_codes", choices=[do("menu")])
    again = store.linking.typed(code, request.context.account_id, request.now)
    if again is not None:
        here, there = (
            store.session.get_one(Account, one)
            for one in (request.context.account_id, again.account_id)
        )
        return ask(again, here, there)
    linking = store.linking.offered(code, request.now)
    account = None if linking is None else store.session.get(Account, linking.account_id)
    if linking is None or account is None:
        return _wrong(request, store)
    if store.restrictions.is_banned(account.person_id, request.now):
        return _wrong(request, store)
    if account.id == request.context.account_id:
        return Reply("linking.same_account", choices=[do("menu")])
    check_stay([account.person_id, request.person], request, store)
    return _ask(linking, account, request, store)


def _ask(linking: Linking, first: Account, request: Request, store: Store) -> Reply:
    """Ask this side whether the accounts are to be one person's; the code serves nobody else."""
    incoming, context, now = request.incoming, request.context, request.now
    is_one = first.person_id == request.person
    first_may = may_have_lent(linking, store)
    if is_one and not (request.held and _signs_in(linking, first_may, request)):
        store.linking.drop(linking)
        return Reply("linking.already", choices=[("linking.accounts", "linking.see_accounts")])
    if not is_one and not first_may and holds(store, first.person_id, now):
        return _wrong(request, store)  # a page that is not signed in lends nobody a role
    if not is_one and not may_lend(request) and request.held:
        raise lends_nothing(request)
    linking.other_account_id, linking.other_chat_id = context.account_id, context.chat_id
    linking.other_session_id = incoming.session_id
    linking.advance(LinkingState.typed, now)
    store.session.flush()
    return ask(linking, store.session.get_one(Account, context.account_id), first)


def _signs_in(linking: Linking, first_may: bool, request: Request) -> bool:
    """Whether a web session on one side would count roles, which the other side lends it."""
    return first_may is not may_lend(request)


def _wrong(request: Request, store: Store) -> Reply:
    for one in _tried(request):
        request.slow(store.rates.count(CODES, one, request.now).delay)
    return Reply("linking.wrong_code", choices=[do("link"), do("menu")])


def _tried(request: Request) -> tuple[str, str]:
    """Under what attempts are counted: those of an account with its other codes, and of a chat."""
    return f"account {request.context.account_id}", f"chat {request.context.chat_id}"
