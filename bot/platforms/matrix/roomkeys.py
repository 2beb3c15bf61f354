"""Which keys of rooms are taken: anybody who knows our device may send it as many as they like."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from nio import AsyncClient
from nio.crypto import InboundGroupSession

from bot.platforms.matrix.chores import Throttle

log = structlog.get_logger()

# Keys of one sender for one room: so many in a row, then one in so long.
BURST, SECONDS = 200, 600.0
# Keys whose sender is not in the room: a sync may tell of them before it tells who came.
PATIENCE = 600.0  # seconds for which one is kept
MOST_OF_ONE, MOST = 20, 1000  # of one sender, and of all

IsThere = Callable[[str, str], bool]  # whether somebody, of that id, is in a room
Drop = Callable[[InboundGroupSession], None]


@dataclass(frozen=True)
class Early:
    """A key of somebody who was not seen in the room yet."""

    sender: str
    session: InboundGroupSession
    at: float


class RoomKeys:
    """The keys that were sent to us, until it is seen that their senders are in the rooms.

    Args:
        drop: lets go of one.
    """

    def __init__(self, drop: Drop, clock: Callable[[], float] = time.monotonic) -> None:
        self._drop = drop
        self._clock = clock
        self._throttle = Throttle(BURST, SECONDS, clock)
        self._early: list[Early] = []

    def may_come(self, sender: str, room_id: str) -> bool:
        """Whether one more may be taken; it is counted then."""
        who = f"{sender} {room_id}"
        if self._throttle.wait(who):
            log.warning("too many keys for a room: one is passed over", room=room_id)
            return False
        self._throttle.count(who)
        return True

    def came(self, sender: str, session: InboundGroupSession) -> None:
        """Note one that was taken."""
        self._early.append(Early(sender, session, self._clock()))

    def judge(self, is_there: IsThere) -> None:
        """Let go of those for which nobody was seen to come, once they are too old, or too many."""
        oldest = self._clock() - PATIENCE
        early = [one for one in self._early if not is_there(one.session.room_id, one.sender)]
        left, counts = list[Early](), Counter[str]()
        for one in reversed(early):
            counts[one.sender] += 1
            if one.at > oldest and counts[one.sender] <= MOST_OF_ONE and len(left) < MOST:
                left.append(one)
            else:
                self._drop(one.session)
        self._early = left[::-1]


class KeySorting:
    """Has only keys kept that may serve.

    Args:
        is_expected: whether we are about to come into a room.
    """

    def __init__(self, client: AsyncClient, is_expected: Callable[[str], bool]) -> None:
        self._client = client
        self._is_expected = is_expected
        self._swept = False

    def left(self) -> None:
        """We left a room."""
        self._swept = False

    def sort(self) -> None:
        """Let go of keys of rooms that are none of ours, and of those of who is not there."""
        self._client.olm.judge_keys(self._is_there)
        if not self._swept:
            self._client.olm.forget_rooms(self._is_ours)
            self._swept = True

    def _is_ours(self, room_id: str) -> bool:
        return room_id in self._client.rooms or self._is_expected(room_id)

    def _is_there(self, room_id: str, user_id: str) -> bool:
        """Whether somebody is in a room; who is where we are about to come is not known."""
        room = self._client.rooms.get(room_id)
        return self._is_expected(room_id) if room is None else user_id in room.users
