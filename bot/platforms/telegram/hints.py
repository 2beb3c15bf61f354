"""What is shown at once and kept nowhere: toasts, typing, why nothing was done, a farewell."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any

from telegram import Bot
from telegram.constants import ChatAction
from telegram.error import RetryAfter, TelegramError

from bot.pace import Pace
from bot.platforms.telegram import direct
from bot.platforms.telegram.failures import seconds
from bot.platforms.telegram.updates import Arrival
from bot.platforms.telegram.wording import plain_toast
from bot.rendering import texts_for
from bot.settings import Settings

GLANCE = 60  # characters that are read before a toast is gone
HINT = 15.0  # seconds before a person is told the same again
MOST_HINTED = 1000  # people
MOST_TRIES = 3
AT_ONCE = 32  # toasts: half of the connections, so that messages find one
MOST_WAITING = 500  # calls in the background
LAST = 1.0  # seconds for what is being said when we stop


class Hints:
    """Says things in the background: nobody waits for them.

    Args:
        pace: gives the pace that messages take their turn from.
    """

    def __init__(self, bot: Bot, settings: Settings, pace: Callable[[], Pace]) -> None:
        self._bot = bot
        self._settings = settings
        self._pace = pace
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._hinted: dict[str, float] = {}

    def acknowledge(self, query: str, text: str | None = None, url: str | None = None) -> None:
        """Answer a press: with a toast, or an alert if it is long, or an address to open."""
        shown = plain_toast(text) if text else None
        alert = shown is not None and len(shown) > GLANCE
        self._glance(
            direct.call(
                self._bot,
                "answerCallbackQuery",
                callback_query_id=query,
                text=shown,
                show_alert="true" if alert else None,
                url=url,
            )
        )

    def tell(self, arrival: Arrival, name: str, language: str | None = None) -> None:
        """Say why nothing was done: at a press, or in a private chat; not over and over.

        Args:
            language: of who reads it, if that is known.
        """
        incoming, now = arrival.incoming, time.monotonic()
        assert incoming is not None
        told = arrival.query or incoming.chat
        if now - self._hinted.get(told, -HINT) < HINT:
            return
        spoken = language or self._settings.language
        words = texts_for(spoken, self._settings.zone).plain(name)
        if arrival.query is not None:
            self.acknowledge(arrival.query, words)
        elif not incoming.in_group and not self._pace().wait(incoming.chat, in_group=False):
            self.say(incoming.chat, words)
        else:
            return
        if len(self._hinted) >= MOST_HINTED:
            self._hinted.clear()
        self._hinted[told] = now

    def say(self, chat: str, words: str) -> None:
        """Say to a person what no chat of the database is for."""
        self.do(self._say(chat, words))

    async def _say(self, chat: str, words: str) -> None:
        pace = self._pace()
        for _ in range(MOST_TRIES):
            await asyncio.sleep(pace.wait(chat, in_group=False))
            pace.take(chat, in_group=False)
            try:
                await self._bot.send_message(chat, words)
            except RetryAfter as error:
                pace.pause(seconds(error.retry_after))
            else:
                return

    def type(self, chat: str, thread: str) -> None:
        """Show that an answer is being made."""
        topic = int(thread) if thread else None
        action = self._bot.send_chat_action(chat, ChatAction.TYPING, message_thread_id=topic)
        self._glance(action)

    def _glance(self, call: Coroutine[Any, Any, Any]) -> None:
        """Do what is worth nothing later: it is dropped where Telegram is angry, or much waits."""
        if self._pace().paused or len(self._tasks) >= MOST_WAITING:
            call.close()
        else:
            self.do(self._in_turn(call))

    async def _in_turn(self, call: Coroutine[Any, Any, Any]) -> None:
        try:
            async with self._turns:
                if not self._pace().paused:
                    await call
        except RetryAfter as error:
            self._pace().pause(seconds(error.retry_after))
        finally:
            call.close()

    def do(self, call: Coroutine[Any, Any, Any]) -> None:
        """Do it in the background: if it fails, it fails."""

        async def until_done() -> None:
            with contextlib.suppress(TelegramError):
                await call

        task = asyncio.create_task(until_done())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait a little for what is being said."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LAST)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
