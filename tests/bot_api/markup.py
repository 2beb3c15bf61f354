"""Telegram's HTML, as strictly as tdlib/td reads it (MessageEntity.cpp, `parse_html`)."""

import html
import re
from dataclasses import dataclass
from typing import Any

from tests.bot_api.errors import bad

# core.telegram.org/bots/api#html-style
TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "span": "spoiler",
    "tg-spoiler": "spoiler",
    "a": "text_link",
    "tg-emoji": "custom_emoji",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
}
_SHOWN = {
    "bold": "b",
    "italic": "i",
    "underline": "u",
    "strikethrough": "s",
    "text_link": "a",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "expandable_blockquote": "blockquote",
}
_SPECIAL = re.compile(r"<|&(?:lt|gt|amp|quot|#[0-9]+|#[xX][0-9a-fA-F]+);?")
_TAG = re.compile(r"<(/?)([^\s>/]*)((?:[^>\"']|\"[^\"]*\"|'[^']*')*)>", re.DOTALL)
_ATTRIBUTE = re.compile(r"([^\s=]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+)))?")
_COMMAND = re.compile(r"/\w{1,32}(@\w+)?(?=\s|$)")
_MENTION = re.compile(r"@\w{4,}")
_BLANK = " \t\r\n\0\v\f"


@dataclass
class Formatted:
    """Plain text with its entities; offsets count UTF-16 units, as Telegram's."""

    text: str
    entities: list[dict[str, Any]]

    def as_text(self) -> dict[str, Any]:
        """The fields of a text message."""
        return {"text": self.text, **self._entities("entities")}

    def as_caption(self) -> dict[str, Any]:
        """The fields of a caption, none if it is empty."""
        if not self.text:
            return {}
        return {"caption": self.text, **self._entities("caption_entities")}

    def _entities(self, name: str) -> dict[str, Any]:
        return {name: self.entities} if self.entities else {}


def formatted(source: str, parse_mode: str | None) -> Formatted:
    """What Telegram makes of a text, blanks at both ends removed.

    Raises:
        Refused: it cannot be parsed. MarkdownV2 is not served here.
    """
    if not parse_mode:
        return Formatted(source.strip(_BLANK), [])
    if parse_mode.lower() != "html":
        raise bad("unsupported parse_mode")
    return _trimmed(_parsed(source))


def entities_of(text: str) -> list[dict[str, Any]]:
    """What Telegram finds in what people write: a command at the beginning, and mentions."""
    found: list[dict[str, Any]] = []
    command = _COMMAND.match(text)
    if command:
        found.append({"type": "bot_command", "offset": 0, "length": command.end()})
    for mention in _MENTION.finditer(text, command.end() if command else 0):
        begin = units(text[: mention.start()])
        found.append({"type": "mention", "offset": begin, "length": units(mention[0])})
    return found


def rendered(text: str, entities: list[dict[str, Any]]) -> str:
    """Safe HTML of a text with its entities."""
    raw = text.encode("utf-16-le")
    opens: dict[int, list[dict[str, Any]]] = {}
    closes: dict[int, list[str]] = {}
    for entity in sorted(entities, key=lambda one: (one["offset"], -one["length"])):
        if entity["type"] in _SHOWN:
            opens.setdefault(entity["offset"], []).append(entity)
            closes.setdefault(entity["offset"] + entity["length"], []).insert(0, entity["type"])
    out = []
    edges = sorted({0, len(raw) // 2, *opens, *closes})
    for place, edge in enumerate(edges):
        out += [f"</{_SHOWN[kind]}>" for kind in closes.get(edge, ())]
        for entity in opens.get(edge, ()):
            url = html.escape(entity.get("url", ""))
            out.append(f'<a href="{url}">' if url else f"<{_SHOWN[entity['type']]}>")
        if place + 1 < len(edges):
            out.append(html.escape(raw[edge * 2 : edges[place + 1] * 2].decode("utf-16-le")))
    return "".join(out)


def units(text: str) -> int:
    """The length in UTF-16 units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def _parsed(source: str) -> Formatted:
    out: list[str] = []
    length = at = 0
    entities: list[dict[str, Any]] = []
    opened: list[tuple[str, int, dict[str, Any], int]] = []

    def put(text: str) -> None:
        nonlocal length
        out.append(text)
        length += units(text)

    while found := _SPECIAL.search(source, at):
        put(source[at : found.start()])
        if found[0] != "<":
            at = found.end()
            put(html.unescape(found[0] if found[0].endswith(";") else f"{found[0]};"))
            continue
        where = found.start()
        tag = _TAG.match(source, where)
        if tag is None:
            raise _unparsed(f"Unclosed start tag at byte offset {_bytes(source, where)}")
        at = tag.end()
        name = tag[2].lower()
        if tag[1]:
            _close(name, where, source, opened, entities, length)
        else:
            opened.append((name, length, _opening(name, tag[3], where, source), where))
    put(source[at:])
    if opened:
        name, _, _, where = opened[-1]
        raise _unparsed(f'Can\'t find end tag corresponding to start tag "{name}"')
    entities.sort(key=lambda entity: (entity["offset"], -entity["length"]))
    return Formatted("".join(out), entities)


def _opening(name: str, rest: str, where: int, source: str) -> dict[str, Any]:
    """The entity that a start tag begins."""
    if name not in TAGS:
        raise _unparsed(f'Unsupported start tag "{name}" at byte offset {_bytes(source, where)}')
    attributes = {
        key.lower(): html.unescape(double or single or bare)
        for key, double, single, bare in _ATTRIBUTE.findall(rest)
    }
    entity: dict[str, Any] = {"type": TAGS[name]}
    if name == "span" and attributes.get("class") != "tg-spoiler":
        raise _unparsed(f'Tag "span" must have class "tg-spoiler" at byte offset {where}')
    if name == "a":
        entity["url"] = attributes.get("href", "")
    if name == "blockquote" and "expandable" in attributes:
        entity["type"] = "expandable_blockquote"
    if name == "code" and attributes.get("class", "").startswith("language-"):
        entity["language"] = attributes["class"].removeprefix("language-")
    return entity


def _close(
    name: str,
    where: int,
    source: str,
    opened: list[tuple[str, int, dict[str, Any], int]],
    entities: list[dict[str, Any]],
    length: int,
) -> None:
    if not opened:
        raise _unparsed(f"Unexpected end tag at byte offset {_bytes(source, where)}")
    expected, began, entity, _ = opened.pop()
    if name not in ("", expected):
        raise _unparsed(
            f"Unmatched end tag at byte offset {_bytes(source, where)}, "
            f'expected "</{expected}>", found "</{name}>"'
        )
    if length == began or (entity["type"] == "text_link" and not entity["url"]):
        return
    entities.append({"offset": began, "length": length - began, **entity})


def _trimmed(given: Formatted) -> Formatted:
    text = given.text.strip(_BLANK)
    if text == given.text:
        return given
    cut = units(given.text) - units(given.text.lstrip(_BLANK))
    end = units(text)
    kept = []
    for entity in given.entities:
        begin = max(entity["offset"] - cut, 0)
        stop = min(entity["offset"] + entity["length"] - cut, end)
        if stop > begin:
            kept.append({**entity, "offset": begin, "length": stop - begin})
    return Formatted(text, kept)


def _bytes(source: str, where: int) -> int:
    return len(source[:where].encode())


def _unparsed(why: str) -> Exception:
    return bad(f"can't parse entities: {why}")
