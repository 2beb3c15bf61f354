"""Files as the events that show them, uploaded as the room is: encrypted or not."""

import asyncio
import io
import time
from collections.abc import Awaitable, Callable
from typing import Any

from nio.crypto import encrypt_attachment

from bot.platforms.matrix.client import Client
from bot.platforms.matrix.failures import taken
from bot.platforms.matrix.sending import Content
from bot.platforms.naming import file_name

ReadFile = Callable[[int], Awaitable[tuple[str, bytes] | None]]

MOST_KNOWN = 2000  # uploads that are remembered
KNOWN_FOR = 12 * 3600.0  # seconds: servers may forget what was uploaded long ago
AT_ONCE = 4  # uploads: each holds a file in memory
OPUS_RATE = 48_000  # samples a second
LONGEST_VOICE = 3_600_000  # milliseconds
_IMAGES = ("image/jpeg", "image/png")

_Key = tuple[int, str, bool]  # a file, what it is called, whether it is encrypted


class FileGone(Exception):
    """A file is no longer kept; nothing was uploaded."""


class Uploads:
    """What was uploaded by this process is not uploaded again for half a day.

    Args:
        read_file: gives a file's media type and content by its number; None if it is gone.
        called: told of each call that is made for a file, before that of its message.
    """

    def __init__(
        self, client: Client, read_file: ReadFile, called: Callable[[], object] = lambda: None
    ) -> None:
        self.client = client
        self.read_file = read_file
        self.called = called
        self._known: dict[_Key, tuple[float, Content]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def content(self, number: int, name: str, *, encrypted: bool) -> Content:
        """The content of the message that shows a file.

        Args:
            number: under which it is kept.
            name: what it is, in the reader's language.

        Raises:
            FileGone: it is no longer kept.
            SendFailed: the server did not take it.
        """
        key = (number, name, encrypted)
        if (known := self._recent(key)) is not None:
            return known
        async with self._turns:
            if (known := self._recent(key)) is not None:  # since we waited for our turn
                return known
            found = await self.read_file(number)
            if found is None:
                raise FileGone
            made = await self._uploaded(name, *found, encrypted=encrypted)
        self._known.pop(key, None)
        self._known[key] = time.monotonic(), made
        while len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]
        return made

    def _recent(self, key: _Key) -> Content | None:
        uploaded_at, made = self._known.get(key, (float("-inf"), None))
        return made if time.monotonic() - uploaded_at < KNOWN_FOR else None

    async def _uploaded(
        self, name: str, media_type: str, data: bytes, *, encrypted: bool
    ) -> Content:
        shown = await asyncio.to_thread(shows, name, media_type, data)
        if not encrypted:
            return {**shown, "url": await self._upload(data, media_type)}
        ciphertext, keys = await asyncio.to_thread(encrypt_attachment, data)
        url = await self._upload(ciphertext, "application/octet-stream")
        return {**shown, "file": {**keys, "url": url}}

    async def _upload(self, data: bytes, media_type: str) -> str:
        self.called()
        response, _ = await self.client.upload(io.BytesIO(data), media_type, filesize=len(data))
        return str(taken(response).content_uri)


def shows(name: str, media_type: str, data: bytes) -> Content:
    """The content of the message for a file, but for where the file is."""
    info: dict[str, Any] = {"mimetype": media_type, "size": len(data)}
    called = file_name(name, media_type)
    shown: Content = {"body": called, "filename": called, "info": info, "m.mentions": {}}
    if media_type in _IMAGES:
        return {"msgtype": "m.image", **shown, "info": {**info, **_dimensions(data)}}
    if media_type != "audio/ogg":
        return {"msgtype": "m.file", **shown}
    marks: dict[str, Any] = {"org.matrix.msc3245.voice": {}, "org.matrix.msc1767.audio": {}}
    if duration := _duration(data):
        info["duration"] = marks["org.matrix.msc1767.audio"]["duration"] = duration
    return {"msgtype": "m.audio", **shown, **marks}


def _dimensions(data: bytes) -> dict[str, int]:
    """Width and height in pixels, as a picture's header says them; nothing if it does not."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            return {"w": image.width, "h": image.height}
    except OSError:
        return {}


def _duration(data: bytes) -> int:
    """How long a voice note is, in milliseconds, by its last page; 0 if that does not say."""
    _, _, page = data.rpartition(b"OggS")  # then two bytes, then how many samples came before
    position = int.from_bytes(page[2:10], "little", signed=True) if page != data else 0
    duration = position * 1000 // OPUS_RATE
    return duration if 0 < duration <= LONGEST_VOICE else 0
