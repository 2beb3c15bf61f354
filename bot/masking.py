"""What in a text may tell who somebody is: found by rules, and masked.

Addresses and numbers are found wherever they stand. Names of people and schools are only probable:
they are words with a capital after a title, after « collège » and the like, or two in a row.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from zoneinfo import ZoneInfo

from bot.rendering import texts_for
from bot.texts import SOURCE
from storage.reports import Report


class Kind(StrEnum):
    """What was found. Where two overlap, the first of them names both."""

    email = "email"
    link = "link"
    handle = "handle"
    bank = "bank"
    national = "national"
    phone = "phone"
    school_id = "school_id"
    school_class = "school_class"
    school = "school"
    name = "name"


@dataclass(frozen=True)
class Piece:
    """Something found in a text, from `start` to `end`."""

    kind: Kind
    start: int
    end: int
    text: str


Spans = Iterator[tuple[int, int]]

NAMED = "words"  # what a reader names, beside what is found
_SPACED = str.maketrans("\u00a0\u202f", "  ")  # a space that does not break is a space
LONGEST_LOCAL = 64  # characters before the @ of an address (RFC 5321)
_LOCAL = re.compile(r"[\w.+'%-]")
_DOMAIN = re.compile(r"@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_HANDLE = re.compile(
    r"(?<![\w@])@[\w.=-]{2,64}(?::[\w.-]{1,255})?|\b(?:t|telegram)\.me/[\w+]{2,64}", re.IGNORECASE
)
_LINK = re.compile(r"https?://[^\s<>\"«»]{1,2000}", re.IGNORECASE)
_PERSONAL = re.compile(
    r"[@~]|[?&][\w-]{0,40}(?:nom|name|mail|user|login|eleve|tel)[\w-]{0,40}="
    r"|(?:facebook|instagram|tiktok|twitter|x|snapchat|pinterest|mastodon)\.\w+/."
    r"|linkedin\.com/in/|youtube\.com/(?:user|c)/",
    re.IGNORECASE,
)
_GAP = "[ .\u00a0\u202f-]"  # between the digits of a number
_PHONE = re.compile(
    rf"(?<!\d)0[1-9](?:{_GAP}?\d){{8}}(?!\d)"
    rf"|(?:\+|(?<!\d)00){_GAP}?[1-9](?:[ .()\u00a0\u202f-]{{0,3}}\d){{7,13}}(?!\d)"
)
# Numbers of six or eight digits, in Nouvelle-Calédonie, Polynésie, Wallis, Saint-Pierre.
_CALLED = re.compile(
    rf"\b(?:t[ée]l(?:[ée]phone)?|portable|mobile|appele[rz])\b[ .:]{{0,3}}(?:au |le )?"
    rf"(?P<piece>\d{{2}}(?:{_GAP}?\d{{2}}){{2,3}})(?!\d)",
    re.IGNORECASE,
)
_SCHOOL_ID = re.compile(r"(?<!\d)\d{7}(?:[A-Za-z]| [A-Z](?![A-Za-z]))")
# « 5e B », « CM2 A », « la 3ème 4 »: not a level alone.
_SCHOOL_CLASS = re.compile(
    r"\b(?:[3-6](?i:e|[èe]me)|CP|CE[12]|CM[12])[ -]?[A-H](?![\w'’])"
    r"|(?<=\bla )[3-6](?i:e|[èe]me) \d(?![\d,.%])(?!\w)"
)
_BANK = re.compile(
    r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?(?![a-z])"
)
_NATIONAL = re.compile(
    rf"(?<!\d)[1278]{_GAP}?\d\d{_GAP}?(?:0[1-9]|1[0-2]|[2-9]\d){_GAP}?(?:\d\d|2[ABab])"
    rf"(?:{_GAP}?\d{{3}}){{2}}(?:{_GAP}?\d\d)?(?!\d)"
)
_CAPITAL = "[A-ZÀ-ÖØ-ÞŒ]"
_WORD = rf"{_CAPITAL}[\w'’-]{{0,40}}"
_LINKED = rf"{_WORD}(?: (?:(?:de|du|des|la|le|les|et) |d['’])?{_WORD}){{0,4}}"
_SCHOOL = re.compile(
    r"\b(?i:[ée]coles?|coll[èe]ges?|lyc[ée]es?|maternelle|groupe scolaire|cit[ée] scolaire|"
    r"internat|erea|segpa)"
    r"(?: (?i:primaire|[ée]l[ée]mentaire|maternelle|publique?|priv[ée]e?|professionnel|"
    r"g[ée]n[ée]ral|technologique|polyvalent|agricole)){0,3}"
    rf" (?P<piece>(?:(?:de|du|des|la|le|les) |de la |d['’])?{_LINKED})"
)
_TITLED = re.compile(
    r"\b(?i:mmes?|mlles?|mrs?|mm|m\.|dr|pr|prof|madame|monsieur|mademoiselle|ma[îi]tre(?:sse)?|"
    r"professeure?|docteure?|proviseure?|principale?|directeur|directrice|surveillante?|"
    r"(?:l['’])?[ée]l[èe]ve|camarade)\.? "
    rf"(?P<piece>(?:(?:de|du|des|von|van|el|ben) |d['’])?{_LINKED})"
)
# Typed in small letters, only after what nothing else follows.
_ABBREVIATED = re.compile(
    r"\b(?:mmes?|mlles?|mr|m\.) (?P<piece>[^\W\d_][\w'’-]{2,40})", re.IGNORECASE
)
_FAMILY_FIRST = re.compile(
    rf"(?<![\w'’-]){_CAPITAL}{{4,40}}(?:-{_CAPITAL}{{2,40}})? {_CAPITAL}[a-zà-öø-ÿœ]{{2,40}}"
    rf"(?:-{_CAPITAL}[a-zà-öø-ÿœ]{{1,40}})?(?![\w'’])"
)
_PAIR = re.compile(
    rf"(?<![\w'’-]){_CAPITAL}[a-zà-öø-ÿœ]{{1,40}}(?:-{_CAPITAL}[a-zà-öø-ÿœ]{{1,40}})?"
    rf"(?: (?:(?:de|du|des|le|la) |d['’])?(?:{_CAPITAL}[a-zà-öø-ÿœ'’-]{{1,40}}|{_CAPITAL}{{2,40}})"
    r"(?![\w'’])){1,3}"
)
# Words with a capital that begin a sentence, or name a place, a tool or an institution.
_COMMON = """
    le la les un une des du de au aux ce cet cette ces mon ma mes ton ta tes son sa ses notre nos
    votre vos leur leurs je tu il elle on nous vous ils elles et ou mais donc or ni car si que qui
    quoi quand comme dans sur sous avec sans pour par chez depuis pendant après avant puis enfin
    bonjour bonsoir merci cher chère chers chères tout toute tous toutes chaque plusieurs aucun
    aucune madame monsieur mme mr the a an in at with my our your we they he she this that dear
    after before when hello
    janvier février mars avril mai juin juillet août septembre octobre novembre décembre lundi mardi
    mercredi jeudi vendredi samedi dimanche noël pâques toussaint
    conseil éducation education ministère académie région département mairie ville commune comité
    banque caisse union europe france paris saint sainte seine loire val haut haute hauts bas île
    îles ile pays côte côtes nouvelle réunion guadeloupe martinique guyane mayotte polynésie corse
    bretagne normandie alpes provence rhône pyrénées atlantique nord sud est ouest
    microsoft google apple windows office teams classroom pronote moodle chrome adobe visual open
    libre libreoffice raspberry one drive big blue button zoom android linux ubuntu internet wifi
    école collège lycée classe espace environnement numérique plan groupe service direction
"""
_NO_NAMES = frozenset(_COMMON.split())


def find(text: str) -> list[Piece]:
    """What is found, in order; nothing overlaps."""
    spaced = text.translate(_SPACED)
    found = sorted(
        (start, end, rank) for rank, kind in enumerate(Kind) for start, end in _SPANS[kind](spaced)
    )
    merged: list[list[int]] = []
    for start, end, rank in found:
        if merged and start < merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
            merged[-1][2] = min(merged[-1][2], rank)
        else:
            merged.append([start, end, rank])
    kinds = tuple(Kind)
    return [Piece(kinds[rank], start, end, text[start:end]) for start, end, rank in merged]


def mask(text: str, pieces: Iterable[Piece] | None = None) -> str:
    """A text in which something stands for each piece, by default for all that is found."""
    chosen = find(text) if pieces is None else list(pieces)
    for piece in reversed(chosen):
        text = f"{text[: piece.start]}{label(piece.kind)}{text[piece.end :]}"
    return text


def left_in(report: Report) -> dict[str, str]:
    """What is found in a report and not masked for its publication, with what would mask it."""
    masked = {words.lower() for words, _ in report.masked or ()}
    pieces = [piece for text in report.texts for piece in find(text)]
    return {one.text: label(one.kind) for one in pieces if one.text.lower() not in masked}


@cache
def label(kind: str) -> str:
    """What stands for something masked. What is published is in one language."""
    return texts_for(SOURCE, ZoneInfo("UTC")).plain(f"masking.{kind}")


def _emails(text: str) -> Spans:
    for found in _DOMAIN.finditer(text):
        start = found.start()
        while start > max(found.start() - LONGEST_LOCAL, 0) and _LOCAL.match(text[start - 1]):
            start -= 1
        if start < found.start():
            yield start, found.end()


def _links(text: str) -> Spans:
    for found in _LINK.finditer(text):
        if _PERSONAL.search(found[0].partition("://")[2]):
            yield found.span()


def _phones(text: str) -> Spans:
    yield from _spans(_PHONE)(text)
    for found in _CALLED.finditer(text):
        yield found.span("piece")


def _names(text: str) -> Spans:
    for titled in (_TITLED, _ABBREVIATED):
        for found in titled.finditer(text):
            yield found.span("piece")
    for pair in (_PAIR, _FAMILY_FIRST):
        for found in pair.finditer(text):
            words = re.split(r"[ -]", found[0].lower())
            if not _NO_NAMES.intersection(words):
                yield found.span()


def _schools(text: str) -> Spans:
    """What a school is called, after what it is: « au collège [nom d'école] »."""
    return (found.span("piece") for found in _SCHOOL.finditer(text))


def _spans(rule: "re.Pattern[str]") -> Callable[[str], Spans]:
    return lambda text: (found.span() for found in rule.finditer(text))


_SPANS: dict[Kind, Callable[[str], Spans]] = {
    Kind.email: _emails,
    Kind.link: _links,
    Kind.handle: _spans(_HANDLE),
    Kind.bank: _spans(_BANK),
    Kind.national: _spans(_NATIONAL),
    Kind.phone: _phones,
    Kind.school_id: _spans(_SCHOOL_ID),
    Kind.school_class: _spans(_SCHOOL_CLASS),
    Kind.school: _schools,
    Kind.name: _names,
}
