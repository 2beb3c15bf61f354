"""One update, one transaction: recorded, applied in a savepoint, answered, committed."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import OperationalError

from bot import pdf, voice
from bot.among import burn_codes, hello, to_one
from bot.answering import Answer, Answering
from bot.attachments import FileKind
from bot.clock import Clock
from bot.conversation import chosen_in, converse, problem_with
from bot.limiting import measured, newcomers, seconds, spend_files, too_many, too_many_files
from bot.messages import Incoming, Refused, Reply, Request
from bot.platforms.base import Outcome, Platform
from bot.references import new_reference
from bot.rendering import Rendering
from bot.routing import FORMS, act_together
from bot.settings import Settings
from bot.texts import LANGUAGES
from bot.turns import Turns
from storage.conversations import Applied, Context, Place, Seen
from storage.database import Database, Unavailable
from storage.deliveries import Born, Failure
from storage.limits import MESSAGES
from storage.people import ChatKind, ChatState
from storage.store import Store

log = structlog.get_logger()

MANY = 64  # writes that wait before newcomers go last: a whole group
LONGEST_IN_HAND = 30.0  # seconds for which closings wait


class Dispatcher:
    """Applies updates.

    Args:
        woken: called after a commit that left something for the sender.
        handed: given the replies that a platform has to be called for, after their commit.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        clock: Clock,
        platforms: Mapping[str, Platform],
        woken: Callable[[], None],
        handed: Callable[[Sequence[Born]], None] = lambda _: None,
    ) -> None:
        self.database = database
        self.settings = settings
        self.clock = clock
        self.platforms = platforms
        self.woken = woken
        self.handed = handed
        self.answering = Answering(settings, platforms)
        self._in_hand: dict[object, tuple[datetime, float]] = {}
        self._turns = Turns()

    async def receive(self, incoming: Incoming) -> Outcome:
        """Apply one update; when this returns, it is committed with its answer.

        An update that fails three times is set aside: it is answered with a reference number and
        never applied again.

        Raises:
            Unavailable: the database is away; nothing was applied, and it may be sent again.
        """
        refused = self._refused(incoming)
        if refused is not None:
            return refused
        with self.in_hand(incoming.received_at):
            async with self._turns.take(incoming.platform, incoming.chat):
                outcome = self._slowed(incoming, await self._apply(incoming))
        if outcome.born:
            self.handed([replace(one, last=outcome.newcomer) for one in outcome.born])
        if outcome.queued:
            self.woken()
        if outcome.events and outcome.chat_id is not None:
            self.platforms[incoming.platform].publish(outcome.chat_id, outcome.events)
        return outcome

    async def lost(
        self, platform: str, chat: str, reason: Failure, update_id: str, received_at: datetime
    ) -> None:
        """A chat does not want us any more, or is gone; an update says it, which counts once."""
        update = Applied(_id(platform, chat, update_id), f"lost {reason}", received_at)
        await self._once(
            platform,
            chat,
            update,
            lambda store: store.lose_chat(platform, chat, reason, self.clock.now()),
        )

    async def moved(
        self, platform: str, chat: str, address: str, update_id: str, received_at: datetime
    ) -> None:
        """A chat has another address from now on; an update says it, which counts once."""
        update = Applied(_id(platform, chat, update_id), f"moved {address}", received_at)
        await self._once(
            platform,
            chat,
            update,
            lambda store: store.move_chat(platform, chat, address, self.clock.now()),
        )

    async def opened_up(
        self, platform: str, chat: str, update_id: str, received_at: datetime
    ) -> None:
        """A direct chat has other people in it now; an update says it, which counts once."""
        update = Applied(_id(platform, chat, update_id), "opened up", received_at)
        await self._once(
            platform,
            chat,
            update,
            lambda store: store.open_up_chat_at(platform, chat, self.clock.now()),
        )
        self.woken()

    async def came(self, platform: str, chats: Sequence[str]) -> None:
        """The people of direct chats came into them: what waits for them there is said now."""
        await self.database.write(
            lambda store: store.hasten_chats(platform, chats, self.clock.now())
        )
        self.woken()

    async def _once(
        self, platform: str, chat: str, update: Applied, do: Callable[[Store], None]
    ) -> None:
        """Do what an update says, unless that was done already."""

        def apply(store: Store) -> None:
            if store.conversations.seen([update]) == [Seen.new]:
                do(store)
                store.conversations.record([update])

        async with self._turns.take(platform, chat):
            await self.database.write(apply)

    @contextmanager
    def in_hand(self, received_at: datetime) -> Iterator[None]:
        """Closings wait for what was received before them while it is in hand, but not long."""
        token = object()
        self._in_hand[token] = received_at, time.monotonic()
        try:
            yield
        finally:
            del self._in_hand[token]

    def _refused(self, incoming: Incoming) -> Outcome | None:
        """Refuse at once who was refused before in this minute, or has too much waiting."""
        if incoming.opens:
            return None
        now = self.clock.now()
        until = self._turns.refused_until(incoming, now)
        is_full = self._turns.is_full(incoming.platform, incoming.chat) and not incoming.in_group
        if until is None and not is_full:
            return None
        until = until or now + MESSAGES.window
        told = not self._turns.refuse(incoming, until)
        return Outcome(Seen.new, wait=seconds(until, now), told=told)

    def _slowed(self, incoming: Incoming, outcome: Outcome) -> Outcome:
        """Have a chat rest after what was done there; what is refused is refused for a while."""
        rest = outcome.rest
        if outcome.wait:
            until = self.clock.now() + timedelta(seconds=outcome.wait)
            return replace(outcome, told=not self._turns.refuse(incoming, until))
        if outcome.begun:
            rest = max(rest, self._turns.arrived(incoming.platform, self.clock.now()))
        if not incoming.in_group:  # others speak there
            self._turns.rest(incoming.platform, incoming.chat, rest)
        return outcome

    def waits(self, incoming: Incoming) -> bool:
        """Whether an update would not be applied soon: its chat rests."""
        return not incoming.in_group and self._turns.is_resting(incoming.platform, incoming.chat)

    async def _goes_last(self, incoming: Incoming) -> bool:
        """Whether it is of somebody new, and much waits."""
        if self.database.waiting <= MANY:
            return False
        known = await self.database.read_with_others(self._known, incoming)
        return not known

    def _known(self, store: Store, incomings: list[Incoming]) -> list[bool]:
        whom = [(one.platform, one.sender) for one in incomings]
        known = store.newcomers.known(whom, self.clock.now())
        return [one in known for one in whom]

    async def wants(self, incoming: Incoming, kind: FileKind, others: int = 0) -> Outcome | None:
        """Whether a file is worth looking at: None if so, else what to answer.

        An outcome with a `problem` is not an answer: the update is to be received with it.

        Args:
            others: how many files came with it, and are received together with it.
        """

        def look(store: Store) -> Outcome | None:
            [seen] = store.conversations.seen([_update(incoming)])
            if seen is not Seen.new:
                return Outcome(seen)
            place, now = _place(incoming), self.clock.now()
            context = store.conversations.find([place], now, lock=False).get(place)
            if context is not None and not MESSAGES.takes(context.recent + 1):
                return too_many(context, now)
            problem = problem_with(kind, context.form if context else None)
            if problem is not None:
                return Outcome(Seen.new, problem=problem)
            if context is None:
                return None
            return _full(store, context, others) or too_many_files(store, context, now)

        now = self.clock.now()
        until = self._turns.refused_until(incoming, now)
        if until is not None:
            return Outcome(Seen.new, wait=seconds(until, now), told=True)
        async with self._turns.take(incoming.platform, incoming.chat):  # which may open a form
            return await self.database.read(look)

    def settled_until(self) -> datetime:
        """The moment up to which everything received has been applied: the clock of closings."""
        since = time.monotonic() - LONGEST_IN_HAND
        held = [received_at for received_at, at in self._in_hand.values() if at > since]
        return min([self.clock.now(), *held])

    async def _apply(self, incoming: Incoming) -> Outcome:
        try:
            last = await self._goes_last(incoming)
            return await self.database.write_with_others(self.apply_all, incoming, last=last)
        except Unavailable:
            raise
        except Exception:
            reference = new_reference()
            log.exception("update failed", reference=reference, platform=incoming.platform)
        updates = [replace(one, failure=reference) for one in _updates(incoming)]
        await self.database.write(lambda store: store.conversations.record(updates))
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
        updates = [_updates(incoming) for incoming in incomings]
        known = iter(store.conversations.seen([one for several in updates for one in several]))
        done: list[Outcome | Answer | None] = []
        asked: list[tuple[int, Request, list[Applied]]] = []
        for whole, context, several in zip(incomings, contexts, updates, strict=True):
            parts = [(one, next(known)) for one in several]
            fresh = [one for one, seen in parts if seen is Seen.new]
            incoming = _without(whole, [seen for _, seen in parts])
            if context is None and not incoming.in_group:
                done.append(Outcome(Seen.new, gone=True))
            elif not fresh:
                done.append(Outcome(parts[0][1]))
            elif context is None:
                done.append(self._to_strangers(store, incoming, fresh))
            elif not MESSAGES.takes(context.recent + 1) and not incoming.opens:
                done.append(too_many(context, now))
            else:
                self._revive(store, context)
                request = self._request(store, incoming, context, now)
                asked.append((len(done), request, fresh))
                done.append(None)
        called = [one for _, one, _ in asked if not self._keeps_page(one.incoming)]
        new = newcomers(store, [one.context for one in called], now)
        together = self._together(store, [request for _, request, _ in asked])
        rendering = Rendering()
        for position, request, fresh in asked:
            reply = together.get(request)
            replies = [reply] if reply is not None else self._replies(store, request)
            answer = self.answering.worded(store, request, replies, fresh, rendering)
            answer.outcome = measured(answer.outcome, request, new)
            done[position] = answer
        self.answering.keep(store, [one for one in done if isinstance(one, Answer)], now)
        return [one.outcome if isinstance(one, Answer) else one for one in done if one is not None]

    def _to_strangers(self, store: Store, incoming: Incoming, updates: Sequence[Applied]) -> Answer:
        """An update of somebody in a group who never talked to us."""
        chat = store.people.chat(incoming.platform, incoming.chat, ChatKind.group)
        if chat.state is not ChatState.active:
            store.people.mark_chat(chat.id, ChatState.active)
        burnt = burn_codes(incoming.text or "", incoming.platform, store, self.clock.now())
        reply = burnt if burnt is not None or incoming.overheard else hello()
        return self.answering.to_strangers(reply, incoming, chat.id, updates)

    def _request(
        self, store: Store, incoming: Incoming, context: Context, now: datetime
    ) -> Request:
        platform = self.platforms[incoming.platform]
        stay = platform.shows_buttons and not platform.keeps_page
        return Request(incoming, context, now, self.settings, store, buttons_stay=stay)

    def _keeps_page(self, incoming: Incoming) -> bool:
        return self.platforms[incoming.platform].keeps_page

    def _together(self, store: Store, requests: Sequence[Request]) -> dict[Request, Reply]:
        """What can be done at once for several; the others, and all if it fails, one by one."""
        if len(requests) == 1:
            return {}
        try:
            with store.savepoint():
                chosen = [(one, chosen_in(one, store)) for one in requests]
                return act_together([(one, does) for one, does in chosen if does], store)
        except OperationalError:
            raise
        except Exception:  # whose it is, is found when each is done by itself
            log.exception("updates failed together")
            return {}

    def _contexts(
        self, store: Store, incomings: list[Incoming], now: datetime
    ) -> list[Context | None]:
        """Who speaks in each update, made on first contact.

        On the web a session comes first: an account that it no longer stands for has been erased,
        and None says so. None is also who is met in a group and never talked to us.
        """
        places = [_place(incoming) for incoming in incomings]
        found = store.conversations.find(places, now)
        for place, incoming in zip(places, incomings, strict=True):
            if place not in found and incoming.session_id is None:
                begin = self._begin_among if incoming.in_group else self._begin
                begun = begin(store, place, now, incoming.language)
                found |= store.conversations.find([place], now)
                if place in found:
                    found[place].begun = begun
        return [found.get(place) for place in places]

    def _begin(
        self, store: Store, place: Place, now: datetime, language: str | None = None
    ) -> bool:
        """Begin a conversation; whether it is the first one of an account.

        On first contact people are spoken to in the language of their device, if it is ours.
        """
        ours = language if language in LANGUAGES else self.settings.language
        account, is_new = store.people.arrive(place.platform, place.sender, ours, now)
        chat = store.people.chat(place.platform, place.chat, account_id=account.id)
        store.conversations.begin(chat, account, place.thread, now)
        return is_new

    def _begin_among(
        self, store: Store, place: Place, now: datetime, _language: str | None = None
    ) -> bool:
        """Of people met in a group, nothing is kept before they talk to us."""
        chat = store.people.chat(place.platform, place.chat, ChatKind.group)
        if chat.state is not ChatState.active:  # it was left, and somebody speaks to us there
            store.people.mark_chat(chat.id, ChatState.active)
        account = store.people.account(place.platform, place.sender)
        if account is not None:
            store.conversations.begin(chat, account, place.thread, now)
        return False

    def _revive(self, store: Store, context: Context) -> None:
        """Who speaks in a chat that was given up can be written to again."""
        if context.chat_state is not ChatState.active:
            store.people.mark_chat(context.chat_id, ChatState.active)

    def _replies(self, store: Store, request: Request) -> list[Reply]:
        """What is answered; what the handler changed is undone if it refuses or fails."""
        context, incoming = request.context, request.incoming
        before = (context.form, list(context.awaiting), context.kept, context.kept_in)
        try:
            with store.savepoint():
                spend_files(request, store)
                files = [(photo, "image/jpeg") for photo in incoming.photos]
                files += [(document, pdf.MEDIA_TYPE) for document in incoming.documents]
                files += [(one, voice.MEDIA_TYPE) for one in incoming.voices]
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
        context.form, context.awaiting, context.kept, context.kept_in = before
        return [to_one(reply) if request.in_group else reply]

    def _tell(self, store: Store, incoming: Incoming, reference: str) -> Outcome:
        """Answer an update that was set aside."""
        now = self.clock.now()
        context = self._contexts(store, [incoming], now)[0]
        if context is None:
            return Outcome(Seen.new, gone=True)
        request = self._request(store, incoming, context, now)
        replies = [Reply("people.failed", reference=reference)]
        answer = self.answering.worded(store, request, replies, [], Rendering())
        self.answering.keep(store, [answer], now)
        return answer.outcome


def _id(platform: str, chat: str, update_id: str) -> str:
    return f"{platform}:{chat}:{update_id}"


def _full(store: Store, context: Context, others: int) -> Outcome | None:
    """What to answer where the form that is open takes no more files."""
    key = context.form or ""
    form = FORMS.get(key.partition(".")[0])
    draft = store.conversations.draft(context.person_id, key)
    if form is None or form.photos is None or draft is None:
        return None
    given, at_most = draft["answers"].get(form.photos.name) or [], form.photos.at_most
    if len(given) + others < at_most:
        return None
    return Outcome(Seen.new, problem="forms.too_many_photos", about={"at_most": at_most})


def _place(incoming: Incoming) -> Place:
    # Nothing is begun in a group: a person has one conversation there, whatever the topic.
    thread = "" if incoming.in_group else incoming.thread
    return Place(incoming.platform, incoming.chat, incoming.sender, thread)


def _update(incoming: Incoming) -> Applied:
    key = _id(incoming.platform, incoming.chat, incoming.update_id)
    return Applied(key, _content(incoming), incoming.received_at)


def _updates(incoming: Incoming) -> list[Applied]:
    return [_update(one) for one in (incoming, *incoming.more)]


def _without(whole: Incoming, known: Sequence[Seen]) -> Incoming:
    """Some messages that came together as one, without those that were applied already."""
    if not whole.more:
        return whole
    parts = zip((replace(whole, more=()), *whole.more), known, strict=True)
    fresh = [one for one, seen in parts if seen is Seen.new]
    return fresh[0].together_with(fresh[1:]) if fresh else whole


def _content(incoming: Incoming) -> str:
    """All that was said, by which a repeated update is told from a reused id."""
    return repr(
        (incoming.text, incoming.choice, incoming.message, incoming.digest, incoming.joined)
    )
