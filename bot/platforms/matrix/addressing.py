"""What of a group's message is for us; never by our name, for anybody may be called so."""

import html
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from bot.platforms.matrix.fields import mapping, words

# What older clients put before a reply: who said what, each line behind a `>`.
_FALLBACK = re.compile(r"> (?:\* )?<(@[^>\n]+)>[^\n]*(?:\n>[^\n]*)*\n{0,2}")
_COMMAND = re.compile(r"[!/]\w")
# A mention in markup: whom it is of, and how it shows.
_PILL = re.compile(
    r"""<a\s[^>]{0,300}?href=["']https://matrix\.to/#/([^"'>]{1,300})["'][^>]{0,100}>"""
)
_TAG = re.compile(r"<[^>]{0,300}>")
MOST_SEARCHED = 4096  # characters of markup
_AROUND = " \t\n\u00a0\u202f:,"


def without_fallback(text: str) -> str:
    """A reply without what it is a reply to."""
    return _FALLBACK.sub("", text, count=1) if _FALLBACK.match(text) else text


def addressed(content: Mapping[str, Any], me: str, *, is_reply: bool, to_us: bool) -> str | None:
    """The words that are for us, without our name; None if none are.

    A reply mentions by itself whom it replies to, and is part of what people say to each other
    about what we said: it is for us if it is a number, or names us as well.

    Args:
        to_us: it is a reply to a message of ours, as far as we know, or right below it in a thread.
    """
    body = words(content.get("body"))
    fallback = _FALLBACK.match(body) if is_reply else None
    text = (body[fallback.end() :] if fallback else body).strip()
    if _COMMAND.match(text):
        return text
    name = _our_id(me)
    if name.search(text):
        return name.sub("", text).strip(_AROUND)
    shown = _shown_as(words(content.get("formatted_body")), me)
    if shown is not None:
        return text.replace(shown, "", 1).strip(_AROUND)
    people = mapping(content.get("m.mentions")).get("user_ids")
    is_mention = isinstance(people, list) and me in people
    if is_mention and not is_reply:
        return text
    is_number = text.isascii() and text.isdigit()
    is_to_us = to_us or is_mention or (fallback is not None and fallback[1] == me)
    return text if is_number and is_to_us else None


def _our_id(me: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(me)}(?![\w-]|[.:]\w)", re.IGNORECASE)


def _shown_as(markup: str, me: str) -> str | None:
    """How a mention of us shows in the words; None if there is none."""
    said = (markup.partition("</mx-reply>")[2] or markup)[:MOST_SEARCHED]
    for pill in _PILL.finditer(said):
        if unquote(pill[1]).partition("?")[0] == me:
            shown = said[pill.end() : pill.end() + 300].partition("</a>")[0]
            return html.unescape(_TAG.sub("", shown))
    return None
