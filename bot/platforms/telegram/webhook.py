"""The webhook: Telegram posts updates to our own HTTP server, and is answered once committed."""

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import web
from telegram import Bot, Update

from bot.platforms.telegram.slimming import slim
from storage.database import Unavailable

log = structlog.get_logger()

LARGEST = 1024 * 1024  # bytes of an update
HEADER = "X-Telegram-Bot-Api-Secret-Token"

Take = Callable[[Update, dict[str, Any]], Awaitable[None]]


def path_of(token: str) -> str:
    """Where updates are posted: nobody guesses it, and it gives nothing away of the token."""
    return f"/telegram/{hashlib.sha256(f'preau webhook {token}'.encode()).hexdigest()[:32]}"


class Webhook:
    """Takes updates from whoever knows the secret.

    200 means committed; any other answer has Telegram post the update again. Until it is answered
    Telegram posts nothing else of the same chat.
    """

    def __init__(self, bot: Bot, secret: str, take: Take) -> None:
        self._bot = bot
        self._secret = secret.encode()
        self._take = take

    async def receive(self, request: web.Request) -> web.Response:
        """Take one update."""
        given = request.headers.get(HEADER, "").encode(errors="surrogateescape")
        if not hmac.compare_digest(given, self._secret):
            return web.Response(status=403)
        if (request.content_length or 0) > LARGEST:
            return web.Response(status=413)
        content = await request.read()
        try:
            body = slim(json.loads(content))
            update = Update.de_json(body, self._bot)
        except Exception as error:
            log.warning("an update cannot be read", reason=type(error).__name__)
            return web.Response()  # nor could it the next time
        try:
            await self._take(update, body)
        except Unavailable:
            return web.Response(status=503)
        except Exception:
            log.exception("an update could not be taken")
        return web.Response()
