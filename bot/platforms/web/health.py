"""Whether it lives, whether it is ready, and what it counts."""

import asyncio
import hmac

from aiohttp import web

from bot.clock import Clock
from bot.platforms.web.safety import Denied, is_loopback
from bot.settings import Settings
from storage.database import Database

PATIENCE = 5  # seconds


class Health:
    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self.settings = settings
        self.database = database
        self.clock = clock

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/healthz", self.alive),
            web.get("/readyz", self.ready),
            web.get("/metrics", self.metrics),
        ]

    async def alive(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(self, _: web.Request) -> web.Response:
        """Whether the database answers."""
        now = self.clock.now()
        try:
            async with asyncio.timeout(PATIENCE):
                await self.database.read(lambda store: store.deliveries.is_due(now))
        except Exception:
            return web.Response(text="the database does not answer\n", status=503)
        return web.Response(text="ready\n")

    async def metrics(self, request: web.Request) -> web.Response:
        """Counters for Prometheus, with the token, or from this machine itself."""
        from prometheus_client import generate_latest

        token = self.settings.metrics_token
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        with_token = token is not None and hmac.compare_digest(
            given.encode(), token.get_secret_value().encode()
        )
        if not with_token and not is_loopback(request):
            raise Denied("not_found", 404)
        return web.Response(body=generate_latest(), content_type="text/plain")
