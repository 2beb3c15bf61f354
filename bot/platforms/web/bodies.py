"""What browsers post: read whole, within bounds of size and time."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, web

from bot.platforms.web.safety import Denied

ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
LARGEST_JSON = 128 * 1024  # bytes
LARGEST_FILE = 10 * 1024 * 1024
MOST_FIELDS = 30
PATIENCE = 30  # seconds for a message to arrive whole
PHOTO_PATIENCE = 180
_PARTS = {"id": 64, "file": LARGEST_FILE}


@asynccontextmanager
async def _patience(seconds: float) -> AsyncIterator[None]:
    """A body must arrive in time: nobody holds a connection for ever."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise Denied("too_slow", 408) from None
    except ConnectionError:
        raise Denied("bad_request", 400) from None  # nobody reads it: the link broke


async def read_json(request: web.Request) -> dict[str, Any]:
    """The JSON object posted, an empty body being an empty one."""
    raw = await _read(request)
    if not raw:
        return {}
    if request.content_type != "application/json":
        raise Denied("bad_request", 400)
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise Denied("bad_request", 400) from None
    if not isinstance(body, dict):
        raise Denied("bad_request", 400)
    return body


async def read_form(request: web.Request) -> dict[str, str]:
    """The fields of a form that was sent, each once, whatever they hold."""
    raw = await _read(request)
    if request.content_type != "application/x-www-form-urlencoded":
        raise Denied("bad_request", 400)
    try:
        fields = parse_qsl(raw.decode("ascii"), errors="replace", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Denied("bad_request", 400) from None
    return dict(fields)


async def _read(request: web.Request) -> bytes:
    """A small body, whole."""
    async with _patience(PATIENCE):
        raw = await request.content.read(LARGEST_JSON + 1)
        while not request.content.at_eof() and len(raw) <= LARGEST_JSON:
            raw += await request.content.read(LARGEST_JSON + 1 - len(raw))
        if len(raw) > LARGEST_JSON:
            await _drain(request)
            raise Denied("too_long", 413)
    return raw


async def _drain(request: web.Request) -> None:
    """Read the rest of a body that is refused, so that its sender hears why; not without end."""
    left = LARGEST_FILE
    while left > 0 and (chunk := await request.content.readany()):
        left -= len(chunk)


async def read_upload(request: web.Request) -> tuple[str, bytes]:
    """The id and the file of an upload. Its declared name and type are not even looked at.

    Raises:
        Denied: it is not that, or too heavy, or too slow.
    """
    parts: dict[str, bytes] = {}
    try:
        async with _patience(PHOTO_PATIENCE):
            reader = await request.multipart()
            while (part := await reader.next()) is not None:
                if not isinstance(part, BodyPartReader) or part.name in parts:
                    raise Denied("bad_request", 400)
                if part.name not in _PARTS:
                    raise Denied("bad_request", 400)
                parts[part.name] = await _part(part, _PARTS[part.name])
    except (ValueError, web.HTTPException):
        raise Denied("bad_request", 400) from None
    update_id, data = parts.get("id", b"").decode("ascii", "replace"), parts.get("file")
    if data is None or not ID.fullmatch(update_id):
        raise Denied("bad_request", 400)
    return update_id, data


async def _part(part: BodyPartReader, most: int) -> bytes:
    content = bytearray()
    while chunk := await part.read_chunk():
        content += chunk
        if len(content) > most:
            raise Denied("too_heavy", 413)
    return bytes(content)
