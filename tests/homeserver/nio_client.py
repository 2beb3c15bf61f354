"""A person whose client is matrix-nio, with nothing of ours: its own store, in memory."""

import asyncio
import contextlib
import io
from typing import Any

from nio import (
    AsyncClient,
    AsyncClientConfig,
    EphemeralEvent,
    MegolmEvent,
    ReceiptEvent,
    RoomSendResponse,
    SyncResponse,
    TypingNoticeEvent,
    UploadResponse,
)
from nio.crypto.attachments import decrypt_attachment
from nio.exceptions import EncryptionError
from nio.store import SqliteMemoryStore

from tests.homeserver.client import Client, Content, Event

FILTER = {"room": {"timeline": {"limit": 1000}}}  # so that no backlog has gaps
CONFIG = {"store": SqliteMemoryStore, "store_sync_tokens": False, "encryption_enabled": True}


class Correspondent(Client):
    """Somebody with a client that trusts every device and has no cross-signing.

    Attributes:
        nio: the library's client.
        typing: who was typing, each time that changed: room and people.
        read: what was marked as read: room, person and event.
    """

    nio: AsyncClient
    _syncing: asyncio.Task[None]

    async def start(self) -> None:
        self.typing: list[tuple[str, list[str]]] = []
        self.read: list[tuple[str, str, str]] = []
        self.nio = AsyncClient(self.server.url, self.user_id, config=AsyncClientConfig(**CONFIG))
        self.nio.restore_login(self.user_id, self.device_id, self.token)
        self._locked: list[MegolmEvent] = []
        self._keeping = asyncio.Lock()
        await self._keep_keys()
        self._syncing = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        self._syncing.cancel()
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await self._syncing
        finally:
            await self.nio.close()
            self.nio.store.database.close()

    async def send(self, room: str, type: str, content: Content) -> str:
        await self.until(lambda: room in self.nio.rooms, "such room")
        await self._keep_keys()
        answer = await self.nio.room_send(room, type, content, ignore_unverified_devices=True)
        assert isinstance(answer, RoomSendResponse), answer
        return str(answer.event_id)

    async def upload(self, data: bytes, mime: str, *, encrypted: bool) -> Content:
        answer, keys = await self.nio.upload(
            io.BytesIO(data), content_type=mime, encrypt=encrypted, filesize=len(data)
        )
        assert isinstance(answer, UploadResponse), answer
        uri = answer.content_uri
        return {"file": {**keys, "url": uri}} if encrypted else {"url": uri}

    async def fetch(self, content: Content) -> bytes:
        file = content.get("file")
        answer = await self.nio.download(file["url"] if file else content["url"])
        body: bytes = answer.body
        if file:
            body = decrypt_attachment(body, file["key"]["k"], file["hashes"]["sha256"], file["iv"])
        return body

    async def _listen(self) -> None:
        while True:
            answer = await self.nio.sync(timeout=30_000, sync_filter=FILTER)
            if not isinstance(answer, SyncResponse):  # the server is about to go, or just came
                await asyncio.sleep(0.1)
                continue
            self._arrived(answer)
            await self._keep_keys()

    def _arrived(self, answer: SyncResponse) -> None:
        self.invited += answer.rooms.invite
        for room, news in answer.rooms.join.items():
            # State that comes beside a timeline is what was before it.
            for event in (*news.state, *news.timeline.events):
                self._came(room, event)
            for signal in news.ephemeral:
                self._signalled(room, signal)
        locked, self._locked = self._locked, []
        for event in locked:
            self._came(event.room_id, event)
        self.changed()

    def _signalled(self, room: str, signal: EphemeralEvent) -> None:
        if isinstance(signal, TypingNoticeEvent):
            self.typing.append((room, signal.users))
        elif isinstance(signal, ReceiptEvent):
            self.read += [(room, one.user_id, one.event_id) for one in signal.receipts]

    def _came(self, room: str, event: Any) -> None:
        if isinstance(event, MegolmEvent):
            try:
                event = self.nio.decrypt_event(event)
            except EncryptionError as error:
                self.unreadable[event.event_id] = str(error)
                self._locked.append(event)
                return
        said = event.source
        self.take(
            Event(
                id=said["event_id"],
                room=room,
                sender=said["sender"],
                type=said["type"],
                content=said["content"],
                state=said.get("state_key"),
                encrypted=event.decrypted,
                redacts=said.get("redacts") or said["content"].get("redacts"),
            )
        )

    async def _keep_keys(self) -> None:
        """What nio leaves to its caller: upload keys, ask for others', send what is due."""
        async with self._keeping:
            if self.nio.should_upload_keys:
                await self.nio.keys_upload()
            if self.nio.should_query_keys:
                await self.nio.keys_query()
            if self.nio.should_claim_keys:
                await self.nio.keys_claim(self.nio.get_users_for_key_claiming())
            await self.nio.send_to_device_messages()
