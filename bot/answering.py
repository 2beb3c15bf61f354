"""What an update is answered: worded, put on its page or handed to the sender, and kept.

What a group of updates leaves is written in a few statements for all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bot.among import Restraint
from bot.markup import clean
from bot.messages import Incoming, Reply, Request
from bot.platforms.base import Outcome, Platform
from bot.rendering import Rendering, render, texts_for, title
from bot.settings import Settings
from storage.conversations import MOST_AWAITED, Applied, Context, Seen, unsent
from storage.deliveries import Born, Operation, Outgoing, numbered
from storage.store import Store

REPLY, NOTICE = "reply", "notice"
EARLIER = "earlier"  # a reply after which a form has asked something


@dataclass
class Answer:
    """What one update leaves to be written.

    Attributes:
        updates: what it was made of, to be recorded.
        context: who spoke; None for nobody that we know.
    """

    incoming: Incoming
    chat_id: int
    updates: Sequence[Applied]
    context: Context | None
    outgoing: list[Outgoing] = field(default_factory=list)
    outcome: Outcome = field(default_factory=lambda: Outcome(Seen.new))


class Answering:
    """Words replies, and writes down what they leave."""

    def __init__(self, settings: Settings, platforms: Mapping[str, Platform]) -> None:
        self.settings = settings
        self.platforms = platforms
        self._restraint = Restraint()

    def worded(
        self,
        store: Store,
        request: Request,
        replies: Sequence[Reply],
        updates: Sequence[Applied],
        rendering: Rendering,
    ) -> Answer:
        """Replies in the language of who reads them."""
        context, incoming = request.context, request.incoming
        answer = Answer(incoming, context.chat_id, updates, context)
        texts = texts_for(context.language, request.zone)
        toast, left = None, False
        for reply in replies:
            toast = rendering.toast(reply, texts) or toast
            left = left or reply.leaves
            if reply.forget_from is not None:
                gone = store.deliveries.forget_messages(context.chat_id, request.now)
                answer.outgoing += [Outgoing({}, Operation.delete, message) for message in gone]
                context.awaiting = []
            if reply.words is None or not self.allows(incoming, reply, request.now):
                continue
            shared = request.in_group and reply.to_all
            ours = texts_for(self.settings.language, request.zone) if shared else texts
            edits = reply.replace and incoming.message is not None
            operation = Operation.edit if edits else Operation.send
            message = incoming.message if edits else None
            body = rendering.body(reply, ours)
            answer.outgoing.append(Outgoing(body, operation, message, reply.shows))
        answer.outcome = Outcome(Seen.new, toast=toast, chat_id=context.chat_id, left=left)
        return answer

    def to_strangers(
        self, reply: Reply | None, incoming: Incoming, chat_id: int, updates: Sequence[Applied]
    ) -> Answer:
        """What a group is told, if anything, because of somebody whom we do not know."""
        answer = Answer(incoming, chat_id, updates, None, outcome=Outcome(Seen.new, stranger=True))
        is_said = incoming.choice is None and incoming.withdraws is None
        if reply is not None and is_said and self.allows(incoming, reply, incoming.received_at):
            body = render(reply, texts_for(self.settings.language, self.settings.zone))
            answer.outgoing.append(Outgoing(body))
        return answer

    def allows(self, incoming: Incoming, reply: Reply, now: datetime) -> bool:
        """Whether a group is answered: what was pressed always is, what was typed now and then."""
        if not incoming.in_group or incoming.choice is not None or reply.words is None:
            return True
        return self._restraint.allows(incoming.chat, reply.words.name, now)

    def keep(self, store: Store, answers: Sequence[Answer], now: datetime) -> None:
        """Write what they leave: replies, conversations, and the updates themselves."""
        pages = [one for one in answers if self.platforms[one.incoming.platform].keeps_page]
        for answer in pages:
            self._number(answer, now)
        store.deliveries.put_on_pages(
            [(one.context, one.outcome.events) for one in pages if one.context is not None]
        )
        self._bear(store, [one for one in answers if one not in pages and one.outgoing], now)
        contexts = [one.context for one in answers if one.context is not None]
        store.conversations.keep(contexts, now)
        store.conversations.record([update for one in answers for update in one.updates])
        if store.deliveries.queued:
            for answer in answers:
                answer.outcome = replace(answer.outcome, queued=True)

    def _number(self, answer: Answer, now: datetime) -> None:
        """Number what goes on a page."""
        context = answer.context
        assert context is not None
        _keep_said(answer.outgoing, _said(answer.incoming, context))
        events = numbered(context, answer.outgoing, now)
        for event in events:
            _await_number(context, Outgoing(event.body, event.operation, event.message))
        answer.outcome = replace(answer.outcome, events=events)

    def _bear(self, store: Store, answers: Sequence[Answer], now: datetime) -> None:
        """Make the replies that a platform has to be called for, in the parts it makes of them."""
        parts = [self._parts(answer) for answer in answers]
        chats = [
            (answer.chat_id, answer.incoming.thread, some)
            for answer, some in zip(answers, parts, strict=True)
        ]
        ids = iter(store.deliveries.queue_all(chats, now))
        for answer, some in zip(answers, parts, strict=True):
            incoming = answer.incoming
            born = tuple(
                Born(
                    next(ids),
                    answer.chat_id,
                    incoming.platform,
                    incoming.chat,
                    incoming.thread,
                    incoming.in_group,
                    part,
                )
                for part in some
            )
            for one in born:
                if answer.context is not None:
                    _await_number_of(answer.context, one)
            answer.outcome = replace(answer.outcome, born=born)

    def _parts(self, answer: Answer) -> list[Outgoing]:
        """What goes out, in parts; an edited message stays one."""
        platform = self.platforms[answer.incoming.platform]
        parts: list[Outgoing] = []
        for one in answer.outgoing:
            if one.operation is Operation.delete:
                parts.append(one)
                continue
            bodies = platform.parts(one.body)
            # What was pressed, and is edited, is the part with the choices.
            kept = bodies[-1:] if one.operation is Operation.edit else bodies
            parts += [replace(one, body=body) for body in kept]
        return parts


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
    return {
        "id": incoming.update_id,
        "text": clean(text),
        "photos": photos,
        "voices": len(incoming.voices),
        "at": at,
    }


def _keep_said(outgoing: list[Outgoing], said: dict[str, object] | None) -> None:
    """Keep what was said with its answer, so that the conversation reads the same anywhere."""
    first = next((one for one in outgoing if one.operation is not Operation.delete), None)
    if first is not None and said is not None:
        first.body["said"] = said


def _await_number(context: Context, said: Outgoing) -> None:
    """Let a typed number answer this message of a page.

    A new reply takes the place of all that came before it; a message edited in place, only its own.
    """
    is_edit, message = said.operation is Operation.edit, said.message or ""
    others = [entry for entry in context.awaiting if is_edit and entry[0] != message]
    choices = said.body.get("choices")
    if choices:
        context.awaiting = [*others, [message, REPLY, title(said.body), choices]]
    elif is_edit:
        context.awaiting = others


def _await_number_of(context: Context, born: Born) -> None:
    """Let a typed number answer this message, which has no id yet: it is known by its delivery.

    What it offers is looked up once somebody types a number.
    """
    if born.outgoing.body.get("choices"):
        is_edit = born.outgoing.operation is Operation.edit
        others = context.awaiting[1 - MOST_AWAITED :] if is_edit else []
        context.awaiting = [*others, unsent(born.delivery_id, REPLY)]
