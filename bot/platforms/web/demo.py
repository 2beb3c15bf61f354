"""What the demo adds to the web chat: personas one click apart, and a clock to move."""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from aiohttp import web

from bot.platforms.web.safety import Denied, check_origin, is_loopback, set_cookie

KEY_COOKIE = "preau_key"
_STEPS = {"1h": timedelta(hours=1), "1d": timedelta(days=1), "next": None}


class Demo:
    """Personas, a clock and (on a local network) a key without which nobody enters.

    Args:
        accounts: the web address of each persona's account.
        advance: moves the clock by a step, or to the next event.
    """

    def __init__(
        self,
        accounts: Mapping[str, str],
        advance: Callable[[timedelta | None], Awaitable[datetime]],
        key: str | None = None,
    ) -> None:
        self.accounts = accounts
        self.advance = advance
        self.key = key

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/api/v1/demo/clock", self.clock)]

    def check_key(self, request: web.Request) -> None:
        """On a local network, let in only who scanned the key; it then stays in a cookie."""
        if self.key is None or is_loopback(request):
            return
        given = request.query.get("key", "")
        if given and hmac.compare_digest(given.encode(), self.key.encode()):
            found = web.HTTPFound("/")
            set_cookie(found, KEY_COOKIE, self.key, secure=False, days=1)
            raise found
        if not hmac.compare_digest(request.cookies.get(KEY_COOKIE, "").encode(), self.key.encode()):
            raise Denied("no_key", 403)

    async def clock(self, request: web.Request) -> web.Response:
        check_origin(request, None)
        try:
            body = await request.json()
            step = _STEPS[body["advance"]]
        except (ValueError, KeyError, TypeError):
            raise Denied("bad_request", 400) from None
        now = await self.advance(step)
        return web.json_response({"now": now.isoformat()})
