"""When we begin again after something ended our serving, and what the log says of it."""

import asyncio

import structlog

from bot.platforms.base import PlatformRefused
from bot.platforms.matrix.client import ServerRefused, TakenOver, Unreachable
from bot.platforms.matrix.login import WITHHELD, Withheld
from storage.database import Unavailable

log = structlog.get_logger()

SHORTEST, LONGEST = 1.0, 300.0  # seconds until we begin again
LONGEST_AWAY = 30.0  # the same, while the homeserver or the database is away
LONGEST_REFUSED = 3600.0  # the same, from the longest of the others, if somebody has to mend it
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
        reason = self._reason(error)
        if reason not in self._said:
            self._said.add(reason)
            tell = log.error if _is_to_be_mended(error) else log.warning
            tell("Matrix is not served for now", reason=reason)
        shortest, longest = _bounds(error)
        self._pause = min(max(self._pause * 2, shortest), longest)
        return max(self._pause, float(getattr(error, "wait", 0.0)))

    def _reason(self, error: Exception) -> str:
        """Why, without the homeserver's own words; if it never answered, where it is looked for."""
        if isinstance(error, ServerRefused):
            return f"the homeserver refuses: {error.name}"
        reason = str(error) or type(error).__name__
        is_away = isinstance(error, Unreachable) and not isinstance(error, Withheld)
        return f"PREAU_MATRIX_HOMESERVER: {reason}" if is_away and not self.has_served else reason

    async def serving(self) -> None:
        """We serve: it ends with that, or when all is well."""
        self.has_served = True
        await asyncio.sleep(GOOD)
        if self._said:
            log.warning("Matrix is served again")
        self._said.clear()
        self._pause = 0.0


def _is_to_be_mended(error: Exception) -> bool:
    """Whether somebody has to do something about it."""
    if isinstance(error, ServerRefused):
        return error.errcode in WITHHELD
    return isinstance(error, PlatformRefused | TakenOver | Withheld)


def _bounds(error: Exception) -> tuple[float, float]:
    """The shortest and the longest pause after it, in seconds."""
    if isinstance(error, PlatformRefused):
        return LONGEST, LONGEST_REFUSED
    if isinstance(error, Unreachable | Unavailable):
        return SHORTEST, LONGEST_AWAY
    return SHORTEST, LONGEST
