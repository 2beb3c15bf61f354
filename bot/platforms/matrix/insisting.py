"""What a homeserver has to tell before we can go on: it is waited for."""

import asyncio
from typing import Any
from urllib.parse import quote

from bot.platforms.matrix.client import Client, ServerRefused, Unreachable
from bot.platforms.matrix.fields import mapping, words
from bot.platforms.matrix.login import TOKEN_GONE
from bot.platforms.matrix.sending import TX

AGAIN = 2.0  # seconds at least before it is asked again


async def insist(client: Client, path: str) -> dict[str, Any]:
    """What it answers to a GET, however long it is away.

    Raises:
        ServerRefused: it will never tell.
    """
    while True:
        wait = 0.0
        try:
            return await client.ask("GET", path)
        except Unreachable as error:
            wait = error.wait
        except ServerRefused as refused:
            if refused.errcode not in TOKEN_GONE:  # else we log in again
                raise
        await asyncio.sleep(max(wait, AGAIN))


async def said_by_us(client: Client, room_id: str, event_id: str) -> str | None:
    """The transaction id of what we said in a room; None if we did not say it."""
    path = f"/rooms/{quote(room_id, safe='')}/event/{quote(event_id, safe='')}"
    try:
        event = await insist(client, path)
    except ServerRefused:  # there is no such thing, or we may not see it
        return None
    if event.get("sender") != client.user_id:
        return None
    return words(mapping(event.get("content")).get(TX))
