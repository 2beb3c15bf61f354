"""The web chat's API, version 1: a session, messages in, events out, files."""

import asyncio
import hashlib
import json
import time
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from aiohttp import web
from markupsafe import escape

from bot.attachments import Attachments, kind_of
from bot.clock import Clock
from bot.exporting import file_of
from bot.markup import as_page, as_plain
from bot.messages import Incoming
from bot.platforms.base import Outcome, Receiver
from bot.platforms.web.bodies import ID, read_json, read_upload
from bot.platforms.web.choices import (
    Forged,
    choice_id,
    file_name,
    read_choice,
    read_file_name,
)
from bot.platforms.web.demo import Demo
from bot.platforms.web.ranges import only_asked
from bot.platforms.web.routes import Caller, WebRoute, get, post
from bot.platforms.web.safety import Denied, check_origin, headers
from bot.platforms.web.sessions import PLATFORM, Sessions
from bot.platforms.web.streams import CAUGHT_UP, Streams, Toast
from bot.settings import Settings
from bot.voice import MEDIA_TYPE
from storage.conversations import Seen
from storage.database import Database
from storage.deliveries import Operation, PageEvent
from storage.sessions import Visitor

LONGEST_TEXT = 20_000
CHECKED = 15.0  # seconds after which an open stream checks its session again
MOST_EVENTS = 200  # in one answer
# What a page cannot show, and how such a file's name ends.
_SAVED = {
    "text/calendar": "ics",
    "application/pdf": "pdf",
    "application/json": "json",
    "text/html": "html",
    "text/csv": "csv",
}
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
        self.sessions = Sessions(settings, database, clock, receiver, streams, demo)
        self._uploading = asyncio.Semaphore(8)  # bodies in memory
        self._attachments = Attachments()

    def routes(self) -> list[WebRoute]:
        session = Caller.session
        return [
            post("/api/v1/session", self.sessions.open, who=Caller.page),
            post("/api/v1/messages", self.messages, who=Caller.session_on_page),
            get("/api/v1/events", self.events, who=session, allow_head=False),
            get("/api/v1/history", self.history, who=session),
            get("/api/v1/files/{name}", self.file, who=session),
        ]

    # Messages

    async def messages(self, request: web.Request) -> web.Response:
        """Take one message; 200 means that it is committed."""
        check_origin(request, self.settings.public_url)
        guest = await self.sessions.required(request)
        if not self.settings.collects:
            raise Denied("not_open", 403)
        if request.content_type == "multipart/form-data":
            outcome = await self._with_file(request, guest)
        else:
            body = await read_json(request)
            received_at = self.clock.now()  # whole: what counts at a closing
            outcome = await self.receiver.receive(self._incoming(body, guest, received_at))
        return await self._committed(request, guest, outcome)

    def _incoming(self, body: dict[str, Any], guest: Visitor, received_at: datetime) -> Incoming:
        update_id, text, choice = body.get("id"), body.get("text"), body.get("choice")
        if not isinstance(update_id, str) or not ID.fullmatch(update_id):
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

    async def _with_file(self, request: web.Request, guest: Visitor) -> Outcome:
        """Take a photo, a PDF or a voice note: looked at, cleaned, committed with its answer."""
        async with self._uploading:
            update_id, data = await read_upload(request)
        received_at = self.clock.now()
        digest = hashlib.sha256(data).hexdigest()
        incoming = self._said(guest, update_id, received_at, text="", digest=digest)
        known = await self.receiver.wants(incoming, kind_of(data))
        if known is None:
            incoming = await self._attachments.taken(incoming, data)
        elif known.problem is not None:
            incoming = replace(incoming, problem=known.problem, about=known.about)
        else:
            return known
        return await self.receiver.receive(incoming)

    async def _committed(
        self, request: web.Request, guest: Visitor, outcome: Outcome
    ) -> web.Response:
        if outcome.gone:
            raise Denied("no_session", 403)
        if outcome.wait:
            raise Denied("too_many", 429, retry_after=outcome.wait)
        if outcome.seen is Seen.reused:
            raise Denied("reused_id", 400)
        if outcome.left:
            response = web.json_response({"status": "committed", "left": outcome.toast})
            self.sessions.leave(request, response, guest)
            return response
        if outcome.toast:
            self.streams.toast(guest.chat_id, outcome.toast)
        response = web.json_response({"status": "committed"})
        await self.sessions.renew(request, response, guest)
        return response

    # Events

    async def events(self, request: web.Request) -> web.StreamResponse:
        """The chat's events after a number, then those to come, as server-sent events."""
        guest = await self.sessions.required(request)
        after = await self._after(request, guest.chat_id)
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
                **headers(framed=self.demo is not None),
            }
        )
        await response.prepare(request)
        await response.write(b": here\n\n")
        chat_id, last = guest.chat_id, after

        async def read(number: int) -> list[PageEvent]:
            return await self.database.read(
                lambda store: store.deliveries.page_events(chat_id, number)
            )

        checked = time.monotonic()
        async with aclosing(
            self.streams.listen(chat_id, guest.session_id, after, read)
        ) as listening:
            with suppress(ConnectionError):  # the page went away
                async for item in listening:
                    if time.monotonic() > checked + CHECKED:
                        checked = time.monotonic()
                        if not await self.sessions.is_open(request):
                            break
                    if item is CAUGHT_UP:
                        await response.write(b": caught up\n\n")
                    elif item is None:
                        await response.write(b": alive\n\n")
                    elif isinstance(item, Toast):
                        await response.write(_framed(last, self._toast(item)))
                    else:
                        last = item.event
                        await response.write(_framed(last, self._event(chat_id, item)))
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
        guest = await self.sessions.required(request)
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
        guest = await self.sessions.required(request)
        try:
            name = request.match_info["name"]
            file_id = read_file_name(self.database.keyring, guest.chat_id, name)
        except Forged:
            raise Denied("not_found", 404) from None
        reader, now = (guest.account_id, guest.signed_in), self.clock.now()
        found = await self.database.read(lambda store: file_of(file_id, *reader, store, now))
        if found is None:
            raise Denied("not_found", 404)
        media_type, content = found
        ending = _SAVED.get(media_type)
        shown = f'attachment; filename="preau.{ending}"' if ending else "inline"
        kept = "no-store" if ending else "max-age=3600"  # what is saved may be all about somebody
        cache = {"Cache-Control": f"private, {kept}", "Content-Disposition": shown}
        charset = "utf-8" if media_type.startswith("text/") else None
        answer = web.Response(body=content, content_type=media_type, charset=charset, headers=cache)
        return only_asked(answer, content, request) if media_type == MEDIA_TYPE else answer


def _framed(number: int, event: dict[str, Any]) -> bytes:
    data = json.dumps({"id": number, **event}, ensure_ascii=False)
    return f"id: {number}\ndata: {data}\n\n".encode()


def _number(given: str) -> int:
    if not given.isascii() or not given.isdigit() or len(given) > 12:
        raise Denied("bad_request", 400)
    return int(given)
