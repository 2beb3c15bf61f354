"""What the demo adds to the web chat: personas one click apart, and a clock to move."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime, timedelta
from importlib.resources import files
from typing import NoReturn
from urllib.parse import urlsplit

from aiohttp import web
from jinja2 import Environment

from bot.addresses import is_loopback_host
from bot.platforms.web.language import language_of
from bot.platforms.web.routes import Caller, WebRoute, post
from bot.platforms.web.safety import (
    Denied,
    check_origin,
    is_loopback,
    is_same,
    read_address,
    set_cookie,
)
from bot.rendering import texts_for
from bot.settings import Settings

KEY_COOKIE = "preau_key"
_STEPS = {"1h": timedelta(hours=1), "1d": timedelta(days=1), "next": None}
_PAGES = ("/", "/demo")
_HEALTH = ("/healthz", "/readyz")


class Demo:
    """Personas, a clock and (on a network) a key without which nobody enters.

    Args:
        accounts: the web address of each persona's account.
        advance: moves the clock by a step, or to the next event.
        key: what those who are not on this machine must bring.
        hosts: names, besides those of this machine, under which the demo is visited.
    """

    def __init__(
        self,
        settings: Settings,
        accounts: Mapping[str, str],
        advance: Callable[[timedelta | None], Awaitable[datetime]],
        key: str | None = None,
        hosts: Collection[str] = (),
    ) -> None:
        self.settings = settings
        self.accounts = accounts
        self.advance = advance
        self.key = key
        self.hosts = hosts

    def routes(self) -> list[WebRoute]:
        return [post("/api/v1/demo/clock", self.clock, who=Caller.page)]

    def check_key(self, request: web.Request) -> None:
        """Let in this machine, and on a network who scanned the key; it then stays in a cookie."""
        if request.path in _HEALTH:
            return
        if not self._is_own_name(request):
            self._refuse(request, "bad_origin")
        if self.key is None or is_loopback(request):
            return
        if is_same(request.query.get("key", ""), self.key):
            found = web.HTTPFound("/")
            # Lax: browsers withhold a strict one after a redirect that began in another program.
            set_cookie(found, KEY_COOKIE, self.key, secure=False, days=1, samesite="Lax")
            raise found
        if not is_same(request.cookies.get(KEY_COOKIE, ""), self.key):
            self._refuse(request, "no_key")

    def _is_own_name(self, request: web.Request) -> bool:
        """Whether the page was asked for under a name of ours.

        Another site may give its own name our address, and would then be let in as this machine.
        """
        try:
            host = urlsplit(f"//{request.host}").hostname or ""
        except ValueError:
            return False
        if is_loopback_host(host) or host in self.hosts:
            return True
        reached = request.transport.get_extra_info("sockname") if request.transport else None
        served = read_address(reached[0]) if reached else None
        return served is not None and read_address(host) == served

    def _refuse(self, request: web.Request, name: str) -> NoReturn:
        """Refuse, on a page for people, as data for the rest."""
        if request.path not in _PAGES:
            raise Denied(name, 403)
        language = language_of(request, self.settings.language)
        texts = texts_for(language, self.settings.zone)
        template = files("bot.platforms.web") / "page" / "refused.html.jinja"
        page = Environment(autoescape=True).from_string(template.read_text("utf-8"))
        text = page.render(
            language=texts.language,
            title=texts.plain("web.title"),
            text=texts.plain(f"web_errors.{name}"),
        )
        raise web.HTTPForbidden(text=text, content_type="text/html")

    async def clock(self, request: web.Request) -> web.Response:
        check_origin(request, None)
        try:
            body = await request.json()
            step = _STEPS[body["advance"]]
        except (ValueError, KeyError, TypeError):
            raise Denied("bad_request", 400) from None
        now = await self.advance(step)
        return web.json_response({"now": now.isoformat()})
