"""Académies, by any name people have for where they are: académie, département, region, town."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from bot.academies import names, table
from bot.messages import Label, Words
from bot.texts import normalise

LONGEST = 100  # characters: what is longer is no place
SHORTEST_BEGINNING = 3  # letters by which a longer name may be meant
ALIKE = 0.85  # how alike a mistyped name must be (difflib's ratio)

# Words that tell no place from another, in names and in what people type around them.
_LITTLE = frozenset(
    normalise(
        "à au aux c d dans de des du en et j l la le les "
        "académie département rectorat région vice service éducation nationale"
    ).split()
)
_WRITTEN = {"st": "saint", "ste": "sainte"}
_POSTCODE = re.compile(r"^\d{5}$")
_DETAIL = re.compile(r"\(.*\)")


@dataclass(frozen=True)
class Place:
    """A name that people use, and the académies it lies in."""

    name: str
    codes: frozenset[str]


def name_of(code: str) -> str | None:
    return names().get(code)


@cache
def zones() -> dict[str, str]:
    """The time zone of each académie or vice-rectorat, by code."""
    return {row["code"]: row["timezone"] for row in table("academies")}


def search(typed: str) -> Sequence[str]:
    """The codes of the académies that a text may mean, by name."""
    codes = {code for place in _places(typed) for code in place.codes}
    return sorted(codes, key=lambda code: normalise(names()[code]))


def explain(typed: str, code: str) -> Label | None:
    """Which académie was understood, and from which place if that has another name."""
    name = _DETAIL.sub("", names()[code]).strip() if code in names() else None
    if name is None:
        return None
    found = [place.name for place in _places(typed) if _key(place.name) != _key(name)]
    if len(found) != 1 or found[0].isdigit():
        return Words("reports.academie_understood", {"name": name})
    return Words("reports.academie_found", {"place": found[0], "name": name})


def _places(typed: str) -> list[Place]:
    """The places that a text names: exactly, else by their beginning, else nearly."""
    words = _words(typed)
    if not words or len(typed) > LONGEST:
        return []
    return _named(words) or _beginning_with(" ".join(words)) or _nearly(words)


def _named(words: list[str]) -> list[Place]:
    """The places whose whole name stands in the text: the longest of them."""
    for size in range(len(words), 0, -1):
        runs = (" ".join(words[at : at + size]) for at in range(len(words) - size + 1))
        found = [_index()[run] for run in runs if run in _index()]
        if found:
            return found
    return []


def _beginning_with(start: str) -> list[Place]:
    if len(start) < SHORTEST_BEGINNING or start.isdigit():
        return []
    return [place for key, place in _index().items() if f" {start}" in f" {key}"]


def _nearly(words: list[str]) -> list[Place]:
    """A place with a slip or two in its name."""
    for tried in (" ".join(words), *sorted(words, key=len, reverse=True)):
        if len(tried) > SHORTEST_BEGINNING and not tried.isdigit():
            near = get_close_matches(tried, _index(), n=1, cutoff=ALIKE)
            if near:
                return [_index()[near[0]]]
    return []


@cache
def _index() -> dict[str, Place]:
    """Every name, as compared, with its place."""
    index: dict[str, Place] = {}

    def add(key: str, name: str, codes: Iterable[str]) -> None:
        """Add a name of a place; one that is known already keeps its meaning."""
        index.setdefault(_key(key), Place(name, frozenset(codes)))

    for code, name in names().items():
        add(name, name, [code])
    departements = {row["code_departement"]: row["code_academie"] for row in table("departements")}
    for row in table("departements"):
        for key in (row["nom"], row["code_departement"]):
            add(key, row["nom"], [row["code_academie"]])
    for region in {row["region"] for row in table("academies")} - {""}:
        inside = [row["code"] for row in table("academies") if row["region"] == region]
        add(region, region, inside)
    for row in table("places"):
        inside = [departements[one] for one in row["departements"].split()]
        add(row["place"], row["place"], inside)
    return index


def _key(name: str) -> str:
    return " ".join(_words(name))


def _words(text: str) -> list[str]:
    """The words of a text that may name a place; a postcode gives its département."""
    words = [word for word in normalise(text).split() if word not in _LITTLE]
    return [_written(word) for word in words]


def _written(word: str) -> str:
    """A word as the names have it; of a postcode, the number of its département."""
    if _POSTCODE.match(word):
        return word[:3] if word.startswith(("97", "98")) else word[:2]
    return _WRITTEN.get(word, word)
