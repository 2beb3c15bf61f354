"""The one canonical markup: a small HTML subset, and what it reads like without tags."""

import html
import re

from markupsafe import Markup, escape

_BREAK = re.compile(r"<br\s*/?>")
_LINK = re.compile(r'<a href="([^"]*)">(.*?)</a>', re.DOTALL)
_TAG = re.compile(r"(<[^>]+>)")
_SPACES = re.compile(r"[ \t]+")
_GAP = re.compile(r"\n{3,}")
# Control characters, those that reorder the text around them, and those that show nothing.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u180b-\u180e\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\ufffe\uffff]"
)
# Joiners and variation selectors make emoji and some scripts; after nothing they show nothing.
_LOOSE = re.compile("(?<!\\S)[\u200c\u200d\ufe00-\ufe0f\U000e0000-\U000e01ef]+")
_FRENCH_SPACE = re.compile(r" (?=[?!:;»])|(?<=«) ")
_SURROGATE = re.compile("[\ud800-\udfff]")
# What people type for bold, italic and links; the signs of a mark touch the words inside.
_MARKS = re.compile(
    r"\[(?P<words>[^\[\]\n]+)\]\((?P<target>https?://[^\s<>\"()]+)\)"
    r"|(?P<address>https?://[^\s<>\"«»]*[^\s<>\"«».,;:!?()*_'’…\[\]])"
    r"|(?<![\w*])\*(?P<bold>[^\s*](?:[^*\n]*[^\s*])?)\*(?![\w*])"
    r"|(?<!\w)_(?P<italic>[^\s_](?:[^_\n]*[^\s_])?)_(?!\w)"
)


def tidy(rendered: str) -> str:
    """Rendered markup without the template's own indentation."""
    lines = [_SPACES.sub(" ", line).strip() for line in rendered.strip().splitlines()]
    return _GAP.sub("\n\n", "\n".join(lines))


def unbroken(markup: str) -> str:
    """Markup in which French signs never begin or end a line alone."""
    parts = _TAG.split(markup)
    parts[::2] = [_FRENCH_SPACE.sub("\u202f", text) for text in parts[::2]]
    return "".join(parts)


def as_page(markup: str) -> str:
    """Markup as a web page shows it."""
    return unbroken(markup).replace("\n", "<br>")


def as_plain(markup: str) -> str:
    """Markup as plain text; a link is followed by its address, unless that is what it shows."""
    text = _BREAK.sub("\n", markup)
    text = _LINK.sub(lambda one: one[2] if one[2] == one[1] else f"{one[2]} ({one[1]})", text)
    return html.unescape(_TAG.sub("", text))


def marked(typed: str) -> Markup:
    """Typed text as markup: *bold*, _italic_, addresses and [words](address).

    All that is typed is escaped; every tag is made here.
    """
    made, at = [], 0
    for mark in _MARKS.finditer(typed):
        made += [escape(typed[at : mark.start()]), _tagged(mark)]
        at = mark.end()
    return Markup("").join([*made, escape(typed[at:])])


def _tagged(mark: re.Match[str]) -> Markup:
    if mark["bold"]:
        return Markup("<b>{}</b>").format(marked(mark["bold"]))
    if mark["italic"]:
        return Markup("<em>{}</em>").format(marked(mark["italic"]))
    address = mark["target"] or mark["address"]
    return Markup('<a href="{}">{}</a>').format(address, mark["words"] or address)


def clean(typed: str) -> str:
    """What a person typed, without what cannot be seen, in one kind of line end."""
    text = typed.replace("\r\n", "\n").replace("\r", "\n")
    return _SURROGATE.sub("\ufffd", _LOOSE.sub("", _UNSEEN.sub("", text))).strip()


def beginning(text: str, at_most: int = 60) -> str:
    """The first words of a text, on one line that shows where its own lines end."""
    line = "\u00a0· ".join(" ".join(one.split()) for one in text.splitlines() if one.strip())
    if len(line) <= at_most:
        return line
    return (line[:at_most].rpartition(" ")[0] or line[:at_most]).rstrip(" ,;:.\u00a0·") + "…"
