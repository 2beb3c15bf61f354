"""What takes long is kept in the database, and Telegram is told that we have it.

So nobody waits for the files and pastes of others: Telegram gives no more than a hundred updates
that are not confirmed, and posts nothing of a chat while one of it is not answered.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime
from typing import Any

import structlog
from telegram import Bot, Update

from bot.platforms.telegram.gathering import Gathering, grows
from bot.platforms.telegram.updates import PLATFORM, Arrival
from storage.database import Database, Unavailable

log = structlog.get_logger()

AGAIN = 1.0  # seconds before something is tried again that could not be done

Read = Callable[[Update, datetime], Arrival]
InHand = Callable[[datetime], AbstractContextManager[None]]


class Holding:
    """Holds updates until they are applied, each person's in order."""

    def __init__(self, database: Database, gathering: Gathering) -> None:
        self._database = database
        self._gathering = gathering
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def hold(
        self, arrival: Arrival, update: Update, body: dict[str, Any], in_hand: InHand
    ) -> None:
        """Have an update applied in its turn; when this returns it cannot be lost.

        Args:
            body: the update as it came.
            in_hand: has closings wait for what may be a vote.

        Raises:
            Unavailable: it is not kept, though it may be applied all the same.
        """
        incoming = arrival.incoming
        assert incoming is not None
        applied = self._gathering.put(arrival)  # before anything is waited for: in order
        user = update.effective_user
        sender = str(user.id) if user else None
        with ExitStack() as stack:
            if _may_vote(arrival):
                stack.enter_context(in_hand(incoming.received_at))
            number = await self._database.write(
                lambda store: store.inbox.hold(
                    PLATFORM, incoming.update_id, body, incoming.received_at, sender
                )
            )
            if number is not None:
                self._follow(number, applied, stack.pop_all())

    async def resume(self, bot: Bot, read: Read, in_hand: InHand) -> None:
        """Have those applied that another run left, in the order in which they came."""
        while True:
            try:
                left = await self._database.read(lambda store: store.inbox.waiting(PLATFORM))
                break
            except Unavailable:
                await asyncio.sleep(AGAIN)
        for one in left:
            arrival, stack = read(Update.de_json(one.body, bot), one.received_at), ExitStack()
            if arrival.incoming is None:  # it means nothing to this version
                continue
            if _may_vote(arrival):
                stack.enter_context(in_hand(one.received_at))
            self._follow(one.id, self._gathering.put(arrival), stack)

    async def settled(self) -> None:
        """Wait until nothing is held any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Follow no more, once the gathering is closed; what is held is left to the next run."""
        self._closed = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=AGAIN)
        for task in self._tasks:
            task.cancel()

    def _follow(self, number: int, applied: "asyncio.Task[bool]", stack: ExitStack) -> None:
        task = asyncio.create_task(self._release(number, applied, stack))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _release(self, number: int, applied: "asyncio.Task[bool]", stack: ExitStack) -> None:
        """Let go of an update once it is applied."""
        with stack:
            await asyncio.wait([applied])
        if applied.cancelled() or not applied.result():
            return
        while not self._closed:
            try:
                await self._database.write(lambda store: store.inbox.release([number]))
                return
            except Unavailable:  # what was applied already is found to be, the next time
                await asyncio.sleep(AGAIN)


def _may_vote(arrival: Arrival) -> bool:
    """Whether it is a press, or words that are not waited for: a file is never a vote."""
    incoming = arrival.incoming
    if incoming is None or arrival.sent is not None or grows(arrival):
        return False
    return incoming.edits is None and incoming.problem is None
