"""The codes of invitations in what people type, by their shape alone: no word has it."""

import re

from storage.sessions import ALPHABET

_TYPED = re.compile(r"(?:invitation\W+)?((?:[A-Z0-9]{4}-){3}[A-Z0-9]{4})", re.IGNORECASE)
_FOUR = f"[{ALPHABET}]{{4}}"
# Groups as in a code, however many: with others beside them, four are none.
_GROUPS = re.compile(rf"(?<![\w-]){_FOUR}(?:[- \xa0]{_FOUR})+(?![\w-])", re.IGNORECASE)
_LENGTH = 19  # characters of a code, with what stands between its groups


def only_code(text: str) -> str | None:
    """The code that a text is, if it is nothing else; one that was misread counts as well."""
    text = text.strip()
    typed = _TYPED.fullmatch(text)
    if typed is not None:
        return typed[1]
    return text if code_in(text) == text else None


def code_in(text: str) -> str | None:
    """The code that stands in a text, as typed, if just one thing there has its very shape.

    Digits alone are none: they would be the number of a card.
    """
    found = [one for one in _GROUPS.findall(text) if len(one) == _LENGTH]
    codes = [one for one in found if any(letter.isalpha() for letter in one)]
    return codes[0] if len(codes) == 1 else None
