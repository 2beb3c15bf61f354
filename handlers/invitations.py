"""An invitation brought to a messenger, which vouches for who writes: by its link, or its code."""

from datetime import timedelta

from bot import routing
from bot.messages import Refused, Reply, Request
from bot.routing import anyone, link
from handlers import people
from handlers.people import do
from storage.store import Store

WRONG_CODES = 10  # of one account, in ten minutes: codes have 75 bits
WINDOW = timedelta(minutes=10)
LONGEST = 50


def _code(text: str) -> str:
    if not 0 < len(text) <= LONGEST:
        raise ValueError(text)
    return text


@link("invitation", _code, who=anyone)
def redeem(request: Request, store: Store, code: str) -> routing.Answer:
    """Give this person what an invitation promises.

    Wrong codes are counted, right ones are not; what was wrong with one is not said. Whoever opens
    the same link again some minutes later is answered the same. On the web, an invitation opens a
    session of its own.
    """
    incoming, now = request.incoming, request.now
    if incoming.session_id is not None or not incoming.signed_in:
        raise Refused("people.open_invitation", choices=[do("menu")])
    account = request.context.account_id
    tried, once = f"codes account {account}", f"account {account}"
    if store.sessions.tries(tried, WINDOW, now) >= WRONG_CODES:
        raise Refused("people.too_many_codes", choices=[do("menu")])
    if store.sessions.redemption(code, once, now) is None:
        invitation = store.invitations.redeem(code, now)
        if invitation is None:
            store.sessions.try_again(tried, WRONG_CODES, WINDOW, now)
            return Reply("people.wrong_code", choices=[do("write"), do("menu")])
        store.invitations.apply(invitation, request.person, now)
        if invitation.role is not None:  # it served once; others may serve the same person again
            store.sessions.remember_redemption(code, once, account, True, now)
    vars(request).pop("roles", None)  # they may have been looked up before
    return people.invited(request, store) if request.roles else people.start(request, store)
