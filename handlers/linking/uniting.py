"""Making one person of two, once all have said yes; and signing a web session in."""

from dataclasses import dataclass
from datetime import datetime

from bot.messages import Reply, Request
from bot.routing import Recipient, notice
from handlers.linking.sides import Pair, holds, seen_from
from handlers.linking.telling import tell_secretariat
from handlers.people import do
from storage.deliveries import subject
from storage.linking import Linking, LinkingState
from storage.merging import Conflict, Undecided
from storage.people import Account
from storage.sessions import SESSION
from storage.store import Store


@dataclass(frozen=True)
class United:
    """What became of a linking that everybody wants.

    Attributes:
        chats: those of both sides.
        is_new: two people became one; else they were one before.
        signed_in: the accounts whose web session counts roles from now on.
    """

    first: Account
    other: Account
    chats: tuple[int, int]
    is_new: bool
    signed_in: frozenset[int]

    def tell(self, store: Store, request: Request, *, first: bool) -> None:
        """Tell one side in its own chat."""
        here, there = (self.first, self.other) if first else (self.other, self.first)
        about = {"account": here.id, "platform": seen_from(here, there), **self._about(here)}
        chat_id = self.chats[0] if first else self.chats[1]
        store.deliveries.tell(chat_id, "linking.done", about, request.now)

    def said(self) -> Reply:
        """What the side is answered that showed the code."""
        there = seen_from(self.first, self.other)
        return _done(self.first.id, there, **self._about(self.first))

    def _about(self, here: Account) -> dict[str, bool]:
        return {"is_new": self.is_new, "signed_in": here.id in self.signed_in}


def unite(
    linking: Linking, request: Request, store: Store, lent: tuple[bool, bool]
) -> United | Conflict:
    """Merge both people, and sign in the web sessions to which the other side lends its roles.

    Args:
        lent: whether either side lends its roles: they count there, or the secretariat agreed.

    Returns:
        The first poll in which it is to be said before which ballot stays, if there is any.
    """
    pair, now = Pair.of(linking, store), request.now
    assert linking.other_chat_id is not None
    chats, sessions = (linking.chat_id, linking.other_chat_id), _sessions(linking)
    people, is_new = pair.people, not pair.is_one
    newer = _newer(pair, store, now)
    came, on = store.people.accounts_of(newer.person_id), newer.platform
    try:
        kept = store.merge(pair.accounts, linking.decisions, now)
    except Undecided as undecided:
        linking.advance(LinkingState.joint, now)
        store.session.flush()
        return undecided.conflicts[0]
    store.linking.drop(linking)
    request.look_again()
    if is_new:
        request.note("linking.merged", f"person:{kept}", {"was": max(people)})
        store.people.join([one.id for one in came], now)
        if holds(store, kept, now):
            tell_secretariat(kept, on, request, store, joined=True)
    signed_in = set()
    if holds(store, kept, now):
        for one in store.people.accounts_of(kept):
            store.sessions.drop_return_code(one.id)
        for account, session, may in zip(pair.accounts, sessions, lent[::-1], strict=True):
            if session is not None and may and store.sessions.sign_in(session, now):
                signed_in.add(account)
                request.note("linking.signed_in", f"person:{kept}")
    return United(pair.first, pair.other, chats, is_new, frozenset(signed_in))


def _newer(pair: Pair, store: Store, now: datetime) -> Account:
    """The one that comes to the other: of who has no role to who has one, else of the younger.

    Somebody may have made an account long before whom they deceive.
    """
    return min(
        (pair.first, pair.other), key=lambda one: (holds(store, one.person_id, now), -one.person_id)
    )


def _sessions(linking: Linking) -> tuple[int | None, int | None]:
    return linking.session_id, linking.other_session_id


@notice("linking.done", reserved=False)
def done(
    recipient: Recipient, store: Store, account: int, platform: str, is_new: bool, signed_in: bool
) -> Reply:
    """The accounts are one person's, or a web session counts roles again."""
    return _done(account, platform, is_new=is_new, signed_in=signed_in)


def _done(account: int, platform: str, *, is_new: bool, signed_in: bool) -> Reply:
    return Reply(
        "linking.done",
        platform=platform,
        is_new=is_new,
        signed_in=signed_in,
        choices=[("linking.accounts", "linking.see_accounts"), do("menu")],
        shows=subject(SESSION, account) if signed_in else None,
    )
