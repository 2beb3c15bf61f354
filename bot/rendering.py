"""From a reply to the frozen body of a message, in the reader's language."""

from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from bot.markup import as_plain
from bot.messages import Reply
from bot.texts import Texts

LONGEST_LABEL = 200
TITLE = 60


@cache
def texts_for(language: str, zone: ZoneInfo) -> Texts:
    return Texts(language, zone)


def render(reply: Reply, texts: Texts) -> dict[str, Any]:
    """The body of a message: canonical markup, plain text, choices and files.

    A platform that shows no buttons numbers the choices itself. Where it has native polls, `ballot`
    says what one asks.
    """
    assert reply.words is not None
    markup = texts.markup(reply.words.name, reply.words.arguments)
    body: dict[str, Any] = {
        "markup": markup,
        "choices": [
            [choice.action, texts.label(choice.label)[:LONGEST_LABEL]] for choice in reply.choices
        ],
        "files": [[file.file_id, texts.label(file.name), file.media_type] for file in reply.files],
    }
    if reply.ballot is not None:
        body["ballot"] = {"question": texts.label(reply.ballot)}
    return body


class Rendering:
    """Renders what a group of updates is answered: what several are told alike, once."""

    def __init__(self) -> None:
        self._bodies: dict[tuple[Reply, Texts], dict[str, Any]] = {}
        self._toasts: dict[tuple[Reply, Texts], str] = {}

    def body(self, reply: Reply, texts: Texts) -> dict[str, Any]:
        """As `render`; what is inside of it may be another's as well."""
        body = self._bodies.get((reply, texts))
        if body is None:
            body = self._bodies[reply, texts] = render(reply, texts)
        return dict(body)

    def toast(self, reply: Reply, texts: Texts) -> str | None:
        """What is shown at once and kept nowhere, if anything is."""
        if reply.acknowledge is None:
            return None
        toast = self._toasts.get((reply, texts))
        if toast is None:
            toast = self._toasts[reply, texts] = texts.label(reply.acknowledge)
        return toast


def title(body: dict[str, Any]) -> str:
    """The beginning of a message, by which a person recognises it."""
    line = as_plain(body["markup"]).partition("\n")[0]
    return line if len(line) <= TITLE else line[: TITLE - 1] + "…"
