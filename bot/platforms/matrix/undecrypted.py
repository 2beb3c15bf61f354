"""What cannot be decrypted yet: kept, asked for once, said once, and applied when its key comes."""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from nio import MegolmEvent, ToDeviceResponse
from nio.crypto import InboundGroupSession

from bot.clock import Clock
from bot.platforms.matrix.client import Client, ServerRefused, Unreachable
from bot.platforms.matrix.decrypting import session_of
from bot.platforms.matrix.events import Source
from bot.platforms.matrix.fields import words
from bot.platforms.matrix.telling import Tell, Telling
from bot.platforms.matrix.whose import PLATFORM
from storage.database import Database, Unavailable
from storage.inbox import Waiting

log = structlog.get_logger()

ASKED_AFTER = 3.0  # seconds by which a key may come late
TOLD_AFTER = 20.0  # seconds after which people are told
KEPT = timedelta(days=7)  # as long as the sweep leaves it
MOST = 500  # events of one room
FIELDS = ("event_id", "sender", "origin_server_ts", "type", "content")


@dataclass
class Held:
    """An event that waits for its key.

    Attributes:
        number: of its row.
        tried: the key that did not read it.
    """

    number: int
    room_id: str
    event_id: str
    session_id: str
    received_at: datetime
    tried: InboundGroupSession | None = None


class Undecrypted:
    """Keeps events until they can be read.

    Args:
        tell: see `Telling`.
    """

    def __init__(self, client: Client, database: Database, clock: Clock, tell: Tell) -> None:
        self._client = client
        self._database = database
        self._clock = clock
        self._telling = Telling(database, clock, tell)
        self._held: defaultdict[str, dict[int, Held]] = defaultdict(dict)  # by room
        self._watches: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def load(self) -> None:
        """Go on with what another run kept.

        Raises:
            Unavailable: the database is away.
        """
        waiting = await self._database.read(lambda store: store.inbox.waiting(PLATFORM))
        await self._telling.load({one.body["room"] for one in waiting})
        for one in waiting:
            held = _held(one.id, one.body["room"], one.body["event"], one.received_at)
            self._held[held.room_id][held.number] = held
            if not self._telling.knows(held.room_id, held.received_at):
                self._watch(held, one.body["event"])

    async def hold(self, room_id: str, event: Source, received_at: datetime) -> None:
        """Keep an event; when this returns it cannot be lost.

        Raises:
            Unavailable: it is not kept.
        """
        if len(self._held[room_id]) >= MOST:
            log.warning("too much of a room cannot be read: it is not kept", room=room_id)
            return
        body = {"room": room_id, "event": {name: event.get(name) for name in FIELDS}}
        number = await self._database.write(
            lambda store: store.inbox.hold(
                PLATFORM, event["event_id"], body, received_at, event["sender"]
            )
        )
        if number is not None:
            self._held[room_id][number] = held = _held(number, room_id, event, received_at)
            self._watch(held, event)

    def arrived(self) -> dict[str, list[int]]:
        """The numbers of what may be read now, by room: keys came since this was last asked."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        oldest = self._clock.now() - KEPT
        for held in [one for some in self._held.values() for one in some.values()]:
            session = session_of(self._client.olm, held.room_id, {"session_id": held.session_id})
            if held.received_at < oldest:
                del self._held[held.room_id][held.number]
            elif session is not None and session is not held.tried:
                held.tried = session
                found[held.room_id].append(held.number)
        return found

    async def waiting(self, room_id: str, numbers: Iterable[int]) -> list[Waiting]:
        """Some of what is held, as it came, the oldest first.

        Raises:
            Unavailable: the database is away.
        """
        wanted = set(numbers)
        rows = await self._database.read(lambda store: store.inbox.some(wanted))
        for number in wanted - {one.id for one in rows}:
            self._held[room_id].pop(number, None)  # whoever said it was erased
        return rows

    def of(self, room_id: str, event_id: str) -> list[int]:
        """The number of an event, if it is held."""
        return [one.number for one in self._held[room_id].values() if one.event_id == event_id]

    async def release(self, room_id: str, numbers: Sequence[int]) -> None:
        """Let go of what was applied, or taken back.

        Raises:
            Unavailable: it is still held.
        """
        await self._database.write(lambda store: store.inbox.release(numbers))
        for number in numbers:
            self._held[room_id].pop(number, None)

    async def close(self) -> None:
        """Ask and tell no more."""
        watches = list(self._watches.values())
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)

    def _watch(self, held: Held, event: Source) -> None:
        """See to it that the key comes, once for all that it reads."""
        key = held.room_id, held.session_id
        if key not in self._watches:
            self._watches[key] = task = asyncio.create_task(self._see_to(held, event))
            task.add_done_callback(lambda _: self._watches.pop(key, None))

    async def _see_to(self, held: Held, event: Source) -> None:
        await asyncio.sleep(ASKED_AFTER)
        if self._is_missing(held):
            await self._ask(held.room_id, event)
            await asyncio.sleep(TOLD_AFTER - ASKED_AFTER)
        if self._is_missing(held):
            log.info("a message has no key", room=held.room_id, event_id=held.event_id)
        await self._telling.tell(held.room_id, held.received_at, lambda: self._is_missing(held))

    def _is_missing(self, held: Held) -> bool:
        waiting = self._held[held.room_id].values()
        return any(one.session_id == held.session_id for one in waiting)

    async def _ask(self, room_id: str, event: Source) -> None:
        """Ask the device that wrote it for the key, if it says which one that is."""
        olm = self._client.olm
        written = MegolmEvent.from_dict({**event, "room_id": room_id})
        if not isinstance(written, MegolmEvent) or written.session_id in olm.outgoing_key_requests:
            return
        olm.users_for_key_query.add(written.sender)  # what it answers is believed if it is known
        message = written.as_key_request(
            written.sender, self._client.device_id, written.session_id, written.device_id
        )
        path = f"/sendToDevice/{message.type}/{secrets.token_urlsafe(18)}"
        try:
            await self._client.ask("PUT", path, message.as_dict())
        except (Unreachable, Unavailable):
            olm.outgoing_to_device_messages.append(message)  # which `Client.maintain` sends
        except ServerRefused as refused:
            log.warning("a key cannot be asked for", room=room_id, reason=refused.name)
        else:
            olm.outgoing_to_device_messages.append(message)
            await self._client.receive_response(ToDeviceResponse(message))  # that it is sent


def _held(number: int, room_id: str, event: Source, received_at: datetime) -> Held:
    session_id = words(event["content"].get("session_id"))
    return Held(number, room_id, event["event_id"], session_id, received_at)
