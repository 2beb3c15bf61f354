"""Who speaks through a browser: sessions, codes and cookies."""

import asyncio
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web

from bot import entrances
from bot.clock import Clock
from bot.limiting import seconds
from bot.messages import Incoming
from bot.platforms.base import Outcome, Receiver
from bot.platforms.web.bodies import ID, read_json
from bot.platforms.web.demo import Demo
from bot.platforms.web.language import SPOKEN, language_of
from bot.platforms.web.safety import (
    COOKIE,
    Denied,
    check_origin,
    client_address,
    is_secure,
    set_cookie,
)
from bot.platforms.web.streams import Streams
from bot.refusing import Refusals
from bot.settings import Settings
from storage.database import Database
from storage.limits import CODES_HERE, SESSIONS, Limit, Verdict
from storage.people import Account
from storage.sessions import IDLE, Visitor
from storage.store import Store

PLATFORM = "web"
UNKNOWN, OVER = "unknown_code", "code_is_over"
REMEMBERED = timedelta(seconds=5)
MOST_REMEMBERED = 10_000
TOUCHED = timedelta(minutes=5)


@dataclass(frozen=True)
class Wrong:
    """A code that opened nothing; of some it may be said that they are `over`."""

    verdict: Verdict
    over: bool = False

    async def told(self, now: datetime) -> Denied:
        """The error to raise, after the wait that is due."""
        await asyncio.sleep(self.verdict.delay)
        if not self.verdict.is_taken:
            return _too_many(self.verdict.until, now)
        return Denied(OVER if self.over else UNKNOWN, 403)


class Sessions:
    """Opens sessions, and tells whose browser asks.

    Args:
        demo: its personas enter without a code.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        clock: Clock,
        receiver: Receiver,
        streams: Streams,
        demo: Demo | None,
    ) -> None:
        self.settings = settings
        self.database = database
        self.clock = clock
        self.receiver = receiver
        self.streams = streams
        self.demo = demo
        self._remembered: OrderedDict[str, tuple[datetime, Visitor]] = OrderedDict()
        self._refused = Refusals()

    async def open(self, request: web.Request) -> web.Response:
        """Open a session: as a newcomer, with a code, or (in the demo) as a persona.

        What comes from an address that is refused already costs no transaction.
        """
        check_origin(request, self.settings.public_url)
        body = await read_json(request)
        code, persona = body.get("code"), body.get("persona")
        if persona is not None:
            return await self._as_persona(request, persona)
        if not self.settings.collects:
            raise Denied("not_open", 403)
        guest = await self.guest(request)
        if code is None and guest is not None and guest.is_open(self.clock.now()):
            return web.json_response({"status": "open"})
        address = client_address(request, self.settings.trusted_proxies)
        if code is not None:
            if not isinstance(code, str) or len(code) > 100:
                raise Denied(UNKNOWN, 403)
            once = body.get("id")
            if not isinstance(once, str) or not ID.fullmatch(once):
                once = secrets.token_hex(16)
            by_link = body.get("link") is True
            token, outcome = await self._redeem(request, code, once, guest, address, by_link)
        else:
            token, outcome = await self._newcomer(request, address)
        self._told(outcome)
        return self._opened(request, token)

    async def _as_persona(self, request: web.Request, persona: object) -> web.Response:
        account = self.demo.accounts.get(str(persona)) if self.demo is not None else None
        if account is None:
            raise Denied("demo_only", 403)
        now = self.clock.now()

        def begin(store: Store) -> tuple[str, Outcome | None]:
            found, _ = store.people.arrive(PLATFORM, account, self.settings.language, now)
            chat = store.people.chat(PLATFORM, account, account_id=found.id)
            token = store.sessions.begin(found.id, now, signed_in=True)
            if chat.last_message:
                return token, None
            return token, self._arrival(store, found, now, signed_in=True)

        token, outcome = await self.database.write(begin)
        self._told(outcome)
        return self._opened(request, token)

    async def _newcomer(self, request: web.Request, address: str) -> tuple[str, Outcome]:
        now = self.clock.now()
        self._check(SESSIONS, address, now)

        def begin(store: Store) -> tuple[Verdict, tuple[str, Outcome] | None]:
            verdict = store.rates.count(SESSIONS, address, now)
            if not verdict.is_taken:
                return verdict, None
            account = self._new_account(store, request, now)
            token = store.sessions.begin(account.id, now)
            return verdict, (token, self._arrival(store, account, now))

        verdict, begun = await self.database.write(begin, last=True)
        await asyncio.sleep(verdict.delay)
        if begun is None:
            self._refused.add((SESSIONS, address), verdict.until)
            raise _too_many(verdict.until, now)
        return begun

    def _check(self, limit: Limit, address: str, now: datetime) -> None:
        """Refuse an address that is known to be over a limit."""
        until = self._refused.until((limit, address), now)
        if until is not None:
            raise _too_many(until, now)

    async def _redeem(
        self,
        request: web.Request,
        code: str,
        once: str,
        guest: Visitor | None,
        address: str,
        by_link: bool,
    ) -> tuple[str, Outcome]:
        """Redeem an invitation or a return code. Wrong codes are counted, and those for many.

        Args:
            once: the request's own id: the same request again is given the same answer.
            guest: whose browser it is, even if their session has closed.
            by_link: a link brought it, which may be anybody's: then it is no return code.
        """
        now = self.clock.now()
        self._check(CODES_HERE, address, now)

        def redeem(store: Store) -> tuple[str, Outcome] | Wrong:
            verdict = store.rates.peek(CODES_HERE, address, now)
            if not verdict.is_taken:
                return Wrong(verdict)
            again = _given_before(store, code, once, now)
            admitted = (
                again
                or (None if by_link else self._returning(store, code, now))
                or self._invited(store, request, code, guest, now)
            )
            if admitted is None:
                over = store.invitations.over(code)
                return Wrong(store.rates.count(CODES_HERE, address, now), over)
            account, signed_in = admitted
            if guest is not None and guest.is_open(now):
                store.sessions.end_by_id(guest.session_id)
            token = store.sessions.begin(account.id, now, signed_in=signed_in)
            if again is None:
                store.sessions.remember_redemption(code, once, account.id, signed_in, now)
            said = _said(code, signed_in, store)
            if said is None:
                store.rates.count(CODES_HERE, address, now)
            outcome = self._arrival(store, account, now, choice=said, signed_in=signed_in)
            return token, outcome

        redeemed = await self.database.write(redeem, last=guest is None)
        if isinstance(redeemed, Wrong):
            if not redeemed.verdict.is_taken:
                self._refused.add((CODES_HERE, address), redeemed.verdict.until)
            raise await redeemed.told(now)
        self._remembered.clear()
        if guest is not None:
            self.streams.end(guest.chat_id, guest.session_id)
        _, outcome = redeemed
        if outcome.chat_id is not None:  # its other sessions may have ended
            self.streams.end(outcome.chat_id)
        return redeemed

    def _returning(self, store: Store, code: str, now: datetime) -> tuple[Account, bool] | None:
        """The account that a return code stands for. It opens none whose person has a role.

        They may have been given it since, on another of their accounts. Its other sessions end:
        whoever gave away their own code reads nothing of who typed it.
        """
        account_id = store.sessions.redeem_return_code(code)
        account = None if account_id is None else store.session.get(Account, account_id)
        if account is None or account.platform != PLATFORM:
            return None
        person = account.person_id
        holds = store.grants.roles_of(person, now) or store.organisations.mandates_of(person, now)
        if holds:
            return None
        store.sessions.end_all(account.id)
        return account, False

    def _invited(
        self,
        store: Store,
        request: web.Request,
        code: str,
        guest: Visitor | None,
        now: datetime,
    ) -> tuple[Account, bool] | None:
        """The account to which an invitation gives its role.

        It is the guest's own, unless that one holds other roles: an invitation to one role must
        not open another. From then on only an invitation opens it: its return code stops working,
        and its other sessions end. An invitation to no role opens a new one; who is there goes on
        as they are, and uses none.

        Raises:
            Denied: they are banned, or asked for it themselves; it is not used.
        """
        own = None if guest is None else store.session.get_one(Account, guest.account_id)
        is_open = guest is not None and guest.is_open(now)
        signed_in = guest is not None and guest.signed_in and is_open
        found = store.invitations.waiting(code, now)
        if found is None:
            return None
        if found.role is None and own is not None and is_open:
            return own, signed_in
        if found.role and own and store.restrictions.is_banned(own.person_id, now):
            raise Denied("banned", 403)
        try:
            by = None if own is None else own.person_id
            invitation = entrances.redeem(code, by, store, now)
        except entrances.OwnInvitation:
            raise Denied("own_invitation", 403) from None
        if invitation is None:
            return None
        if invitation.role is None:
            return self._new_account(store, request, now), False
        if own is None or not (
            signed_in or store.invitations.renews(invitation, own.person_id, now)
        ):
            own = self._new_account(store, request, now)
        store.invitations.apply(invitation, own.person_id, now)
        entrances.note_redeemed(store, invitation, own.person_id, PLATFORM, now)
        store.sessions.drop_return_code(own.id)
        store.sessions.end_all(own.id)
        return own, True

    def _new_account(self, store: Store, request: web.Request, now: datetime) -> Account:
        language = language_of(request, self.settings.language)
        return store.people.arrive(PLATFORM, secrets.token_hex(16), language, now)[0]

    def _arrival(
        self,
        store: Store,
        account: Account,
        now: datetime,
        *,
        choice: str | None = None,
        signed_in: bool = False,
    ) -> Outcome:
        """Welcome somebody in the transaction that opens their session."""
        return self.receiver.apply(
            store,
            Incoming(
                platform=PLATFORM,
                chat=account.address,
                sender=account.address,
                update_id=secrets.token_urlsafe(16),
                received_at=now,
                joined=choice is None,
                opens=True,
                choice=choice,
                signed_in=signed_in,
            ),
        )

    def _opened(self, request: web.Request, token: str) -> web.Response:
        response = web.json_response({"status": "open"})
        self._set_cookie(request, response, token)
        return response

    def _set_cookie(self, request: web.Request, response: web.Response, token: str) -> None:
        """The browser keeps it for as long as any session may serve; the server decides."""
        secure = is_secure(request, self.settings)
        set_cookie(response, self._cookie(request), token, secure=secure, days=IDLE.days)

    def _told(self, outcome: Outcome | None) -> None:
        if outcome is not None and outcome.chat_id is not None:
            self.streams.publish(outcome.chat_id, outcome.events)

    def _cookie(self, request: web.Request) -> str:
        """The cookie's name: in the demo, each tab may be somebody else."""
        persona = request.query.get("as", "")
        known = self.demo is not None and persona in self.demo.accounts
        return f"{COOKIE}_{persona}" if known else COOKIE

    async def guest(self, request: web.Request) -> Visitor | None:
        """Whose browser it is, even if their session has closed. Remembered for a few seconds."""
        token = request.cookies.get(self._cookie(request), "")
        if not token or len(token) > 100 or not token.isascii():
            return None
        now = self.clock.now()
        known = self._remembered.get(token)
        if known is not None and now < known[0] + REMEMBERED:
            return known[1]
        guest = await self.database.read_with_others(_visitors, token)
        if guest is None:
            self._remembered.pop(token, None)
            return None
        self._remembered[token] = (now, guest)
        self._remembered.move_to_end(token)
        if len(self._remembered) > MOST_REMEMBERED:
            self._remembered.popitem(last=False)
        return guest

    def look_again(self) -> None:
        """Some sessions have ended, or count roles by now: what is remembered may not be so."""
        self._remembered.clear()

    async def is_open(self, request: web.Request) -> bool:
        """Whether the session of who asks still serves."""
        guest = await self.guest(request)
        return guest is not None and guest.is_open(self.clock.now())

    async def required(self, request: web.Request) -> Visitor:
        """Who asks, with an open session. Errors are then told in their language."""
        guest = await self.guest(request)
        if guest is None or not guest.is_open(self.clock.now()):
            raise Denied("no_session", 403)
        request[SPOKEN] = guest.language
        return guest

    async def renew(self, request: web.Request, response: web.Response, guest: Visitor) -> None:
        """Keep a session open that a person uses, and its cookie with it."""
        now = self.clock.now()
        if now < guest.last_used_at + TOUCHED:
            return
        await self.database.write(lambda store: store.sessions.touch(guest, now))
        self._remembered.clear()
        self._set_cookie(request, response, request.cookies[self._cookie(request)])

    def leave(self, request: web.Request, response: web.Response, guest: Visitor) -> None:
        """The session has ended: its browser forgets it, with the photos it showed."""
        self._remembered.clear()
        self.streams.end(guest.chat_id, guest.session_id)
        response.del_cookie(self._cookie(request), path="/")
        response.headers["Clear-Site-Data"] = '"cache"'


def _too_many(until: datetime, now: datetime) -> Denied:
    """Too many come from one network; when to come back is said."""
    return Denied("too_many_here", 429, retry_after=seconds(until, now))


def _said(code: str, signed_in: bool, store: Store) -> str | None:
    """What who came in by a code is told; None: they are welcomed as anybody."""
    known = store.invitations.find(code)
    if known is not None and known.role is None:
        return None
    return "people.invited" if signed_in else "people.returned"


def _visitors(store: Store, tokens: list[str]) -> list[Visitor | None]:
    return store.sessions.visitors(tokens)


def _given_before(store: Store, code: str, once: str, now: datetime) -> tuple[Account, bool] | None:
    """What the very same request was given, if its answer was lost on the way."""
    given = store.sessions.redemption(code, once, now)
    return None if given is None else (store.session.get_one(Account, given[0]), given[1])
