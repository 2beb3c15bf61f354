"""The codes of invitations and linkings in what people type, by their shape: no word has it."""

import re
from itertools import islice

from storage.sessions import ALPHABET

_TYPED = re.compile(r"(?:invitation\W+)?((?:[A-Z0-9]{4}-){3}[A-Z0-9]{4})", re.IGNORECASE)
_FOUR = f"[{ALPHABET}]{{4}}"
# Groups as in a code, however many: with others beside them, four are none.
_GROUPS = re.compile(rf"(?<![\w-]){_FOUR}(?:[- \xa0]{_FOUR})+(?![\w-])", re.IGNORECASE)
MOST_CODES = 20  # that are looked for in one message
LONGEST = 50  # characters of a code as it was typed
_LENGTH = 19  # characters of an invitation's code, with what stands between its groups
# The code of a linking has three groups; one that was mistyped counts as well.
_LINKING = re.compile(
    rf"(?:[/!]?([^\W\d][^\W\d ]*(?: [^\W\d]+){{0,3}})[\s:-]+)?"
    rf"({_FOUR}(?:[- \xa0]{_FOUR}){{2}}|[A-Z0-9]{{3,5}}(?:-[A-Z0-9]{{3,5}}){{2}})",
    re.IGNORECASE,
)
_LONGEST_LINKING = 60  # characters, with the word
_THREE = rf"{_FOUR}(?:[- \xa0]{_FOUR}){{2}}"
# What others read serves whoever puts it right: whatever stands between its groups, or nothing.
_READ = rf"(?<![A-Z0-9])(?=({_FOUR}(?:[^A-Z0-9]{{0,3}}{_FOUR}){{%d}})(?![A-Z0-9]))"
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
    """The code that stands in a text, as typed, if just one thing there has its very shape.

    Digits alone are none: they would be the number of a card.
    """
    found = [one for one in _GROUPS.findall(text) if len(one) == _LENGTH]
    codes = [one for one in found if any(letter.isalpha() for letter in one)]
    return codes[0] if len(codes) == 1 else None


def linking_in(text: str) -> tuple[str | None, str] | None:
    """The code of a linking that a text is, and the word before it, if it is nothing else.

    Alone it has its very shape and is not all digits, or is one that was mistyped.
    """
    text = text.strip()
    found = _LINKING.fullmatch(text) if len(text) <= _LONGEST_LINKING else None
    if found is None:
        return None
    word, code = found[1], found[2]
    has_shape = re.fullmatch(_THREE, code, re.IGNORECASE) and any(one.isalpha() for one in code)
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
    return [one[1] for one in islice(_INVITATIONS.finditer(text), MOST_CODES)]


def linkings_in(text: str) -> list[str]:
    """What anywhere in a text may be the code of a linking: the first few."""
    found = [one[1] for one in islice(_LINKINGS.finditer(text), MOST_CODES)]
    return [code for code in found if any(letter.isalpha() for letter in code)]
