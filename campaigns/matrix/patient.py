"""A person's Matrix client that insists, however often its homeserver goes away.

What the homeserver acknowledged was said; what it did not is said again, under the same id.
"""

import asyncio
import contextlib
import secrets
from collections import defaultdict
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import aiohttp
from nio import RoomSendResponse

from tests.homeserver import Client, Correspondent, Event
from tests.homeserver.client import Content

PATIENCE = 240.0  # seconds for what must come, over any number of restarts
AGAIN = 0.5  # seconds before a try is repeated
PAGE = 500  # events
LOST = (aiohttp.ClientError, OSError, TimeoutError)


class Patient(Correspondent):
    """See `tests.homeserver.Correspondent`.

    Attributes:
        heard: by room, what others said there, in the order in which it could be read.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.heard: dict[str, list[Event]] = defaultdict(list)
        self._sending = asyncio.Lock()

    def take(self, event: Event) -> None:
        super().take(event)
        if event.sender != self.user_id and event.state is None:
            self.heard[event.room].append(event)

    async def send(self, room: str, type: str, content: Content) -> str:
        await self.until(lambda: room in self.nio.rooms, "such room")
        transaction = secrets.token_hex(8)
        async with asyncio.timeout(PATIENCE), self._sending:
            while True:
                with contextlib.suppress(*LOST):
                    await self._share(room)
                    answer = await self.nio.room_send(
                        room, type, content, transaction, ignore_unverified_devices=True
                    )
                    if isinstance(answer, RoomSendResponse):
                        return str(answer.event_id)
                await asyncio.sleep(AGAIN)

    async def _share(self, room_id: str) -> None:
        """Have all devices in a room able to read it; nio takes a failure of that for done."""
        nio, room = self.nio, self.nio.rooms[room_id]
        while room.encrypted and nio.olm.should_share_group_session(room_id):
            await self._keep_keys()
            missing = nio.get_missing_sessions(room_id)
            if missing:
                await nio.keys_claim(missing)
            nio.sharing_session.pop(room_id, None)
            await nio.share_group_session(room_id, ignore_unverified_devices=True)
            shared = nio.olm.outbound_group_sessions[room_id].users_shared_with
            if self._devices_in(room_id) <= shared:
                return
            del nio.olm.outbound_group_sessions[room_id]
            await asyncio.sleep(AGAIN)

    def _devices_in(self, room_id: str) -> set[tuple[str, str]]:
        """The devices of others; each of them has one, known or not."""
        known = self.nio.device_store.active_user_devices
        others = self.nio.rooms[room_id].users.keys() - {self.user_id}
        return {(one, device.id) for one in others for device in known(one)} | {
            (one, "unknown") for one in others if not list(known(one))
        }

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(*LOST):
                await super()._listen()
            await asyncio.sleep(AGAIN)

    async def until(self, settled: Callable[[], bool], what: str) -> None:
        if not await self.came(settled, PATIENCE):
            seen = [(event.sender, event.type, event.text) for event in self.events[-8:]]
            raise AssertionError(f"{self.user_id}: no {what}; {seen}; {self.unreadable}")

    async def came(self, settled: Callable[[], bool], seconds: float) -> bool:
        """Wait for something that comes; whether it did."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not settled():
                    self._changed.clear()
                    await self._changed.wait()
        return settled()

    async def rest(self) -> None:
        """Listen no more, until `wake`: what is said meanwhile waits at the homeserver."""
        self._syncing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._syncing

    def wake(self) -> None:
        self._syncing = asyncio.create_task(self._listen())


async def said_by(client: Client, room: str, sender: str) -> list[dict[str, Any]]:
    """What somebody said in a room, state apart, in order, as the homeserver has it."""
    found: list[dict[str, Any]] = []
    path, start = f"/rooms/{quote(room)}/messages?dir=f&limit={PAGE}", ""
    while True:
        page = await client.ask("GET", path + start)
        found += page["chunk"]
        if "end" not in page:
            break
        start = f"&from={quote(page['end'])}"
    return [one for one in found if one["sender"] == sender and "state_key" not in one]
