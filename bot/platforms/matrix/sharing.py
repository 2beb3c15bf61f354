"""The key with which we write in a room, given to those who may read there.

nio, which does it as it sends, leaves a room waiting for ever if a claim of keys fails.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import structlog
from nio import (
    JoinedMembersResponse,
    LocalProtocolError,
    MatrixRoom,
    ShareGroupSessionResponse,
)
from nio.crypto import Olm

from bot.platforms.matrix.connection import Connection, ServerRefused, Unreachable
from bot.platforms.matrix.keys import Keys

log = structlog.get_logger()

AGAIN = 600.0  # seconds after which devices that had no key for us are asked for one again
MOST_FAILURES = 3  # in a row, of a claim; then those who can be written to wait no longer
ENCRYPTED = "m.room.encrypted"

Device = tuple[str, str]  # a person's id, and the device's


class Sharing:
    """The keys of our rooms, for one client."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys
        self._again_at: dict[str, float] = {}  # by room
        self._failures: Counter[str] = Counter()  # by room
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def _olm(self) -> Olm:
        return self._connection.olm

    async def ready(self, room_id: str) -> None:
        """Have the key, with which we write in a room, where its members can read it.

        Raises:
            LocalProtocolError: we are in no such room, as far as a sync has told.
            Unreachable: the homeserver does not answer; it may be tried again.
            ServerRefused: it refuses.
            Unavailable: what must be kept cannot be.
        """
        room = self._connection.rooms.get(room_id)
        if room is None:
            raise LocalProtocolError("in no such room")
        if not room.encrypted:
            return
        async with self._locks[room_id]:
            if not room.members_synced:
                await self._learn_members(room)
            await self._keys.query(list(room.users))
            self._offer_again(room_id)
            if self._olm.should_share_group_session(room_id):
                await self._share(room)

    async def _learn_members(self, room: MatrixRoom) -> None:
        path = f"/rooms/{room.room_id}/joined_members"
        answer = await self._connection.ask("GET", path)
        response = JoinedMembersResponse.from_dict(answer, room.room_id)
        await self._connection.receive_response(response)

    def _offer_again(self, room_id: str) -> None:
        """Have the key sent, once in a while, to devices that could not be written to."""
        session = self._olm.outbound_group_sessions.get(room_id)
        is_due = time.monotonic() >= self._again_at.get(room_id, float("inf"))
        if is_due and session is not None:
            session.shared = False  # it goes only to those who have it not

    async def _share(self, room: MatrixRoom) -> None:
        olm, tried = self._olm, set[Device]()
        while olm.should_share_group_session(room.room_id):
            missing = self._missing(room)
            if missing - tried:
                await self._claim(room, missing - tried)
                tried |= missing
            if not await self._send(room):  # else somebody may have come meanwhile
                olm.outbound_group_sessions[room.room_id].mark_as_shared()
        self._again_at.pop(room.room_id, None)
        if self._missing(room):
            self._again_at[room.room_id] = time.monotonic() + AGAIN

    def _missing(self, room: MatrixRoom) -> set[Device]:
        """The devices in a room that we cannot write to yet."""
        found = self._olm.get_missing_sessions(list(room.users))
        return {(one, device) for one, some in found.items() for device in some}

    async def _claim(self, room: MatrixRoom, devices: Iterable[Device]) -> None:
        """Begin to be able to write to devices; if that fails often, go on with the others."""
        wanted: defaultdict[str, list[str]] = defaultdict(list)
        for one, device in devices:
            wanted[one].append(device)
        try:
            await self._keys.claim(wanted)
        except (Unreachable, ServerRefused):
            self._failures[room.room_id] += 1
            if self._failures[room.room_id] < MOST_FAILURES or not self._has_reader(room):
                raise
            log.warning("Matrix: some devices in a room will read nothing", room=room.room_id)
        else:
            del self._failures[room.room_id]

    def _has_reader(self, room: MatrixRoom) -> bool:
        """Whether a device of somebody else can be written to."""
        missing = self._missing(room)
        return any(
            (one, device.id) not in missing
            for one in room.users
            if one != self._connection.user_id
            for device in self._olm.device_store.active_user_devices(one)
        )

    async def _send(self, room: MatrixRoom) -> bool:
        """Send the key to those who have it not; whether there were any."""
        content: dict[str, Any]
        sent = False
        for sharing_with, content in self._olm.share_group_session_parallel(
            room.room_id, list(room.users), ignore_unverified_devices=True
        ):
            await self._keys.to_device(ENCRYPTED, content)
            await self._connection.receive_response(
                ShareGroupSessionResponse(room.room_id, sharing_with)
            )
            sent = True
        return sent
