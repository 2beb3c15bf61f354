"""One event into a room, under its own transaction id: sent twice, it is there once."""

from collections.abc import Callable
from typing import Any

from nio import Api, MatrixRoom, RoomSendResponse

from bot.platforms.base import SendFailed
from bot.platforms.matrix.client import Client
from bot.platforms.matrix.failures import taken
from storage.deliveries import Failure

TX = "fr.preau.tx"  # the transaction id, where anybody finds it again: it tells nothing else
PASSING = "passing-"  # begins that of what is kept nowhere

UNKNOWN_WAIT = 1.0  # seconds until it is known what becomes of a room

Content = dict[str, Any]


def room_in(client: Client, room_id: str) -> MatrixRoom:
    """A room that we are in.

    Raises:
        SendFailed: we are not, or not as far as is known yet.
    """
    room = client.rooms.get(room_id)
    if room is None:
        raise SendFailed(Failure.refused, wait=UNKNOWN_WAIT)
    return room


async def put(
    client: Client,
    room_id: str,
    kind: str,
    content: Content,
    tx: str,
    check: Callable[[], None] = lambda: None,
) -> str:
    """Send an event, encrypted if the room is; return its id.

    The transaction id stands beside what is encrypted as well: it is the server that gave it back,
    and after a change of device it finds an event that can no longer be read.

    Args:
        check: raises what forbids to send; asked once all keys are there, right before sending.

    Raises:
        SendFailed: the server did not take it.
    """
    marked = {**content, TX: tx}
    if room_in(client, room_id).encrypted:
        await client.ready(room_id)
        check()
        kind, marked = client.encrypt(room_id, kind, marked)
        marked[TX] = tx
    else:
        check()
    method, path, data = Api.room_send(client.access_token, room_id, kind, marked, tx)
    sent = taken(await client._send(RoomSendResponse, method, path, data, (room_id,)))
    return str(sent.event_id)
