"""What somebody replies to: it may not be noted yet that we said it.

The homeserver's answer was lost, or we died meanwhile. It is said again, under the same
transaction id, and then noted; until then nobody knows what is chosen from it.
"""

import asyncio
from contextlib import suppress

from bot.messages import Incoming
from bot.platforms.matrix.client import Client
from bot.platforms.matrix.insisting import said_by_us
from bot.platforms.matrix.sending import PASSING
from bot.platforms.matrix.whose import PLATFORM
from storage.database import Database
from storage.store import Store

LONGEST = 20.0  # seconds for which it is waited for, while others of the room wait
AGAIN = 0.25  # seconds before it is looked again


async def until_noted(client: Client, database: Database, incoming: Incoming) -> None:
    """Wait, but not long, until it is noted that we said what somebody replies to.

    Raises:
        Unavailable: the database is away.
    """
    if incoming.replied is None or not incoming.text:
        return
    place = (incoming.chat, incoming.replied)
    if await _is_noted(database, place):
        return
    tx = await said_by_us(client, *place)
    if not tx or tx.startswith(PASSING):
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(LONGEST):
            while not await _is_noted(database, place):  # noqa: ASYNC110 (nothing tells of it)
                await asyncio.sleep(AGAIN)


async def _is_noted(database: Database, place: tuple[str, str]) -> bool:
    return await database.read_with_others(_which_are_noted, place)


def _which_are_noted(store: Store, places: list[tuple[str, str]]) -> list[bool]:
    """By the room and the event of each."""
    return [store.deliveries.knows(PLATFORM, room_id, event) for room_id, event in places]
