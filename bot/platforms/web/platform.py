"""The web platform: aiohttp serves the page, its API, and health."""

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from aiohttp import web

from bot.clock import Clock
from bot.pace import Pace
from bot.platforms.base import Call, Receiver
from bot.platforms.web.api import Api
from bot.platforms.web.demo import Demo
from bot.platforms.web.health import Health
from bot.platforms.web.language import language_of
from bot.platforms.web.page import Page
from bot.platforms.web.public import Public
from bot.platforms.web.routes import WebRoute
from bot.platforms.web.safety import Denied, headers
from bot.platforms.web.sessions import PLATFORM, Sessions
from bot.platforms.web.streams import Streams
from bot.rendering import texts_for
from bot.settings import Settings
from storage.database import Database, Unavailable
from storage.deliveries import PageEvent
from storage.sessions import SESSION

log = structlog.get_logger()

LARGEST_BODY = 11 * 1024 * 1024
RETRY_AFTER = 5  # seconds


class WebChat:
    """See `bot.platforms.base.Platform`.

    Args:
        demo: what the demo adds (personas, a clock to move), if this is one.
        more: what other platforms serve on the same port.
    """

    name = PLATFORM
    keeps_page = True
    shows_buttons = True
    knows_repeats = True
    pace: Pace | None = None

    def __init__(
        self,
        settings: Settings,
        database: Database,
        clock: Clock,
        demo: Demo | None = None,
        more: Sequence[WebRoute] = (),
    ) -> None:
        self.settings = settings
        self.database = database
        self.clock = clock
        self.demo = demo
        self.more = more
        self.streams = Streams()
        self.port: int | None = None
        self._sessions: Sessions | None = None
        self.listening = asyncio.Event()

    def application(self, receiver: Receiver) -> web.Application:
        app = web.Application(client_max_size=LARGEST_BODY, middlewares=[self._guard])
        app.add_routes([one.definition() for one in self.routes(receiver)])
        return app

    def routes(self, receiver: Receiver) -> list[WebRoute]:
        """All that is served."""
        routes = [*Health(self.settings, self.database, self.clock).routes(), *self.more]
        if self.settings.web_chat:
            api = Api(self.settings, self.database, self.clock, receiver, self.streams, self.demo)
            self._sessions = api.sessions
            page = Page(self.settings, self.demo)
            public = Public(self.settings, self.database, self.clock, page.version)
            routes += [*api.routes(), *page.routes(), *public.routes()]
            if self.demo is not None:
                routes += self.demo.routes()
        return routes

    async def run(self, receiver: Receiver) -> None:
        """Listen until cancelled; `listening` is set once connections are accepted."""
        runner = web.AppRunner(
            self.application(receiver),
            access_log=None,
            handle_signals=False,
            shutdown_timeout=2,
            keepalive_timeout=75,
            auto_decompress=False,  # nobody who posts to us compresses; bombs are compressed
        )
        await runner.setup()
        try:
            site = web.TCPSite(runner, self.settings.web_host, self.settings.web_port)
            await site.start()
            self.port = runner.addresses[0][1]
            self.listening.set()
            await asyncio.Event().wait()
        finally:
            self.streams.end_all()
            await runner.cleanup()

    def parts(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        raise AssertionError("a page takes a message whole")

    async def call(self, call: Call) -> str:
        raise AssertionError("what goes on the page is delivered by the commit")

    def publish(self, chat_id: int, events: tuple[PageEvent, ...]) -> None:
        self.streams.publish(chat_id, events)
        is_told = any((event.subject or "").partition(":")[0] == SESSION for event in events)
        if is_told and self._sessions is not None:
            self._sessions.look_again()

    async def close(self) -> None:
        self.streams.end_all()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Safe headers on every answer, and every error as data in the person's language."""
        try:
            if self.demo is not None:
                self.demo.check_key(request)
            response: web.StreamResponse = await handler(request)
        except Denied as denied:
            response = self._error(request, denied)
        except Unavailable:
            response = self._error(request, Denied("unavailable", 503, retry_after=RETRY_AFTER))
        except web.HTTPRequestEntityTooLarge:
            response = self._error(request, Denied("too_heavy", 413))
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as missing:
            response = self._error(request, Denied("not_found", missing.status))
        except web.HTTPException as known:
            known.headers.update(headers(framed=self.demo is not None))
            raise
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("request failed", path=request.path)
            response = self._error(request, Denied("failed", 500))
        if not response.prepared:
            response.headers.update(headers(framed=self.demo is not None))
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    def _error(self, request: web.Request, denied: Denied) -> web.Response:
        texts = texts_for(language_of(request, self.settings.language), self.settings.zone)
        body = {"error": denied.name, "text": texts.plain(f"web_errors.{denied.name}")}
        response = web.json_response(body, status=denied.status)
        if denied.retry_after:
            response.headers["Retry-After"] = str(denied.retry_after)
        return response
