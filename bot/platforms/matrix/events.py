"""What an event of a room says to us, purely.

It is read as it came, or as it was decrypted, and never through nio's classes: anybody may have
written anything there.

In a group only what is addressed to us is read: a command, our user id or a mention, and a number
in reply to a message of ours. Of the rest, only what may be a code, which serves no more.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bot.codes import invitations_in, linkings_in
from bot.messages import LONGEST_ACTION, Incoming
from bot.platforms.matrix.addressing import MOST_SEARCHED, addressed, without_fallback
from bot.platforms.matrix.attached import FILES, Sent, caption_of, sent_in
from bot.platforms.matrix.fields import event_id, mapping, words
from bot.platforms.matrix.whose import PLATFORM

MESSAGE, REDACTION, STICKER = "m.room.message", "m.room.redaction", "m.sticker"
ENCRYPTED = "m.room.encrypted"
# What a response to a poll is called, and where its answers are.
RESPONSES = {
    "org.matrix.msc3381.poll.response": "org.matrix.msc3381.poll.response",
    "m.poll.response": "m.selections",
}
BALLOT = "polls.vote:"  # what the action of an answer of our polls begins with
WORDS = ("m.text", "m.emote")
OUTSIDE = ("leave", "ban", "knock")
NOT_TAKEN = "forms.not_taken"

Source = Mapping[str, Any]


@dataclass(frozen=True)
class RoomView:
    """A room as its events are read.

    Attributes:
        me: our own user id.
        person: whose direct chat it is; None if it is a group.
        ours: ids of events that we wrote lately.
        encrypted: what is said there is encrypted, or the homeserver may have written it.
    """

    room_id: str
    me: str
    person: str | None
    ours: Container[str] = frozenset()
    encrypted: bool = False


@dataclass(frozen=True)
class Arrival:
    """Something that was said to us.

    Attributes:
        sent: the file that came with it.
        poll: the event of the poll to which it is an answer; one that we never offered is empty,
            and None takes the one before back.
    """

    incoming: Incoming
    sent: Sent | None = None
    poll: str | None = None


def read(event: Source, room: RoomView, received_at: datetime) -> Arrival | None:
    """What an event says; None if it says nothing to us."""
    if not is_said(event, room.me):
        return None
    incoming = Incoming(
        platform=PLATFORM,
        chat=room.room_id,
        sender=event["sender"],
        update_id=event["event_id"],
        received_at=received_at,
    )
    kind = words(event.get("type"))
    if room.person is None:
        return _among(event, room, incoming) if kind == MESSAGE else None
    if incoming.sender != room.person:  # somebody was there for a while
        return None
    if kind == MESSAGE:
        return _in_private(event["content"], incoming)
    if kind == REDACTION:
        target = taken_back(event)
        return Arrival(replace(incoming, withdraws=target)) if target else None
    if kind == STICKER:
        return Arrival(replace(incoming, said_as=incoming.update_id, text="", problem=NOT_TAKEN))
    return _answered(event["content"], RESPONSES[kind], incoming) if kind in RESPONSES else None


def is_said(event: Source, me: str) -> bool:
    """Whether somebody else said something, which stands, while we were there or invited."""
    unsigned = mapping(event.get("unsigned"))
    return (
        "state_key" not in event
        and event_id(event.get("event_id")) is not None
        and isinstance(event.get("sender"), str)
        and event["sender"] != me
        and isinstance(event.get("content"), dict)
        and "redacted_because" not in unsigned
        and unsigned.get("membership") not in OUTSIDE
    )


def taken_back(redaction: Source) -> str | None:
    """What a redaction takes back: rooms of an older kind say it beside the content."""
    target = event_id(mapping(redaction.get("content")).get("redacts"))
    return target or event_id(redaction.get("redacts"))


def _in_private(content: Source, incoming: Incoming) -> Arrival | None:
    relation = mapping(content.get("m.relates_to"))
    if relation.get("rel_type") == "m.replace":
        return _edited(content, relation, incoming)
    kind = content.get("msgtype")
    incoming = replace(
        incoming,
        said_as=incoming.update_id,
        thread=_thread(relation),
        replied=_replied(relation),
        under=_under(relation),
    )
    if kind in WORDS:
        text = words(content.get("body"))
        text = without_fallback(text) if "m.in_reply_to" in relation else text
        return Arrival(replace(incoming, text=text))
    if kind not in FILES:
        return None
    sent = sent_in(content)
    problem = NOT_TAKEN if sent is None else None
    return Arrival(replace(incoming, text=caption_of(content), problem=problem), sent)


def _edited(content: Source, relation: Source, incoming: Incoming) -> Arrival | None:
    target, new = event_id(relation.get("event_id")), mapping(content.get("m.new_content"))
    is_words = new.get("msgtype") in WORDS
    text = without_fallback(words(new.get("body"))) if is_words else caption_of(new)
    return Arrival(replace(incoming, edits=target, text=text)) if target and text else None


def _answered(content: Source, place: str, incoming: Incoming) -> Arrival | None:
    """A vote in one of our polls; of several answers the first counts, as every client shows it.

    Without an answer it takes a vote back.
    """
    answers = content.get(place)
    if isinstance(answers, dict):
        answers = answers.get("answers")
    poll = event_id(mapping(content.get("m.relates_to")).get("event_id"))
    if poll is None or not isinstance(answers, list):
        return None
    if not answers:
        return Arrival(incoming, poll=poll)
    action = words(answers[0])
    is_ballot = action.startswith(BALLOT) and len(action.encode()) <= LONGEST_ACTION
    return Arrival(replace(incoming, choice=action if is_ballot else ""), poll=poll)


def _among(event: Source, room: RoomView, incoming: Incoming) -> Arrival | None:
    content = event["content"]
    relation = mapping(content.get("m.relates_to"))
    if content.get("msgtype") not in WORDS:
        return None
    if relation.get("rel_type") == "m.replace":
        return _overheard(content, incoming)
    replied, under = _replied(relation), _under(relation)
    to_us = (replied or under) in room.ours
    text = addressed(content, room.me, is_reply=replied is not None, to_us=to_us)
    if text is None:
        return _overheard(content, incoming)
    said = replace(incoming, text=text, said_as=incoming.update_id, in_group=True)
    return Arrival(replace(said, thread=_thread(relation), replied=replied, under=under))


def _overheard(content: Source, incoming: Incoming) -> Arrival | None:
    """Of what is said to others, the codes alone, which all have read; None if there are none."""
    body = words(content.get("body"))[:MOST_SEARCHED]
    codes = [*invitations_in(body), *linkings_in(body)]
    heard = replace(incoming, text="\n".join(codes), in_group=True, overheard=True)
    return Arrival(heard) if codes else None


def _thread(relation: Source) -> str:
    """The event with which the thread begins."""
    is_thread = relation.get("rel_type") == "m.thread"
    return (event_id(relation.get("event_id")) or "") if is_thread else ""


def _replied(relation: Source) -> str | None:
    """The message that somebody replied to."""
    return None if _falls_back(relation) else _before(relation)


def _under(relation: Source) -> str | None:
    """The message under which somebody wrote: in a thread clients also name the one before."""
    return _before(relation) if _falls_back(relation) else None


def _before(relation: Source) -> str | None:
    return event_id(mapping(relation.get("m.in_reply_to")).get("event_id"))


def _falls_back(relation: Source) -> bool:
    return relation.get("rel_type") == "m.thread" and relation.get("is_falling_back") is True
