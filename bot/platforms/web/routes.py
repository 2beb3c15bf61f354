"""What our HTTP server serves, each route with who may: none is served without.

Each handler checks that itself, before anything else; tests/test_rights.py asks each of them.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Caller(StrEnum):
    """Who may call a route.

    A `page` is one of our own: the browser says that no other site asks.
    """

    anyone = "anyone"
    page = "our own page"
    session = "an open session"
    session_on_page = "an open session, from our own page"
    monitor = "the metrics token, or this machine"
    telegram = "Telegram, by its secret"


@dataclass(frozen=True)
class WebRoute:
    method: str
    path: str
    handler: Handler
    who: Caller
    allow_head: bool = True

    def definition(self) -> web.RouteDef:
        options = {"allow_head": self.allow_head} if self.method == "GET" else {}
        return web.RouteDef(self.method, self.path, self.handler, options)


def get(path: str, handler: Handler, *, who: Caller, allow_head: bool = True) -> WebRoute:
    return WebRoute("GET", path, handler, who, allow_head)


def post(path: str, handler: Handler, *, who: Caller) -> WebRoute:
    return WebRoute("POST", path, handler, who)
