"""Sends what the database says is due: worded when it is first claimed, then frozen."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.exc import OperationalError

from bot import routing
from bot.clock import Clock
from bot.dispatcher import NOTICE
from bot.platforms.base import Platform, SendFailed
from bot.rendering import render, texts_for, title
from bot.routing import Recipient
from bot.settings import Settings
from storage.conversations import Awaited
from storage.database import Database, Unavailable
from storage.deliveries import Claimed, Failure, Operation, Outgoing, Placed, numbered
from storage.people import Chat, ChatState
from storage.store import Store

log = structlog.get_logger()

IDLE = 1.0  # seconds between two looks when nobody woke it
MOST_TRIES = 8
LONGEST_WAIT = timedelta(minutes=10)
BATCH = 25  # worded in one transaction, for which others wait
# Seconds between two of a batch: SQLite gives the interpreter away too briefly for the event loop.
BREATH = 0.0002
PATIENCE = 60.0  # seconds for a call of a platform


@dataclass(frozen=True)
class _Call:
    """A delivery that a platform has to be called for."""

    claimed: Claimed
    chat_id: int
    platform: str
    address: str
    body: dict[str, Any]


@dataclass(frozen=True)
class _OnPage:
    """A delivery that was put on a web page."""

    platform: str
    placed: Placed
    awaited: Awaited | None


class Sender:
    """One loop over due deliveries."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        clock: Clock,
        platforms: Mapping[str, Platform],
    ) -> None:
        self.database = database
        self.settings = settings
        self.clock = clock
        self.platforms = platforms
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def wake(self) -> None:
        """Look again soon; may be called from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            try:
                worked = await self.send_due()
            except Unavailable:
                worked = 0
            except Exception:
                log.exception("sending failed")
                worked = 0
            if not worked:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), IDLE)

    async def send_due(self) -> int:
        """Send one batch of what is due; return how many were claimed."""
        if not await self.database.read(lambda store: store.deliveries.is_due(self.clock.now())):
            return 0
        placed, calls, count = await self.database.write(self._claim)
        for one in placed:
            event = one.placed.event
            self.platforms[one.platform].publish(one.placed.chat_id, (event,))
        for call in calls:
            await self._call(call)
        return count

    def _claim(self, store: Store) -> tuple[list[_OnPage], list[_Call], int]:
        """Claim a batch. What goes on a web page is delivered by this very transaction."""
        now = self.clock.now()
        store.hold()  # one meeting, or broadcast, is loaded once for a whole batch
        store.deliveries.release_lapsed(now)
        claimed = store.deliveries.claim(now, BATCH)
        chats = _chats(store, claimed)
        placed: list[_OnPage] = []
        calls: list[_Call] = []
        for one in claimed:
            time.sleep(BREATH)
            try:
                with store.savepoint():
                    goes = self._place(store, one, chats.get(one.id), now)
            except OperationalError:
                raise
            except Exception:  # one that cannot be worded must not hold up the others
                log.exception("delivery failed", delivery=one.id, notice=one.notice)
                self._failed(store, one, Failure.unspeakable, now, final=False)
                chats = _chats(store, claimed)  # what was undone let go of them
                continue
            if isinstance(goes, _Call):
                calls.append(goes)
            elif goes is not None:
                placed.append(goes)
        store.deliveries.place_on_pages([one.placed for one in placed])
        store.conversations.await_numbers([one.awaited for one in placed if one.awaited])
        return placed, calls, len(claimed)

    def _place(
        self, store: Store, claimed: Claimed, chat: Chat | None, now: datetime
    ) -> _Call | _OnPage | None:
        if claimed.expires_at is not None and claimed.expires_at <= now:
            store.deliveries.expired(claimed.id, now)
            return None
        platform = self.platforms.get(chat.platform) if chat else None
        if chat is None or platform is None:
            store.deliveries.failed(claimed.id, Failure.no_chat, now)
            return None
        outgoing = self._outgoing(store, claimed, chat, now)
        if outgoing is None:
            store.deliveries.expired(claimed.id, now)
            return None
        body = outgoing.body
        if not platform.keeps_page:
            store.deliveries.freeze(claimed.id, body, outgoing.subject)
            return _Call(claimed, chat.id, chat.platform, chat.address, body)
        [event] = numbered(chat, [outgoing], now)
        awaited = None
        if body.get("choices"):
            entry = [event.message, NOTICE, title(body), body["choices"]]
            awaited = Awaited(chat.id, entry, edits=claimed.operation is Operation.edit)
        return _OnPage(chat.platform, Placed(claimed.id, chat.id, event), awaited)

    def _outgoing(
        self, store: Store, claimed: Claimed, chat: Chat, now: datetime
    ) -> Outgoing | None:
        """What goes out; None if it makes no sense any more.

        A notice is asked again at every try, but worded once: what was perhaps received is said in
        the same words.
        """
        body, operation, message = claimed.body, claimed.operation, claimed.message
        if claimed.notice is None:
            assert body is not None
            return Outgoing(body, operation, message)
        if operation is Operation.edit and store.deliveries.is_overwritten(claimed, chat.id):
            return None
        person_id = claimed.person_id or store.people.of_chat(chat)
        recipient = Recipient(person_id, chat.id, now)
        reply = routing.NOTICES[claimed.notice](recipient, store, **claimed.arguments)
        if reply is None:
            return None
        if body is None:
            language = store.people.get(person_id).language
            body = render(reply, texts_for(language, self.settings.zone))
        return Outgoing(body, operation, message, reply.shows)

    async def _call(self, call: _Call) -> None:
        claimed, platform = call.claimed, self.platforms[call.platform]
        now = self.clock.now
        try:
            async with asyncio.timeout(PATIENCE):
                message = await platform.call(
                    claimed.operation, call.address, claimed.thread, call.body, claimed.message
                )
        except SendFailed as failure:
            failed = failure
        except TimeoutError:
            failed = SendFailed(Failure.unreachable, final=False)
        except Exception:
            log.exception("platform failed", platform=call.platform, delivery=claimed.id)
            failed = SendFailed(Failure.unreachable, final=False)
        else:
            await self.database.write(
                lambda store: store.deliveries.sent(
                    claimed.id, call.chat_id, call.body, message, now()
                )
            )
            return

        def note(store: Store) -> None:
            if failed.reason is Failure.blocked:
                store.people.mark_chat(call.chat_id, ChatState.blocked)
            self._failed(store, claimed, failed.reason, now(), final=failed.final, wait=failed.wait)

        await self.database.write(note)

    def _failed(
        self,
        store: Store,
        claimed: Claimed,
        reason: Failure,
        now: datetime,
        *,
        final: bool,
        wait: float = 0,
    ) -> None:
        """Try again later, ever more rarely; in the end, say that it failed."""
        if final or claimed.attempts >= MOST_TRIES:
            store.deliveries.failed(claimed.id, reason, now)
            return
        backoff = min(timedelta(seconds=2**claimed.attempts), LONGEST_WAIT)
        store.deliveries.retry(claimed.id, now + max(timedelta(seconds=wait), backoff))


def _chats(store: Store, claimed: list[Claimed]) -> dict[int, Chat]:
    """Where each delivery goes, by its id; the chats are locked, in the order of their ids."""
    people = [one.person_id for one in claimed if one.chat_id is None and one.person_id is not None]
    direct = store.people.direct_chats(people)
    goes = {one.id: one.chat_id or direct.get(one.person_id or 0) for one in claimed}
    store.people.load(people)
    locked = store.people.lock_chats({chat for chat in goes.values() if chat is not None})
    return {delivery: locked[chat] for delivery, chat in goes.items() if chat in locked}
