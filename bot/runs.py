"""Canonical markup as runs of text under tags: it can be cut anywhere and stays balanced."""

import html
import re
from typing import NamedTuple

_TAG = re.compile(r"<[^>]*>")
_OPENING = re.compile(r"<\s*([a-zA-Z]+)(?:\s[^>]*)?>")
_CLOSING = re.compile(r"<\s*/\s*([a-zA-Z]+)\s*>")
_ADDRESS = re.compile(r"""\shref\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_KNOWN = {
    "b": "b",
    "strong": "b",
    "i": "i",
    "em": "i",
    "u": "u",
    "s": "s",
    "a": "a",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
}
_SURROGATE = re.compile("[\ud800-\udfff]")
# Signs that belong to the one before: joiners, variations, accents, skins, letters of flags.
_JOINED = re.compile(
    "[\u200d\ufe00-\ufe0f\u0300-\u036f\u20e3\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]"
)
_LONGEST_CLUSTER = 40  # characters
# Where a text may be cut, the best first; never at a space that does not break.
_BETWEEN = (
    re.compile(r"\n\s*\n"),
    re.compile(r"\n"),
    re.compile(r"(?<=[.!?…»])[^\S\u00a0\u202f]"),
    re.compile(r"[^\S\u00a0\u202f]"),
)


class Tag(NamedTuple):
    """An open tag. The number makes two neighbours differ that are written alike."""

    name: str
    written: str
    number: int


class Run(NamedTuple):
    """A piece of plain text, and the tags around it, the outermost first."""

    text: str
    tags: tuple[Tag, ...]


def units(text: str) -> int:
    """The length of a text as Telegram counts: in UTF-16 code units."""
    if text.isascii():
        return len(text)
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def read(markup: str) -> list[Run]:
    """Markup as runs; tags that Telegram does not know are left out."""
    runs: list[Run] = []
    tags: tuple[Tag, ...] = ()
    at = 0
    for found in _TAG.finditer(markup):
        _add(runs, markup[at : found.start()], tags)
        at = found.end()
        if closing := _CLOSING.fullmatch(found[0]):
            tags = _without(tags, _KNOWN.get(closing[1].lower()))
        elif found[0].lower().startswith("<br"):
            runs.append(Run("\n", tags))
        elif (opening := _OPENING.fullmatch(found[0])) and (
            tag := _tag(opening[1].lower(), found[0], at)
        ):
            tags = (*tags, tag)
    _add(runs, markup[at:], tags)
    return runs


def plain(runs: list[Run]) -> str:
    return "".join(run.text for run in runs)


def write(runs: list[Run]) -> str:
    """Runs as the HTML that Telegram reads, which is canonical markup too."""
    written: list[str] = []
    open_tags: tuple[Tag, ...] = ()
    for run in runs:
        written.append(_change(open_tags, run.tags))
        written.append(html.escape(run.text, quote=False))
        open_tags = run.tags
    written.append(_change(open_tags, ()))
    return "".join(written)


def cut(runs: list[Run], limit: int) -> list[list[Run]]:
    """Runs in pieces of at most `limit` UTF-16 units each; what is blank between two is dropped."""
    text = plain(runs)
    return [piece for begin, end in _bounds(text, limit) if (piece := _slice(runs, begin, end))]


def _add(runs: list[Run], escaped: str, tags: tuple[Tag, ...]) -> None:
    if escaped:
        text = html.unescape(escaped) if "&" in escaped else escaped
        runs.append(Run(_SURROGATE.sub("\ufffd", text), tags))


def _tag(name: str, written: str, number: int) -> Tag | None:
    known = _KNOWN.get(name)
    if known is None:
        return None
    if known != "a":
        return Tag(known, f"<{known}>", number)
    address = _ADDRESS.search(written)
    if address is None:
        return None
    target = html.escape(html.unescape(address[1] or address[2] or ""))
    return Tag("a", f'<a href="{target}">', number)


def _without(tags: tuple[Tag, ...], name: str | None) -> tuple[Tag, ...]:
    """The tags that stay open when one is closed: the innermost of that name."""
    for index in range(len(tags) - 1, -1, -1):
        if tags[index].name == name:
            return tags[:index] + tags[index + 1 :]
    return tags


def _change(before: tuple[Tag, ...], after: tuple[Tag, ...]) -> str:
    """What closes some tags and opens others."""
    same = 0
    while same < min(len(before), len(after)) and before[same] == after[same]:
        same += 1
    closing = "".join(f"</{tag.name}>" for tag in reversed(before[same:]))
    return closing + "".join(tag.written for tag in after[same:])


def _slice(runs: list[Run], begin: int, end: int) -> list[Run]:
    found: list[Run] = []
    at = 0
    for run in runs:
        text = run.text[max(begin - at, 0) : max(end - at, 0)]
        if text:
            found.append(Run(text, run.tags))
        at += len(run.text)
    return found


def _bounds(text: str, limit: int) -> list[tuple[int, int]]:
    """Where each piece of a text begins and ends, without the blanks around it."""
    bounds: list[tuple[int, int]] = []
    begin, last = _not_blank(text, 0), len(text.rstrip())
    while begin < last:
        end = begin + _fitting(text[begin : begin + limit], limit)
        end = last if end >= last else _good_end(text, begin, end)
        bounds.append((begin, begin + len(text[begin:end].rstrip())))
        begin = _not_blank(text, end)
    return bounds


def _not_blank(text: str, begin: int) -> int:
    while begin < len(text) and text[begin].isspace():
        begin += 1
    return begin


def _fitting(text: str, limit: int) -> int:
    """How many characters of a text are at most `limit` UTF-16 units."""
    if text.isascii():
        return min(len(text), limit)
    return len(text.encode("utf-16-le")[: limit * 2].decode("utf-16-le", "ignore"))


def _good_end(text: str, begin: int, end: int) -> int:
    """The best place to cut between the first quarter of a piece and its end."""
    least = begin + max((end - begin) // 4, 1)
    for between in _BETWEEN:
        places = [found.start() for found in between.finditer(text, least, end + 1)]
        if places:
            return places[-1]
    for earlier in range(end, max(begin, end - _LONGEST_CLUSTER), -1):
        if not _JOINED.match(text[earlier]) and text[earlier - 1] != "\u200d":
            return earlier
    return end
