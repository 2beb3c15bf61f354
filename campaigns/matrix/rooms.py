"""What stands in the rooms of the homeserver, compared with the deliveries.

Each event of the bot bears the transaction id under which it was sent.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from bot.platforms.matrix.sending import TX
from bot.rendering import texts_for
from campaigns.matrix.patient import Patient
from campaigns.records import Told
from storage.deliveries import DeliveryState, Kind, Operation
from tests.homeserver.client import POLL

WAITED_FOR = 3  # tries, after which others go before what is tried again
# All that is said and kept nowhere: that something cannot be read yet.
HINT = texts_for("fr", ZoneInfo("Europe/Paris")).plain("matrix.unreadable", {})

Source = dict[str, Any]


@dataclass(frozen=True)
class Room:
    """A room at the end.

    Attributes:
        reader: somebody there who reads it.
        said: what the bot said there, in order, as the homeserver has it.
    """

    id: str
    reader: Patient
    said: Sequence[Source]

    @property
    def is_encrypted(self) -> bool:
        return self.reader.encrypts(self.id)


class Standing:
    """What the bot said in all rooms.

    Args:
        told: the deliveries of each room, in the order of their ids.

    Attributes:
        hints: how often it was said that something cannot be read yet.
        overtaken: replies that came after a newer one, since they were tried again too often.
    """

    def __init__(self, rooms: Sequence[Room], told: Mapping[str, Sequence[Told]]) -> None:
        self.rooms = rooms
        self.told = told
        self.hints = 0
        self.overtaken = 0

    def problems(self) -> Iterator[str]:
        yield from self._once()
        for room in self.rooms:
            told = self.told[room.id]
            for problem in (
                *self._in_clear(room),
                *self._unreadable(room),
                *self._unended(room),
                *self._strange(room, told),
                *self._lost(room, told),
                *self._last(room, told),
                *self._overtaken(room, told),
            ):
                yield f"{room.reader.user_id}: {problem}"

    def _once(self) -> Iterator[str]:
        """No transaction id is there twice."""
        times = Counter(_tx(one) for room in self.rooms for one in room.said)
        for tx, count in times.items():
            if count > 1:
                yield f"transaction {tx} was said {count} times"

    def _in_clear(self, room: Room) -> Iterator[str]:
        """In a room that is encrypted, all is."""
        clear = [one["event_id"] for one in room.said if one["type"] != "m.room.encrypted"]
        if room.is_encrypted and clear:
            yield f"{len(clear)} of {len(room.said)} messages were said in clear"

    def _unreadable(self, room: Room) -> Iterator[str]:
        """Everything can be read by who is there."""
        read = {event.id for event in room.reader.events}
        lost = [one["event_id"] for one in room.said if one["event_id"] not in read]
        if lost:
            why = {room.reader.unreadable.get(one, "it never came") for one in lost}
            yield f"{len(lost)} of {len(room.said)} messages cannot be read: {why}"

    def _unended(self, room: Room) -> Iterator[str]:
        """Every native poll has ended, with the vote."""
        ours = {one["event_id"] for one in room.said}
        events = [one for one in room.reader.events if one.id in ours]
        begun = Counter(one.id for one in events if one.type == f"{POLL}.start")
        ended = Counter(
            one.content["m.relates_to"]["event_id"] for one in events if one.type == f"{POLL}.end"
        )
        if begun != ended:
            lacking, doubled = list(begun - ended), list(ended - begun)
            yield f"polls {lacking} have not ended, {doubled} more than once"

    def _strange(self, room: Room, told: Sequence[Told]) -> Iterator[str]:
        """Each is of a delivery, or a hint."""
        known = {tx for one in told for tx in _txs(one)}
        strange = {one["event_id"] for one in room.said if _tx(one) not in known}
        for event in room.reader.events:
            if event.id in strange and event.text == HINT:
                strange.remove(event.id)
                self.hints += 1
        if strange:
            yield f"nobody said {sorted(strange)[:5]}"

    def _lost(self, room: Room, told: Sequence[Told]) -> Iterator[str]:
        """What is noted as sent has come, as it was sent."""
        said = {one["event_id"]: _tx(one) for one in room.said}
        for one in told:
            if one.state is not DeliveryState.sent or one.operation is not Operation.send:
                continue
            for event_id, tx in zip((one.message, one.poll), _txs(one), strict=True):
                if event_id is not None and said.get(event_id) != tx:
                    yield f"delivery {one.id} was sent as {event_id}, which is {said.get(event_id)}"

    def _last(self, room: Room, told: Sequence[Told]) -> Iterator[str]:
        """Each message reads as what was done to it last says, in the order of the deliveries."""
        last = {
            str(one.message): one
            for one in told
            if one.state is DeliveryState.sent and one.operation in (Operation.send, Operation.edit)
        }
        reads = {one["event_id"]: _tx(one) for one in room.said}
        for one in room.said:
            relation = one["content"].get("m.relates_to", {})
            if relation.get("rel_type") == "m.replace":
                reads[relation["event_id"]] = _tx(one)
        for message, delivery in last.items():
            if reads.get(message) != _txs(delivery)[0]:
                yield f"message {message} does not read as its last delivery, {delivery.id}"

    def _overtaken(self, room: Room, told: Sequence[Told]) -> Iterator[str]:
        """Replies came in the order in which they were given."""
        places = {one["event_id"]: place for place, one in enumerate(room.said)}
        newest: tuple[int, Told] | None = None
        for one in told:
            if one.kind is not Kind.reply or one.operation is not Operation.send:
                continue
            place = places.get(str(one.message))
            if place is None:
                continue
            if newest is not None and place < newest[0]:
                before = newest[1]
                self.overtaken += before.attempts > WAITED_FOR
                if before.attempts <= WAITED_FOR:
                    yield f"reply {one.id} came before {before.id} (try {before.attempts})"
            else:
                newest = place, one


def by_room(
    told: Sequence[Told], addresses: Mapping[int, str], direct: Mapping[int, str]
) -> dict[str, list[Told]]:
    """Deliveries by their rooms.

    Args:
        addresses: the room of each chat.
        direct: the direct chat of each person: what has not been sent to them was for no room yet.
    """
    found: dict[str, list[Told]] = defaultdict(list)
    for one in sorted(told, key=lambda one: one.id):
        room = direct[one.person or 0] if one.chat is None else addresses[one.chat]
        found[room].append(one)
    return found


def _tx(event: Source) -> str:
    return str(event["content"].get(TX, event["event_id"]))


def _txs(told: Told) -> list[str]:
    """Under which transaction ids a delivery is said: its own first, then its poll's."""
    if told.operation is Operation.end:
        return [f"end-{told.message}"]
    tx = (told.body or {}).get("tx", f"none of delivery {told.id}")
    return [tx, f"{tx}-poll"]
