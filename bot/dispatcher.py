"""One update, one transaction: recorded, applied in a savepoint, answered, committed."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from sqlalchemy.exc import OperationalError

from bot.clock import Clock
from bot.conversation import converse
from bot.messages import Incoming, Refused, Reply, Request
from bot.platforms.base import Outcome, Platform
from bot.rendering import render, texts_for, title
from bot.settings import Settings
from storage.conversations import Context, Seen
from storage.database import Database
from storage.deliveries import Operation, Outgoing, PageEvent
from storage.sessions import ALPHABET
from storage.store import Store

log = structlog.get_logger()

AT_MOST_A_MINUTE = 60
RETRY_AFTER = 15  # seconds
REPLY, NOTICE = "reply", "notice"


@dataclass
class _Turn:
    """Updates of one chat wait for each other."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class Dispatcher:
    """Applies updates.

    Args:
        woken: called after a commit that left something for the sender.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        clock: Clock,
        platforms: Mapping[str, Platform],
        woken: Callable[[], None],
    ) -> None:
        self.database = database
        self.settings = settings
        self.clock = clock
        self.platforms = platforms
        self.woken = woken
        self._in_hand: dict[object, datetime] = {}
        self._turns: dict[tuple[str, str], _Turn] = {}

    async def receive(self, incoming: Incoming) -> Outcome:
        """Apply one update; when this returns, it is committed with its answer.

        An update that fails three times is set aside: it is answered with a reference number and
        never applied again.
        """
        token = object()
        self._in_hand[token] = incoming.received_at
        place = (incoming.platform, incoming.chat)
        turn = self._turns.setdefault(place, _Turn())
        turn.users += 1
        try:
            async with turn.lock:
                outcome = await self._apply(incoming)
        finally:
            del self._in_hand[token]
            turn.users -= 1
            if not turn.users:
                del self._turns[place]
        if outcome.events and outcome.chat_id is not None:
            self.platforms[incoming.platform].publish(outcome.chat_id, outcome.events)
        return outcome

    async def wants_photo(self, incoming: Incoming) -> Outcome | None:
        """Whether a photo is worth fetching: None if so, else what to answer without it."""

        def look(store: Store) -> Outcome | None:
            seen = store.conversations.seen(_key(incoming), _content(incoming))
            if seen is not Seen.new:
                return Outcome(seen)
            now = self.clock.now()
            context = store.conversations.find(
                incoming.platform, incoming.chat, incoming.sender, incoming.thread, now, lock=False
            )
            if context is not None and context.recent >= AT_MOST_A_MINUTE:
                return Outcome(Seen.new, wait=RETRY_AFTER)
            return None

        return await self.database.read(look)

    def settled_until(self) -> datetime:
        """The moment up to which everything received has been applied: the clock of closings."""
        return min([self.clock.now(), *self._in_hand.values()])

    async def _apply(self, incoming: Incoming) -> Outcome:
        try:
            return await self.database.write(lambda store: self.apply(store, incoming))
        except Exception:
            reference = new_reference()
            log.exception("update set aside", reference=reference, platform=incoming.platform)
            return await self.database.write(
                lambda store: self._set_aside(store, incoming, reference)
            )

    def apply(self, store: Store, incoming: Incoming) -> Outcome:
        """The transaction of one update."""
        now = self.clock.now()
        context = self._context(store, incoming, now)
        if context.recent >= AT_MOST_A_MINUTE:
            return Outcome(Seen.new, wait=RETRY_AFTER)
        seen = store.conversations.record(_key(incoming), _content(incoming), incoming.received_at)
        if seen is not Seen.new:
            return Outcome(seen)
        request = Request(incoming, context, now, self.settings, store)
        before = (context.form, list(context.awaiting), context.kept)
        try:
            with store.savepoint():
                request.files = tuple(
                    store.files.add(photo, "image/jpeg", now, context.person_id)
                    for photo in incoming.photos
                )
                replies = converse(request, store)
        except Refused as refused:
            context.form, context.awaiting, context.kept = before
            replies = [refused.reply]
        except OperationalError:
            raise
        except Exception:
            context.form, context.awaiting, context.kept = before
            reference = new_reference()
            log.exception("update failed", reference=reference, platform=incoming.platform)
            replies = [Reply("people.failed", reference=reference)]
        return self._answer(store, request, replies)

    def _context(self, store: Store, incoming: Incoming, now: datetime) -> Context:
        where = (incoming.platform, incoming.chat, incoming.sender, incoming.thread)
        found = store.conversations.find(*where, now)
        if found is None:
            account, _ = store.people.arrive(
                incoming.platform, incoming.sender, self.settings.language, now
            )
            chat = store.people.chat(incoming.platform, incoming.chat, account_id=account.id)
            store.conversations.begin(chat, account, incoming.thread, now)
            found = store.conversations.find(*where, now)
            assert found is not None
        return found

    def _answer(self, store: Store, request: Request, replies: list[Reply]) -> Outcome:
        """Render the replies, put them where they go, and keep the conversation."""
        context, incoming = request.context, request.incoming
        texts = texts_for(context.language, request.zone)
        outgoing: list[Outgoing] = []
        toast, left = None, False
        for reply in replies:
            if reply.acknowledge is not None:
                toast = texts.label(reply.acknowledge)
            left = left or reply.leaves
            if reply.forget_from is not None:
                outgoing += [
                    Outgoing({}, Operation.delete, message)
                    for message in store.deliveries.forget_messages(context.chat_id)
                ]
                context.awaiting = []
            if reply.words is None:
                continue
            body = render(reply, texts)
            edits = reply.replace and incoming.message is not None
            operation = Operation.edit if edits else Operation.send
            outgoing.append(Outgoing(body, operation, incoming.message if edits else None))
        events: tuple[PageEvent, ...] = ()
        if outgoing and self.platforms[incoming.platform].keeps_page:
            events = store.deliveries.put_on_page(context.chat_id, outgoing, request.now)
            for event in events:
                _await_number(context, event.message, event.body, event.operation)
        elif outgoing:
            store.deliveries.queue(context.chat_id, incoming.thread, outgoing, request.now)
            for one in outgoing:
                _await_number(context, one.message or "", one.body, one.operation)
        store.conversations.keep(context, request.now)
        if store.deliveries.queued:
            self.woken()
        return Outcome(Seen.new, 0, toast, context.chat_id, events, left)

    def _set_aside(self, store: Store, incoming: Incoming, reference: str) -> Outcome:
        now = self.clock.now()
        content = _content(incoming)
        store.conversations.set_aside(_key(incoming), content, incoming.received_at, reference)
        context = self._context(store, incoming, now)
        request = Request(incoming, context, now, self.settings, store)
        return self._answer(store, request, [Reply("people.failed", reference=reference)])


def new_reference() -> str:
    """A short number by which the person and the log speak of the same failure."""
    return "".join(secrets.choice(ALPHABET) for _ in range(6))


def _key(incoming: Incoming) -> str:
    return f"{incoming.platform}:{incoming.chat}:{incoming.update_id}"


def _content(incoming: Incoming) -> str:
    """All that was said, by which a repeated update is told from a reused id."""
    return repr(
        (incoming.text, incoming.choice, incoming.message, incoming.digest, incoming.joined)
    )


def _await_number(
    context: Context, message: str, body: dict[str, object], operation: Operation
) -> None:
    """Let a typed number answer this message.

    A new reply takes the place of all that came before it; a message edited in place, only its own.
    """
    is_edit = operation is Operation.edit
    others = [entry for entry in context.awaiting if is_edit and entry[0] != message]
    choices = body.get("choices")
    if choices:
        context.awaiting = [*others, [message, REPLY, title(body), choices]]
    elif is_edit:
        context.awaiting = others
