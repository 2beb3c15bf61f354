"""Calls of one platform, and what becomes of each in the database."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from bot.clock import Clock
from bot.errands import HELD, Errand
from bot.platforms.base import Platform, SendFailed
from storage.database import Database, Unavailable
from storage.deliveries import Failure, Kind, Sent
from storage.store import GIVEN_UP, Store

log = structlog.get_logger()

T = TypeVar("T")

MOST_TRIES = 8
MOST_UNANSWERED = 64  # tries of one that finds nobody while others are answered, or alone: an hour
LONGEST_WAIT = timedelta(minutes=10)
LONGEST_UNANSWERED = timedelta(minutes=1)
PATIENCE = 60.0  # seconds for a call of a platform
AWAY = 3  # chats in a row for which nobody answers: the platform is away, no message is the cause
LONGEST_AWAY = 15.0  # seconds between two looks whether it is back
AGAIN = 1.0  # seconds after which a database that is away is asked again
LATE = 5.0  # seconds at most between a commit and when its errands are made


def backoff(attempts: int) -> timedelta:
    """How long to wait before another try, ever longer."""
    return timedelta(seconds=min(2**attempts, LONGEST_WAIT.total_seconds()))


class Calling:
    """Calls a platform, and notes what became of it.

    What happened is noted however long the database is away: who asked waits.

    Args:
        woken: called when something is to be claimed at once.
    """

    def __init__(
        self, platform: Platform, database: Database, clock: Clock, woken: Callable[[], None]
    ) -> None:
        self.platform = platform
        self.database = database
        self.clock = clock
        self.woken = woken
        self._unanswered = 0  # calls in a row
        self._unanswered_chats: set[int] = set()

    async def begin(self, errands: Sequence[Errand]) -> set[int]:
        """Note that broadcasts are about to be called for; what is not wanted now is put back."""
        ids = [one.delivery_id for one in errands]

        def note(store: Store) -> set[int]:
            now = self.clock.now()
            doubtful = not self.platform.knows_repeats
            wanted = store.deliveries.begin_calls(ids, now, doubtful=doubtful)
            store.deliveries.defer([(one, now) for one in ids if one not in wanted])
            return wanted

        return await _until_done(lambda: self.database.write(note))

    async def undo(self, errands: Sequence[Errand]) -> None:
        """Note that no call was made for some, or that nothing was taken."""
        ids = [one.delivery_id for one in errands]
        await _until_done(
            lambda: self.database.write(lambda store: store.deliveries.undo_calls(ids))
        )

    async def make(self, errand: Errand) -> str | None:
        """Call the platform.

        Returns:
            The message's id; None if it makes no sense any more, or is not wanted any more.

        Raises:
            SendFailed: it was not taken, or perhaps was.
        """
        if self._perhaps_taken_back(errand) and not await self._is_wanted(errand):
            return None
        if errand.expires_at is not None and errand.expires_at <= self.clock.now():
            await self._write(lambda store, now: store.deliveries.expired(errand.delivery_id, now))
            return None
        try:
            message = await self._call(errand)
        except SendFailed as failure:
            raise self._judged(errand.chat_id, failure) from None
        self._answered()
        return message

    def _perhaps_taken_back(self, errand: Errand) -> bool:
        """Whether anything at all was taken back, or erased, since an errand was made.

        Only then the database is asked before a call: each call would pay for what is rare.
        """
        return self.database.taken_back_at > errand.made_at - LATE

    async def _is_wanted(self, errand: Errand) -> bool:
        """Whether a delivery is still there and ours to send; several ask at once."""
        return await _until_done(
            lambda: self.database.read_with_others(_which_wanted, errand.delivery_id)
        )

    async def _call(self, errand: Errand) -> str:
        try:
            async with asyncio.timeout(PATIENCE):
                return await self.platform.call(errand.call)
        except SendFailed:
            raise
        except TimeoutError:
            raise SendFailed(Failure.in_doubt) from None
        except Exception:
            log.exception(
                "platform failed", platform=self.platform.name, delivery=errand.delivery_id
            )
            raise SendFailed(Failure.in_doubt) from None

    def _judged(self, chat_id: int, failure: SendFailed) -> SendFailed:
        """A failure as it counts: if nobody answers for several chats, it is no message's fault.

        One that alone finds nobody, again and again, may be the cause: it is counted.
        """
        if failure.reason is not Failure.unreachable or failure.final or failure.for_all:
            self._answered()
            return failure
        self._unanswered += 1
        self._unanswered_chats.add(chat_id)
        if len(self._unanswered_chats) < AWAY:
            return failure
        wait = min(float(self._unanswered), LONGEST_AWAY)
        return SendFailed(failure.reason, wait=max(wait, failure.wait), for_all=True)

    def _answered(self) -> None:
        self._unanswered = 0
        self._unanswered_chats.clear()

    async def sent(self, errand: Errand, message: str) -> None:
        """Note that it was sent; several notes share a commit."""
        poll = ""
        if errand.call.asks:
            message, _, poll = message.partition(" ")
        done = Sent(errand.delivery_id, errand.chat_id, message, poll or None)
        await _until_done(lambda: self.database.write_with_others(self._note_sent, done))

    def _note_sent(self, store: Store, done: list[Sent]) -> list[None]:
        store.note_sent(done, self.clock.now())
        return [None for _ in done]

    async def failed(
        self, errand: Errand, failure: SendFailed, behind: Sequence[Errand]
    ) -> tuple[list[Errand], float]:
        """Note that it failed: it is tried again later, elsewhere, or never.

        Args:
            behind: what waits for the same chat, in order.

        Returns:
            Those behind it that can go on, and after how many seconds the others come back.
        """
        is_closed = failure.reason in GIVEN_UP or failure.reason is Failure.not_private
        if is_closed and failure.moved_to is None:
            await self._write(lambda store, now: _give_up(store, errand, failure, behind, now))
            self.woken()
            return [], 0.0
        if failure.absent:
            await self._write(lambda store, now: _postpone(store, [errand, *behind], now, failure))
            return [], 0.0
        is_unanswered = failure.reason is Failure.unreachable
        most = MOST_UNANSWERED if is_unanswered else MOST_TRIES
        is_over = failure.final or errand.attempts >= most
        if failure.moved_to is not None and errand.attempts < MOST_TRIES:
            address = failure.moved_to
            await self._write(lambda store, now: self._follow(store, errand, address, behind, now))
            self.woken()
            return [], 0.0
        is_doubtful = failure.reason is Failure.in_doubt and not self.platform.knows_repeats
        if is_over or (is_doubtful and errand.kind is Kind.broadcast):
            await self._write(
                lambda store, now: store.deliveries.failed(errand.delivery_id, failure.reason, now)
            )
            return list(behind), 0.0
        wait = backoff(errand.attempts)
        if is_unanswered:
            wait = min(wait, LONGEST_UNANSWERED)
        wait = max(timedelta(seconds=failure.wait), wait)
        await self._write(lambda store, now: _put_back(store, errand, behind, now, wait))
        return [], wait.total_seconds()

    def _follow(
        self, store: Store, errand: Errand, address: str, behind: Sequence[Errand], now: datetime
    ) -> None:
        """The chat is elsewhere: all is tried again there at once."""
        store.move_chat(self.platform.name, errand.call.chat, address, now)
        _put_back(store, errand, behind, now)

    async def _write(self, note: Callable[[Store, datetime], T]) -> T:
        return await _until_done(
            lambda: self.database.write(lambda store: note(store, self.clock.now()))
        )


def _put_back(
    store: Store,
    errand: Errand,
    behind: Sequence[Errand],
    now: datetime,
    wait: timedelta = timedelta(),
) -> None:
    """Have an errand tried again; what was behind it comes back with it, or before, at no cost.

    Coming back together they are claimed together, and stay in order.
    """
    store.deliveries.retry(errand.delivery_id, now + wait)
    held = min(wait, timedelta(seconds=HELD))
    store.deliveries.defer([(one.delivery_id, now + held) for one in behind])


def _postpone(store: Store, errands: Sequence[Errand], now: datetime, failure: SendFailed) -> None:
    """Have errands wait for who they are for, at no cost."""
    due = now + timedelta(seconds=failure.wait)
    store.deliveries.postpone([one.delivery_id for one in errands], due)


def _give_up(
    store: Store, errand: Errand, failure: SendFailed, behind: Sequence[Errand], now: datetime
) -> None:
    """Write no more to a chat, or nothing private if others are in it.

    What is for a person, not for the chat, may go elsewhere.
    """
    if failure.reason is Failure.not_private:
        store.open_up_chat(errand.chat_id, now)
        store.deliveries.defer([(one.delivery_id, now) for one in (errand, *behind)])
    else:
        store.give_up_chat(errand.chat_id, failure.reason, now)
    people = [one for one in (errand, *behind) if one.person_id is not None]
    others = store.people.direct_chats([one.person_id for one in people if one.person_id])
    for one in people:
        if one.person_id in others:
            store.deliveries.reword(one.delivery_id)
            store.deliveries.defer([(one.delivery_id, now)])
        else:
            store.deliveries.failed(one.delivery_id, failure.reason, now)


def _which_wanted(store: Store, delivery_ids: list[int]) -> list[bool]:
    held = store.deliveries.still_held(delivery_ids)
    return [one in held for one in delivery_ids]


async def _until_done(write: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await write()
        except Unavailable:
            await asyncio.sleep(AGAIN)
