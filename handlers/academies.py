"""Académies, by name or by département."""

import csv
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from bot.texts import normalise


@cache
def names() -> dict[str, str]:
    """The name of each académie or vice-rectorat, by code."""
    return {row["code"]: row["name"] for row in _rows("academies")}


@cache
def _index() -> list[tuple[str, str]]:
    """Words that designate an académie: its name, its départements' names and numbers."""
    index = [(normalise(name), code) for code, name in names().items()]
    for row in _rows("departements"):
        index.append((normalise(row["nom"]), row["code_academie"]))
        index.append((normalise(row["code_departement"]), row["code_academie"]))
    return index


def search(typed: str) -> Sequence[tuple[str, str]]:
    """The académies that a text may mean, an exact word before the beginning of one."""
    wanted = normalise(typed).removeprefix("academie ")
    for article in ("de ", "d ", "du ", "des ", "la ", "l "):
        wanted = wanted.removeprefix(article)
    if not wanted:
        return ()
    exact = {code for word, code in _index() if word == wanted}
    found = exact or {
        code
        for word, code in _index()
        if len(wanted) > 2 and any(part.startswith(wanted) for part in (word, *word.split()))
    }
    return sorted((code, names()[code]) for code in found)


def name_of(code: str) -> str | None:
    return names().get(code)


def _rows(table: str) -> list[dict[str, str]]:
    text = (files("handlers") / "data" / f"{table}.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))
