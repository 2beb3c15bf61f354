"""What is shown at once and kept nowhere: typing, that we have read, why nothing was done."""

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import structlog
from nio import UpdateReceiptMarkerResponse

from bot.platforms.base import SendFailed
from bot.platforms.matrix.client import Client
from bot.platforms.matrix.connection import API
from bot.platforms.matrix.doors import asked
from bot.platforms.matrix.pace import LearningPace
from bot.platforms.matrix.sending import PASSING, put
from bot.platforms.matrix.wording import MESSAGE
from bot.rendering import texts_for
from bot.settings import Settings
from storage.deliveries import Failure

log = structlog.get_logger()

SLOW = 1.0  # seconds after which a person is shown that an answer is being made
TYPING = 10_000  # milliseconds for which that is shown at most
UNHURRIED = 2.0  # seconds for which the newest message of a room is waited for, before it is read
SHARE = 4  # of so many calls that could be made, one at most says what we have read
HINT = 15.0  # seconds before a person is told the same again
MOST_HINTED = 1000  # chats
MOST_WAITING = 100  # calls in the background
LATE = 10.0  # seconds after which words are worth nothing
MOST_TRIES = 3
LAST = 1.0  # seconds for what is being said when we stop


class Hints:
    """Shows things in the background: nobody waits for them, and messages go first.

    Args:
        pace: that from which messages take their turn.
        is_direct: whether a room is a direct chat: words are said in no other.
    """

    def __init__(
        self,
        client: Client,
        settings: Settings,
        pace: LearningPace,
        is_direct: Callable[[str], bool],
    ) -> None:
        self._client = client
        self._texts = texts_for(settings.language, settings.zone)
        self._pace = pace
        self._is_direct = is_direct
        self._tasks: set[asyncio.Task[bool]] = set()
        self._told: dict[tuple[str, str], float] = {}
        self._unread: dict[str, str] = {}  # the newest event of each room
        self._reading: asyncio.Task[bool] | None = None
        self._may_read_at = float("-inf")

    # That an answer is being made

    @contextmanager
    def typing(self, room_id: str) -> Iterator[None]:
        """Show that an answer is being made, as long as it is, if that is long."""
        shown = False

        def show() -> None:
            nonlocal shown
            shown = self._glance(room_id, is_on=True)

        timer = asyncio.get_running_loop().call_later(SLOW, show)
        try:
            yield
        finally:
            timer.cancel()
            if shown:
                self._glance(room_id, is_on=False)

    def _glance(self, room_id: str, *, is_on: bool) -> bool:
        """Show whether we type, unless there is something else to do."""
        if self._pace.delay() or len(self._tasks) >= MOST_WAITING:
            return False
        self._pace.take(room_id, in_group=False)
        self._do(self._type(room_id, is_on))
        return True

    async def _type(self, room_id: str, is_on: bool) -> None:
        await asked(self._client.room_typing(room_id, is_on, TYPING))

    # That we have read

    def read(self, room_id: str, event_id: str) -> None:
        """Show that we have read a room up to some event, if there is nothing else to do."""
        self._unread[room_id] = event_id
        if self._reading is None:
            self._reading = self._do(self._read_all())

    async def _read_all(self) -> None:
        try:
            await asyncio.sleep(UNHURRIED)
            while self._unread and self._may_read():
                room_id, event_id = self._unread.popitem()
                self._may_read_at = self._pace.clock() + SHARE / self._pace.rate
                self._pace.take(room_id, in_group=False)
                await self._mark(room_id, event_id)
        finally:
            self._unread.clear()
            self._reading = None

    def _may_read(self) -> bool:
        return not self._pace.delay() and self._pace.clock() >= self._may_read_at

    async def _mark(self, room_id: str, event_id: str) -> None:
        path = f"{API}/rooms/{quote(room_id, safe='')}/receipt/m.read/{quote(event_id, safe='')}"
        await asked(self._client._send(UpdateReceiptMarkerResponse, "POST", path, "{}"))

    # Words

    def tell(
        self,
        room_id: str,
        name: str,
        every: float = HINT,
        language: str | None = None,
        **arguments: Any,
    ) -> None:
        """Say to a person a message by its name, unless it was said to them lately.

        Args:
            every: seconds.
            language: of who reads it, if that is known.
        """
        now, told = time.monotonic(), (room_id, name)
        if now - self._told.get(told, -every) < every or self._pace.delay():
            return
        if len(self._told) >= MOST_HINTED:
            self._told.clear()
        self._told[told] = now
        texts = self._texts if language is None else texts_for(language, self._texts.zone)
        self.say(room_id, texts.plain(name, arguments))

    async def told(self, room_id: str, name: str) -> bool:
        """Say to a person a message by its name, however long; whether it was said."""
        return await self._done(self._say(room_id, self._texts.plain(name, {})))

    def say(self, room_id: str, words: str) -> None:
        """Say to a person what is kept nowhere; where much waits it is not said."""
        if len(self._tasks) < MOST_WAITING and self._pace.delay() < LATE:
            self._do(self._say(room_id, words))

    async def _say(self, room_id: str, words: str) -> None:
        content = {"msgtype": "m.notice", "body": words, "m.mentions": {}}
        tx = f"{PASSING}{secrets.token_urlsafe(18)}"
        for _ in range(MOST_TRIES):
            while delay := self._pace.delay():  # noqa: ASYNC110 (no event tells of it)
                await asyncio.sleep(delay)
            self._check(room_id)
            self._pace.take(room_id, in_group=False)
            try:
                await put(self._client, room_id, MESSAGE, content, tx, lambda: self._check(room_id))
            except SendFailed as failed:
                if not failed.for_all or failed.wait > LATE:
                    raise
                self._pace.refused(failed.wait)
            else:
                return

    def _check(self, room_id: str) -> None:
        if not self._is_direct(room_id):
            raise SendFailed(Failure.not_private, final=True)

    # In the background

    def _do(self, call: Coroutine[Any, Any, None]) -> "asyncio.Task[bool]":
        """Do it in the background: if it fails, it fails."""
        task = asyncio.create_task(self._done(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _done(self, call: Coroutine[Any, Any, None]) -> bool:
        """Do it; whether it was done."""
        try:
            await asked(call)
        except SendFailed as failed:
            if failed.for_all:
                self._pace.pause(failed.wait)
        except Exception:
            log.exception("a hint failed")
        else:
            return True
        return False

    async def settled(self) -> None:
        """Wait until all is shown but what we have read."""
        while tasks := [one for one in self._tasks if one is not self._reading]:
            await asyncio.wait(tasks)

    async def close(self) -> None:
        """Wait a little for what is being said."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LAST)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
