"""Whether it lives, whether it is ready, and what it counts."""

import asyncio
import time
from datetime import datetime, timedelta

import structlog
from aiohttp import web

from bot.addresses import on_network
from bot.clock import Clock
from bot.platforms.web.routes import Caller, WebRoute, get
from bot.platforms.web.safety import Denied, is_loopback, is_same
from bot.settings import Settings
from storage.database import Database
from storage.figures import Figures, figures
from storage.store import Store

log = structlog.get_logger()

PATIENCE = 3.0  # seconds for one proof; probes commonly give up after 4 or 5
REMEMBERED = 1.0  # seconds for which a proof holds, however many ask


def prove_write(store: Store, now: datetime) -> None:
    """Write one row for good: a full disk or a read-only file refuses nothing less."""
    store.rates.once("readyz", timedelta(days=1), now)


class Health:
    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self.settings = settings
        self.database = database
        self.clock = clock
        self._proving = asyncio.Lock()
        self._proved_at = -REMEMBERED
        self._well = True

    def routes(self) -> list[WebRoute]:
        return [
            get("/healthz", self.alive, who=Caller.anyone),
            get("/readyz", self.ready, who=Caller.anyone),
            get("/metrics", self.metrics, who=Caller.monitor),
        ]

    async def alive(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(self, _: web.Request) -> web.Response:
        """Whether the database takes what people say."""
        async with self._proving:
            if time.monotonic() >= self._proved_at + REMEMBERED:
                self._well = await self._prove()
                self._proved_at = time.monotonic()
        if not self._well:
            return web.Response(text="the database takes no writing\n", status=503)
        return web.Response(text="ready\n")

    async def _prove(self) -> bool:
        now = self.clock.now()
        try:
            async with asyncio.timeout(PATIENCE):
                await self.database.write(lambda store: prove_write(store, now))
        except Exception as error:
            if self._well:
                log.warning("not ready", error=type(error).__name__, why=_first_line(error))
            return False
        if not self._well:
            log.info("ready again")
        return True

    async def metrics(self, request: web.Request) -> web.Response:
        """Counters for Prometheus, with the token.

        Without a public address there may be no proxy, and this machine needs no token.
        """
        token, settings = self.settings.metrics_token, self.settings
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        with_token = token is not None and is_same(given, token.get_secret_value())
        is_own = settings.public_url in (None, on_network(settings.web_host, settings.web_port))
        if not with_token and not (is_own and is_loopback(request)):
            raise Denied("not_found", 404)
        now = self.clock.now()
        counted = await self.database.read(lambda store: figures(store, now))
        return web.Response(body=_exposed(counted), content_type="text/plain")


def _exposed(counted: Figures) -> bytes:
    """In the text format of Prometheus, after what its library says of the process."""
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    ours = CollectorRegistry()
    for name, meaning, value in (
        (
            "deliveries_waiting",
            "Deliveries that wait for their time or their turn",
            counted.deliveries_waiting,
        ),
        (
            "oldest_due_seconds",
            "How long the oldest due delivery has waited",
            counted.oldest_due.total_seconds(),
        ),
        ("reports_waiting", "Reports that wait for a review", counted.reports_waiting),
        ("polls_open", "Polls that are open", counted.polls_open),
        ("people", "People, without those erased", counted.people),
        (
            "updates_set_aside",
            "Updates set aside after they failed, kept for a week",
            counted.updates_set_aside,
        ),
        ("database_bytes", "Size of the database", counted.bytes),
    ):
        Gauge(f"preau_{name}", meaning, registry=ours).set(value)
    return generate_latest() + generate_latest(ours)


def _first_line(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip().splitlines() or [type(error).__name__])[0]
