"""Whether our account may write: some refusals come while all can still be read."""

from collections.abc import Mapping
from typing import Any

import structlog
from aiohttp import ClientResponse

from bot.platforms.matrix.login import MUTED

log = structlog.get_logger()

SENT = "/send/"  # in the path of each event that is said


class Muted:
    """Tells the log once that our account may not write, and once that it may again."""

    def __init__(self) -> None:
        self._reason: str | None = None

    def hear(self, response: ClientResponse, body: Mapping[str, Any]) -> None:
        """Hear what the homeserver answers, to whatever was asked."""
        if response.method == "GET":
            return
        code = body.get("errcode")
        if code in MUTED and code != self._reason:
            self._reason = str(code)
            log.error("Matrix: our account may not write for now", reason=self._reason)
        elif self._reason and response.status == 200 and SENT in response.url.path:
            self._reason = None
            log.warning("Matrix: our account may write again")
