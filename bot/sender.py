"""Sends what the database says is due: worded when it is first claimed, then frozen.

What goes on a web page is placed there by the claim itself. What a platform has to be called for
goes to its outbox (`bot.outbox`), which orders and paces it, or is put back until its turn is near.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import OperationalError

from bot import routing
from bot.answering import NOTICE
from bot.calling import MOST_TRIES, Calling, backoff
from bot.clock import Clock
from bot.errands import Errand, errands, replies
from bot.outbox import Outbox
from bot.places import Places, places, veil
from bot.platforms.base import Platform
from bot.rendering import render, texts_for, title
from bot.routing import Recipient
from bot.settings import Settings
from bot.slots import Slots
from storage.conversations import Awaited, unsent
from storage.database import Database, Unavailable
from storage.deliveries import Born, Claimed, Failure, Kind, Operation, Outgoing, Placed, numbered
from storage.people import Chat, ChatKind, ChatState
from storage.store import GIVEN_UP, Store

log = structlog.get_logger()

IDLE = 1.0  # seconds between two looks when nobody woke it
BATCH = 25  # worded in one transaction, for which others wait
# Seconds between two of a batch: SQLite gives the interpreter away too briefly for the event loop.
BREATH = 0.0002
RENEW = 30.0  # seconds after which what is held in memory is leased again
REASONS = {state: reason for reason, state in GIVEN_UP.items()}


@dataclass(frozen=True)
class _OnPage:
    """A delivery that was put on a web page."""

    platform: str
    placed: Placed


@dataclass
class _Batch:
    """What becomes of what was claimed together.

    Attributes:
        replies: how many of what was claimed are replies, which are claimed first.
        slots: the turns that each platform has left.
        later: when each of those that are put back is due again.
    """

    count: int
    slots: dict[str, Slots]
    replies: int = 0
    placed: list[_OnPage] = field(default_factory=list)
    awaited: list[Awaited] = field(default_factory=list)
    errands: dict[str, list[Errand]] = field(default_factory=dict)
    later: list[tuple[int, datetime]] = field(default_factory=list)


class Sender:
    """One loop over due deliveries, and an outbox for each platform that has to be called."""

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
        self.outboxes = {
            name: Outbox(platform.pace, Calling(platform, database, clock, self.wake))
            for name, platform in platforms.items()
            if platform.pace is not None
        }
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._one_at_a_time = asyncio.Lock()
        self._renewed = time.monotonic()
        self.recovered = asyncio.Event()  # what another run had leased is ours
        self._closed = False
        # While what was said before is not claimed yet: what is said now, and where.
        self._early: list[tuple[str, Errand]] | None = None

    def wake(self) -> None:
        """Look again soon; may be called from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake.set)

    def hand(self, born: Sequence[Born]) -> None:
        """Send replies that were just committed, leased from their birth to this process.

        They wait until what another run left unsaid has been claimed: it goes first in their chats.
        """
        made = [(one.platform, errand) for one, errand in zip(born, replies(born), strict=True)]
        if self._early is not None:
            self._early += made
        else:
            self._put(made)

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            while not self._closed:
                self._wake.clear()
                if not await self._worked():
                    # Not `wait_for`: before Python 3.12 it loses a cancellation when just woken.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(IDLE):
                            await self._wake.wait()
        finally:
            await self.close()

    async def _worked(self) -> bool:
        """Do what there is to do; whether there may be more at once."""
        try:
            await self._lease()
            return await self.send_due() > 0
        except Unavailable:
            return False
        except Exception:
            log.exception("sending failed")
            self._caught_up()
            return False

    async def _lease(self) -> None:
        """Take over what another run had leased; lease again what this one still holds."""
        if not self.recovered.is_set():
            # Nobody else sends from this database: what is leased was left by who is dead.
            await self.database.write(lambda store: store.deliveries.release_all(self.clock.now()))
            self._early = []
            self.recovered.set()
        held = [one for outbox in self.outboxes.values() for one in outbox.held]
        if held and time.monotonic() - self._renewed > RENEW:
            self._renewed = time.monotonic()
            await self.database.write(lambda store: store.deliveries.keep(held, self.clock.now()))

    async def settled(self, at_most: float) -> None:
        """Wait until no outbox holds anything, for so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(at_most):
                for outbox in self.outboxes.values():
                    await outbox.settled()

    async def close(self) -> None:
        """Send no more, once the calls in flight have ended; it may be called again."""
        if not self._closed:
            self._closed = True
            await asyncio.gather(*(outbox.close() for outbox in self.outboxes.values()))

    async def send_due(self) -> int:
        """Deliver one batch of what is due, or hand it to the outboxes; how many were claimed."""
        if self._closed:
            return 0
        async with self._one_at_a_time:
            now = self.clock.now()
            if not await self.database.read(lambda store: store.deliveries.is_due(now)):
                self._caught_up()
                return 0
            slots = {name: outbox.slots() for name, outbox in self.outboxes.items()}
            batch = await self.database.write(lambda store: self._claim(store, slots))
            for name, outbox in self.outboxes.items():
                outbox.put(batch.errands.get(name, ()), batch.slots[name])
            if not batch.replies:
                self._caught_up()
        for one in batch.placed:
            event = one.placed.event
            self.platforms[one.platform].publish(one.placed.chat_id, (event,))
        return batch.count

    def _caught_up(self) -> None:
        """All replies that were left unsaid are in the outboxes: the newer ones follow them."""
        early, self._early = self._early, None
        self._put(early or ())

    def _put(self, made: Sequence[tuple[str, Errand]]) -> None:
        for platform, errand in made:
            self.outboxes[platform].put([errand])

    def _claim(self, store: Store, slots: Mapping[str, Slots]) -> _Batch:
        """Claim a batch. What goes on a web page is delivered by this very transaction."""
        now = self.clock.now()
        store.hold()  # one meeting, or broadcast, is loaded once for a whole batch
        store.deliveries.release_lapsed(now)
        claimed = store.deliveries.claim(now, BATCH)
        found = self._places(store, claimed)
        batch = _Batch(len(claimed), {name: one.copy() for name, one in slots.items()})
        batch.replies = sum(one.kind is Kind.reply for one in claimed)
        for one in claimed:
            time.sleep(BREATH)
            try:
                with store.savepoint():
                    goes = self._place(store, one, found, batch, now)
            except OperationalError:
                raise
            except Exception:  # one that cannot be worded must not hold up the others
                log.exception("delivery failed", delivery=one.id, notice=one.notice)
                _unspeakable(store, one, now)
                found = self._places(store, claimed)  # what was undone let go of them
                continue
            if isinstance(goes, _OnPage):
                batch.placed.append(goes)
            elif goes is not None:
                batch.errands.setdefault(found.chats[one.id].platform, []).extend(goes)
        store.deliveries.place_on_pages([one.placed for one in batch.placed])
        store.conversations.await_numbers(batch.awaited)
        store.deliveries.defer(batch.later)
        return batch

    def _place(
        self, store: Store, claimed: Claimed, found: Places, batch: _Batch, now: datetime
    ) -> list[Errand] | _OnPage | None:
        """Where one goes; None if nowhere, or not yet."""
        chat = found.chats.get(claimed.id)
        if any(claimed.id in outbox for outbox in self.outboxes.values()):
            return None  # its lease had lapsed, and is taken again
        if claimed.expires_at is not None and claimed.expires_at <= now:
            store.deliveries.expired(claimed.id, now)
            return None
        platform = self.platforms.get(chat.platform) if chat else None
        if chat is None or platform is None:
            store.deliveries.failed(claimed.id, Failure.no_chat, now)
            return None
        if not platform.keeps_page:
            if chat.state is not ChatState.active:
                store.deliveries.failed(claimed.id, REASONS[chat.state], now)
                return None
            delay = batch.slots[chat.platform].delay(claimed.kind, claimed.notice_id)
            if delay:
                batch.later.append((claimed.id, now + timedelta(seconds=delay)))
                return None
        veiled = claimed.id in found.veiled
        outgoing = self._outgoing(store, claimed, chat, now, veiled=veiled)
        if outgoing is None:
            store.deliveries.expired(claimed.id, now)
            return None
        if not platform.keeps_page:
            made = errands(store, platform, claimed, chat, outgoing, now)
            if claimed.attempts <= 1:  # else it was awaited from its first try
                batch.awaited += [
                    Awaited(chat.id, unsent(one.delivery_id, NOTICE))
                    for one in made
                    if one.call.operation is Operation.send and one.call.body.get("choices")
                ]
            return made
        body = outgoing.body
        [event] = numbered(chat, [outgoing], now)
        if body.get("choices"):
            entry = [event.message, NOTICE, title(body), body["choices"]]
            edits = claimed.operation is Operation.edit
            batch.awaited.append(Awaited(chat.id, entry, edits=edits))
        return _OnPage(chat.platform, Placed(claimed.id, chat.id, event))

    def _outgoing(
        self, store: Store, claimed: Claimed, chat: Chat, now: datetime, *, veiled: bool
    ) -> Outgoing | None:
        """What goes out; None if it makes no sense any more.

        A notice is asked again at every try, but worded once: what was perhaps received is said in
        the same words. An edit that was overtaken by a newer one of its message is none any more.
        """
        body, operation, message = claimed.body, claimed.operation, claimed.message
        if operation is Operation.edit and store.deliveries.is_overwritten(claimed, chat.id):
            return None
        if claimed.notice is None:
            assert body is not None
            return Outgoing(body, operation, message)
        person_id = claimed.person_id
        if person_id is None and chat.kind is ChatKind.direct:
            person_id = store.people.of_chat(chat)
        recipient = Recipient(person_id, chat.id, now)
        reply = routing.NOTICES[claimed.notice](recipient, store, **claimed.arguments)
        if reply is not None and veiled:
            reply, body = veil(store, claimed, chat, self.settings, now), None
        if reply is None:
            return None
        if body is None:
            language = self.settings.language
            if person_id is not None:
                language = store.people.get(person_id).language
            body = render(reply, texts_for(language, self.settings.zone))
        return Outgoing(body, operation, message, reply.shows)

    def _places(self, store: Store, claimed: list[Claimed]) -> Places:
        return places(store, claimed, self.platforms, self.settings, self.clock.now())


def _unspeakable(store: Store, claimed: Claimed, now: datetime) -> None:
    """Try to word it again later, ever more rarely; in the end, say that it failed."""
    if claimed.attempts >= MOST_TRIES:
        store.deliveries.failed(claimed.id, Failure.unspeakable, now)
    else:
        store.deliveries.retry(claimed.id, now + backoff(claimed.attempts))
