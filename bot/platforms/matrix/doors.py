"""Coming into rooms and going out of them."""

import json
from collections.abc import Awaitable
from typing import Any, TypeVar
from urllib.parse import quote

from aiohttp import ClientError
from nio import (
    AsyncClient,
    JoinResponse,
    RoomLeaveResponse,
    RoomPreset,
)
from nio.exceptions import EncryptionError, LocalProtocolError

from bot.platforms.matrix.connection import API, ServerRefused
from bot.platforms.matrix.failures import not_reached, taken

MEGOLM = "m.megolm.v1.aes-sha2"
ENCRYPTED = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": MEGOLM}}

T = TypeVar("T")


async def asked(call: Awaitable[T]) -> T:
    """What the homeserver answers to a call of nio, or what something gives that makes some.

    Raises:
        SendFailed: it refuses, or nobody answers.
        Unavailable: the database is away; nothing was asked.
    """
    try:
        return taken(await call)
    except (ClientError, OSError, ServerRefused, LocalProtocolError, EncryptionError) as error:
        raise not_reached(error) from None


async def join(client: AsyncClient, room_id: str, through: str) -> None:
    """Join a room, through the server of somebody who is there.

    Raises:
        SendFailed: we are not let in, now or ever.
    """
    server = quote(through.partition(":")[2], safe="")
    path = f"{API}/join/{quote(room_id, safe='')}?server_name={server}&via={server}"
    await asked(client._send(JoinResponse, "POST", path, "{}"))


async def leave(client: AsyncClient, room_id: str, reason: str | None = None) -> None:
    """Leave a room, or decline to come.

    Raises:
        SendFailed: it was not done; it cannot be if we are not there.
    """
    body: dict[str, Any] = {} if reason is None else {"reason": reason}
    path = f"{API}/rooms/{quote(room_id, safe='')}/leave"
    await asked(client._send(RoomLeaveResponse, "POST", path, json.dumps(body)))


async def forget(client: AsyncClient, room_id: str) -> None:
    """Let the homeserver delete a room that we left, once nobody is there any more.

    Raises:
        SendFailed: it was not done.
    """
    await asked(client.room_forget(room_id))


async def create_direct(client: AsyncClient, user_id: str) -> str:
    """Make an encrypted room for one person and us, and invite them.

    Raises:
        SendFailed: it was not done; even so there may be a room where we are alone.
    """
    made = client.room_create(
        is_direct=True,
        preset=RoomPreset.trusted_private_chat,
        invite=[user_id],
        initial_state=[ENCRYPTED],
    )
    room_id: str = (await asked(made)).room_id
    return room_id
