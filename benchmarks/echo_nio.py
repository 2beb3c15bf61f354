"""The yardstick: a bare bot on matrix-nio, which keeps its keys in nio's own store.

Usage: python -m benchmarks.echo_nio HOMESERVER USER_ID DEVICE_ID TOKEN FOLDER

It does one thing for each line that it is given, and then answers with a line:

    words FILE                 0, once it knows what to send: the content of an event
    send MANNER COUNT ROOM…    messages a second, sequential, concurrent, or listening as well
    look                       0, once it knows its rooms and what was said
    hear COUNT                 when it had read so much, by time.monotonic
"""

import asyncio
import json
import logging
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from nio import (
    AsyncClient,
    AsyncClientConfig,
    MatrixRoom,
    RoomMessageText,
    RoomSendResponse,
    SyncResponse,
    UnknownEvent,
)

AT_ONCE = 20
WAIT = 30_000  # milliseconds that a sync may take
TIMELINE = {"room": {"timeline": {"limit": 50}}}  # as Préau asks; by default it is 10


class Bot:
    """What a line asks for is done by the method of that name."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        self._words: dict[str, Any] = {}
        self._heard = 0
        self._wanted = float("inf")
        client.add_event_callback(self._hear, (RoomMessageText, UnknownEvent))

    async def look(self) -> float:
        answer = await self.client.sync(timeout=0, sync_filter=TIMELINE, full_state=True)
        assert isinstance(answer, SyncResponse), answer
        if self.client.should_upload_keys:
            await self.client.keys_upload()
        if self.client.should_query_keys:
            await self.client.keys_query()
        return 0

    async def words(self, file: str) -> float:
        self._words = json.loads(Path(file).read_text("utf-8"))  # noqa: ASYNC240 (nothing else waits)
        return 0

    async def send(self, manner: str, count: str, *rooms: str) -> float:
        """Send to each room in turn; a bot that is to hear anybody listens meanwhile."""
        waiting, answered = islice(cycle(rooms), int(count)), list[float]()
        workers = 1 if manner == "sequential" else AT_ONCE
        async with self._listening(manner == "listening"):
            began = time.monotonic()
            await asyncio.gather(*(self._send(waiting, answered) for _ in range(workers)))
        return len(answered) / (answered[-1] - began)

    @asynccontextmanager
    async def _listening(self, is_on: bool) -> AsyncIterator[None]:
        """Hear what is said meanwhile; what was said before is heard already."""
        if not is_on:
            yield
            return
        await self.client.sync(timeout=0, sync_filter=TIMELINE)
        task = asyncio.create_task(self.client.sync_forever(WAIT, TIMELINE))
        yield
        task.cancel()
        await asyncio.wait([task])

    async def _send(self, waiting: Iterator[str], answered: list[float]) -> None:
        for room in waiting:
            sent = await self.client.room_send(
                room, "m.room.message", self._words, ignore_unverified_devices=True
            )
            assert isinstance(sent, RoomSendResponse), sent
            answered.append(time.monotonic())

    async def hear(self, count: str) -> float:
        """Read on until so many events are decrypted."""
        self._heard, self._wanted = 0, int(count)
        await self.client.sync_forever(WAIT, TIMELINE)
        return time.monotonic()

    async def _hear(self, _: MatrixRoom, event: RoomMessageText | UnknownEvent) -> None:
        if event.decrypted:
            self._heard += 1
        if self._heard == self._wanted:
            self.client.stop_sync_forever()


async def main(homeserver: str, user_id: str, device: str, token: str, folder: str) -> None:
    logging.getLogger("nio").setLevel(logging.CRITICAL)
    config = AsyncClientConfig(store_sync_tokens=False)
    client = AsyncClient(homeserver, user_id, store_path=folder, config=config)
    client.restore_login(user_id, device, token)
    bot = Bot(client)
    while line := await asyncio.to_thread(sys.stdin.readline):
        name, *arguments = line.split()
        print(await getattr(bot, name)(*arguments), flush=True)
    await client.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
