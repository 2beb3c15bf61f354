"""Updates, kept until they are confirmed; long polling and its conflicts.

core.telegram.org/bots/api#getting-updates: kept at most 24 hours (here: for ever), given by one of
two ways that exclude each other, confirmed by a higher offset.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.bot_api.errors import Refused
from tests.bot_api.faults import Faults

# Not given unless asked for by name (getUpdates, allowed_updates).
ON_REQUEST = {"chat_member", "message_reaction", "message_reaction_count"}
FIRST = 500_000_001


@dataclass(frozen=True)
class Update:
    """An update as it goes over the wire; `queue` is what keeps its order in a webhook."""

    id: int
    kind: str
    queue: int
    body: bytes


class Updates:
    """The queue of one bot.

    Attributes:
        pending: not yet confirmed, by id, oldest first.
        next_id: may be moved on, as Telegram does after a quiet week.
        pushed: called with each new update (the webhook listens here).
        given: how many, by kind, since the start.
    """

    def __init__(self, faults: Faults) -> None:
        self.pending: dict[int, Update] = {}
        self.next_id = FIRST
        self.pushed: Callable[[Update], None] | None = None
        self.allowed: list[str] | None = None
        self.given: Counter[str] = Counter()
        self.at: dict[int, float] = {}  # when a pending one was given, monotonic
        self.latest_wait = 0.0  # seconds from being given to being confirmed
        self._faults = faults
        self._again: list[Update] = []
        self._waiting: asyncio.Future[str] | None = None
        self._quiet = asyncio.Event()
        self._quiet.set()

    def push(self, kind: str, body: Any, queue: int) -> int | None:
        """Give an update to the bot; its id, or None if the bot wants none of that kind."""
        if not self._wanted(kind):
            return None
        number = self.next_id
        self.next_id += 1
        raw = json.dumps({"update_id": number, kind: body}, ensure_ascii=False).encode()
        update = Update(number, kind, queue, raw)
        self.pending[number] = update
        self.at[number] = time.monotonic()
        self.given[kind] += 1
        self._quiet.clear()
        if self.pushed is not None:
            self.pushed(update)
        else:
            self.wake("more")
        return number

    def _wanted(self, kind: str) -> bool:
        if self.allowed:
            return kind in self.allowed
        return kind not in ON_REQUEST

    def allow(self, kinds: list[str] | None) -> None:
        """Heed `allowed_updates`: None leaves it, an empty list is the default again."""
        if kinds is not None:
            self.allowed = kinds or None

    def confirm(self, number: int) -> None:
        """This one was taken."""
        if self.pending.pop(number, None) is not None:
            self.latest_wait = time.monotonic() - self.at.pop(number)
        if not self.pending:
            self._quiet.set()

    def drop(self) -> None:
        for number in list(self.pending):
            self.confirm(number)
        self._again.clear()

    async def idle(self, seconds: float = 30.0) -> None:
        """Wait until every update was confirmed, for so many seconds at most."""
        async with asyncio.timeout(seconds):
            await self._quiet.wait()

    def wake(self, why: str) -> None:
        """End the long poll that waits: more | conflict | webhook | closing."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(why)

    async def poll(self, offset: int, limit: int, seconds: int) -> list[bytes]:
        """What getUpdates answers.

        Raises:
            Refused: 409, a webhook is active or another poll began meanwhile
                (words of tdlib/telegram-bot-api, Client.cpp, `abort_long_poll`).
        """
        if self.pushed is not None:
            raise _conflict(
                "can't use getUpdates method while webhook is active; "
                "use deleteWebhook to delete the webhook first"
            )
        self.wake("conflict")
        self._confirm_before(offset)
        if not self.pending and not self._again and seconds > 0:
            why = await self._wait(min(seconds, 50))
            if why == "conflict":
                raise _conflict(
                    "terminated by other getUpdates request; "
                    "make sure that only one bot instance is running"
                )
            if why == "webhook":
                raise _conflict("terminated by setWebhook request")
        return self._batch(max(1, min(limit, 100)))

    async def _wait(self, seconds: float) -> str:
        mine: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting = mine
        try:
            async with asyncio.timeout(seconds):
                return await mine
        except TimeoutError:
            return "nothing"
        finally:
            if self._waiting is mine:
                self._waiting = None

    def _confirm_before(self, offset: int) -> None:
        if offset < 0:
            done = list(self.pending)[:offset]
        else:
            done = []
            for number in self.pending:
                if number >= offset:
                    break
                done.append(number)
        for number in done:
            self.confirm(number)

    def _batch(self, limit: int) -> list[bytes]:
        batch, self._again = self._again[:limit], self._again[limit:]
        for update in self.pending.values():
            if len(batch) >= limit:
                break
            batch.append(update)
            if self._faults.twice():
                self._again.append(update)
        self._faults.shuffle(batch)
        return [update.body for update in batch]


def _conflict(description: str) -> Refused:
    return Refused(409, description)
