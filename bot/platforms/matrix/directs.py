"""Direct chats that we open ourselves, for who has to be told something and has none."""

import asyncio
import time
from collections.abc import Callable

from nio import AsyncClient

from bot.platforms.base import SendFailed
from bot.platforms.matrix.doors import create_direct
from storage.deliveries import Failure

PATIENCE = 10.0  # seconds until a sync shows the room that was made
YOUNG = 60.0  # seconds in which it must have shown it, with its person
LONGEST_SLOT = 600.0  # seconds for which a turn is kept that nobody takes


class Turns:
    """When each may have a room made, once the homeserver said that it makes few."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._between = 0.0
        self._next = float("-inf")
        self._slots: dict[str, float] = {}

    def wait(self, user_id: str) -> float:
        """Seconds until a person's turn; each has their own, and keeps it."""
        now = self._clock()
        if user_id not in self._slots and now < self._next:
            self._give(user_id)
        return max(0.0, self._slots.get(user_id, now) - now)

    def taken(self, user_id: str) -> None:
        """Note that a person's room was made."""
        self._slots.pop(user_id, None)

    def refused(self, user_id: str, wait: float) -> None:
        """Note that no room is made for some seconds."""
        now = self._clock()
        self._between = wait
        self._next = max(self._next, now + wait)
        self._give(user_id)
        self._slots = {who: at for who, at in self._slots.items() if at > now - LONGEST_SLOT}

    def _give(self, user_id: str) -> None:
        self._slots[user_id] = self._next
        self._next += self._between


class Directs:
    """Opens direct chats, one a person.

    Args:
        found: gives the room where we are alone with a person, if there is one.
    """

    def __init__(
        self,
        client: AsyncClient,
        found: Callable[[str], str | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._found = found
        self._clock = clock
        self._turns = Turns(clock)
        self._making = asyncio.Lock()
        self._made: dict[str, tuple[str, float]] = {}  # by person: the room, and when
        self._news = asyncio.Event()

    def look(self) -> None:
        """A sync may have shown a room that was made."""
        self._news.set()

    def is_young(self, room_id: str) -> bool:
        """Whether a room was perhaps just made by us: its person will be seen in it."""
        self._forget_old()
        return self._making.locked() or any(room == room_id for room, _ in self._made.values())

    async def open(self, user_id: str) -> str:
        """The room where we are alone with a person; if there is none it is made, they are invited.

        Raises:
            SendFailed: there is none, and none can be made, now or ever.
        """
        async with self._making:
            self._forget_old()
            if (room_id := self._found(user_id)) is not None:
                return room_id
            if user_id not in self._made:
                self._made[user_id] = await self._make(user_id), self._clock()
            room_id = self._made[user_id][0]
        try:
            async with asyncio.timeout(PATIENCE):
                while self._found(user_id) is None:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:  # it is there all the same, and will be seen later
            pass
        return room_id

    async def _make(self, user_id: str) -> str:
        wait = self._turns.wait(user_id)
        if wait:
            raise SendFailed(Failure.refused, wait=wait)
        try:
            room_id = await create_direct(self._client, user_id)
        except SendFailed as failed:
            raise self._judged(user_id, failed) from None
        self._turns.taken(user_id)
        return room_id

    def _judged(self, user_id: str, failed: SendFailed) -> SendFailed:
        """A refusal as it counts: messages need no new room, and wait for none."""
        if failed.reason is Failure.refused and failed.for_all:
            self._turns.refused(user_id, failed.wait)
            return SendFailed(Failure.refused, wait=self._turns.wait(user_id))
        if failed.reason is Failure.removed:  # we may not invite them, such as outsiders of Tchap
            return SendFailed(Failure.blocked, final=True)
        if failed.final:
            return SendFailed(Failure.not_found, final=True)
        return failed

    def _forget_old(self) -> None:
        old = self._clock() - YOUNG
        self._made = {who: (room, at) for who, (room, at) in self._made.items() if at > old}
