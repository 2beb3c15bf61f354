"""What a sync left out of a room's time, page by page, the oldest first."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, urlencode

import structlog

from bot.platforms.matrix.batches import Timeline
from bot.platforms.matrix.client import Client, ServerRefused
from bot.platforms.matrix.events import Source
from bot.platforms.matrix.insisting import insist

log = structlog.get_logger()

PAGE = 100  # events


async def pages(
    client: Client, room_id: str, since: str, timeline: Timeline
) -> AsyncIterator[list[Source]]:
    """What was said in a room since an earlier sync, in order; never more than a page at once.

    It is read forwards from there until it meets the newest event of the timeline: where servers
    disagree on the order, something may come twice, but nothing is left out.
    """
    seen: set[str] = set()
    start: str | None = since if timeline.is_cut else None
    while start is not None:
        page = await _page(client, room_id, start)
        events = page.get("chunk", [])
        yield [one for one in events if "state_key" not in one]
        seen.update(one["event_id"] for one in events)
        start = page.get("end") if events and timeline.last not in seen else None
    yield [one for one in timeline.events if one["event_id"] not in seen]


async def _page(client: Client, room_id: str, start: str) -> dict[str, Any]:
    """One page; an empty one if the homeserver will never give it. It is waited for."""
    query = urlencode({"dir": "f", "from": start, "limit": PAGE})
    path = f"/rooms/{quote(room_id, safe='')}/messages?{query}"
    try:
        return await insist(client, path)
    except ServerRefused as refused:  # we are not there any more, perhaps
        log.warning("older messages are refused", room=room_id, reason=refused.name)
        return {}
