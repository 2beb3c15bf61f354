"""One update, one transaction: recorded, applied in a savepoint, answered, committed."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from sqlalchemy.exc import OperationalError

from bot import pdf
from bot.clock import Clock
from bot.conversation import converse, takes_documents, takes_photos
from bot.markup import clean
from bot.messages import Incoming, Refused, Reply, Request
from bot.platforms.base import Outcome, Platform
from bot.rendering import render, texts_for, title
from bot.settings import Settings
from storage.conversations import Applied, Context, Place, Seen
from storage.database import Database, Unavailable
from storage.deliveries import Operation, Outgoing, PageEvent, numbered
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


@dataclass(frozen=True)
class _Answer:
    """What applying an update leaves to be written."""

    update: Applied
    context: Context
    outcome: Outcome


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

        Raises:
            Unavailable: the database is away; nothing was applied, and it may be sent again.
        """
        with self.in_hand(incoming.received_at):
            async with self._turn(incoming.platform, incoming.chat):
                outcome = await self._apply(incoming)
        if outcome.queued:
            self.woken()
        if outcome.events and outcome.chat_id is not None:
            self.platforms[incoming.platform].publish(outcome.chat_id, outcome.events)
        return outcome

    @contextmanager
    def in_hand(self, received_at: datetime) -> Iterator[None]:
        """Closings wait for what was received before them, as long as it is in hand."""
        token = object()
        self._in_hand[token] = received_at
        try:
            yield
        finally:
            del self._in_hand[token]

    @asynccontextmanager
    async def _turn(self, platform: str, chat: str) -> AsyncIterator[None]:
        """Updates of one chat wait for each other."""
        turn = self._turns.setdefault((platform, chat), _Turn())
        turn.users += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[platform, chat]

    async def wants_photo(self, incoming: Incoming, *, document: bool = False) -> Outcome | None:
        """Whether a photo, or a document, is worth looking at: None if so, else what to answer.

        An outcome with a `problem` is not an answer: the update is to be received with it.
        """

        def look(store: Store) -> Outcome | None:
            [seen] = store.conversations.seen([_update(incoming)])
            if seen is not Seen.new:
                return Outcome(seen)
            place, now = _place(incoming), self.clock.now()
            context = store.conversations.find([place], now, lock=False).get(place)
            if context is not None and context.recent >= AT_MOST_A_MINUTE:
                return Outcome(Seen.new, wait=RETRY_AFTER)
            if context is None or not takes_photos(context.form):
                return Outcome(Seen.new, problem="people.stray_photo")
            if document and not takes_documents(context.form):
                return Outcome(Seen.new, problem="reports.photo_not_a_photo")
            return None

        return await self.database.read(look)

    def settled_until(self) -> datetime:
        """The moment up to which everything received has been applied: the clock of closings."""
        return min([self.clock.now(), *self._in_hand.values()])

    async def _apply(self, incoming: Incoming) -> Outcome:
        try:
            return await self.database.write_with_others(self.apply_all, incoming)
        except Unavailable:
            raise
        except Exception:
            reference = new_reference()
            log.exception("update failed", reference=reference, platform=incoming.platform)
        update = _update(incoming, reference)
        await self.database.write(lambda store: store.conversations.record([update]))
        log.warning("update set aside", reference=reference, platform=incoming.platform)
        try:
            return await self.database.write(lambda store: self._tell(store, incoming, reference))
        except Unavailable:
            raise
        except Exception:  # what it would be told in cannot even be loaded
            log.exception("update unanswered", reference=reference, platform=incoming.platform)
            return Outcome(Seen.new)

    def apply(self, store: Store, incoming: Incoming) -> Outcome:
        """Apply one update in the transaction of something else, such as opening its session."""
        return self.apply_all(store, [incoming])[0]

    def apply_all(self, store: Store, incomings: list[Incoming]) -> list[Outcome]:
        """The transaction of some updates, each of another conversation.

        What all of them need is read, and written back, in one statement; each is handled in a
        savepoint of its own.
        """
        now = self.clock.now()
        contexts = self._contexts(store, incomings, now)
        known = store.conversations.seen([_update(incoming) for incoming in incomings])
        answers, outcomes = [], []
        for incoming, context, seen in zip(incomings, contexts, known, strict=True):
            if context is None:
                outcomes.append(Outcome(seen, gone=True))
            elif context.recent >= AT_MOST_A_MINUTE and not incoming.opens:
                outcomes.append(Outcome(Seen.new, wait=RETRY_AFTER))
            elif seen is not Seen.new:
                outcomes.append(Outcome(seen))
            else:
                request = Request(incoming, context, now, self.settings, store)
                answer = self._answer(store, request, self._replies(store, request))
                answers.append(answer)
                outcomes.append(answer.outcome)
        self._keep(store, answers, now)
        store.conversations.record([answer.update for answer in answers])
        return outcomes

    def _contexts(
        self, store: Store, incomings: list[Incoming], now: datetime
    ) -> list[Context | None]:
        """Who speaks in each update, made on first contact.

        On the web a session comes first: an account that it no longer stands for has been erased,
        and None says so.
        """
        places = [_place(incoming) for incoming in incomings]
        found = store.conversations.find(places, now)
        for place, incoming in zip(places, incomings, strict=True):
            if place not in found and incoming.session_id is None:
                self._begin(store, place, now)
                found |= store.conversations.find([place], now)
        return [found.get(place) for place in places]

    def _begin(self, store: Store, place: Place, now: datetime) -> None:
        account, _ = store.people.arrive(place.platform, place.sender, self.settings.language, now)
        chat = store.people.chat(place.platform, place.chat, account_id=account.id)
        store.conversations.begin(chat, account, place.thread, now)

    def _replies(self, store: Store, request: Request) -> list[Reply]:
        """What is answered; what the handler changed is undone if it refuses or fails."""
        context, incoming = request.context, request.incoming
        before = (context.form, list(context.awaiting), context.kept)
        try:
            with store.savepoint():
                files = [(photo, "image/jpeg") for photo in incoming.photos]
                files += [(document, pdf.MEDIA_TYPE) for document in incoming.documents]
                request.files = tuple(
                    store.files.add(content, media_type, request.now, context.person_id)
                    for content, media_type in files
                )
                return converse(request, store)
        except Refused as refused:
            reply = refused.reply
        except OperationalError:
            raise
        except Exception:
            reference = new_reference()
            log.exception("update failed", reference=reference, platform=incoming.platform)
            reply = Reply("people.failed", reference=reference)
        context.form, context.awaiting, context.kept = before
        return [reply]

    def _answer(self, store: Store, request: Request, replies: list[Reply]) -> _Answer:
        """Render the replies, and number those that go on a page."""
        context, incoming = request.context, request.incoming
        texts = texts_for(context.language, request.zone)
        said = _said(incoming, context)
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
            message = incoming.message if edits else None
            outgoing.append(Outgoing(body, operation, message, reply.shows))
        events: tuple[PageEvent, ...] = ()
        if self.platforms[incoming.platform].keeps_page:
            _keep_said(outgoing, said)
            events = numbered(context, outgoing, request.now)
            for event in events:
                _await_number(context, event.message, event.body, event.operation)
        elif outgoing:
            store.deliveries.queue(context.chat_id, incoming.thread, outgoing, request.now)
            for one in outgoing:
                _await_number(context, one.message or "", one.body, one.operation)
        outcome = Outcome(
            Seen.new,
            toast=toast,
            chat_id=context.chat_id,
            events=events,
            left=left,
            queued=store.deliveries.queued,
        )
        return _Answer(_update(incoming), context, outcome)

    def _keep(self, store: Store, answers: list[_Answer], now: datetime) -> None:
        """Write what the answers leave: events and conversations."""
        store.deliveries.put_on_pages(
            [(one.context, one.outcome.events) for one in answers if one.outcome.events]
        )
        store.conversations.keep([one.context for one in answers], now)

    def _tell(self, store: Store, incoming: Incoming, reference: str) -> Outcome:
        """Answer an update that was set aside."""
        now = self.clock.now()
        context = self._contexts(store, [incoming], now)[0]
        if context is None:
            return Outcome(Seen.new, gone=True)
        request = Request(incoming, context, now, self.settings, store)
        answer = self._answer(store, request, [Reply("people.failed", reference=reference)])
        self._keep(store, [answer], now)
        return answer.outcome


def new_reference() -> str:
    """A short number by which the person and the log speak of the same failure."""
    return "".join(secrets.choice(ALPHABET) for _ in range(6))


def _key(incoming: Incoming) -> str:
    return f"{incoming.platform}:{incoming.chat}:{incoming.update_id}"


def _place(incoming: Incoming) -> Place:
    return Place(incoming.platform, incoming.chat, incoming.sender, incoming.thread)


def _update(incoming: Incoming, failure: str | None = None) -> Applied:
    return Applied(_key(incoming), _content(incoming), incoming.received_at, failure)


def _content(incoming: Incoming) -> str:
    """All that was said, by which a repeated update is told from a reused id."""
    return repr(
        (incoming.text, incoming.choice, incoming.message, incoming.digest, incoming.joined)
    )


def _said(incoming: Incoming, context: Context) -> dict[str, object] | None:
    """What the person said, as their page shows it: their words, or the label they pressed.

    Of an old button the label is known to their page alone: the text is empty.
    """
    if incoming.opens:
        return None
    text = incoming.text or ""
    if incoming.choice is not None:
        shown = (entry[3] for entry in context.awaiting if entry[0] == incoming.message)
        labels = (
            label for choices in shown for action, label in choices if action == incoming.choice
        )
        text = next(labels, "")
    photos = len(incoming.photos + incoming.documents) or int(incoming.problem is not None)
    at = incoming.received_at.isoformat()
    return {"id": incoming.update_id, "text": clean(text), "photos": photos, "at": at}


def _keep_said(outgoing: list[Outgoing], said: dict[str, object] | None) -> None:
    """Keep what was said with its answer, so that the conversation reads the same anywhere."""
    first = next((one for one in outgoing if one.operation is not Operation.delete), None)
    if first is not None and said is not None:
        first.body["said"] = said


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
