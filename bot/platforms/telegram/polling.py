"""Long polling: what was received is confirmed to Telegram once it is committed."""

import asyncio
import json
import operator
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from telegram import Bot, Update
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError

from bot.platforms.telegram import direct
from bot.platforms.telegram.failures import seconds
from bot.platforms.telegram.transport import AiohttpRequest
from bot.platforms.telegram.updates import ALLOWED
from storage.database import Unavailable

log = structlog.get_logger()

LONG_POLL = 50  # seconds that Telegram may keep us waiting
SLACK = 10  # seconds more before we give the connection up
BRIEF = 0.25  # seconds before looking again while something is in hand
AGAIN = 1.0  # seconds before something is tried again that could not be applied
LAST = 2.0  # seconds for what is in hand when we stop
LONGEST_PAUSE = 30.0  # seconds

Take = Callable[[Update, dict[str, Any]], Coroutine[Any, Any, None]]
_ALLOWED = json.dumps(ALLOWED)


class Polling:
    """Gives each update to `take`, once; many side by side.

    What is in hand is asked for again with what follows it, and told apart by its number: `take`
    must not be long. One that it could not apply, because the database is away, is asked for again.
    """

    def __init__(self, bot: Bot, take: Take) -> None:
        self._bot = bot
        self._take = take
        self._request = AiohttpRequest(pool_size=1)  # what is sent does not hold it up
        self._in_hand: dict[int, asyncio.Task[None]] = {}
        self._done: set[int] = set()  # applied, but behind one that is not
        self._failed: set[int] = set()  # to be asked for again
        self._next = 0  # 0: whatever waits
        self._pause = 0.0
        self._reason = ""

    async def run(self) -> None:
        """Poll until cancelled."""
        await self._request.initialize()
        try:
            while True:
                await self._once()
        finally:
            await self._request.shutdown()

    async def finish(self) -> None:
        """Wait for what is in hand; what cannot be applied now is given to the next run."""
        tasks = list(self._in_hand.values())
        if tasks:
            await asyncio.wait(tasks, timeout=LAST)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _once(self) -> None:
        confirmed = self._offset
        try:
            updates = await self._waiting(confirmed)
        except TelegramError as error:
            await self._wait_after(error)
            return
        if self._pause:
            log.warning("Telegram answers again")
            self._pause = 0.0
        self._done = {number for number in self._done if number >= confirmed}
        if self._next == confirmed:  # after a quiet week, Telegram may count from anywhere
            self._next = 0
        for update, body in updates:
            number = update.update_id
            self._next = max(self._next, number + 1)
            self._failed.discard(number)
            self._in_hand[number] = asyncio.create_task(self._take(update, body))
        await self._wait()

    async def _waiting(self, offset: int) -> list[tuple[Update, dict[str, Any]]]:
        """What waits at Telegram and is new here, in order, as it came and as it is read.

        What nobody can read is passed over.
        """
        at_most = 0 if self._in_hand or self._pause else LONG_POLL
        try:
            found = await direct.call(
                self._bot,
                "getUpdates",
                request=self._request,
                read_timeout=at_most + SLACK,
                offset=str(offset) if offset else None,
                timeout=str(at_most),
                allowed_updates=_ALLOWED,
            )
            bodies = {operator.index(body["update_id"]): body for body in found}
        except TelegramError:
            raise
        except Exception:  # what answers is no Bot API
            raise TelegramError("Invalid server response") from None
        new = []
        for number, body in sorted(bodies.items()):
            if number in self._in_hand or number in self._done:
                continue
            try:
                new.append((Update.de_json(body, self._bot), body))
            except Exception as error:
                log.warning("an update cannot be read", reason=type(error).__name__)
                self._done.add(number)
                self._next = max(self._next, number + 1)
        return new

    @property
    def _offset(self) -> int:
        """The first update that is not confirmed yet."""
        return min(self._in_hand.keys() | self._failed, default=self._next)

    async def _wait(self) -> None:
        """Wait for all that is in hand, but not long."""
        if not self._in_hand:
            return
        await asyncio.wait(self._in_hand.values(), timeout=BRIEF)
        for number, task in list(self._in_hand.items()):
            if not task.done():
                continue
            del self._in_hand[number]
            error = task.exception()
            if isinstance(error, Unavailable):
                self._failed.add(number)
                continue
            if error is not None:  # nor could it be taken the next time
                log.error("an update could not be taken", exc_info=error)
            self._done.add(number)
        if self._failed:
            await asyncio.sleep(AGAIN)

    async def _wait_after(self, error: TelegramError) -> None:
        if isinstance(error, RetryAfter):
            pause = seconds(error.retry_after)
        else:
            pause = min(max(self._pause * 2, 1.0), LONGEST_PAUSE)
        reason = _said(error)
        if not self._pause or reason != self._reason:
            log.warning("Telegram does not answer", reason=reason)
        self._pause, self._reason = pause, reason
        await asyncio.sleep(pause)


def _said(error: TelegramError) -> str:
    """An error in a line for the operator."""
    if isinstance(error, Conflict):
        return "another process polls for this bot, or a webhook is set (409)"
    if isinstance(error, InvalidToken):
        return "the token is refused"
    return error.message
