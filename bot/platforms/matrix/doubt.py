"""Whether something was said already, when the server may not remember: a look in the room."""

from collections.abc import Collection
from datetime import datetime, timedelta

from nio import MessageDirection

from bot.platforms.matrix.client import Client
from bot.platforms.matrix.failures import taken
from bot.platforms.matrix.sending import TX
from bot.platforms.matrix.wording import MESSAGE, POLL_START, Body

# A server knows a transaction id for a day, and only from the device that used it.
REMEMBERED = timedelta(hours=20)
ASTRAY = timedelta(hours=1)  # by which its clock may differ from ours
PAGE = 100  # events
MOST_PAGES = 20


def in_doubt(body: Body, device_id: str, now: datetime) -> bool:
    """Whether a part may have been sent in a way that the server does not remember."""
    return bool(body["device"] != device_id or now - made_at(body) > REMEMBERED)


def made_at(body: Body) -> datetime:
    """Since when a part may have been sent."""
    return datetime.fromisoformat(body["made_at"])


async def said(
    client: Client, room_id: str, txs: Collection[str], since: datetime
) -> dict[str, str]:
    """Which of some transaction ids stand in a room, each with its event id.

    Args:
        since: before then there is nothing to be found.

    Raises:
        SendFailed: the server does not let us look.
    """
    found: dict[str, str] = {}
    oldest, start = (since - ASTRAY).timestamp() * 1000, None
    for _ in range(MOST_PAGES):
        page = taken(
            await client.room_messages(
                room_id,
                start=start,
                direction=MessageDirection.back,
                limit=PAGE,
                message_filter={
                    "senders": [client.user_id],
                    "types": ["m.room.encrypted", MESSAGE, POLL_START],
                },
            )
        )
        for event in page.chunk:
            tx = event.source.get("content", {}).get(TX)
            if tx in txs:
                found[tx] = event.event_id
        start = page.end
        is_past = page.chunk and page.chunk[-1].server_timestamp < oldest
        if start is None or is_past or len(found) == len(txs):
            break
    return found
