"""When we begin again after something ended our serving, and what the log says of it."""

import asyncio

import structlog

from bot.platforms.base import PlatformRefused
from bot.platforms.matrix.client import TakenOver, Unreachable
from storage.database import Unavailable

log = structlog.get_logger()

SHORTEST, LONGEST = 1.0, 300.0  # seconds until we begin again
LONGEST_AWAY = 30.0  # the same, while the homeserver or the database is away
GOOD = 60.0  # seconds of serving after which all is well


class Spell:
    """A spell of failures: it is over when we have served for a while.

    Attributes:
        has_served: whether we ever did, since the process began.
    """

    def __init__(self) -> None:
        self.has_served = False
        self._pause = 0.0
        self._said: set[str] = set()

    def failed(self, error: Exception) -> float:
        """Take note of a failure, and say why, unless that was said in this spell.

        Returns:
            Seconds after which we begin again.
        """
        reason = str(error) or type(error).__name__
        if reason not in self._said:
            self._said.add(reason)
            tell = log.error if isinstance(error, PlatformRefused | TakenOver) else log.warning
            tell("Matrix is not served for now", reason=reason)
        longest = LONGEST_AWAY if isinstance(error, Unreachable | Unavailable) else LONGEST
        self._pause = min(max(self._pause * 2, SHORTEST), longest)
        return max(self._pause, _least(error))

    async def serving(self) -> None:
        """We serve: it ends with that, or when all is well."""
        self.has_served = True
        await asyncio.sleep(GOOD)
        if self._said:
            log.warning("Matrix is served again")
        self._said.clear()
        self._pause = 0.0


def _least(error: Exception) -> float:
    if isinstance(error, PlatformRefused):  # somebody has to mend it
        return LONGEST
    return float(getattr(error, "wait", 0.0))
