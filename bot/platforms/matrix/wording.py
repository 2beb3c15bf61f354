"""Bodies as the events of Matrix, within its limits: plain text that reads well, and its markup."""

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from markupsafe import escape

from bot.markup import as_plain, clean, unbroken
from bot.routing import OPENS_PRIVATELY
from bot.runs import cut, read, write
from bot.texts import Texts

# An event has 64 KiB at most. What is encrypted grows by a third, and holds a text twice.
HEAVIEST = 20_000  # bytes of a text with its tags, as JSON writes it
LONGEST_FALLBACK = 500  # characters, for who cannot see that a message was changed
NOTHING = "…"  # where there is nothing to say
BALLOT = "polls.vote:"  # what an action begins with that casts a ballot

MESSAGE = "m.room.message"
POLL_START = "org.matrix.msc3381.poll.start"  # clients show and answer the unstable names
POLL_END = "org.matrix.msc3381.poll.end"
POLL_TEXT = "org.matrix.msc1767.text"
CARD = "fr.preau.card"  # the text event that a poll goes with

_TAG = re.compile(r"(<[^>]+>)")
_BLANKS = re.compile(r"[ \t\n]+")  # a space that keeps words together stays

Body = dict[str, Any]
Content = dict[str, Any]
Choices = Sequence[Sequence[str]]  # an action and a label each


@dataclass(frozen=True)
class Place:
    """Where a text is said.

    Attributes:
        user_id: our own, which a group is told.
        texts: the words of the committee's language, in which a group is spoken to.
    """

    in_group: bool
    user_id: str
    texts: Texts


def parts(body: Body, device_id: str, now: datetime) -> list[Body]:
    """A body as the events that it becomes, in order; choices and polls go with the last.

    Files go first, one an event; a long text is split at its paragraphs. Each part gets a random
    transaction id, and says from which device, and since when, it may have been sent.
    """
    choices, speaks = body["choices"], bool(clean(as_plain(body["markup"])))
    made = [_part(files=[file]) for file in body["files"]]
    texts = _pieces(body["markup"]) if speaks else []
    if choices and (not texts or _weight(as_matrix(texts[-1]) + _listed(choices)) > HEAVIEST):
        texts.append("")
    made += [_part(markup) for markup in texts]
    made = made or [_part(NOTHING)]
    made[-1] = {**body, **made[-1], "choices": choices}
    stamp = {"device": device_id, "made_at": now.isoformat()}
    return [{**one, **stamp, "tx": secrets.token_urlsafe(18)} for one in made]


def as_matrix(markup: str) -> str:
    """Canonical markup as the HTML that every client shows: balanced, <br> for newlines."""
    written, in_pre = [], False
    for piece in _TAG.split(write(read(unbroken(markup)))):
        if piece in ("<pre>", "</pre>"):
            in_pre = piece == "<pre>"
        elif piece in ("<s>", "</s>"):
            piece = piece.replace("s", "del")
        elif not in_pre:
            piece = piece.replace("\n", "<br>")
        written.append(piece)
    return "".join(written)


def text(markup: str, choices: Choices, place: Place, *, quiet: bool = False) -> Content:
    """The content of a message.

    Args:
        quiet: nobody's phone rings for it: by their default rules, clients keep notices silent.
    """
    said = [one for one in (markup, _offered(choices, place)) if one]
    plain, formatted = _written("\n\n".join(said) or NOTHING)
    return {
        "msgtype": "m.notice" if quiet else "m.text",
        "body": plain,
        "format": "org.matrix.custom.html",
        "formatted_body": formatted,
        "m.mentions": {},  # whoever is named in it is not called
    }


def in_thread(content: Content, root: str) -> Content:
    """A content as it is said in a thread; elsewhere it looks like a reply to how that began."""
    relation = {
        "rel_type": "m.thread",
        "event_id": root,
        "is_falling_back": True,
        "m.in_reply_to": {"event_id": root},
    }
    return {**content, "m.relates_to": relation}


def in_place_of(event_id: str, content: Content) -> Content:
    """What makes an earlier event of ours say something else."""
    formatted = ("format", "formatted_body")
    return {
        **{name: value for name, value in content.items() if name not in formatted},
        "body": f"* {content['body'][:LONGEST_FALLBACK]}",
        "m.new_content": content,
        "m.relates_to": {"rel_type": "m.replace", "event_id": event_id},
    }


def poll(question: str, choices: Choices, card: str) -> Content:
    """A poll whose answers are actions: the choices that cast a ballot.

    Args:
        card: the event id of the text with which it goes.
    """
    answers = [(action, _label(label)) for action, label in choices if action.startswith(BALLOT)]
    numbered = [f"{number}. {label}" for number, (_, label) in enumerate(answers, 1)]
    asked = _label(question)
    return {
        POLL_START: {
            "kind": "org.matrix.msc3381.poll.disclosed",
            "max_selections": 1,
            "question": {POLL_TEXT: asked, "body": asked, "msgtype": "m.text"},
            "answers": [{"id": action, POLL_TEXT: label} for action, label in answers],
        },
        POLL_TEXT: "\n".join([asked, *numbered]),
        CARD: card,
    }


def poll_end(event_id: str, words: str) -> Content:
    """What ends a poll.

    Args:
        words: shown by clients that know no polls.
    """
    return {
        POLL_END: {},
        POLL_TEXT: words,
        "m.relates_to": {"rel_type": "m.reference", "event_id": event_id},
    }


def _part(markup: str = "", files: Sequence[Any] = ()) -> Body:
    return {"markup": markup, "choices": [], "files": list(files)}


def _pieces(markup: str) -> list[str]:
    """A text in pieces that fit; one that is not ASCII weighs more than it is long."""
    if _weight(as_matrix(markup)) <= HEAVIEST:
        return [markup]
    longest = HEAVIEST
    while True:
        pieces = [write(piece) for piece in cut(read(markup), longest)]
        if all(_weight(as_matrix(piece)) <= HEAVIEST for piece in pieces):
            return pieces
        longest = longest * 3 // 4


def _weight(written: str) -> int:
    return len(json.dumps(written))


def _offered(choices: Choices, place: Place) -> str:
    """What may be chosen, as markup.

    In a group it says how to choose there, or in private. A ballot is never cast among others.
    """
    if not place.in_group:
        return _listed(choices)
    said = []
    if lines := _listed(choices, without=(BALLOT, OPENS_PRIVATELY)):
        said = [lines, place.texts.markup("matrix.room_numbers")]
    private = {"bot": place.user_id, "address": address_of(place.user_id)}
    if any(action.startswith(BALLOT) for action, _ in choices):
        return "\n\n".join([*said, place.texts.markup("matrix.room_ballot", private)])
    ways = [label for action, label in choices if action.startswith(OPENS_PRIVATELY)]
    return "\n\n".join([*said, *(_link(private["address"], label) for label in ways)])


def address_of(user_id: str) -> str:
    """A link that opens a person's profile in any client, from which a chat is begun."""
    return f"https://matrix.to/#/{quote(user_id, safe='@:')}"


def _listed(choices: Choices, without: tuple[str, ...] = ()) -> str:
    """Choices as lines, each with the number that chooses it; an address is a link instead."""
    lines = []
    for number, (action, label) in enumerate(choices, 1):
        if action.startswith(("https://", "http://")):
            lines.append(_link(action, label))
        elif not action.startswith(without):
            lines.append(f"{number}. {escape(_label(label))}")
    return "\n".join(lines)


def _link(address: str, label: str) -> str:
    return f'<a href="{escape(address)}">{escape(_label(label))}</a>'


def _label(label: str) -> str:
    return _BLANKS.sub(" ", clean(label)) or NOTHING


@lru_cache(512)  # many read the same
def _written(markup: str) -> tuple[str, str]:
    """Markup as plain text, and with its tags."""
    return as_plain(unbroken(markup)), as_matrix(markup)
