"""Files that people send on Matrix: from our own homeserver, decrypted if they are encrypted."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

import aiohttp
from nio.crypto import decrypt_attachment
from nio.exceptions import EncryptionError

from bot.attachments import FileKind
from bot.messages import Incoming
from bot.platforms.base import Receiver
from bot.platforms.fetching import Arrival, DidNotCome, Fetching, NotFetched

SILENCE = 20.0  # seconds for a file to begin to come, and between two pieces of it
PIECE = 64 * 1024  # bytes
DOWNLOAD = "/_matrix/client/v1/media/download"
OLD_DOWNLOAD = "/_matrix/media/v3/download"  # of homeservers before Matrix 1.11
REDIRECTS = (307, 308)
# What stands in the address of a file goes into a path: nothing else may.
_ADDRESS = re.compile(r"mxc://([A-Za-z0-9\[][A-Za-z0-9.:\[\]-]*)/([A-Za-z0-9_-]+)")


class Media(Protocol):
    """What is asked of a client."""

    @property
    def access_token(self) -> str: ...

    async def send(
        self,
        method: str,
        path: str,
        data: Any = None,
        headers: dict[str, str] | None = None,
        trace_context: Any = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> aiohttp.ClientResponse: ...


class Sent(Protocol):
    """A file that came with a message, not fetched yet.

    Attributes:
        kind: as its sender says.
        size: bytes, as its sender says; 0 if they do not.
        url: `mxc://server/name`.
        keys: what decrypts it (`file` of the message's content); None if it is not encrypted.
    """

    @property
    def kind(self) -> FileKind: ...

    @property
    def size(self) -> int: ...

    @property
    def url(self) -> str: ...

    @property
    def keys(self) -> Mapping[str, Any] | None: ...


class Files:
    def __init__(self, client: Media) -> None:
        self._client = client
        self._fetching = Fetching[Sent](self._fetch)

    async def fetched(
        self, arrivals: Sequence[Arrival[Sent]], receiver: Receiver
    ) -> list[Incoming]:
        """See `Fetching.fetched`."""
        return await self._fetching.fetched(arrivals, receiver)

    async def _fetch(self, sent: Sent, at_most: int) -> bytes | None:
        try:
            data = await self._download(sent.url, at_most)
        except (aiohttp.ClientError, OSError) as error:
            raise DidNotCome(type(error).__name__) from None
        if data is None or sent.keys is None:
            return data
        return await asyncio.to_thread(_decrypted, data, sent.keys)

    async def _download(self, url: str, at_most: int) -> bytes | None:
        found = _ADDRESS.fullmatch(url)
        if found is None:
            raise NotFetched("its address is none")
        name = "/".join(quote(part, safe="") for part in found.groups())
        headers = {"Authorization": f"Bearer {self._client.access_token}"}
        for path in (DOWNLOAD, OLD_DOWNLOAD):
            asked = self._client.send("GET", f"{path}/{name}", headers=headers, timeout=0)
            async with asyncio.timeout(SILENCE):
                answer = await asked
            async with answer:
                if answer.status in REDIRECTS:
                    return await _elsewhere(answer.headers.get("Location", ""), at_most)
                if answer.status == 200:
                    return await _content(answer, at_most)
                if not await _is_unknown(answer):
                    break
        raise NotFetched(f"HTTP status {answer.status}")


async def _is_unknown(answer: aiohttp.ClientResponse) -> bool:
    """Whether a homeserver knows no such path, rather than no such file."""
    if answer.status not in (404, 405):
        return False
    start = await _piece(answer)
    return b"M_UNRECOGNIZED" in start


async def _elsewhere(address: str, at_most: int) -> bytes | None:
    """A file that the homeserver keeps elsewhere: it is asked for without saying who we are."""
    patience = aiohttp.ClientTimeout(sock_connect=SILENCE, sock_read=SILENCE)
    async with (
        aiohttp.ClientSession(trust_env=True, timeout=patience) as session,
        session.get(address, allow_redirects=False) as answer,
    ):
        if answer.status != 200:
            raise NotFetched(f"HTTP status {answer.status}, elsewhere")
        return await _content(answer, at_most)


async def _content(answer: aiohttp.ClientResponse, at_most: int) -> bytes | None:
    """What comes; None if it is more than so many bytes."""
    if (answer.content_length or 0) > at_most:
        return None
    data = bytearray()
    while piece := await _piece(answer):
        data += piece
        if len(data) > at_most:
            return None
    return bytes(data)


async def _piece(answer: aiohttp.ClientResponse) -> bytes:
    """What comes next; empty at the end."""
    async with asyncio.timeout(SILENCE):
        return await answer.content.read(PIECE)


def _decrypted(data: bytes, keys: Mapping[str, Any]) -> bytes:
    """A file as it was, if it is the one whose keys these are."""
    try:
        key, digest, iv = keys["key"]["k"], keys["hashes"]["sha256"], keys["iv"]
        return bytes(decrypt_attachment(data, key, digest, iv))
    except (EncryptionError, KeyError, TypeError, ValueError, AttributeError):
        raise NotFetched("it cannot be decrypted") from None
