"""Delivery to a webhook: in order within a chat, again and later when it is not taken.

core.telegram.org/bots/api#setwebhook; the order and the growing delay: WebhookActor.cpp of
tdlib/telegram-bot-api (queues by chat, `on_update_error`). Its delays begin at 1 s; here they are
short. As its own `--local` mode, and unlike Telegram's servers, it takes HTTP and any port.
"""

import asyncio
import re
import time
from collections import deque
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from tests.bot_api.errors import bad
from tests.bot_api.faults import Faults
from tests.bot_api.updates import Update, Updates

HEADER = "X-Telegram-Bot-Api-Secret-Token"
PORTS = (443, 80, 88, 8443)
_SECRET = re.compile(r"[A-Za-z0-9_-]*")


class Webhook:
    """The webhook of one bot, or none.

    Attributes:
        local: take HTTP, and any port.
        first_delay, longest_delay: seconds before an update is tried again; it doubles.
    """

    def __init__(self, updates: Updates, faults: Faults) -> None:
        self.url = ""
        self.secret = ""
        self.max_connections = 40
        self.local = True
        self.first_delay = 0.05
        self.longest_delay = 2.0
        self.last_error: tuple[int, str] | None = None
        self.tries = 0
        self._updates = updates
        self._faults = faults
        self._queues: dict[int, deque[Update]] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(40)
        self._http: aiohttp.ClientSession | None = None

    def check(self, url: str, secret: str) -> None:
        """Refuse what Telegram refuses as an address or a secret."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise bad("invalid webhook URL specified")
        if not self.local and parts.scheme != "https":
            raise bad("bad webhook: An HTTPS URL must be provided for webhook")
        if not self.local and (parts.port or 443) not in PORTS:
            raise bad("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
        if len(secret) > 256:
            raise bad("secret token is too long")
        if not _SECRET.fullmatch(secret):
            raise bad("secret token contains unallowed characters")

    async def set(self, url: str, secret: str, max_connections: int) -> None:
        """Deliver there from now on, first of all what is pending."""
        await self.stop()
        self.url, self.secret, self.max_connections = url, secret, max_connections
        self.last_error = None
        self._room = asyncio.Semaphore(max_connections)
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=60),
            connector=aiohttp.TCPConnector(limit=max_connections),
        )
        self._updates.wake("webhook")
        self._updates.pushed = self._queue
        for update in list(self._updates.pending.values()):
            self._queue(update)

    async def stop(self) -> None:
        """Deliver no more; what is not confirmed stays pending."""
        self.url = ""
        self._updates.pushed = None
        workers = list(self._workers)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        self._queues.clear()
        if self._http is not None:
            await self._http.close()
            self._http = None

    def info(self) -> dict[str, Any]:
        """A WebhookInfo."""
        found: dict[str, Any] = {
            "url": self.url,
            "has_custom_certificate": False,
            "pending_update_count": len(self._updates.pending),
        }
        if self.url:
            found["max_connections"] = self.max_connections
        if self._updates.allowed:
            found["allowed_updates"] = self._updates.allowed
        if self.last_error is not None:
            found["last_error_date"], found["last_error_message"] = self.last_error
        return found

    def _queue(self, update: Update) -> None:
        queue = self._queues.get(update.queue)
        if queue is not None:
            queue.append(update)
            return
        self._queues[update.queue] = deque([update])
        worker = asyncio.get_running_loop().create_task(self._deliver(update.queue))
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)

    async def _deliver(self, key: int) -> None:
        queue = self._queues[key]
        while queue:
            batch = list(queue)
            self._faults.shuffle(batch)
            queue.clear()
            for update in batch:
                await self._until_taken(update)
                if self._faults.twice():
                    await self._until_taken(update)
                self._updates.confirm(update.id)
        del self._queues[key]

    async def _until_taken(self, update: Update) -> None:
        delay = self.first_delay
        while True:
            async with self._room:
                wait = await self._post(update)
            if wait is None:
                return
            await asyncio.sleep(wait or delay)
            delay = min(delay * 2, self.longest_delay)

    async def _post(self, update: Update) -> float | None:
        """One try: None if it was taken, else the seconds that were asked for, or 0."""
        headers = {"Content-Type": "application/json"}
        if self.secret:
            headers[HEADER] = self.secret
        assert self._http is not None
        self.tries += 1
        try:
            async with self._http.post(self.url, data=update.body, headers=headers) as response:
                await response.read()
                if 200 <= response.status < 300:
                    return None
                status, reason = response.status, response.reason
                self._failed(f"Wrong response from the webhook: {status} {reason}")
                asked = response.headers.get("Retry-After", "")
                return float(asked) if asked.isdigit() else 0.0
        except (aiohttp.ClientError, TimeoutError, OSError):
            self._failed("Connection refused")
            return 0.0

    def _failed(self, why: str) -> None:
        self.last_error = (int(time.time()), why)
