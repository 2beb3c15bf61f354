"""The web chat's API, version 1: a session, messages in, events out, files."""

import asyncio
import contextlib
import hashlib
import json
import re
import secrets
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any

from aiohttp import BodyPartReader, web
from markupsafe import escape

from bot.clock import Clock
from bot.markup import as_page, as_plain
from bot.messages import Incoming
from bot.platforms.base import Outcome, Receiver
from bot.platforms.web.choices import (
    Forged,
    choice_id,
    file_name,
    read_choice,
    read_file_name,
)
from bot.platforms.web.demo import Demo
from bot.platforms.web.safety import COOKIE, Denied, check_origin, client_address, set_cookie
from bot.platforms.web.streams import CAUGHT_UP, Streams, Toast
from bot.settings import Settings
from storage.conversations import Seen
from storage.database import Database
from storage.deliveries import Operation, PageEvent
from storage.people import Account
from storage.sessions import IDLE, Visitor
from storage.store import Store

PLATFORM = "web"
LONGEST_TEXT = 20_000
LARGEST_JSON = 128 * 1024
LARGEST_FILE = 10 * 1024 * 1024
SESSIONS_AN_HOUR = 1000  # from one address: a whole school may share one
WRONG_CODES = 30  # from one address, in ten minutes
REMEMBERED = timedelta(seconds=5)
MOST_EVENTS = 200  # in one answer
TOUCHED = timedelta(minutes=5)
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KINDS = {Operation.send: "message", Operation.edit: "edit", Operation.delete: "delete"}


class Api:
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
        self._guests: OrderedDict[str, tuple[datetime, Visitor]] = OrderedDict()
        self._cleaning = asyncio.Semaphore(2)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/api/v1/session", self.session),
            web.post("/api/v1/messages", self.messages),
            web.get("/api/v1/events", self.events, allow_head=False),
            web.get("/api/v1/history", self.history),
            web.get("/api/v1/files/{name}", self.file),
        ]

    # Sessions

    async def session(self, request: web.Request) -> web.Response:
        """Open a session: as a newcomer, with a code, or (in the demo) as a persona."""
        check_origin(request, self.settings.public_url)
        body = await _json(request)
        code, persona = body.get("code"), body.get("persona")
        if persona is not None:
            return await self._as_persona(request, persona)
        if not self.settings.collects:
            raise Denied("not_open", 403)
        guest = await self._guest(request)
        if code is None and guest is not None:
            return web.json_response({"status": "open"})
        address = client_address(request, self.settings.trusted_proxies)
        if code is not None:
            if not isinstance(code, str) or len(code) > 100:
                raise Denied("unknown_code", 403)
            token, signed_in, outcome = await self._redeem(code, guest, address)
        else:
            token, outcome = await self._newcomer(address)
            signed_in = False
        self._told(outcome)
        return self._opened(request, token, signed_in)

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
        return self._opened(request, token, signed_in=True)

    async def _newcomer(self, address: str) -> tuple[str, Outcome]:
        now = self.clock.now()

        def begin(store: Store) -> tuple[str, Outcome] | None:
            key = f"sessions {address}"
            if not store.sessions.try_again(key, SESSIONS_AN_HOUR, timedelta(hours=1), now):
                return None
            account = self._new_account(store, now)
            token = store.sessions.begin(account.id, now)
            return token, self._arrival(store, account, now)

        begun = await self.database.write(begin)
        if begun is None:
            raise Denied("too_many", 429, retry_after=600)
        return begun

    async def _redeem(
        self, code: str, guest: Visitor | None, address: str
    ) -> tuple[str, bool, Outcome]:
        """Redeem an invitation or a return code. Wrong codes are counted, right ones are not."""
        now = self.clock.now()
        key, window = f"codes {address}", timedelta(minutes=10)

        def redeem(store: Store) -> tuple[str, bool, Outcome] | str:
            if store.sessions.tries(key, window, now) >= WRONG_CODES:
                return "too_many"
            returning = store.sessions.redeem_return_code(code)
            if returning is not None:
                account = store.session.get_one(Account, returning)
                token = store.sessions.begin(account.id, now)
                return token, False, self._arrival(store, account, now, choice="people.returned")
            invitation = store.invitations.redeem(code, now)
            if invitation is None:
                store.sessions.try_again(key, WRONG_CODES, window, now)
                return "unknown_code"
            if guest is not None:
                account = store.session.get_one(Account, guest.account_id)
                store.sessions.end_by_id(guest.session_id)
            else:
                account = self._new_account(store, now)
            signed_in = invitation.role is not None
            token = store.sessions.begin(account.id, now, signed_in=signed_in)
            store.invitations.apply(invitation, account.person_id, now)
            outcome = self._arrival(
                store, account, now, choice="people.invited", signed_in=signed_in
            )
            return token, signed_in, outcome

        redeemed = await self.database.write(redeem)
        if redeemed == "too_many":
            raise Denied("too_many", 429, retry_after=600)
        if isinstance(redeemed, str):
            raise Denied(redeemed, 403)
        self._guests.clear()
        return redeemed

    def _new_account(self, store: Store, now: datetime) -> Account:
        account, _ = store.people.arrive(
            PLATFORM, secrets.token_hex(16), self.settings.language, now
        )
        return account

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
                choice=choice,
                signed_in=signed_in,
            ),
        )

    def _opened(self, request: web.Request, token: str, signed_in: bool) -> web.Response:
        response = web.json_response({"status": "open"})
        days = 1 if signed_in else IDLE.days
        set_cookie(
            response, self._cookie(request), token, secure=self._is_secure(request), days=days
        )
        return response

    def _told(self, outcome: Outcome | None) -> None:
        if outcome is not None and outcome.chat_id is not None:
            self.streams.publish(outcome.chat_id, outcome.events)

    def _cookie(self, request: web.Request) -> str:
        """The cookie's name: in the demo, each tab may be somebody else."""
        persona = request.query.get("as", "")
        known = self.demo is not None and persona in self.demo.accounts
        return f"{COOKIE}_{persona}" if known else COOKIE

    def _is_secure(self, request: web.Request) -> bool:
        return request.secure or (self.settings.public_url or "").startswith("https:")

    async def _guest(self, request: web.Request) -> Visitor | None:
        """Who asks, if their session still holds. Remembered for a few seconds."""
        token = request.cookies.get(self._cookie(request), "")
        if not token or len(token) > 100:
            return None
        now = self.clock.now()
        remembered = self._guests.get(token)
        if remembered is not None and now < remembered[0] + REMEMBERED:
            return remembered[1]

        guest = await self.database.read(lambda store: store.sessions.visitor(token, now))
        if guest is None:
            self._guests.pop(token, None)
            return None
        if guest.last_used_at + TOUCHED < now:
            session_id = guest.session_id
            await self.database.write(lambda store: store.sessions.touch(session_id, now))
        self._guests[token] = (now, guest)
        self._guests.move_to_end(token)
        if len(self._guests) > 10_000:
            self._guests.popitem(last=False)
        return guest

    async def _required(self, request: web.Request) -> Visitor:
        guest = await self._guest(request)
        if guest is None:
            raise Denied("no_session", 403)
        return guest

    # Messages

    async def messages(self, request: web.Request) -> web.Response:
        """Take one message; 200 means that it is committed."""
        received_at = self.clock.now()
        check_origin(request, self.settings.public_url)
        guest = await self._required(request)
        if not self.settings.collects:
            raise Denied("not_open", 403)
        if request.content_type == "multipart/form-data":
            outcome = await self._photo(request, guest, received_at)
        else:
            body = await _json(request)
            incoming = self._incoming(body, guest, received_at)
            outcome = await self.receiver.receive(incoming)
        return self._committed(request, guest, outcome)

    def _incoming(self, body: dict[str, Any], guest: Visitor, received_at: datetime) -> Incoming:
        update_id, text, choice = body.get("id"), body.get("text"), body.get("choice")
        if not isinstance(update_id, str) or not _ID.fullmatch(update_id):
            raise Denied("bad_request", 400)
        if isinstance(text, str) and choice is None:
            if len(text) > LONGEST_TEXT:
                raise Denied("too_long", 413)
            return self._said(guest, update_id, received_at, text=text)
        if not isinstance(choice, str) or text is not None or len(choice) > 200:
            raise Denied("bad_request", 400)
        try:
            pressed = read_choice(self.database.keyring, guest.chat_id, choice)
        except Forged:
            raise Denied("unknown_choice", 400) from None
        return self._said(
            guest, update_id, received_at, choice=pressed.action, message=pressed.message
        )

    def _said(self, guest: Visitor, update_id: str, received_at: datetime, **said: Any) -> Incoming:
        return Incoming(
            platform=PLATFORM,
            chat=guest.address,
            sender=guest.address,
            update_id=update_id,
            received_at=received_at,
            signed_in=guest.signed_in,
            session_id=guest.session_id,
            **said,
        )

    async def _photo(self, request: web.Request, guest: Visitor, received_at: datetime) -> Outcome:
        """Take a photo: looked at, then cleaned, then committed with its answer."""
        from bot.photos import UnusablePhoto, clean_photo

        update_id, data = await _multipart(request)
        digest = hashlib.sha256(data).hexdigest()
        incoming = self._said(guest, update_id, received_at, text="", digest=digest)
        known = await self.receiver.wants_photo(incoming)
        if known is not None:
            return known
        try:
            async with self._cleaning:
                photo = await asyncio.to_thread(clean_photo, data)
        except UnusablePhoto as unusable:
            problem = f"reports.photo_{unusable.reason}"
            incoming = self._said(
                guest, update_id, received_at, text="", digest=digest, problem=problem
            )
        else:
            incoming = self._said(
                guest, update_id, received_at, text="", digest=digest, photos=(photo.content,)
            )
        return await self.receiver.receive(incoming)

    def _committed(self, request: web.Request, guest: Visitor, outcome: Outcome) -> web.Response:
        if outcome.wait:
            raise Denied("too_many", 429, retry_after=outcome.wait)
        if outcome.seen is Seen.reused:
            raise Denied("reused_id", 400)
        if outcome.toast:
            self.streams.toast(guest.chat_id, outcome.toast)
        response = web.json_response({"status": "committed"})
        if outcome.left:
            name = self._cookie(request)
            self._guests.pop(request.cookies.get(name, ""), None)
            self.streams.end(guest.chat_id, guest.session_id)
            response.del_cookie(name, path="/")
        return response

    # Events

    async def events(self, request: web.Request) -> web.StreamResponse:
        """The chat's events after a number, then those to come, as server-sent events."""
        guest = await self._required(request)
        after = await self._after(request, guest.chat_id)
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            }
        )
        await response.prepare(request)
        await response.write(b": here\n\n")
        chat_id, last = guest.chat_id, after

        async def read(number: int) -> list[PageEvent]:
            return await self.database.read(
                lambda store: store.deliveries.page_events(chat_id, number)
            )

        listening = self.streams.listen(chat_id, guest.session_id, after, read)
        with contextlib.suppress(ConnectionError):  # the page went away
            async for item in listening:
                if item is CAUGHT_UP:
                    await response.write(b": caught up\n\n")
                elif item is None:
                    if await self._guest(request) is None:
                        break
                    await response.write(b": alive\n\n")
                elif isinstance(item, Toast):
                    await response.write(_framed(last, self._toast(item)))
                else:
                    last = item.event
                    await response.write(_framed(last, self._event(chat_id, item)))
        await listening.aclose()
        return response

    async def _after(self, request: web.Request, chat_id: int) -> int:
        """The event that the page has seen last; with `last=n`, all but the newest n are passed."""
        newest = request.query.get("last")
        if newest is None or "Last-Event-ID" in request.headers:
            return _number(request.headers.get("Last-Event-ID") or request.query.get("after", "0"))
        most = _number(newest)
        last = await self.database.read(lambda store: store.deliveries.last_event(chat_id))
        return max(0, last - most)

    async def history(self, request: web.Request) -> web.Response:
        """Events before a number, oldest first: what the page shows on request."""
        guest = await self._required(request)
        before = _number(request.query.get("before", "0"))
        most = min(_number(request.query.get("most", "40")), MOST_EVENTS)
        after = max(0, before - 1 - most)
        events = await self.database.read(
            lambda store: store.deliveries.page_events(guest.chat_id, after, before - 1 - after)
        )
        shown = [{"id": one.event, **self._event(guest.chat_id, one)} for one in events]
        return web.json_response({"events": shown})

    def _event(self, chat_id: int, event: PageEvent) -> dict[str, Any]:
        keyring, body = self.database.keyring, event.body
        markup = body.get("markup", "")
        return {
            "kind": _KINDS[event.operation],
            "message": int(event.message),
            "html": as_page(markup),
            "text": as_plain(markup),
            "choices": [
                {"id": choice_id(keyring, chat_id, event.message, action), "label": label}
                for action, label in body.get("choices", ())
            ],
            "files": [
                {
                    "url": f"/api/v1/files/{file_name(keyring, chat_id, file_id)}",
                    "name": name,
                    "type": media_type,
                }
                for file_id, name, media_type in body.get("files", ())
            ],
            "at": event.at.isoformat(),
            "said": body.get("said"),
        }

    def _toast(self, toast: Toast) -> dict[str, Any]:
        return {
            "kind": "toast",
            "message": None,
            "html": str(escape(toast.text)),
            "text": toast.text,
            "choices": [],
            "files": [],
            "at": self.clock.now().isoformat(),
        }

    # Files

    async def file(self, request: web.Request) -> web.Response:
        """A file that was sent to this chat; its name is good for no other."""
        guest = await self._required(request)
        try:
            name = request.match_info["name"]
            file_id = read_file_name(self.database.keyring, guest.chat_id, name)
        except Forged:
            raise Denied("not_found", 404) from None
        found = await self.database.read(lambda store: store.files.content(file_id))
        if found is None:
            raise Denied("not_found", 404)
        media_type, content = found
        cache = {"Cache-Control": "private, max-age=86400", "Content-Disposition": "inline"}
        return web.Response(body=content, content_type=media_type, headers=cache)


def _framed(number: int, event: dict[str, Any]) -> bytes:
    data = json.dumps({"id": number, **event}, ensure_ascii=False)
    return f"id: {number}\ndata: {data}\n\n".encode()


def _number(given: str) -> int:
    if not given.isascii() or not given.isdigit() or len(given) > 12:
        raise Denied("bad_request", 400)
    return int(given)


async def _json(request: web.Request) -> dict[str, Any]:
    """The JSON object posted, an empty body being an empty one."""
    raw = await request.content.read(LARGEST_JSON + 1)
    while not request.content.at_eof() and len(raw) <= LARGEST_JSON:
        raw += await request.content.read(LARGEST_JSON + 1 - len(raw))
    if len(raw) > LARGEST_JSON:
        await _drain(request)
        raise Denied("too_long", 413)
    if not raw:
        return {}
    if request.content_type != "application/json":
        raise Denied("bad_request", 400)
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise Denied("bad_request", 400) from None
    if not isinstance(body, dict):
        raise Denied("bad_request", 400)
    return body


async def _drain(request: web.Request) -> None:
    """Read the rest of a body that is refused, so that its sender hears why; not without end."""
    left = LARGEST_FILE
    while left > 0 and (chunk := await request.content.readany()):
        left -= len(chunk)


async def _multipart(request: web.Request) -> tuple[str, bytes]:
    """The id and the file of an upload. Its declared name and type are not even looked at."""
    update_id, data = None, None
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader):
                raise Denied("bad_request", 400)
            most = LARGEST_FILE if part.name == "file" else 64
            content = await _part(part, most)
            if part.name == "id":
                update_id = content.decode("ascii", "replace")
            elif part.name == "file":
                data = content
    except ValueError:
        raise Denied("bad_request", 400) from None
    if update_id is None or data is None or not _ID.fullmatch(update_id):
        raise Denied("bad_request", 400)
    return update_id, data


async def _part(part: BodyPartReader, most: int) -> bytes:
    content = bytearray()
    while chunk := await part.read_chunk():
        content += chunk
        if len(content) > most:
            raise Denied("too_heavy", 413)
    return bytes(content)
