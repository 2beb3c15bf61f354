"""A message of several parts, each under a title in bold, as documents have it."""

import re
from dataclasses import dataclass

from markupsafe import Markup

_TITLE = re.compile(r"<b>(.*?)</b>\n?")


@dataclass(frozen=True)
class Part:
    """A title, and lines of canonical markup."""

    title: Markup
    lines: tuple[Markup, ...]


def parts_of(markup: str) -> list[Part]:
    """The parts of a message, which are separated by empty lines."""
    found = []
    for part in markup.strip().split("\n\n"):
        title = _TITLE.match(part)
        lines = part[title.end() if title else 0 :].strip().splitlines()
        said = tuple(Markup(line) for line in lines)  # noqa: S704 (rendered and escaped)
        found.append(Part(Markup(title[1] if title else ""), said))  # noqa: S704
    return found
