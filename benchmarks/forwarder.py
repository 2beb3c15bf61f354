"""The line between a client and a homeserver: it may be cut, and sees when a sync is answered."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from urllib.parse import urlsplit

SYNC = b"GET /_matrix/client/v3/sync"
CHUNK = 2**20  # bytes


class Forwarder:
    """Where a client finds a homeserver.

    Attributes:
        asked_at, synced_at: when the first sync since it was cut was asked for, and answered to its
            end, by time.monotonic.
    """

    def __init__(self, homeserver: str) -> None:
        self._to = urlsplit(homeserver)
        self._is_cut = False
        self._clients: set[asyncio.StreamWriter] = set()
        self._syncing: asyncio.StreamWriter | None = None  # who is being answered that sync
        self.asked_at = self.synced_at = 0.0

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Let nobody through meanwhile."""
        self._is_cut = True
        for client in self._clients:
            client.close()
        yield
        self._is_cut = False
        self._syncing, self.asked_at, self.synced_at = None, 0.0, 0.0

    async def serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        """One connection of a client."""
        if self._is_cut:
            client.close()
            return
        self._clients.add(client)
        answers, server = await asyncio.open_connection(self._to.hostname, self._to.port)
        with suppress(ConnectionError):
            await asyncio.gather(self._ask(reader, server, client), self._answer(answers, client))
        self._clients.discard(client)
        for one in (server, client):
            one.close()

    async def _ask(
        self,
        asked: asyncio.StreamReader,
        server: asyncio.StreamWriter,
        client: asyncio.StreamWriter,
    ) -> None:
        while data := await asked.read(CHUNK):
            if client is self._syncing:  # it asks for something else
                self._syncing = None
            elif data.startswith(SYNC) and not self.asked_at:
                self._syncing, self.asked_at = client, time.monotonic()
            server.write(data)
        server.close()

    async def _answer(self, answers: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        while data := await answers.read(CHUNK):
            if client is self._syncing:
                self.synced_at = time.monotonic()
            client.write(data)
            await client.drain()
        client.close()


@asynccontextmanager
async def forwarding(homeserver: str) -> AsyncIterator[tuple[str, Forwarder]]:
    """Serve it on loopback; yield its address, and the forwarder."""
    forwarder = Forwarder(homeserver)
    server = await asyncio.start_server(forwarder.serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", forwarder
    finally:
        server.close()
