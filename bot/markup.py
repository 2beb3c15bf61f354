"""The one canonical markup: a small HTML subset, and what it reads like without tags."""

import html
import re

_BREAK = re.compile(r"<br\s*/?>")
_LINK = re.compile(r'<a href="([^"]*)">(.*?)</a>', re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_SPACES = re.compile(r"[ \t]+")
_GAP = re.compile(r"\n{3,}")
# Control characters, and those that reorder the text around them.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def tidy(rendered: str) -> str:
    """Rendered markup without the template's own indentation."""
    lines = [_SPACES.sub(" ", line).strip() for line in rendered.strip().splitlines()]
    return _GAP.sub("\n\n", "\n".join(lines))


def as_page(markup: str) -> str:
    """Markup as a web page shows it."""
    return markup.replace("\n", "<br>")


def as_plain(markup: str) -> str:
    """Markup as plain text; a link is followed by its address."""
    text = _BREAK.sub("\n", markup)
    text = _LINK.sub(lambda link: f"{link[2]} ({link[1]})", text)
    return html.unescape(_TAG.sub("", text))


def clean(typed: str) -> str:
    """What a person typed, without control characters and the like, in one kind of line end."""
    text = typed.replace("\r\n", "\n").replace("\r", "\n")
    return _SURROGATE.sub("\ufffd", _UNSEEN.sub("", text)).strip()
