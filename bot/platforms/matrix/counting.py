"""How often our login was taken up, as our account says: it tells an older copy of the database,
and another process that serves the account.
"""

import time
from urllib.parse import quote

from bot.platforms.matrix.connection import Connection, ServerRefused

GENERATION = "fr.preau.generation"
RENEWAL = 300.0  # seconds after which whoever serves our account counts on
IN_USE = 60.0  # the same, if keys were used since: older copies of them are not to be used


class TakenOver(Exception):
    """Another process serves our account.

    Attributes:
        wait: seconds after which it can be seen whether it still does.
    """

    wait = RENEWAL * 2

    def __init__(self) -> None:
        super().__init__("another process serves the account, and only one may")


async def generation(connection: Connection) -> int:
    """How often a login of our account was taken up, as the account says."""
    try:
        content = await connection.ask("GET", _path(connection))
    except ServerRefused as refused:
        if refused.status == 404:
            return 0
        raise
    number = content.get("generation")
    return number if isinstance(number, int) else 0


class Count:
    """What we make our account say; another process that serves it makes it say more."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: int | None = None  # what we made it say, or saw that it says
        self._counted_at = float("-inf")

    async def look(self) -> int:
        """What the account says. What it says when this process begins is of the past.

        Raises:
            TakenOver: another process made it count on since we did, or since we last looked.
        """
        count = await generation(self._connection)
        known, self._known = self._known, count
        if known is not None and count > known:
            raise TakenOver
        return count

    async def set(self, number: int) -> None:
        """Have the account say that a login was taken up so often."""
        self._known = number
        await self._connection.ask("PUT", _path(self._connection), {"generation": number})
        self._counted_at = time.monotonic()

    def is_due(self, *, used: bool) -> bool:
        """Whether it is time to count on; `used`: whether keys were, since we last did."""
        return time.monotonic() - self._counted_at > (IN_USE if used else RENEWAL)


def _path(connection: Connection) -> str:
    return f"/user/{quote(connection.user_id)}/account_data/{GENERATION}"
