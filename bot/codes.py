"""The codes of invitations and linkings in what people type, by their shape: no word has it."""

import re
from itertools import islice
from unicodedata import normalize
from urllib.parse import unquote

from storage.sessions import ALPHABET

_TYPED = re.compile(r"(?:invitation\W+)?((?:[A-Z0-9]{4}-){3}[A-Z0-9]{4})", re.IGNORECASE)
_FOUR = f"[{ALPHABET}]{{4}}"
# Groups as in a code, however many: with others beside them, four are none.
_GROUPS = re.compile(rf"(?<![\w-]){_FOUR}(?:[- \xa0]{_FOUR})+(?![\w-])", re.IGNORECASE)
MOST_CODES = 20  # that are looked for in one message
LONGEST = 50  # characters of a code as it was typed
_LENGTH = 19  # characters of an invitation's code, with what stands between its groups
_LINKING_LENGTH = 14  # and of a linking's
_SHORT = 200  # characters of a message that only brings a code
# The code of a linking has three groups; one that was mistyped counts as well.
_LINKING = re.compile(
    rf"(?:[/!]?([^\W\d][^\W\d ]*(?: [^\W\d]+){{0,3}})[\s:-]+)?"
    rf"({_FOUR}(?:[- \xa0]{_FOUR}){{2}}|[A-Z0-9]{{3,5}}(?:-[A-Z0-9]{{3,5}}){{2}})",
    re.IGNORECASE,
)
_LONGEST_LINKING = 60  # characters, with the word
_THREE = rf"{_FOUR}(?:[- \xa0]{_FOUR}){{2}}"
# What others read serves whoever puts it right: whatever stands between its groups, or nothing.
_READ = rf"(?<![A-Z0-9])(?=({_FOUR}(?:[^A-Z0-9]{{0,9}}{_FOUR}){{%d}})(?![A-Z0-9]))"
_INVITATIONS = re.compile(_READ % 3, re.IGNORECASE)
_LINKINGS = re.compile(_READ % 2, re.IGNORECASE)


def typed_code(text: str) -> str:
    """A code in an action or a link: whatever was typed, within bounds.

    Raises:
        ValueError
    """
    if not 0 < len(text) <= LONGEST:
        raise ValueError(text)
    return text


def only_code(text: str) -> str | None:
    """The code that a text is, if it is nothing else; one that was misread counts as well."""
    text = text.strip()
    typed = _TYPED.fullmatch(text)
    if typed is not None:
        return typed[1]
    return text if code_in(text) == text else None


def code_in(text: str) -> str | None:
    """The code of an invitation that stands in a text, as typed: the first one in a short text.

    In a longer one, just one thing has its very shape.
    """
    codes = _shaped(text, _LENGTH)
    return codes[0] if codes and (len(codes) == 1 or len(text) <= _SHORT) else None


def linking_within(text: str) -> str | None:
    """The first code of a linking that stands in a short text, as typed, whatever else does."""
    return next(iter(_shaped(text, _LINKING_LENGTH)), None) if len(text) <= _SHORT else None


def _shaped(text: str, length: int) -> list[str]:
    """What stands in a text in the shape of a code. Digits alone are none, but a card's number."""
    return [one for one in _GROUPS.findall(text) if len(one) == length and _has_letters(one)]


def _has_letters(code: str) -> bool:
    return any(letter.isalpha() for letter in code)


def linking_in(text: str) -> tuple[str | None, str] | None:
    """The code of a linking that a text is, and the word before it, if it is nothing else.

    Alone it has its very shape and is not all digits, or is one that was mistyped.
    """
    text = text.strip()
    found = _LINKING.fullmatch(text) if len(text) <= _LONGEST_LINKING else None
    if found is None:
        return None
    word, code = found[1], found[2]
    has_shape = re.fullmatch(_THREE, code, re.IGNORECASE) and _has_letters(code)
    is_sure = word is not None or has_shape or _is_mistyped(code)
    return (word, code) if is_sure else None


def _is_mistyped(code: str) -> bool:
    """Whether a code was misread, or a sign of it is missing or too much: nothing else has both
    digits and, at its end, letters. A poll's number ends with digits.
    """
    groups = code.split("-")
    has_both = any(one.isdigit() for one in code) and any(one.isalpha() for one in groups[-1])
    return has_both and len(groups) == 3 and [len(one) for one in groups].count(4) >= 2


def invitations_in(text: str) -> list[str]:
    """What anywhere in a text may be the code of an invitation: the first few."""
    return [one[1] for one in islice(_INVITATIONS.finditer(_plain(text)), MOST_CODES)]


def linkings_in(text: str) -> list[str]:
    """What anywhere in a text may be the code of a linking: the first few."""
    found = (one[1] for one in _LINKINGS.finditer(_plain(text)))
    return list(islice(filter(_has_letters, found), MOST_CODES))


def _plain(text: str) -> str:
    """A text in the letters of a code: full-width ones, and what an address writes by numbers."""
    return normalize("NFKC", unquote(text))
